"""Write the tables of the thesis with our numbers beside, and our own."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer.evaluate import printed

with runtime.rule(snakemake):
    printed.write_tables(
        dict(snakemake.input.items()),
        snakemake.params.scale,
        {name: Path(path).with_suffix("") for name, path in snakemake.output.items()},
    )
