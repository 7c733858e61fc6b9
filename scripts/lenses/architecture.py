"""Write the tables of the published networks, layer by layer."""

from pathlib import Path

from skyneedle.core import runtime, scoreboard
from skyneedle.lenses import architecture

with runtime.rule(snakemake):
    for network in architecture.PRINTED_IN:
        scoreboard.write(
            architecture.table(network, snakemake.input.printed),
            Path(snakemake.output[network]).with_suffix(""),
            f"{network}: its layers, and what the paper prints where it differs",
            "",
        )
