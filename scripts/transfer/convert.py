"""Fetch real stamps, as far as they are to be had, and write them as a set."""

from skyneedle.core import runtime
from skyneedle.transfer.fetch import real

with runtime.rule(snakemake) as job:
    asked = snakemake.params
    real.write(
        snakemake.output.h5,
        snakemake.output.status,
        asked.folder,
        job.seed,
        mirrors=asked.mirrors,
        network=asked.network,
        manifest=asked.manifest,
        datasets=asked.datasets,
    )
