"""Plant wrong labels, a share at a time, and choose the examples that all methods learn from."""

from skyneedle.core import runtime
from skyneedle.transients import sweep
from skyneedle.transients.labels import noise

with runtime.rule(snakemake) as job:
    asked, made = snakemake.input, snakemake.output
    for (shape, share), out in zip(snakemake.params.cases, made.labels, strict=True):
        noise.write(out, asked.truth, share=share, shape=shape, seed=job.seed)
    sweep.write_split(made.split, asked.split, snakemake.params.max_examples, job.seed)
