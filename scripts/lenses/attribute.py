"""Attribute the answers of one network, and judge each method by the audit set."""

from skyneedle.core import runtime
from skyneedle.lenses.interpret import audit

with runtime.rule(snakemake) as job:
    audit.attribute(
        snakemake.input.weights,
        {name: snakemake.input[name] for name in snakemake.params.sets},
        tiles=snakemake.output.tiles,
        maps=snakemake.output.maps,
        mask_pixels=snakemake.params.mask_pixels,
        n_occlusion=snakemake.params.n_occlusion,
        n_audit=snakemake.params.n_audit,
        recipe=snakemake.params.recipe,
        job=job,
    )
