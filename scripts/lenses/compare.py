"""Hold all methods against each other: ROC curves, completeness, impostors, compound lenses, the abstract."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import curves, matching, printed, selection

with runtime.rule(snakemake) as job:
    given, out, params = snakemake.input, snakemake.output, snakemake.params
    sets, methods = params.sets, params.methods
    shards = {name: given[name] for name in sets}
    scores = {method: {name: given[f"{name}_scores"][i] for name in sets} for i, method in enumerate(methods)}
    complete = {method: scores[method] for method in params.complete}
    points = {
        method: json.loads(Path(path).read_text())["threshold"]
        for method, path in zip(methods, given.points, strict=True)
    }
    judged = {
        method: json.loads(Path(path).read_text())
        for method, path in zip(methods, given.metrics, strict=True)
    }
    curves.write(
        {method: {name: files[name] for name in params.curves} for method, files in complete.items()},
        shards,
        out.curves,
        params.cfg,
    )
    selection.write(
        scores,
        points,
        shards,
        params.cfg,
        {name: out[name] for name in ("completeness", "impostors", "without")},
    )
    matching.write(
        complete,
        points,
        shards,
        judged,
        params.cfg,
        table=out.table,
        out=out.matched,
        provenance=job.provenance,
    )
    printed.write_summary(given.metrics, params.seven, out.summary, job.provenance)
