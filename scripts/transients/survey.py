"""Judge the network on the ongoing survey, as it is and retrained, against the votes."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import survey

with runtime.rule(snakemake) as job:
    asked = snakemake.input
    survey.write(
        asked.as_is,
        asked.retrained,
        asked.votes,
        asked.split,
        dict(snakemake.output.items()),
        features=asked.features,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
