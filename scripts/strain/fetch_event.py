"""Fetch the strain files of one event, or say why they are missing."""

from skyneedle.core import runtime
from skyneedle.strain.fetch import events

with runtime.rule(snakemake) as job:
    events.fetch_event(
        snakemake.wildcards.event,
        snakemake.params.mirrors,
        snakemake.params.network,
        snakemake.params.folder,
        status_path=snakemake.output.status,
        manifest=snakemake.params.manifest,
        datasets=snakemake.params.datasets,
    )
