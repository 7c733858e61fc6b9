"""Networks held against each other, for the scoreboard."""

from pathlib import Path

from skyneedle.core import runtime
from skyneedle.strain.evaluate import compare

with runtime.rule(snakemake) as job:
    compare.write_comparisons(
        {Path(path).parent.name: path for path in snakemake.input.triggers},
        snakemake.input.testing,
        {name: snakemake.input[name] for name in ("share", "counting", "position")},
        snakemake.params.compare,
        snakemake.params.networks,
        snakemake.params.main,
        snakemake.params.position_s,
        snakemake.output.differences,
        snakemake.output.speed,
        job.seed,
    )
