"""Draw one figure from its tables."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer.figures.draw import draw

with runtime.rule(snakemake) as job:
    draw(
        snakemake.params.figure,
        dict(snakemake.input.items()),
        Path(snakemake.output.csv).with_suffix(""),
        job.provenance,
    )
