"""Hold the rules for suspects against the errors that the simulator planted."""

from skyneedle.core import runtime
from skyneedle.transients.labels import score

with runtime.rule(snakemake) as job:
    given = snakemake.params.rules, snakemake.params.samples, snakemake.input.suspects, snakemake.input.scores
    score.write(
        snakemake.output.table,
        list(zip(*given, strict=True)),
        snakemake.input.truth,
        snakemake.input.split,
        metrics_out=snakemake.output.metrics,
        seed=job.seed,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
