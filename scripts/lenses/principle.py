"""Trace light paths past a galaxy, and render the ring that an observer sees."""

from skyneedle.core import runtime
from skyneedle.lenses.simulate import principle

with runtime.rule(snakemake) as job:
    principle.write(snakemake.output.rays, snakemake.output.ring, job.seed)
