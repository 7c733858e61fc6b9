"""Measure the features of all candidates of a survey."""

from skyneedle.core import runtime
from skyneedle.transients.features import table

with runtime.rule(snakemake) as job:
    table.write(
        snakemake.output[0],
        snakemake.input,
        pixels=snakemake.params.pixels,
        workers=snakemake.threads,
        provenance=job.provenance,
    )
