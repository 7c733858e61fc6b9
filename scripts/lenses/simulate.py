"""Simulate one shard of a set of images."""

from skyneedle.core import runtime, store
from skyneedle.lenses.simulate import examples
from skyneedle.lenses.simulate.settings import Settings

with runtime.rule(snakemake) as job:
    params = snakemake.params
    examples.write_shard(
        snakemake.output.h5,
        snakemake.wildcards.set,
        params.set.get("content", "singles"),
        store.shard_ids(
            params.set["first_id"],
            params.set["n_examples"],
            int(snakemake.wildcards.shard),
            params.set["shards"],
        ),
        Settings(**params.cfg),
        seed=job.seed,
        workers=job.threads,
        with_layers=params.set.get("layers", False),
    )
