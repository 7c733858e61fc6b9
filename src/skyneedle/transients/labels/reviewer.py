"""A simulated reviewer: the loop of finding, reviewing and relabelling can be measured without people.

It stands for the eye: it is shown the truth and errs as people do. Its log has the form of the page's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import seeds, tables
from skyneedle.core.errors import BadLabels, BadSetting
from skyneedle.transients.labels import deck as decks
from skyneedle.transients.labels.votes import LABEL_OF, LOG_COLUMNS
from skyneedle.transients.truth import read_truth

ANSWER_OF = {label: answer for answer, label in LABEL_OF.items()}
FAINT_SNR = 5.0


@dataclass(frozen=True)
class Settings:
    """How a reviewer errs.

    Attributes:
        slip_faint: chance of the wrong answer at a signal-to-noise ratio of 5, or below.
        slip_bright: the same where it is large.
        unsure_faint: chance of "unsure" at a ratio of 5, or below.
        unsure_bright: the same where it is large.
        snr_scale: how much further the ratio must rise for the chances to fall by a factor e.
        anchoring: chance to repeat the label that the page shows without looking; counts only where one is
            shown.
        shows: label that the page shows: ``nothing`` (blinded), ``given``, or ``flipped``, the opposite, as
            the paper's tool did.
    """

    slip_faint: float = 0.10
    slip_bright: float = 0.01
    unsure_faint: float = 0.10
    unsure_bright: float = 0.0
    snr_scale: float = 5.0
    anchoring: float = 0.3
    shows: str = "nothing"

    def __post_init__(self) -> None:
        for name in ("slip_faint", "slip_bright", "unsure_faint", "unsure_bright", "anchoring"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadSetting(f"Reviewer: {name} is {getattr(self, name)}, expected a probability.")
        if self.snr_scale <= 0 or self.shows not in ("nothing", "given", "flipped"):
            raise BadSetting(
                f"Reviewer: snr_scale is {self.snr_scale} (expected above 0), shows is '{self.shows}' "
                "(expected nothing, given or flipped)."
            )

    def chance(self, what: str, snr: np.ndarray) -> np.ndarray:
        """Chance of a ``slip`` or of ``unsure`` at a signal-to-noise ratio; unknown counts as faint."""
        faint, bright = getattr(self, f"{what}_faint"), getattr(self, f"{what}_bright")
        above = np.maximum(np.nan_to_num(np.abs(snr), nan=FAINT_SNR) - FAINT_SNR, 0)
        return bright + (faint - bright) * np.exp(-above / self.snr_scale)


def write(
    out: str | Path,
    deck: str | Path,
    truth: Sequence[str | Path],
    *,
    reviewers: Sequence[str],
    settings: Settings,
    seed: int,
) -> None:
    """Write the log of simulated reviewers, one after the other.

    Args:
        out: parquet to write, columns ``LOG_COLUMNS``.
        deck: parquet of ``deck.write``.
        truth: parquets of the simulator.
        reviewers: their names, which their errors and orders depend on.
        settings: how they err.
        seed: of the draws.
    """
    known = read_truth(truth)
    shown = pd.read_parquet(deck)
    logs = [review(shown, known, reviewer=name, settings=settings, seed=seed) for name in reviewers]
    table = pd.concat(logs, ignore_index=True)
    tables.write_parquet(table.assign(index=np.arange(1, len(table) + 1)), out)


def review(
    deck: pd.DataFrame, truth: pd.DataFrame, *, reviewer: str, settings: Settings, seed: int
) -> pd.DataFrame:
    """The log of one simulated reviewer.

    Args:
        deck: see ``deck.build``.
        truth: columns id, label_true and snr, of all examples of the deck.
        reviewer: name.
        settings: how it errs.
        seed: of the draws, which are of each example's own.

    Returns:
        Columns ``LOG_COLUMNS``.

    Raises:
        BadLabels: if truth does not know an example, or one stands in it twice.
    """
    known = truth.drop_duplicates("id").set_index("id")
    if not deck["id"].isin(known.index).all() or len(known) != len(truth):
        raise BadLabels("The truth does not know each example of the deck once; a reviewer needs to see it.")
    rows: list[dict[str, Any]] = []
    by_id = deck.set_index("id")
    order = decks.order(deck["id"].to_numpy(), reviewer, seed)
    snr = known.loc[order, "snr"].to_numpy(float)
    slips, doubts = (settings.chance(what, snr) for what in ("slip", "unsure"))
    for place, one in enumerate(order.tolist()):
        given = by_id.loc[one]
        answer = _answer(
            int(known.at[one, "label_true"]),
            int(given["label"]),
            (slips[place], doubts[place]),
            settings,
            seeds.generator(seed, one, "review", reviewer),
        )
        rows.append(
            {"index": place + 1, "reviewer": reviewer, "action": "answer", "id": one, "answer": answer}
            | {"seconds": np.nan, "time": "", "role": given["role"]}
            | {"probability": float(given["probability"]), "label": int(given["label"])}
        )
    return pd.DataFrame(rows, columns=list(LOG_COLUMNS))


def _answer(
    true: int, given: int, chances: tuple[float, float], settings: Settings, rng: np.random.Generator
) -> str:
    """One answer; always three draws, so that settings can be compared example by example."""
    anchored, doubt, slip = rng.random(3)
    if settings.shows != "nothing" and anchored < settings.anchoring:
        return ANSWER_OF[given if settings.shows == "given" else 1 - given]
    if doubt < chances[1]:
        return "unsure"
    return ANSWER_OF[1 - true if slip < chances[0] else true]
