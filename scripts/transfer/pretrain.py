"""Make the weights of one trunk; a killed training goes on where it stopped."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import pretrain

with runtime.rule(snakemake) as job:
    out = Path(snakemake.output.weights)
    pretrain.make(
        snakemake.wildcards.source,
        snakemake.wildcards.weights,
        snakemake.input.shards,
        out,
        size=snakemake.params.size,
        training=snakemake.params.training,
        augmentation=snakemake.params.augmentation,
        scale=snakemake.params.scale,
        state_dir=out.parent / f".state_{out.stem}",
        job=job,
    )
