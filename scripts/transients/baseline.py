"""Score candidates by the peak of the difference, and by what should tell nothing."""

from skyneedle.core import runtime
from skyneedle.transients import baseline

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, dict(snakemake.output.items())
    metrics = made.pop("metrics")
    baseline.write(
        asked.shards,
        asked.split,
        asked.labels,
        made,
        metrics,
        truth=asked.truth,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
