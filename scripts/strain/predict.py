"""Run one network over the examples of a set."""

from skyneedle.core import runtime
from skyneedle.strain import training

with runtime.rule(snakemake) as job:
    training.predict(snakemake.input.weights, snakemake.input.shards, snakemake.output.logits, job=job)
