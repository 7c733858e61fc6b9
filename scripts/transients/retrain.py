"""Train the main network again on the ongoing survey; score that survey with it and with the first one."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import training

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    stem = Path(made.weights).with_suffix("")
    training.train(
        snakemake.params.cfg,
        asked.shards,
        asked.split,
        asked.labels,
        start=Path(asked.weights).with_suffix(""),
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        out=stem,
        state_dir=stem.parent / f".state_{stem.name}",
        job=job,
    )
    for weights, out in ((asked.weights, made.as_is), (made.weights, made.retrained)):
        one = Path(weights).with_suffix("")
        training.predict(one, asked.shards, asked.split, ["testing"], None, out, job=job)
