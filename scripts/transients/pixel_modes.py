"""Train the main network on 8-bit forms of the same stamps."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import pixel_modes

with runtime.rule(snakemake) as job:
    asked, params = snakemake.input, snakemake.params
    pixel_modes.train(
        params.cfg,
        asked.shards,
        asked.split,
        asked.labels,
        dict(snakemake.output.items()),
        scale=params.scale,
        state_dir=Path(snakemake.output.pixels).parent / ".state",
        job=job,
    )
