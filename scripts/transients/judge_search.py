"""Judge the network that the search found, once, on the testing set."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import rates, searched

with runtime.rule(snakemake) as job:
    asked, made, cfg = snakemake.input, snakemake.output, snakemake.params.cfg
    rates.choose_and_judge(
        asked.scores,
        asked.split,
        point=made.point,
        out=made.metrics,
        settings={"mdr": cfg["missed_detection_rate"], "n_bootstrap": cfg["n_bootstrap"]},
        labels={name: asked[name] for name in ("given", "relabelled") if asked.get(name)},
        truth=asked.truth,
        card=searched.numbers(asked.trials, asked.best),
        provenance=job.provenance,
    )
