"""Sort candidates into the six categories, for all methods."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import categories, scored

with runtime.rule(snakemake) as job:
    categories.write(
        dict(zip(snakemake.params.methods, snakemake.input.scores, strict=True)),
        snakemake.input.split,
        dict(snakemake.output.items()),
        reference=snakemake.params.main,
        notes=scored.shortened(snakemake.input.cards, snakemake.input.split),
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
