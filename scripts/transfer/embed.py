"""Embed all sets with one trunk; a killed run goes on with the set in which it stopped."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import embed

with runtime.rule(snakemake) as job:
    outs = dict(snakemake.output.items())
    embed.write(
        snakemake.params.cfg,
        snakemake.input.trunk,
        {name: snakemake.input[name] for name in outs},
        outs,
        augmentation=snakemake.params.augmentation,
        state_dir=Path(outs["hst"]).parent / ".state",
        job=job,
    )
