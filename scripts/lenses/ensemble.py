"""Lay out the answers of the seven networks in a plane and read every set off it."""

import pandas as pd

from skyneedle.core import runtime
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import answers, ensemble

with runtime.rule(snakemake) as job:
    sets = snakemake.params.sets
    ensemble.write_scores(
        {name: snakemake.input[f"{name}_scores"] for name in sets},
        {name: snakemake.input[name] for name in sets},
        out={name: snakemake.output[name] for name in sets},
        embedding=snakemake.output.embedding,
        pictures=snakemake.output.pictures,
        cells=snakemake.output.cells,
        known=answers.Known(
            pd.read_csv(snakemake.input.asked),
            snakemake.params.seven,
            DataSet([snakemake.input.real]).attributes["missing"],
            snakemake.output.known,
        ),
        recipe=snakemake.params.recipe,
        seed=job.seed,
        provenance=job.provenance,
    )
