"""Do networks select against compound lenses? Their recall beside that of single lenses that are as easy.

A compound lens is compared with the single lenses of the testing set closest to it in Einstein radius and
magnification, since both decide how well any lens is seen.

Source: Wilde et al. 2022, abstract and Sec. 4, where recalls of unlike systems are compared.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import classification, score

N_PARTNERS = 5  # single lenses that each compound lens is held against
CALIPER = 0.15  # decades in both quantities; what has no partner so close is left out and counted
WORDS = {"arcs": "compound arcs", "rings": "double rings"}
NO_PARTNER = "no single lens is like these"
NO_TRUTH = "the testing set does not tell Einstein radii and magnifications"
WITHIN = 0.15  # the gate: recall on compounds is at most so much below that of matched singles
# Who calls nearly everything a lens finds compound and single lenses alike, and has answered nothing by it.
NEARLY_ALL = 0.9  # false-positive rate
CHANCES = "68 %, one training"  # what the interval holds: the objects drawn, not how the network was trained


class Partners(NamedTuple):
    """Which single lenses stand beside which compound lenses.

    Attributes:
        compounds: rows of the compound lenses that have partners, shape (n,).
        singles: rows of their partners, shape (n, N_PARTNERS).
        near: which of these are within the caliper, shape (n, N_PARTNERS).
    """

    compounds: np.ndarray
    singles: np.ndarray
    near: np.ndarray

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the single lenses that are partner of any compound lens, and what each counts, (single,).

        A compound lens counts one, shared out evenly among its partners.
        """
        share = self.near / np.maximum(self.near.sum(axis=1, keepdims=True), 1)
        rows, place = np.unique(self.singles[self.near], return_inverse=True)
        return rows, np.bincount(place, weights=share[self.near], minlength=len(rows))

    @property
    def effective_singles(self) -> float:
        """How many single lenses of equal weight would tell as much; 0 without partners.

        Source: Kish 1965, Survey Sampling, Sec. 11.7.
        """
        _, weights = self.weights()
        return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def match(
    compounds: pd.DataFrame, singles: pd.DataFrame, n_partners: int = N_PARTNERS, caliper: float = CALIPER
) -> Partners:
    """Closest single lenses of each compound lens in the logarithms of theta_e and mag_eff.

    Args:
        compounds: theta_e (of the foreground lens for the source, arcsec) and mag_eff (of the source).
        singles: likewise; what is not known of one, or of all, leaves it out.
        n_partners: for each compound lens; a single lens may stand beside several.
        caliper: greatest distance in each logarithm, decades.
    """
    from scipy.spatial import cKDTree

    ours, theirs = _logarithms(compounds), _logarithms(singles)
    known = np.flatnonzero(np.isfinite(theirs).all(axis=1))
    theirs = theirs[known]
    if not len(ours) or not len(theirs):
        return Partners(np.zeros(0, int), np.zeros((0, n_partners), int), np.zeros((0, n_partners), bool))
    k = min(n_partners, len(theirs))
    # The greater of the two distances, so that the caliper holds in both.
    distance, place = cKDTree(theirs).query(ours, k=k, p=np.inf)
    distance, place = (part.reshape(len(ours), k) for part in (distance, place))
    near = distance <= caliper
    kept = near.any(axis=1)
    return Partners(np.flatnonzero(kept), known[place[kept]], near[kept])


def _logarithms(table: pd.DataFrame) -> np.ndarray:
    values = table.reindex(columns=["theta_e", "mag_eff"]).to_numpy(float)
    return np.log10(np.where(values > 0, values, np.nan))


def difference(
    compound_found: np.ndarray,
    single_found: np.ndarray,
    partners: Partners,
    parents: tuple[np.ndarray, np.ndarray],
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
) -> dict[str, metrics.Interval]:
    """Recall of the matched compound lenses, of their partners, and the difference.

    Args:
        compound_found: whether each compound lens is at or above the operating point, shape (compound,).
        single_found: likewise for single lenses, shape (single,).
        partners: of ``match``.
        parents: groups of compound and of single lenses; whole groups are redrawn, both at once.
        n_bootstrap: redraws.
        rng: of the redraws.

    Returns:
        compounds, singles and difference, each with value, low, high and n: groups of the compound lenses
        that have partners, of their partners, and of both; NaN without partners.
    """
    if not len(partners.compounds):
        nothing = metrics.interval(math.nan, math.nan, math.nan, 0)
        return dict.fromkeys(("compounds", "singles", "difference"), nothing)
    # Of what carries no match nothing is measured, so it is not redrawn either.
    matched, _ = partners.weights()
    beside = np.searchsorted(matched, np.where(partners.near, partners.singles, matched[0]))
    n = len(partners.compounds)
    ours = np.asarray(compound_found, float)[partners.compounds]
    theirs = np.asarray(single_found, float)[matched][beside]

    def measure(weights: np.ndarray) -> np.ndarray:
        of_singles = weights[n:][beside] * partners.near
        total = of_singles.sum(axis=1)
        # A compound lens none of whose partners was drawn has nothing to be held against.
        of_compounds = weights[:n] * (total > 0)
        if not of_compounds.sum():
            return np.full(3, math.nan)
        matches = (of_singles * theirs).sum(axis=1) / np.maximum(total, 1)
        first, second = (of_compounds @ part / of_compounds.sum() for part in (ours, matches))
        return np.array([first, second, first - second])

    groups = [f"c{one}" for one in np.asarray(parents[0])[partners.compounds]]
    n_compounds = len(set(groups))
    groups += [f"s{one}" for one in np.asarray(parents[1])[matched]]
    found = metrics.bootstrap(measure, np.array(groups), n_bootstrap, rng)
    counts = (n_compounds, found["n"] - n_compounds, found["n"])
    return {
        name: metrics.interval(found["value"][i], found["low"][i], found["high"][i], counts[i])
        for i, name in enumerate(("compounds", "singles", "difference"))
    }


