"""Mix suspects with controls."""

from skyneedle.core import runtime
from skyneedle.transients.labels import deck

with runtime.rule(snakemake) as job:
    deck.write(
        snakemake.output[0],
        snakemake.input.suspects,
        snakemake.input.given,
        share=snakemake.params.controls,
        seed=job.seed,
    )
