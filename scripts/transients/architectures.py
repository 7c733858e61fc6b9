"""Count the parameters of the published networks in the networks themselves."""

from skyneedle.core import runtime
from skyneedle.transients import architecture

with runtime.rule(snakemake) as job:
    architecture.write_metrics(snakemake.output[0], job.provenance)
