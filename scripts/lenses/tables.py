"""Write the tables of the paper with our numbers beside."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import printed

with runtime.rule(snakemake):
    names = ("table2", "table5", "table6", "table7", "networks")
    printed.write_tables(
        snakemake.input.published,
        snakemake.input.metrics,
        DataSet([snakemake.input.known]).attributes["missing"],
        snakemake.params.sets,
        snakemake.params.scale,
        {name: Path(snakemake.output[name]).with_suffix("") for name in names},
    )
