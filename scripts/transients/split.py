"""Divide a survey into sets, in whole groups of hosts and nights."""

from skyneedle.core import runtime
from skyneedle.transients import split

with runtime.rule(snakemake) as job:
    split.write(
        snakemake.output[0],
        snakemake.input,
        snakemake.params.cfg["shares"],
        snakemake.params.cfg["seed"],
        by=snakemake.params.by,
        provenance=job.provenance,
    )
