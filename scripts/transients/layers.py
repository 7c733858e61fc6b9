"""Write a network layer by layer."""

from skyneedle.core import runtime
from skyneedle.transients import architecture

with runtime.rule(snakemake):
    architecture.write(snakemake.params.network, snakemake.output[0])
