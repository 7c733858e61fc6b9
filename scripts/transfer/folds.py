"""Divide the stamps into folds, all stamps of one object in the same."""

from skyneedle.core import runtime
from skyneedle.transfer import split

with runtime.rule(snakemake) as job:
    split.write(
        snakemake.output.folds,
        snakemake.input.shards,
        snakemake.params.n_folds,
        job.seed,
        provenance=job.provenance,
    )
