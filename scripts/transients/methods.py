"""Put every method into one table."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import methods, scored

with runtime.rule(snakemake) as job:
    asked, made, scores = snakemake.input, snakemake.output, {}
    for name, path in zip(snakemake.params.methods, asked.scores, strict=True):
        scores.setdefault(name, []).append(path)
    methods.write(
        *(scores, snakemake.params.main, asked.split),
        stem=Path(made.csv).with_suffix(""),
        metrics_out=made.metrics,
        labels=asked.labels,
        truth=asked.truth,
        by_id=(asked.by_id, asked.by_id_split) if asked.by_id else None,
        probes=asked.probes,
        judged=dict(zip(snakemake.params.judged, asked.judged, strict=True)),
        notes=scored.shortened(asked.cards, asked.split),
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
