"""Write a network layer by layer."""

from skyneedle.core import runtime
from skyneedle.transients import architecture

with runtime.rule(snakemake):
    entry = snakemake.params.network
    architecture.write(entry["source"], entry["options"], snakemake.output[0])
