"""Collect the triplets that figures show."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import gallery

with runtime.rule(snakemake):
    gallery.write(
        snakemake.output[0], snakemake.input.shards, snakemake.input.truth, snakemake.input.relabelled or None
    )
