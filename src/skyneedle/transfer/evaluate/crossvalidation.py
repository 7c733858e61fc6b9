"""How well each method does on stamps of objects that it has not seen: seven folds, their mean and spread."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.metrics import interval
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import cells, scored
from skyneedle.transfer.evaluate.cells import Entry
from skyneedle.transfer.evaluate.scored import DEFINITIONS, MEASURED, Folds, Scored

FOLD_COLUMNS = ("network", "fold", "n_lenses", "n_non_lenses", *MEASURED)
MOST_POINTS = 400  # of a curve that is drawn


def by_fold(part: Scored) -> pd.DataFrame:
    """Columns of ``FOLD_COLUMNS`` but network; what needs both classes is NaN where one is missing."""
    folds = Folds(part)
    rows = pd.DataFrame(folds.each().T, columns=list(MEASURED))
    n_lenses = [int(part.labels[at].sum()) for at in folds.rows]
    counts = {"fold": folds.names, "n_lenses": n_lenses}
    counts["n_non_lenses"] = [len(at) - n for at, n in zip(folds.rows, n_lenses, strict=True)]
    return pd.concat([pd.DataFrame(counts), rows], axis=1)


def judge(part: Scored, n_bootstrap: int = 1000, rng: np.random.Generator | None = None) -> dict[str, Any]:
    """Every metric of one method.

    Args:
        part: its out-of-fold scores.
        n_bootstrap: redraws of parents.
        rng: of the redraws.

    Returns:
        ``mean_<metric>``, the mean over folds, with low and high (68 %, redrawing parents), n (parents), std
        (over folds), n_folds and definition; ``pooled_<metric>`` of all stamps in one ranking, without std.
    """
    folds = Folds(part)
    each = folds.each()
    entry = metrics.bootstrap(
        lambda weights: np.stack([folds.mean(weights), folds.pooled(weights)]), part.parents, n_bootstrap, rng
    )
    found: dict[str, Any] = {}
    for row, (name, text) in enumerate((("mean", "mean over folds"), ("pooled", "all folds in one ranking"))):
        for column, metric in enumerate(MEASURED):
            value, low, high = (entry[key][row, column] for key in ("value", "low", "high"))
            found[f"{name}_{metric}"] = interval(value, low, high, entry["n"]) | {
                "definition": f"{DEFINITIONS[metric]}; {text}",
                "n_folds": len(folds.names),
            }
            if name == "mean":
                found[f"mean_{metric}"] |= {"std": scored.spread(each[column])}
    return found | {"mean_auprc": _by_spread(found["mean_auprc"])}


def _by_spread(entry: dict[str, Any]) -> dict[str, Any]:
    """The same with the standard error over folds as interval: redraws repeat stamps, and a lens that is
    drawn twice raises the precision there, so that redraws of small folds lie above the value."""
    half = entry["std"] / math.sqrt(entry["n_folds"])
    ends = {"low": entry["value"] - half, "high": entry["value"] + half}
    return entry | ends | {"definition": f"{entry['definition']}; interval from the spread over folds"}


def roc(part: Scored, most_points: int = MOST_POINTS) -> pd.DataFrame:
    """ROC curve of all folds in one ranking.

    Returns:
        Columns false_positive_rate, true_positive_rate; thinned evenly along the curve to ``most_points``.
        No rows for labels of one class.
    """
    columns = ["false_positive_rate", "true_positive_rate"]
    if part.labels.min() == part.labels.max():
        return pd.DataFrame(columns=columns, dtype=float)
    table = pd.DataFrame(metrics.roc(part.labels, part.logits))[columns]
    if len(table) > most_points:
        along = np.cumsum(np.abs(table.diff().fillna(0)).sum(axis=1).to_numpy())
        places = np.searchsorted(along, np.linspace(0, along[-1], most_points))
        table = table.iloc[np.unique(np.append(places, [0, len(table) - 1]).clip(0, len(table) - 1))]
    return table.reset_index(drop=True)


def row(entry: Entry, judged: Mapping[str, Any], n_folds: int) -> dict[str, Any]:
    """What is told of a method, then its numbers, for the table of all methods."""
    one = judged["mean_auc"]
    told = {"network": entry["name"], "model": cells.model(entry), **cells.filled(entry)}
    told |= {"words": cells.words(entry, n_folds), "n_folds": one["n_folds"], "n_parents": one["n"]}
    numbers: dict[str, Any] = {}
    for metric in MEASURED:
        mean, pooled = judged[f"mean_{metric}"], judged[f"pooled_{metric}"]
        numbers |= {metric: mean["value"], f"{metric}_std": mean["std"]}
        numbers |= {f"{metric}_{end}": mean[end] for end in ("low", "high")}
        numbers |= {f"pooled_{metric}": pooled["value"]}
        numbers |= {f"pooled_{metric}_{end}": pooled[end] for end in ("low", "high")}
    return told | numbers


def nearest_to_thesis(
    entries: Sequence[Entry], judged: Mapping[str, Mapping[str, Any]], n_folds: int
) -> dict[str, Any]:
    """The numbers that stand beside Table 5-1, each of the network that is nearest to what the thesis did.

    Args:
        entries: settings of all methods.
        judged: metrics as of ``judge`` by name; methods without scores are not in it.
        n_folds: of the cross-validation.

    Returns:
        ``<source>_<metric>`` for the six networks, with a note that names the network, or with the reason.
    """
    found: dict[str, Any] = {}
    there = [entry for entry in entries if entry["name"] in judged]
    for source, name in cells.BACKBONES.items():
        entry = cells.nearest(there, source, n_folds)
        for metric in MEASURED:
            if entry is None:
                reason = f"no {name} with a frozen trunk is in transfer.networks at this scale"
                found[f"{source}_{metric}"] = {"value": None, "reason": reason}
            else:
                note = f"network {entry['name']}: {cells.words(entry, n_folds)}"
                found[f"{source}_{metric}"] = {**judged[entry["name"]][f"mean_{metric}"], "note": note}
    auc, f1 = (_best(found, metric) for metric in ("auc", "f1"))
    return found | {"best_auc": auc, "best_f1": f1}


def _best(found: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """The largest over the six networks; the best of several is a little too good."""
    measured = {
        source: found[f"{source}_{metric}"]
        for source in cells.BACKBONES
        if found[f"{source}_{metric}"].get("value") is not None
    }
    if not measured:
        return {"value": None, "reason": "no network with a frozen trunk was judged"}
    return measured[max(measured, key=lambda source: measured[source]["value"])]


def write(
    scores: Mapping[str, str | Path],
    entries: Sequence[Entry],
    n_folds: int,
    *,
    metrics_out: Mapping[str, str | Path],
    out: Mapping[str, str | Path],
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Judge all methods.

    Args:
        scores: out-of-fold parquet by name.
        entries: settings by name; a classical method has name and source alone.
        n_folds: of the cross-validation.
        metrics_out: JSON to write by name: ``judge`` of each.
        out: to write: "folds" (CSV, ``FOLD_COLUMNS``), "methods" (CSV, ``row`` of each, and nearest: whether
            a network stands beside Table 5-1), "roc" (parquet, network and ``roc`` of each), "table" (JSON,
            ``nearest_to_thesis``).
        n_bootstrap: redraws of parents.
        provenance: stored in the JSONs.
    """
    origin = {"provenance": dict(provenance or {})}
    judged, folds, rows, curves = {}, [], [], []
    for entry in entries:
        name = entry["name"]
        part = scored.read(scores[name])
        judged[name] = judge(part, n_bootstrap, generator(0, "cross-validation"))
        note = cells.words(entry, n_folds)
        noted = {key: one | ({"note": note} if note else {}) for key, one in judged[name].items()}
        tables.write_json(noted | origin, metrics_out[name])
        folds.append(by_fold(part).assign(network=name)[list(FOLD_COLUMNS)])
        rows.append(row(entry, judged[name], n_folds))
        curves.append(roc(part).assign(network=name))
    tables.write_csv(pd.concat(folds, ignore_index=True), out["folds"])
    nearest = {cells.nearest_name(entries, source, n_folds) for source in cells.BACKBONES}
    methods = pd.DataFrame(rows)
    tables.write_csv(methods.assign(nearest=methods["network"].isin(nearest)), out["methods"])
    tables.write_parquet(pd.concat(curves, ignore_index=True), out["roc"])
    tables.write_json(nearest_to_thesis(entries, judged, n_folds) | origin, out["table"])
