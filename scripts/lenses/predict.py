"""Run one network over every set that it is judged on."""

from skyneedle.core import runtime
from skyneedle.lenses import training

with runtime.rule(snakemake) as job:
    for name, out in snakemake.output.items():
        training.predict(snakemake.input.weights, snakemake.input[name], out, job=job)
