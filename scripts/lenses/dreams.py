"""Look at one network: images grown for its classes and kernels, and what activates its kernels."""

from skyneedle.core import runtime
from skyneedle.lenses.interpret import pictures

with runtime.rule(snakemake) as job:
    pictures.write(
        snakemake.input.weights,
        snakemake.input.testing,
        snakemake.input.training,
        dict(snakemake.output.items()),
        recipe=snakemake.params.recipe,
        settings=snakemake.params.cfg,
        job=job,
    )
