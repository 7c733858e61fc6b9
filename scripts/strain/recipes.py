"""Compare the true SNR of injections under both recipes."""

from skyneedle.core import runtime
from skyneedle.strain.simulate import recipes

with runtime.rule(snakemake) as job:
    recipes.write(snakemake.params.cfg, snakemake.params.n_examples, job.seed, snakemake.output.table)
