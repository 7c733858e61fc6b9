"""Draw one figure from its tables."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses import figures

with runtime.rule(snakemake) as job:
    figures.draw(
        snakemake.params.figure,
        dict(snakemake.input.items()),
        Path(snakemake.output.csv).with_suffix(""),
        job.provenance,
    )
