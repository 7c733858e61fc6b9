"""Write one shard of a set of real images."""

from skyneedle.core import runtime, store
from skyneedle.lenses.fetch import challenge2

with runtime.rule(snakemake):
    images = snakemake.params.images
    challenge2.write_shard(
        snakemake.output.h5,
        snakemake.wildcards.set,
        images["folder"],
        images["catalogue"],
        store.shard_ids(
            images["first_row"], images["n_examples"], int(snakemake.wildcards.shard), images["shards"]
        ),
    )
