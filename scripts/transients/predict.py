"""Score candidates with one network."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import training

with runtime.rule(snakemake) as job:
    training.predict(
        Path(snakemake.input.weights).with_suffix(""),
        snakemake.input.shards,
        snakemake.input.split,
        snakemake.params.sets,
        snakemake.input.labels,
        snakemake.output[0],
        job=job,
    )
