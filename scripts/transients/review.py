"""Review a deck with simulated reviewers."""

from skyneedle.core import runtime
from skyneedle.transients.labels import reviewer

with runtime.rule(snakemake) as job:
    reviewer.write(
        snakemake.output[0],
        snakemake.input.deck,
        snakemake.input.truth,
        reviewers=snakemake.params.reviewers,
        settings=reviewer.Settings(shows=snakemake.params.shows),
        seed=job.seed,
    )
