"""Train forests on labels with more and more errors."""

from skyneedle.core import runtime
from skyneedle.transients import sweep

with runtime.rule(snakemake) as job:
    asked, params = snakemake.input, snakemake.params
    sweep.train_forests(
        asked.features,
        asked.split,
        zip(asked.labels, params.numbers, snakemake.output, strict=True),
        recipe=params.recipe,
        seed=job.seed,
        workers=snakemake.threads,
        provenance=job.provenance,
    )
