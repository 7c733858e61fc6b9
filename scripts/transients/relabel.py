"""Change labels as a review says."""

from skyneedle.core import runtime
from skyneedle.transients.labels import relabel

with runtime.rule(snakemake) as job:
    relabel.write(
        snakemake.output.labels,
        snakemake.input.given,
        [snakemake.input.log],
        summary=snakemake.output.summary,
        seed=job.seed,
    )
