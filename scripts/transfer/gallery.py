"""Pick the stamps that figures show."""

from skyneedle.core import runtime
from skyneedle.transfer import gallery
from skyneedle.transfer.preprocess import Augmentation

with runtime.rule(snakemake) as job:
    asked = dict(snakemake.params.augmentation)
    gallery.write(
        dict(snakemake.input.items()),
        snakemake.output.tiles,
        copies=asked.pop("copies"),
        augmentation=Augmentation(**asked),
        seed=job.seed,
    )
