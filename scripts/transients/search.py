"""Search for an architecture, then train the best one and score candidates with it."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients import search, training

with runtime.rule(snakemake) as job:
    params, made = snakemake.params, snakemake.output
    sets = snakemake.input.shards, snakemake.input.split, snakemake.input.labels
    stem = Path(made.weights).with_suffix("")
    options = {"recipe": params.recipe, "scale": params.scale, "job": job}
    search.run(
        *sets,
        settings=params.search,
        out=made.trials,
        best=made.best,
        state_dir=stem.parent / ".state_search",
        **options,
    )
    best = search.trained_longer(made.best, params.training)
    training.train(best, *sets, out=stem, state_dir=stem.parent / ".state_best", **options)
    training.predict(stem, *sets[:2], ["validation", "testing"], sets[2], made.scores, job=job)
