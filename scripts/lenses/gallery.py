"""Pick the images that figures show."""

from skyneedle.core import runtime
from skyneedle.lenses.simulate import gallery

with runtime.rule(snakemake):
    gallery.write(dict(snakemake.input.items()), snakemake.output.tiles)
