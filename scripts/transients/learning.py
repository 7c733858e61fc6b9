"""Collect the histories of all trainings."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import printed

with runtime.rule(snakemake):
    histories = {name: [] for name in snakemake.params.networks}
    for name, path in zip(snakemake.params.networks, snakemake.input, strict=True):
        histories[name].append(path)
    printed.write_learning_curves(histories, snakemake.output[0])
