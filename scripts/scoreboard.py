"""Put the published numbers and ours side by side."""

from pathlib import Path

from skyneedle.core import runtime, scoreboard

with runtime.rule(snakemake):
    asked, params = snakemake.input, snakemake.params
    table = scoreboard.build(asked.published, asked.metrics, params.scale, absent=params.absent)
    scoreboard.write(table, Path(snakemake.output.csv).with_suffix(""))
