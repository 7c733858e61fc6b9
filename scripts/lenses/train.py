"""Train one network; a killed training goes on where it stopped."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses import training

with runtime.rule(snakemake) as job:
    stem = Path(snakemake.output.weights).with_suffix("")
    training.train(
        snakemake.params.cfg,
        snakemake.input.training,
        snakemake.input.validation,
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        out=stem,
        state_dir=stem.parent / ".state",
        job=job,
    )
