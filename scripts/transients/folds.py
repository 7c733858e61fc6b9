"""Score every candidate with a network that has not seen its group."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import folds

with runtime.rule(snakemake) as job:
    cfg, out = snakemake.params.cfg, Path(snakemake.output[0])
    folds.train_folds(
        cfg | {"training": cfg["training"] | {"epochs": snakemake.params.epochs}},
        snakemake.input.shards,
        snakemake.input.split,
        snakemake.input.labels,
        n_folds=snakemake.params.n_folds,
        n_passes=snakemake.params.n_passes,
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        out=out,
        state_dir=out.parent / f".state_{out.stem}",
        job=job,
    )
