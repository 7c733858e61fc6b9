"""Write the tables of the paper with our numbers beside."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import printed

with runtime.rule(snakemake):
    printed.write_tables(
        snakemake.input.published,
        snakemake.input.metrics,
        snakemake.params.scale,
        {name: Path(path).with_suffix("") for name, path in snakemake.output.items()},
    )
