"""Write networks layer by layer and as graphs, for the figures that show how they are built."""

from skyneedle.core import runtime
from skyneedle.transfer import architecture

with runtime.rule(snakemake):
    architecture.write(dict(snakemake.output.items()))
