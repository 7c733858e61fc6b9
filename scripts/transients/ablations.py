"""Train forests without the catalogue, and on sets that share hosts and nights."""

from skyneedle.core import runtime
from skyneedle.transients import ablations

with runtime.rule(snakemake) as job:
    ablations.write(
        *snakemake.input,
        **dict(snakemake.output.items()),
        recipe=snakemake.params.recipe,
        seed=job.seed,
        workers=snakemake.threads,
        provenance=job.provenance,
    )
