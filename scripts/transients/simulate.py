"""Simulate one shard of a survey, in the form of the archive."""

from skyneedle.core import runtime
from skyneedle.core.store import shard_ids
from skyneedle.transients.simulate import archive, settings

with runtime.rule(snakemake) as job:
    cfg, shard = snakemake.params.set, int(snakemake.wildcards.shard)
    archive.write_shard(
        snakemake.output.tar,
        snakemake.output.features,
        snakemake.output.hosts,
        snakemake.output.truth,
        settings=settings.profile(snakemake.wildcards.survey, snakemake.params.cfg),
        recipe=snakemake.params.recipe,
        survey=snakemake.wildcards.survey,
        shard=shard,
        ids=shard_ids(cfg["first_id"], cfg["n_examples"], shard, cfg["shards"]),
        seed=job.seed,
        workers=snakemake.threads,
    )
