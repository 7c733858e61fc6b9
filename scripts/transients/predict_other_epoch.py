"""Score the testing set with the weights of the epoch that the recipe does not judge by."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import training

with runtime.rule(snakemake) as job:
    training.predict(
        Path(snakemake.input.weights).with_suffix(""),
        snakemake.input.shards,
        snakemake.input.split,
        ["testing"],
        snakemake.input.labels,
        snakemake.output[0],
        job=job,
        weights=snakemake.params.epoch,
    )
