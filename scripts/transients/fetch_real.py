"""Fetch real stamps and a real alert, as far as they are to be had."""

from skyneedle.core import runtime
from skyneedle.transients.fetch import real

with runtime.rule(snakemake):
    real.fetch(
        snakemake.output.status,
        snakemake.params.folder,
        mirrors=snakemake.params.mirrors,
        network=snakemake.params.network,
        manifest=snakemake.params.manifest,
        datasets=snakemake.params.datasets,
    )
