"""What networks predict for candidates of grades A, B and C, as in Table 5-2."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import NotADataSet
from skyneedle.core.metrics import interval
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import cells
from skyneedle.transfer.evaluate.cells import Entry

GRADES = {"a": "grade_a", "b": "grade_b", "c": "grade_c"}
COLUMNS = (
    "network",
    "model",
    "grade",
    "quantity",
    "value",
    "low",
    "high",
    "n",
    "n_folds",
    "nearest",
    "words",
)
DEFINITIONS = {
    "mean": "mean over candidates of the probability, itself the mean over the networks of all folds",
    "std": "standard deviation over candidates of that probability",
}


def of_set(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Answers to one set, each the mean over the networks of all folds.

    Args:
        table: columns set, id, label, parent_id, fold, score, one row for each stamp and fold; perhaps name
            and kind.
        name: of the set.

    Returns:
        Columns id, label, parent_id, score, n_folds and, where there are some, name and kind; in the order of
        ids. Without rows if the set has none.

    Raises:
        NotADataSet: if stamps were scored by different numbers of networks.
    """
    rows = table[table["set"] == name]
    found = rows.groupby("id").agg(score=("score", "mean"), n_folds=("fold", "nunique"))
    if found["n_folds"].nunique() > 1:
        raise NotADataSet(
            f"Stamps of set {name} have scores of {sorted(found['n_folds'].unique())} networks; expected "
            "those of every fold for each. Delete the file of scores and run again."
        )
    told = [column for column in ("label", "parent_id", "name", "kind") if column in rows]
    return found.join(rows.groupby("id")[told].first()).reset_index()


def judge(answers: Mapping[str, pd.DataFrame], n_bootstrap: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Mean and standard deviation of the probability by grade, and how far grades are apart.

    Args:
        answers: as of ``of_set`` by grade (a, b, c); grades without rows are left out.
        n_bootstrap: redraws of candidates.
        seed: of the redraws.

    Returns:
        ``<grade>_mean`` and ``<grade>_std``, ``a_minus_b``, ``b_minus_c`` (of means), ``std_b_minus_a`` and
        ``std_c_minus_a``, each with interval, n (candidates) and definition.
    """
    parts = [answers[grade].assign(grade=grade) for grade in GRADES if len(answers.get(grade, ()))]
    if not parts:
        return {}
    table = pd.concat(parts, ignore_index=True)
    masks = {grade: (table["grade"] == grade).to_numpy() for grade in table["grade"].unique()}
    scores = table["score"].to_numpy(float)
    names = [f"{grade}_{quantity}" for grade in masks for quantity in DEFINITIONS]
    pairs = {"a_minus_b": ("a_mean", "b_mean"), "b_minus_c": ("b_mean", "c_mean")}
    pairs |= {"std_b_minus_a": ("b_std", "a_std"), "std_c_minus_a": ("c_std", "a_std")}
    pairs = {key: pair for key, pair in pairs.items() if set(pair) <= set(names)}

    def measure(weights: np.ndarray) -> np.ndarray:
        values: list[float] = []
        for mask in masks.values():
            values += _mean_and_spread(scores[mask], weights[mask])
        by_name = dict(zip(names, values, strict=True))
        return np.array([*values, *(by_name[one] - by_name[other] for one, other in pairs.values())])

    entry = metrics.bootstrap(measure, np.arange(len(scores)), n_bootstrap, generator(seed, "grades"))
    found: dict[str, Any] = {}
    for place, name in enumerate([*names, *pairs]):
        n = int(masks[name[0]].sum()) if name in names else len(scores)
        value, low, high = (entry[key][place] for key in ("value", "low", "high"))
        definition = DEFINITIONS.get(name.partition("_")[2], "difference between two grades")
        found[name] = interval(value, low, high, n) | {"definition": definition}
    return found


def _mean_and_spread(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Weighted mean and standard deviation of a sample; weights are how often each value was drawn."""
    total = weights.sum()
    if total <= 1:
        return [math.nan, math.nan]
    mean = weights @ values / total
    return [float(mean), float(np.sqrt(weights @ (values - mean) ** 2 / (total - 1)))]


def write(
    scores: Mapping[str, str | Path],
    entries: Sequence[Entry],
    n_folds: int,
    *,
    out: str | Path,
    candidates: str | Path,
    metrics_out: str | Path,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Judge all methods on the graded candidates.

    Args:
        scores: parquet of the sets that are in no fold, by name.
        entries: settings of the methods; those without scores are left out.
        n_folds: of the cross-validation.
        out: CSV to write, columns ``COLUMNS``; nearest is whether a network stands beside Table 5-2.
        candidates: parquet to write: network, grade, id, score of each candidate.
        metrics_out: JSON to write: ``<source>_<grade>_mean`` and so on of the networks that Table 5-2 is
            about, each of the network nearest to the thesis; n_candidates.
        n_bootstrap: redraws of candidates.
        provenance: stored in the JSON.
    """
    rows, answered, judged = [], [], {}
    there = [entry for entry in entries if entry["name"] in scores]
    for entry in there:
        table = pd.read_parquet(scores[entry["name"]])
        answers = {grade: of_set(table, name) for grade, name in GRADES.items()}
        judged[entry["name"]] = judge(answers, n_bootstrap)
        rows += _rows(entry, judged[entry["name"]], answers, n_folds)
        answered += [
            part.assign(network=entry["name"], grade=grade)[["network", "grade", "id", "score"]]
            for grade, part in answers.items()
        ]
    nearest = {cells.nearest_name(there, source, n_folds) for source in cells.GRADED}
    rows = [one | {"nearest": one["network"] in nearest} for one in rows]
    tables.write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    together = pd.concat(answered, ignore_index=True) if answered else pd.DataFrame()
    tables.write_parquet(together, candidates)
    found = _nearest(there, judged, n_folds)
    if len(together):
        found["n_candidates"] = {"value": together["id"].nunique(), "definition": "simulated candidates"}
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)


def _rows(
    entry: Entry, judged: Mapping[str, Any], answers: Mapping[str, pd.DataFrame], n_folds: int
) -> list[dict[str, Any]]:
    rows = []
    for name, one in judged.items():
        grade, _, quantity = name.partition("_")
        if quantity not in DEFINITIONS or grade not in GRADES:
            continue
        told = {"network": entry["name"], "model": cells.model(entry), "grade": grade.upper()}
        numbers = {key: one[key] for key in ("value", "low", "high", "n")}
        told |= {"quantity": quantity, **numbers, "n_folds": int(answers[grade]["n_folds"].iloc[0])}
        rows.append(told | {"words": cells.words(entry, n_folds)})
    return rows


def _nearest(
    entries: Sequence[Entry], judged: Mapping[str, Mapping[str, Any]], n_folds: int
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in cells.GRADED:
        entry = cells.nearest(entries, source, n_folds)
        if entry is None:
            keys = [f"{grade}_{quantity}" for grade in GRADES for quantity in DEFINITIONS]
            reason = f"no {cells.BACKBONES[source]} with a frozen trunk is in transfer.networks at this scale"
            found |= {f"{source}_{key}": {"value": None, "reason": reason} for key in keys}
            continue
        note = f"simulated candidates; network {entry['name']}: {cells.words(entry, n_folds)}"
        found |= {f"{source}_{key}": {**one, "note": note} for key, one in judged[entry["name"]].items()}
    return found
