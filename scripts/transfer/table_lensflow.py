"""Write LensFlow layer by layer, as printed and as it is."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import architecture

with runtime.rule(snakemake):
    architecture.write_table(snakemake.input.printed, Path(snakemake.output.csv).with_suffix(""))
