"""Judge methods by signal-to-noise ratio, host and kind of artifact."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import strata

with runtime.rule(snakemake):
    asked, methods = snakemake.input, snakemake.params.methods
    points = [json.loads(Path(path).read_text())["threshold"] for path in asked.points]
    strata.write(
        dict(zip(methods, asked.scores, strict=True)),
        dict(zip(methods, points, strict=True)),
        asked.split,
        snakemake.output[0],
        features=asked.features,
        truth=asked.truth,
    )
