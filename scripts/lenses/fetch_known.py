"""Fetch the known compound lenses, as far as they are to be had, and write them as a data set."""

from skyneedle.core import runtime
from skyneedle.lenses.fetch import known

with runtime.rule(snakemake):
    known.write(
        snakemake.output.h5,
        snakemake.params.folder,
        snakemake.params.recipe,
        status=snakemake.output.status,
        mirrors=snakemake.params.mirrors,
        network=snakemake.params.network,
        manifest=snakemake.params.manifest,
        datasets=snakemake.params.datasets,
    )
