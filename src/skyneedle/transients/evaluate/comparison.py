"""Network against forest on the same candidates, and old against new labels."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import GridMismatch
from skyneedle.core.metrics import LEVEL, Interval, interval
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.evaluate.rates import MDR
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.truth import read_truth

FAITHFUL = ("forest", "faithful")  # kind and recipe of a card
MORE = "as published, the forest learnt from all complete examples that are not in the testing set"
DEFINITIONS = {
    "first": "FPR at the MDR, mean over seeds",
    "second": "FPR at the MDR, mean over seeds",
    "difference": "FPR of the first minus that of the second, at the MDR, on the same redraws",
    "relative": "(FPR of the second - FPR of the first) / FPR of the second, at the MDR",
    "ratio": "FPR of the first over FPR of the second, at the MDR",
    "auc_difference": "AUC of the first minus that of the second, on the same redraws",
}


def paired(
    first: Sequence[Scored],
    second: Sequence[Scored],
    mdr: float = MDR,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
) -> dict[str, Interval]:
    """Compare two methods, each trained with one or more seeds, on the examples that both scored.

    Each redraw takes groups of hosts and nights, and seeds of either method, with replacement, so intervals
    hold for another survey and another training alike.

    Args:
        first: one for each seed, for instance of the network.
        second: likewise, for instance of the forest.
        mdr: at which false positive rates are compared.
        n_bootstrap: redraws.
        rng: random stream; a fixed one when left out.

    Returns:
        first, second, difference, relative, ratio and auc_difference, each with value, low, high (68 %), n
        (groups), n_seeds and definition.

    Raises:
        GridMismatch: if the two have no example in common, or labels of different versions.
    """
    parts = scored.common([*first, *second])
    ranked = [rates.ranking(part.labels, part.scores) for part in parts]

    def measure(weights: np.ndarray, seeds: Sequence[np.ndarray]) -> np.ndarray:
        fprs, areas = np.empty(2), np.empty(2)
        for i, (offset, drawn) in enumerate(zip((0, len(first)), seeds, strict=True)):
            which, times = np.unique(offset + drawn, return_counts=True)
            found = [rates.fprs_and_auc(ranked[k], weights, (mdr,)) for k in which]
            fprs[i], areas[i] = times @ np.array(found) / len(drawn)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = fprs[0] / fprs[1]
        return np.array([*fprs, fprs[0] - fprs[1], 1 - ratio, ratio, areas[0] - areas[1]])

    entry = redrawn(measure, parts[0].groups, (len(first), len(second)), n_bootstrap, rng)
    counts = {"n_seeds": [len(first), len(second)], "n_examples": len(parts[0].ids), "mdr": mdr}
    return {
        name: interval(entry["value"][i], entry["low"][i], entry["high"][i], entry["n"])
        | {"definition": text}
        | counts
        for i, (name, text) in enumerate(DEFINITIONS.items())
    }


def redrawn(
    measure: Callable[[np.ndarray, Sequence[np.ndarray]], np.ndarray],
    groups: np.ndarray,
    n_seeds: Sequence[int],
    n: int = 1000,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Percentile intervals under redrawing groups of examples, and seeds of each method, with replacement.

    Args:
        measure: of the weights of the examples, shape (example,), and of which seeds of each method count.
        groups: label of each example's group, shape (example,).
        n_seeds: of each method.
        n: redraws.
        rng: random stream; a fixed one when left out.

    Returns:
        Interval of all that ``measure`` gives; n is the number of groups. What is not finite in a redraw is
        left out for it.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    names, member = np.unique(groups, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    value = measure(np.ones(len(member)), [np.arange(k) for k in n_seeds])
    draws = np.array(
        [
            measure(
                rng.multinomial(len(names), share)[member].astype(float),
                [rng.integers(k, size=k) for k in n_seeds],
            )
            for _ in range(n)
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # not one finite redraw: the ends are NaN
        finite = np.where(np.isfinite(draws), draws, np.nan)
        low, high = np.nanquantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return interval(value, low, high, len(names))


def write_paired(
    first: tuple[str, Sequence[str | Path]],
    second: tuple[str, Sequence[str | Path]],
    split: str | Path,
    out: str | Path,
    *,
    cards: Sequence[str | Path] = (),
    labels: Mapping[str, str | Path] | None = None,
    truth: Sequence[str | Path] = (),
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the comparison by each version of the labels.

    Args:
        first: name of a method and its scores, one parquet for each seed.
        second: likewise.
        split: parquet with id, group and split.
        out: JSON to write, keys ``<first>_minus_<second>``, ``relative_<first>_<second>``,
            ``ratio_<first>_<second>``, ``auc_<first>_minus_<second>``, ``fpr_<first>`` and ``fpr_<second>``,
            with ``_<version>`` for other labels than those of the scores.
        cards: of the trained models: they must have been trained on the same ids, see ``check_same_ids``.
        labels: parquet (id, label) by name of the version.
        truth: of the simulator, for the version "truth".
        n_bootstrap: redraws.
        provenance: stored in the file.

    Raises:
        GridMismatch: if models were trained on different ids, or as of ``paired``.
    """
    note = check_same_ids(cards)
    names = {
        "first": f"fpr_{first[0]}",
        "second": f"fpr_{second[0]}",
        "difference": f"{first[0]}_minus_{second[0]}",
        "relative": f"relative_{first[0]}_{second[0]}",
        "ratio": f"ratio_{first[0]}_{second[0]}",
        "auc_difference": f"auc_{first[0]}_minus_{second[0]}",
    }
    found: dict[str, Any] = {}
    for ending, version in versions(labels, truth).items():
        of_first, of_second = (
            [scored.read(path, split, ("testing",), version) for path in paths]
            for _, paths in (first, second)
        )
        entries = paired(of_first, of_second, MDR, n_bootstrap, generator(0, "paired", ending))
        told = {"note": note} if note else {}
        found |= {f"{names[key]}{ending}": entry | told for key, entry in entries.items()}
    tables.write_json(found | {"provenance": dict(provenance or {})}, out)


