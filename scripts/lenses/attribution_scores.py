"""Say which attribution can be believed."""

from skyneedle.core import runtime
from skyneedle.lenses.interpret import scores

with runtime.rule(snakemake):
    scores.write(
        snakemake.input.maps,
        snakemake.output.csv,
        snakemake.output.md,
        snakemake.params.n_bootstrap,
    )
