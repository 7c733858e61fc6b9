"""Three arguments against a classifier, measured (Gebhard et al. 2019, Sec. III)."""

from skyneedle.core import runtime
from skyneedle.strain.evaluate import compare, streams
from skyneedle.strain.fetch import gwosc_files

with runtime.rule(snakemake) as job:
    tables = compare.classifier_tables(
        snakemake.input.models,
        snakemake.params.shares,
        snakemake.input.main,
        snakemake.input.testing,
        streams.read_stretch(snakemake.input.stretch, ("H1", "L1"), gwosc_files.read, gwosc_files.join),
        snakemake.params.position_s,
        snakemake.params.recipe,
        job.device,
    )
    compare.write_tables(tables, dict(snakemake.output.items()))
