"""Review the same deck with labels shown and not."""

from skyneedle.core import runtime
from skyneedle.transients.labels import anchoring

with runtime.rule(snakemake) as job:
    anchoring.write(
        snakemake.output[0],
        snakemake.input.deck,
        snakemake.input.given,
        snakemake.input.truth,
        reviewers=snakemake.params.reviewers,
        seed=job.seed,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
