"""Scores of one network on every set to its operating point and its metrics."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import GridMismatch, NotADataSet
from skyneedle.core.metrics import Ranking
from skyneedle.core.scoreboard import joined
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import classification

HALF = 0.0  # log odds of a probability of 0.5
WITHOUT_THRESHOLD = ("auroc", "auprc", "tpr0", "tpr10")


class Scored(NamedTuple):
    """One network's answers on one set.

    Attributes:
        labels: 1 for lenses, shape (example,).
        logits: log odds of being a lens, shape (example,).
        parents: group of each example, shape (example,).
    """

    labels: np.ndarray
    logits: np.ndarray
    parents: np.ndarray


def read(scores: str | Path, shards: Sequence[str | Path] | str | Path) -> Scored:
    """Scores with the parents that their set names; an example without ``parent_id`` is its own parent.

    Raises:
        GridMismatch: if scores and set are not of the same examples.
        NotADataSet: if an example has no label of 0 or 1.
    """
    table, truth = pd.read_parquet(scores), DataSet(shards).table
    if table["id"].tolist() != truth["id"].tolist():
        raise GridMismatch(
            f"{scores}: {len(table)} examples that are not the {len(truth)} of the set; predict again."
        )
    if not table["label"].isin([0, 1]).all():
        raise NotADataSet(
            f"{scores}: examples without a label of 0 or 1 cannot be judged; leave the set out."
        )
    parents = truth["parent_id" if "parent_id" in truth else "id"].to_numpy()
    return Scored(table["label"].to_numpy(dtype=np.int64), table["logit"].to_numpy(float), parents)


def operating_point(
    validation: Scored, recipe: str, beta: float = 1.0, n_bootstrap: int = 1000
) -> dict[str, Any]:
    """Threshold from which a candidate is called a lens, chosen on the validation set and on nothing else.

    Args:
        validation: scores of the validation set.
        recipe: "corrected" takes the threshold with the largest F-beta, "faithful" a probability of 0.5.
        beta: 1 for precision and recall alike, less for precision.
        n_bootstrap: redraws of parents.

    Returns:
        threshold (log odds), probability, rule, set, and reached, low, high, n: the F-beta there, which is
        too good by as much as it was chosen for.

    Raises:
        OneClassOnly: if the set has no lenses or no non-lenses.
    """
    labels, logits, parents = validation
    _, best = Ranking(labels, logits).best_f_beta(beta)
    threshold = HALF if recipe == "faithful" else best
    called = logits >= threshold
    reached = metrics.bootstrap(
        lambda weights: metrics.confusion(labels, called, weights).f_beta(beta),
        parents,
        n_bootstrap,
        generator(0, "operating point"),
    )
    return {
        "threshold": threshold,
        "probability": float(metrics.probability(threshold)),
        "rule": "a probability of 0.5, as published" if recipe == "faithful" else f"largest F-{beta:g}",
        "set": "validation",
        "reached": float(reached["value"]),
        "low": float(reached["low"]),
        "high": float(reached["high"]),
        "n": int(reached["n"]),
    }


def judge_sets(sets: Mapping[str, Scored], threshold: float, n_bootstrap: int = 1000) -> dict[str, Any]:
    """Every metric of ``classification.judge`` on every set.

    Args:
        sets: scores by name of the set.
        threshold: in log odds.
        n_bootstrap: redraws of parents.

    Returns:
        Entries ``<metric>_<set>`` at the threshold, and ``<metric>_<set>_at_half`` at a probability of 0.5,
        the paper's, for those metrics that depend on it. Where the network is at chance, on the set itself
        or, if that has one class only, on the testing set, each has a note that says so.
    """
    found: dict[str, Any] = {}
    keys: dict[str, list[str]] = {name: [] for name in sets}
    for name, scored in sets.items():
        for ending, at in (("", threshold), ("_at_half", HALF)):
            judged = classification.judge(
                *scored, threshold=at, n_redraws=n_bootstrap, rng=generator(0, "judge", name)
            )
            for metric, entry in judged.items():
                if not ending or metric not in WITHOUT_THRESHOLD:
                    found[f"{metric}_{name}{ending}"] = entry
                    keys[name].append(f"{metric}_{name}{ending}")
    for name in sets:
        area, where = found[f"auroc_{name}"], ""
        if area["value"] is None and "testing" in sets:
            area, where = found["auroc_testing"], " on the testing set"
        if classification.at_chance(area):
            _note(found, keys[name], classification.AT_CHANCE + where)
    return found


def _note(found: dict[str, Any], keys: Iterable[str], words: str) -> None:
    for key in keys:
        found[key]["note"] = joined(found[key].get("note"), words)


def choose_and_score(
    scores: Mapping[str, str | Path],
    shards: Mapping[str, Sequence[str | Path]],
    *,
    point: str | Path,
    out: str | Path,
    recipe: str,
    settings: Mapping[str, Any],
    card: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Choose a network's operating point on the validation set, then judge it on every other set.

    Args:
        scores: parquet of scores by name of the set; "validation" is among them.
        shards: files of each of these sets.
        point: operating point to write, JSON.
        out: metrics to write, JSON.
        recipe: "corrected" or "faithful".
        settings: ``beta`` of the operating point and ``n_bootstrap``.
        card: of the trained network; its number of parameters and best epoch are taken over. Where it learned
            from a part of the training set alone, the metrics of that set have a note that says so.
        provenance: stored in both files.
    """
    sets = {name: read(path, shards[name]) for name, path in scores.items()}
    n_bootstrap = settings["n_bootstrap"]
    chosen = operating_point(sets.pop("validation"), recipe, settings["beta"], n_bootstrap)
    found = judge_sets(sets, chosen["threshold"], n_bootstrap)
    if card:
        described = json.loads(Path(card).read_text())
        found |= {key: {"value": described[key]} for key in ("n_parameters", "best_epoch")}
        n_all = len(sets["training"].labels) if "training" in sets else 0
        n_learned = described.get("training", {}).get("n_examples", n_all)
        if n_learned < n_all:
            words = f"learned from {n_learned} of the {n_all} training examples"
            _note(found, [key for key in found if key.removesuffix("_at_half").endswith("_training")], words)
    origin = {"provenance": dict(provenance)} if provenance else {}
    tables.write_json(found | origin, out)
    tables.write_json(chosen | origin, point)
