"""Simulate one shard of a set of examples."""

from skyneedle.core import runtime, store
from skyneedle.strain.simulate import examples
from skyneedle.strain.simulate.settings import Settings

with runtime.rule(snakemake) as job:
    params = snakemake.params
    examples.write_shard(
        snakemake.output.h5,
        snakemake.wildcards.set,
        store.shard_ids(
            params.set["first_id"],
            params.set["n_examples"],
            int(snakemake.wildcards.shard),
            params.set["shards"],
        ),
        Settings(**params.cfg, plan=snakemake.input.get("plan") or None, sets=params.sets),
        seed=job.seed,
        workers=job.threads,
    )
