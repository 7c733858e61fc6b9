"""Fetch and unpack the images of one lens-finding challenge."""

from skyneedle.core import runtime
from skyneedle.lenses.fetch import archives

with runtime.rule(snakemake):
    params = snakemake.params
    archives.fetch(
        snakemake.output.status,
        snakemake.wildcards.archive,
        params.folder,
        mirrors=params.mirrors,
        network=params.network,
        max_gb=params.max_gb,
        manifest=params.manifest,
        datasets=params.datasets,
    )
