"""Choose quiet background of the archive, fetch its files, list the good seconds of each set."""

from skyneedle.core import runtime
from skyneedle.strain.fetch import background
from skyneedle.strain.fetch.select import Settings

with runtime.rule(snakemake) as job:
    background.to_file(
        snakemake.output.index,
        Settings(**snakemake.params.cfg),
        snakemake.params.mirrors,
        snakemake.params.folder,
        network=snakemake.params.network,
        manifest=snakemake.params.manifest,
        datasets=snakemake.params.datasets,
    )
