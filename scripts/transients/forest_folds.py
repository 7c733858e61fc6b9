"""Join what a forest suspects to what the network does."""

from skyneedle.core import runtime
from skyneedle.transients import forest_folds

with runtime.rule(snakemake) as job:
    forest_folds.write(
        *snakemake.input,
        **dict(snakemake.output.items()),
        recipe=snakemake.params.recipe,
        seed=job.seed,
        workers=snakemake.threads,
        provenance=job.provenance,
    )
