"""Score the same copies with heads that were trained with and without copies of the same object."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transfer import leak

with runtime.rule(snakemake) as job:
    out, params = Path(snakemake.output[0]), snakemake.params
    leak.measure(
        params.cfg,
        snakemake.input[0],
        params.n_parents,
        params.n_folds,
        out,
        state_dir=out.parent / f".state_{out.stem}",
        job=job,
    )
