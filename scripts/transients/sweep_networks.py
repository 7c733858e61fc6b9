"""Train the main network on labels with more and more errors."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import sweep

with runtime.rule(snakemake) as job:
    asked, params = snakemake.input, snakemake.params
    sweep.train_networks(
        params.cfg,
        asked.shards,
        asked.split,
        zip(asked.labels, params.numbers, snakemake.output, strict=True),
        recipe=params.recipe,
        scale=params.scale,
        state_dir=Path(snakemake.output[0]).parent / ".state",
        job=job,
    )
