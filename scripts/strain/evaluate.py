"""Choose a network's operating point on the validation set and score it on the testing set."""

from skyneedle.core import runtime
from skyneedle.strain.evaluate import score

with runtime.rule(snakemake) as job:
    score.choose_and_score(
        snakemake.wildcards.network,
        snakemake.input,
        snakemake.output,
        recipe=snakemake.params.recipe,
        settings=snakemake.params.cfg,
        provenance=job.provenance,
    )
