"""Simulate a continuous stretch of strain with injections."""

from skyneedle.core import runtime
from skyneedle.strain.simulate import streams
from skyneedle.strain.simulate.settings import Settings

with runtime.rule(snakemake) as job:
    streams.write_stream(
        snakemake.output.stretch,
        Settings(**snakemake.params.cfg),
        seed=job.seed,
        **snakemake.params.stream,
    )
