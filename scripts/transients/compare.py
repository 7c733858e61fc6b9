"""Hold the main network against the forest on the same examples."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import comparison

with runtime.rule(snakemake) as job:
    asked, (first, second) = snakemake.input, snakemake.params.names
    comparison.write_paired(
        (first, list(asked.first)),
        (second, list(asked.second)),
        asked.split,
        snakemake.output[0],
        cards=asked.cards,
        labels={name: asked[name] for name in ("given", "relabelled") if asked.get(name)},
        truth=asked.truth,
        n_bootstrap=snakemake.params.n_bootstrap,
        provenance=job.provenance,
    )
