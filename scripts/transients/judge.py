"""Choose each method's threshold on the validation set and judge it on the testing set."""

from skyneedle.core import runtime
from skyneedle.transients.evaluate import rates

with runtime.rule(snakemake) as job:
    asked, cfg = snakemake.input, snakemake.params.cfg
    for scores, out, point in zip(
        asked.scores, snakemake.output.metrics, snakemake.output.points, strict=True
    ):
        rates.choose_and_judge(
            scores,
            asked.split,
            point=point,
            out=out,
            settings={"mdr": cfg["missed_detection_rate"], "n_bootstrap": cfg["n_bootstrap"]},
            labels={"given": asked.given, "relabelled": asked.relabelled},
            truth=asked.truth,
            provenance=job.provenance,
        )
