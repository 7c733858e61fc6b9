"""Lay out the answers of the seven networks in a plane and read every set off it."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import ensemble

with runtime.rule(snakemake) as job:
    sets = snakemake.params.sets
    ensemble.write_scores(
        {name: snakemake.input[f"{name}_scores"] for name in sets},
        {name: snakemake.input[name] for name in sets},
        out={name: snakemake.output[name] for name in sets},
        embedding=snakemake.output.embedding,
        pictures=snakemake.output.pictures,
        cells=snakemake.output.cells,
        recipe=snakemake.params.recipe,
        seed=job.seed,
        provenance=job.provenance,
    )
