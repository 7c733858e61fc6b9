"""Judge by the truth what 8-bit stamps cost."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import pixels

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    pixels.write(
        dict(zip(snakemake.params.forms, asked.scores, strict=True)),
        asked.counted,
        asked.split,
        asked.truth,
        made.table,
        made.metrics,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
