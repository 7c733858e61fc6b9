"""Train a random forest and score candidates with it."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import forest

with runtime.rule(snakemake) as job:
    asked, stem = snakemake.input, Path(snakemake.output.weights).with_suffix("")
    forest.train(
        asked.features,
        asked.split,
        asked.labels,
        stem,
        snakemake.output.importances,
        recipe=snakemake.params.recipe,
        seed=job.seed + int(snakemake.wildcards.seed),
        workers=snakemake.threads,
        provenance=job.provenance,
    )
    forest.predict(
        stem, asked.features, asked.split, None, asked.labels, snakemake.output.scores, job.provenance
    )
