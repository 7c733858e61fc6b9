"""Cross-validate the methods of before deep learning in the folds of the networks."""

from skyneedle.core import runtime
from skyneedle.transfer import baselines

with runtime.rule(snakemake) as job:
    sets, made, params = dict(snakemake.input.items()), snakemake.output, snakemake.params
    folds, files = sets.pop("folds"), zip(params.methods, made.divided, made.others, strict=True)
    baselines.write(
        sets,
        folds,
        {method: {"divided": divided, "others": others} for method, divided, others in files},
        augmentation=params.augmentation,
        copies=params.copies,
        recipe=params.recipe,
        job=job,
    )
