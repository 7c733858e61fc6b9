"""Fetch the real archive of stamps and its catalogue."""

from skyneedle.core import runtime
from skyneedle.transients.fetch import download

with runtime.rule(snakemake):
    params = snakemake.params
    download.fetch_all(
        snakemake.output.status,
        params.folder,
        params.tars,
        mirrors=params.mirrors,
        network=params.network,
        max_gb=params.max_gb,
        manifest=params.manifest,
        datasets=params.datasets,
    )
