"""What one network looks at: preimages, how contrived they are, and its receptive field."""

from skyneedle.core import runtime
from skyneedle.strain.interpret import contrived

with runtime.rule(snakemake) as job:
    contrived.write(
        snakemake.input.model,
        snakemake.input.testing,
        settings=snakemake.params.cfg,
        simulate=snakemake.params.simulate,
        recipe=snakemake.params.recipe,
        seed=job.seed,
        outputs=snakemake.output,
        device=job.device,
        threads=job.threads,
    )
