"""What it costs to show labels in a review: the same simulated reviewers, blinded and not, by the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, seeds, tables
from skyneedle.transients.labels import relabel, reviewer
from skyneedle.transients.labels.deck import SUSPECT
from skyneedle.transients.truth import read_truth

SHOWN = {"nothing": "no label shown", "given": "given labels shown", "flipped": "labels shown turned round"}


def write(
    out: str | Path,
    deck: str | Path,
    given: str | Path,
    truth: Sequence[str | Path],
    *,
    reviewers: Sequence[str],
    seed: int,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write what becomes of the suspects where the page shows no label, the given one, or its opposite.

    Args:
        out: JSON to write, for each of ``SHOWN`` ``flipped_<shown>`` and ``wrong_<shown>``: of the suspects,
            the share whose label the review changed, and the share with a wrong label after it; and
            ``cost_given`` and ``cost_flipped``: wrong ones more than where no label is shown.
        deck: parquet of ``deck.write``.
        given: parquet with id and label, of all examples.
        truth: of the simulator.
        reviewers: names; reviewers of one name make the same slips whatever they are shown.
        seed: of their draws and of the bootstrap over suspects.
        n_bootstrap: redraws.
        provenance: stored in the file.
    """
    shown, before, known = pd.read_parquet(deck), pd.read_parquet(given), read_truth(truth)
    suspects = shown.loc[shown["role"] == SUSPECT, "id"]
    true = known.set_index("id")["label"].loc[suspects].to_numpy()
    wrong, found = {}, {}
    for what, words in SHOWN.items():
        settings = replace(reviewer.Settings(), shows=what)
        logs = [
            reviewer.review(shown, known, reviewer=name, settings=settings, seed=seed) for name in reviewers
        ]
        log = pd.concat(logs, ignore_index=True)
        after = relabel.relabel(before, log).set_index("id").loc[suspects]
        wrong[what] = after["label"].to_numpy() != true
        flipped = (after["label"] != after["label_given"]).to_numpy()
        for key, share, quantity in (
            ("flipped", flipped, "share of suspects whose label is changed"),
            ("wrong", wrong[what], "share of suspects with a wrong label after it"),
        ):
            entry = metrics.binomial(int(share.sum()), len(share))
            found[f"{key}_{what}"] = _told(entry, f"{quantity}, {words}")
    for what in ("given", "flipped"):
        entry = metrics.interval(np.nan, np.nan, np.nan, 0)
        if len(suspects):
            entry = metrics.paired_difference(
                metrics.weighted_share(wrong[what]),
                metrics.weighted_share(wrong["nothing"]),
                np.arange(len(suspects)),
                n_bootstrap,
                seeds.generator(seed, "anchoring", what),
            )
        quantity = f"share of suspects with a wrong label after it, {SHOWN[what]} minus {SHOWN['nothing']}"
        found[f"cost_{what}"] = _told(entry, quantity)
    tables.write_json(found | {"provenance": dict(provenance or {})}, out)


def _told(entry: Mapping[str, Any], quantity: str) -> dict[str, Any]:
    """A row of the scoreboard; without suspects it has the reason instead of a value."""
    row = dict(entry) | {"item": "Review by simulated people", "quantity": quantity}
    return row if entry["n"] else row | {"value": None, "reason": "nothing was suspected"}
