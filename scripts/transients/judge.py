"""Choose each method's threshold on the validation set and judge it on the testing set."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.evaluate import rates, scored

with runtime.rule(snakemake) as job:
    asked, made, cfg = snakemake.input, snakemake.output, snakemake.params.cfg
    cards = {Path(path).parent.name: json.loads(Path(path).read_text()) for path in asked.cards}
    notes = scored.shortened(asked.cards, asked.split)
    for scores, out, point in zip(asked.scores, made.metrics, made.points, strict=True):
        name = Path(scores).parent.name  # what is no network has no epochs
        of_training = {key: cards[name][key] for key in rates.OF_TRAINING} if name in cards else None
        rates.choose_and_judge(
            *(scores, asked.split),
            **{"point": point, "out": out, "card": of_training, "note": notes.get(name, "")},
            settings={"mdr": cfg["missed_detection_rate"], "n_bootstrap": cfg["n_bootstrap"]},
            labels={name: asked[name] for name in ("given", "relabelled") if asked.get(name)},
            truth=asked.truth,
            provenance=job.provenance,
        )
