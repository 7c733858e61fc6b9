"""Score stamps with heads whose lenses and non-lenses came from different sources, and from one."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import provenance

with runtime.rule(snakemake) as job:
    out = Path(snakemake.output[0])
    provenance.measure(
        snakemake.params.cfg,
        dict(snakemake.input.items()),
        snakemake.params.n_folds,
        out,
        state_dir=out.parent / f".state_{out.stem}",
        job=job,
    )
