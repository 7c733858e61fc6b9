"""Write the tables of events and of contrived inputs."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.strain.figures import draw

with runtime.rule(snakemake):
    draw.write_tables(
        snakemake.input.events,
        snakemake.input.contrived,
        Path(snakemake.output.events).with_suffix(""),
        Path(snakemake.output.contrived).with_suffix(""),
    )
