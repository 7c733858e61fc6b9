"""Score every candidate with a network that has not seen its group."""

from skyneedle.core import runtime
from skyneedle.transients import training

with runtime.rule(snakemake) as job:
    cfg = snakemake.params.cfg
    training.train_folds(
        cfg | {"training": cfg["training"] | {"epochs": snakemake.params.epochs}},
        snakemake.input.shards,
        snakemake.input.split,
        snakemake.input.labels,
        n_folds=snakemake.params.n_folds,
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        out=snakemake.output[0],
        state_dir=snakemake.params.state,
        job=job,
    )
