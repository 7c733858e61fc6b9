"""Run one network over the examples of the validation and testing sets."""

from skyneedle.core import runtime
from skyneedle.strain import training

with runtime.rule(snakemake) as job:
    for name in ("validation", "testing"):
        training.predict(snakemake.input.weights, snakemake.input[name], snakemake.output[name], job=job)
