"""Search a continuous stretch with one method and count what it finds."""

from skyneedle.core import runtime
from skyneedle.strain.evaluate import streams
from skyneedle.strain.fetch import gwosc_files

with runtime.rule(snakemake) as job:
    scorer, detectors, _ = streams.scorer_of(snakemake.input.model, job.device)
    stretch = streams.read_stretch(snakemake.input.stretch, detectors, gwosc_files.read, gwosc_files.join)
    streams.score_stretch(
        snakemake.wildcards.network,
        stretch,
        scorer,
        snakemake.input.point,
        snakemake.params.recipe,
        snakemake.output.table,
        snakemake.output.triggers,
    )
