"""Look for real events with one network."""

from skyneedle.core import runtime
from skyneedle.strain.evaluate import events
from skyneedle.strain.fetch import gwosc_files

with runtime.rule(snakemake) as job:
    events.find_events(
        snakemake.input.status,
        snakemake.input.model,
        snakemake.input.point,
        snakemake.input.metrics,
        snakemake.params.recipe,
        gwosc_files.read,
        snakemake.output,
        device=job.device,
    )
