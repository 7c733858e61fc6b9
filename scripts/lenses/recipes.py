"""Make the same compound lenses with both recipes."""

from skyneedle.core import runtime
from skyneedle.lenses.simulate import recipes

with runtime.rule(snakemake) as job:
    recipes.write(
        snakemake.params.cfg,
        snakemake.params.n_examples,
        job.seed,
        snakemake.output.table,
        snakemake.output.tiles,
        workers=job.threads,
    )
