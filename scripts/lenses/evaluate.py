"""Choose a network's operating point on the validation set and judge it on the others."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import score

with runtime.rule(snakemake) as job:
    sets = snakemake.params.sets
    score.choose_and_score(
        {name: snakemake.input[f"{name}_scores"] for name in sets},
        {name: snakemake.input[name] for name in sets},
        point=snakemake.output.point,
        out=snakemake.output.metrics,
        recipe=snakemake.params.recipe,
        settings=snakemake.params.cfg,
        card=snakemake.input.get("card"),
        provenance=job.provenance,
    )
