"""Count what this run really did, and how large its networks are, for the scoreboard."""

from skyneedle.core import runtime
from skyneedle.transfer.evaluate import design

with runtime.rule(snakemake) as job:
    asked = snakemake.params
    design.write(
        snakemake.output.design,
        snakemake.input.shards,
        snakemake.input.folds,
        augmentation=asked.augmentation,
        provenance=job.provenance,
    )
    design.write_architectures(asked.methods, snakemake.output.architectures, job.provenance)
