"""Hold all methods against each other: ROC curves, completeness, impostors, compound lenses, the abstract."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import compare

with runtime.rule(snakemake) as job:
    given, params = snakemake.input, snakemake.params
    scores = {
        method: {name: given[f"{name}_scores"][i] for name in params.sets}
        for i, method in enumerate(params.methods)
    }
    points, metrics = (
        dict(zip(params.methods, files, strict=True)) for files in (given.points, given.metrics)
    )
    compare.write(
        compare.Methods(scores, points, metrics),
        {name: given[name] for name in params.sets},
        dict(snakemake.output.items()),
        complete=params.complete,
        drawn=params.curves,
        seven=params.seven,
        settings=params.cfg,
        provenance=job.provenance,
    )
