"""Train small networks on images in which nothing but the orientation of the PSF can differ."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import orientation

with runtime.rule(snakemake) as job:
    orientation.write(
        snakemake.params.cfg,
        job.seed,
        table=snakemake.output.table,
        pictures=snakemake.output.pictures,
        out=snakemake.output.metrics,
        provenance=job.provenance,
    )
