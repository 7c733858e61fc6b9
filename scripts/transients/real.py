"""Ask networks trained on simulated stamps about real ones."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import real

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    stems = [Path(path).with_suffix("") for path in asked.weights]
    real.write(
        dict(zip(snakemake.params.networks, stems, strict=True)),
        asked.status,
        stem=Path(made.csv).with_suffix(""),
        out=made.metrics,
        device=job.device,
        provenance=job.provenance,
    )