def no_answer(judged: Mapping[str, Any]) -> str:
    """Why a network's recalls say nothing about compound lenses, or nothing at all.

    Args:
        judged: its metrics on single lenses: ``auroc_testing`` and ``false_positive_rate_testing``.
    """
    rate = judged["false_positive_rate_testing"]["value"]
    if rate is not None and rate > NEARLY_ALL:
        return f"calls nearly everything a lens (FPR {rate:.2f}): no answer"
    if classification.at_chance(judged["auroc_testing"]):
        said = f" (FPR {rate:.2f})" if rate is not None else ""
        return f"{classification.AT_CHANCE}{said}: no answer"
    return ""


def verdict(
    entry: Mapping[str, Any], reason: str = NO_PARTNER, judged: Mapping[str, Any] | None = None
) -> str:
    """Whether the gate is met, and the answer to the paper's question; or the reason why there is none.

    Args:
        entry: the difference in recall.
        reason: why there are no partners.
        judged: as of ``no_answer``, if known.
    """
    if not math.isfinite(entry["low"]):
        return reason
    if judged and (why := no_answer(judged)):
        return f"{why} ({CHANCES})"
    gate = "met" if entry["low"] >= -WITHIN else "not met"
    if entry["high"] < 0:
        answer = "selects against them"
    elif entry["low"] > 0:
        answer = "prefers them"
    else:
        answer = "no selection for or against is seen"
    rate = judged["false_positive_rate_testing"]["value"] if judged else None
    said = f"; FPR {rate:.2f}" if rate is not None else ""
    return f"within {100 * WITHIN:.0f} points: {gate}; {answer} ({CHANCES}){said}"


def write(
    scores: Mapping[str, Mapping[str, str | Path]],
    points: Mapping[str, float],
    shards: Mapping[str, Sequence[str | Path]],
    judged: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    *,
    table: str | Path,
    out: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write recalls of matched compound and single lenses for all methods.

    Args:
        scores: for each method, parquet of scores of testing, arcs and rings.
        points: threshold of each, log odds.
        shards: files of these sets.
        judged: metrics of each method on the testing set, see ``no_answer``.
        settings: ``n_bootstrap``.
        table: CSV to write: network, set, quantity (compounds, singles, difference), value, low, high, n (of
            ``difference``), n_compounds, n_matched, effective_singles (of ``Partners``),
            false_positive_rate (of the testing set's non-lenses at the operating point), note.
        out: metrics to write, JSON, with ``difference_<set>_<method>``.
        provenance: stored in them.
    """
    truth = {name: DataSet(files).table for name, files in shards.items()}
    lenses = {name: np.flatnonzero(one["label"].to_numpy() == 1) for name, one in truth.items()}
    singles = truth["testing"].iloc[lenses["testing"]]
    reason = NO_PARTNER if np.isfinite(_logarithms(singles)).all(axis=1).any() else NO_TRUTH
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for name in ("arcs", "rings"):
        compounds = truth[name].iloc[lenses[name]]
        partners = match(compounds, singles)
        parents = compounds["parent_id"].to_numpy(), singles["parent_id"].to_numpy()
        for method, files in scores.items():
            ours, theirs = (
                score.read(files[which], shards[which]).logits[lenses[which]] >= points[method]
                for which in (name, "testing")
            )
            rng = generator(0, "matching", name)
            entries = difference(ours, theirs, partners, parents, settings["n_bootstrap"], rng)
            note = verdict(entries["difference"], reason, judged[method])
            counts: dict[str, Any] = {
                "n_compounds": len(compounds),
                "n_matched": len(partners.compounds),
                "effective_singles": partners.effective_singles,
                "false_positive_rate": judged[method]["false_positive_rate_testing"]["value"],
                "note": note,
            }
            rows += [
                {"network": method, "set": name, "quantity": quantity, **entry, **counts}
                for quantity, entry in entries.items()
            ]
            left_out = f"{len(partners.compounds)} of {len(compounds)} have singles like them"
            found[f"difference_{name}_{method}"] = entries["difference"] | {
                "item": method,
                "quantity": f"recall of {WORDS[name]} minus that of matched single lenses",
                "definition": "share at or above the operating point, difference of matched lenses",
                "note": f"{note}; {left_out}" if len(partners.compounds) else left_out,
                "reason": reason,
            }
    tables.write_csv(pd.DataFrame(rows), table)
    tables.write_json(found | {"provenance": dict(provenance or {})}, out)
