"""Draw up the curves of all methods, and the confusion matrix of the main network."""

from skyneedle.core import runtime, tables
from skyneedle.transients.evaluate import rates, scored

with runtime.rule(snakemake):
    asked, methods = snakemake.input, snakemake.params.methods
    scores = dict(zip(methods, asked.scores, strict=True))
    labels = {name: asked[name] for name in ("given", "relabelled") if asked.get(name)}
    rates.write_curves(scores, asked.split, snakemake.output.curves, labels=labels, truth=asked.truth)
    part = scored.read(scores[snakemake.params.main], asked.split, ("testing",))
    tables.write_csv(rates.confusion_table(part), snakemake.output.confusion)
