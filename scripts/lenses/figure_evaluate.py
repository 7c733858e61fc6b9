"""Draw one figure of how networks are judged from its tables."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses import figures_evaluate

with runtime.rule(snakemake) as job:
    figures_evaluate.draw(
        snakemake.params.figure,
        dict(snakemake.input.items()) | snakemake.params.options,
        Path(snakemake.output.csv).with_suffix(""),
        job.provenance,
    )
