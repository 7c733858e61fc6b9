"""Excess power in a band, in the form of a network's outputs."""

from skyneedle.core import runtime, store
from skyneedle.strain.evaluate import baseline

with runtime.rule(snakemake) as job:
    card = baseline.fit(store.DataSet(snakemake.input.training))
    baseline.save(card, snakemake.output.card)
    baseline.predict(store.DataSet(snakemake.input.validation), card, snakemake.output.validation)
    baseline.predict(store.DataSet(snakemake.input.testing), card, snakemake.output.testing)
