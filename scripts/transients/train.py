"""Train one network; a killed training goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import training

with runtime.rule(snakemake) as job:
    stem = Path(snakemake.output.weights).with_suffix("")
    training.train(
        snakemake.params.cfg,
        snakemake.input.shards,
        snakemake.input.split,
        snakemake.input.labels,
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        out=stem,
        state_dir=stem.parent / f".state_{stem.name}",
        # Trainings of one network differ in their start and in the order of their examples.
        job=replace(job, seed=job.seed + int(snakemake.wildcards.seed)),
    )
