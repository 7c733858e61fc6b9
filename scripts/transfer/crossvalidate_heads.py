"""Train the head of a frozen trunk on cached embeddings in each fold, and let it judge."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import training
from skyneedle.transfer.crossvalidation import Outputs

with runtime.rule(snakemake) as job:
    embeddings, made = dict(snakemake.input.items()), snakemake.output
    folds, models = embeddings.pop("folds"), Path(made.history).parent
    training.crossvalidate_head(
        snakemake.params.cfg,
        embeddings,
        folds,
        Outputs(models, made.divided, made.others, made.metrics),
        recipe=snakemake.params.recipe,
        scale=snakemake.params.scale,
        state_dir=models.parent / f".state_{models.name}",
        job=job,
    )
