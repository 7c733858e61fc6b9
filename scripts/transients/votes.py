"""Write the votes of simulated observers, and the labels on which enough of them agree."""

import pandas as pd

from skyneedle.core import runtime, tables
from skyneedle.transients.evaluate import survey
from skyneedle.transients.simulate import labels, settings

with runtime.rule(snakemake) as job:
    made = snakemake.output
    labels.write_votes(
        made.votes, snakemake.input, settings.profile("ongoing", snakemake.params.cfg), job.seed
    )
    agreed = survey.majority(pd.read_parquet(made.votes))
    tables.write_parquet(agreed[["id", "label"]], made.labels)
