"""Pack one archive of stamps into a shard of a data set."""

from skyneedle.core import runtime
from skyneedle.transients.fetch import pack

with runtime.rule(snakemake) as job:
    pack.write_shard(
        snakemake.output.h5,
        snakemake.input.tar,
        snakemake.input.features,
        snakemake.input.hosts,
        pixel_mode="gif" if snakemake.params.recipe == "faithful" else "fits",
        provenance=job.provenance,
    )
