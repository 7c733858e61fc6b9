"""Draw one figure of the networks from its tables."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses.figures_networks.draw import draw

with runtime.rule(snakemake) as job:
    draw(
        snakemake.params.figure,
        dict(snakemake.input.items()),
        Path(snakemake.output.csv).with_suffix(""),
        job.provenance,
    )
