"""Score every set with a logistic regression on flux, size and colour."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import baseline

with runtime.rule(snakemake) as job:
    baseline.write_scores(dict(snakemake.input.items()), dict(snakemake.output.items()), job.provenance)
