"""Write the labels that a survey came with."""

from skyneedle.core import runtime
from skyneedle.transients.labels import given

with runtime.rule(snakemake):
    given.write(snakemake.output[0], snakemake.input)
