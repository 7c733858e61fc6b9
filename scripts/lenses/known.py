"""Ask every network about the known compound lenses."""

from skyneedle.core import runtime
from skyneedle.lenses.evaluate import known

with runtime.rule(snakemake) as job:
    known.write(
        dict(zip(snakemake.params.networks, snakemake.input.weights, strict=True)),
        [snakemake.input.known],
        table=snakemake.output.table,
        pictures=snakemake.output.pictures,
        out=snakemake.output.metrics,
        device=job.device,
        provenance=job.provenance,
    )
