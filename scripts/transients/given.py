"""Write the labels that a survey came with."""

from skyneedle.core import runtime
from skyneedle.transients.labels import relabel

with runtime.rule(snakemake):
    relabel.write_given(snakemake.output[0], snakemake.input)
