"""Judge by the truth what wrong labels cost networks and forests."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import noise

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    noise.write(
        [(*case, path) for case, path in zip(snakemake.params.cases, asked.scores, strict=True)],
        asked.split,
        asked.truth,
        made.table,
        made.metrics,
        compared=tuple(snakemake.params.compared),
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
