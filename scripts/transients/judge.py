"""Choose each method's threshold on the validation set and judge it on the testing set."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import rates

with runtime.rule(snakemake) as job:
    asked, cfg = snakemake.input, snakemake.params.cfg
    cards = {Path(path).parent.name: json.loads(Path(path).read_text()) for path in asked.cards}
    for scores, out, point in zip(
        asked.scores, snakemake.output.metrics, snakemake.output.points, strict=True
    ):
        rates.choose_and_judge(
            scores,
            asked.split,
            point=point,
            out=out,
            settings={"mdr": cfg["missed_detection_rate"], "n_bootstrap": cfg["n_bootstrap"]},
            labels={name: asked[name] for name in ("given", "relabelled") if asked.get(name)},
            truth=asked.truth,
            # By the method's name; what is no network has no epochs.
            card={
                key: value
                for key, value in cards.get(Path(scores).parent.name, {}).items()
                if key in ("n_parameters", "best_epoch", "epochs_trained")
            },
            provenance=job.provenance,
        )
