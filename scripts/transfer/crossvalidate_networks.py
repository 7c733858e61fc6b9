"""Train a whole network on stamps in each fold that is judged, and let it judge."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import training
from skyneedle.transfer.crossvalidation import Outputs

with runtime.rule(snakemake) as job:
    sets, made, params = dict(snakemake.input.items()), snakemake.output, snakemake.params
    folds, trunk, models = sets.pop("folds"), sets.pop("trunk"), Path(made.history).parent
    training.crossvalidate_network(
        params.cfg,
        sets,
        folds,
        Outputs(models, made.divided, made.others, made.metrics),
        trunk=trunk or None,
        augmentation=params.augmentation,
        copies=params.copies,
        recipe=params.recipe,
        scale=params.scale,
        state_dir=models.parent / f".state_{models.name}",
        job=job,
    )
