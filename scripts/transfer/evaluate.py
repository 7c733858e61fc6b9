"""Judge all methods: cross-validation, grades, leaks, and stamps that no fold has."""

from skyneedle.core import runtime
from skyneedle.transfer.evaluate import judge

with runtime.rule(snakemake) as job:
    asked = snakemake.params
    judge.write(
        asked.methods,
        snakemake.input,
        snakemake.output,
        leaked=asked.leaked,
        n_folds=asked.n_folds,
        n_bootstrap=asked.n_bootstrap,
        origin=job.provenance,
    )
