"""Draw one figure of what networks look at."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses import figures_attribution

with runtime.rule(snakemake) as job:
    figures_attribution.draw(
        snakemake.params.figure,
        dict(snakemake.input.items()),
        Path(snakemake.output.csv).with_suffix(""),
        job.provenance,
    )
