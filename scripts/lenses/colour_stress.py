"""Ask every network about the same lenses with redder and redder sources."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import colour_stress

with runtime.rule(snakemake) as job:
    names, given = snakemake.params.networks, snakemake.input
    colour_stress.write(
        dict(zip(names, given.weights, strict=True)),
        {
            name: json.loads(Path(path).read_text())["threshold"]
            for name, path in zip(names, given.points, strict=True)
        },
        given.testing,
        snakemake.params.cfg,
        table=snakemake.output.table,
        out=snakemake.output.metrics,
        n_bootstrap=snakemake.params.n_bootstrap,
        device=job.device,
        provenance=job.provenance,
    )
