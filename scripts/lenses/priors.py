"""Write the table of what compound lenses are drawn from."""

from pathlib import Path

from skyneedle.core import runtime, scoreboard
from skyneedle.lenses.simulate import recipes

with runtime.rule(snakemake):
    scoreboard.write(
        recipes.priors(), Path(snakemake.output.csv).with_suffix(""), "Compound lenses: what is drawn", ""
    )
