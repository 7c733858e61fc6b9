"""List the examples whose label a rule suspects."""

from skyneedle.core import runtime
from skyneedle.transients.labels import suspects

with runtime.rule(snakemake) as job:
    suspects.write(
        snakemake.output[0],
        snakemake.input.scores,
        rule=snakemake.params.rule,
        folds=snakemake.input.get("folds"),
        provenance=job.provenance,
    )