def check_same_ids(cards: Sequence[str | Path]) -> str:
    """Raise unless all models that say which ids they were trained on say the same.

    The published forest had learnt from more than the networks, so a forest of the recipe "faithful" may.

    Returns:
        A note if there is such a forest; empty where all learnt from the same.

    Raises:
        GridMismatch: names two that differ.
    """
    read = {str(path): json.loads(Path(path).read_text()) for path in cards}
    published = {path for path, card in read.items() if (card.get("kind"), card.get("recipe")) == FAITHFUL}
    hashes = {path: card.get("provenance", {}).get("training_ids") for path, card in read.items()}
    known = {path: value for path, value in hashes.items() if value and path not in published}
    for path, value in known.items():
        first = next(iter(known))
        if value != known[first]:
            raise GridMismatch(
                f"{path}: trained on ids {value}, {first} on {known[first]}; train both on one split again."
            )
    return MORE if published else ""


def versions(
    labels: Mapping[str, str | Path] | None, truth: Sequence[str | Path]
) -> dict[str, pd.DataFrame | None]:
    """Labels to judge by, by the ending of their keys; None is those of the scores."""
    found: dict[str, pd.DataFrame | None] = {"": None}
    found |= {f"_{name}": pd.read_parquet(path) for name, path in (labels or {}).items()}
    return found | ({"_truth": read_truth(truth)} if truth else {})


def write_crossed(
    scores: Mapping[str, Mapping[str, Sequence[str | Path]]],
    split: str | Path,
    labels: Mapping[str, str | Path],
    out: str | Path,
    metrics_out: str | Path,
    *,
    truth: Sequence[str | Path] = (),
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write each method, trained with old or new labels, judged by old labels, new labels and the truth.

    Args:
        scores: for each method and each version it was trained with, one parquet for each seed.
        split: parquet with id, group and split.
        labels: parquet (id, label) by name of the version to judge by.
        out: CSV to write: method, trained_with, judged_by, metric (fpr_at_mdr05, auc), value, low, high, n.
        metrics_out: JSON to write: the same, keys ``<metric>_<method>_<trained with>_<judged by>``, and for
            each method ``relabelling_<method>_<judged by>``: FPR trained with the last version minus that
            with the first, on the same redraws.
        truth: of the simulator.
        n_bootstrap: redraws.
        provenance: stored in the metrics.
    """
    judged_by: dict[str, pd.DataFrame] = {name: pd.read_parquet(path) for name, path in labels.items()}
    if truth:
        judged_by["truth"] = read_truth(truth)
    rows, entries = [], {}
    for method, trained in scores.items():
        for name, version in judged_by.items():
            parts = {
                key: [scored.read(path, split, ("testing",), version) for path in paths]
                for key, paths in trained.items()
            }
            for key, part in parts.items():
                for metric, entry in of_seeds(part, n_bootstrap, generator(0, "crossed")).items():
                    rows.append(
                        {"method": method, "trained_with": key, "judged_by": name, "metric": metric} | entry
                    )
                    entries[f"{metric}_{method}_{key}_{name}"] = entry
            if len(parts) > 1:
                old, new = (list(parts.values())[place] for place in (0, -1))
                gained = paired(new, old, MDR, n_bootstrap, generator(0, "relabelling", method))
                entries[f"relabelling_{method}_{name}"] = gained["difference"]
    tables.write_csv(pd.DataFrame(rows), out)
    tables.write_json(entries | {"provenance": dict(provenance or {})}, metrics_out)


def of_seeds(parts: Sequence[Scored], n_bootstrap: int, rng: np.random.Generator) -> dict[str, Interval]:
    """FPR at the MDR and AUC of one method, means over its trainings.

    Args:
        parts: one for each training.
        n_bootstrap: redraws of groups and of trainings.
        rng: random stream.

    Returns:
        ``fpr_at_mdr05`` and ``auc``.
    """
    ranked = [rates.ranking(part.labels, part.scores) for part in parts]

    def measure(weights: np.ndarray, seeds: Sequence[np.ndarray]) -> np.ndarray:
        return np.mean([rates.fprs_and_auc(ranked[k], weights) for k in seeds[0]], axis=0)

    entry = redrawn(measure, parts[0].groups, (len(parts),), n_bootstrap, rng)
    return {
        name: interval(entry["value"][i], entry["low"][i], entry["high"][i], entry["n"])
        for i, name in enumerate(("fpr_at_mdr05", "auc"))
    }
