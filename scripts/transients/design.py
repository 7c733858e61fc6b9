"""Count what this run really did, for the scoreboard."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import design

with runtime.rule(snakemake) as job:
    asked = snakemake.input
    design.write(
        snakemake.output[0],
        asked.shards,
        asked.truth,
        {name: asked[name] for name in snakemake.params.splits},
        sources=snakemake.params.sources,
        ongoing=snakemake.params.ongoing,
        provenance=job.provenance,
    )
