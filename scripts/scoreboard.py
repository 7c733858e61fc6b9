"""Put the published numbers and ours side by side."""

from pathlib import Path

from skyneedle.core import runtime, scoreboard

with runtime.rule(snakemake):
    table = scoreboard.build(snakemake.input.published, snakemake.input.metrics, snakemake.params.scale)
    scoreboard.write(table, Path(snakemake.output.csv).with_suffix(""))
