"""Draw one figure from its tables."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.figures.draw import FIGURES

with runtime.rule(snakemake) as job:
    FIGURES[snakemake.params.figure](
        **dict(snakemake.input.items()),
        stem=Path(snakemake.output.csv).with_suffix(""),
        provenance=job.provenance,
    )
