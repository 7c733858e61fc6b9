"""Count what this run really did, for the scoreboard."""

from skyneedle.core import runtime
from skyneedle.strain.evaluate import design

with runtime.rule(snakemake):
    design.write_design(
        {name: snakemake.input[name] for name in ("training", "validation", "testing")},
        snakemake.input.receptive_field,
        snakemake.params.network,
        snakemake.params.simulate,
        snakemake.params.interpret,
        snakemake.output.metrics,
    )
