"""What is found and what is mistaken: completeness over properties of lenses, false positives by kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import score

LEAST = 20  # objects in a cell; below, a share says little and is left blank
PROPERTIES = ("theta_e", "mag_source", "source_colour")
PAIRS = (("theta_e", "mag_source"), ("theta_e", "source_colour"), ("mag_source", "source_colour"))
_CELL = ["network", "x", "y", "x_low", "x_high", "y_low", "y_high", "n", "found", "recall", "low", "high"]


def edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Bounds of cells of equal width from the least to the greatest value, shape (n_bins + 1,)."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, n_bins + 1)


def completeness(network: str, table: pd.DataFrame, found: np.ndarray, n_bins: int = 8) -> pd.DataFrame:
    """Recall of lenses in cells of one property, and of two.

    Args:
        network: its name.
        table: truth of the lenses: theta_e (arcsec), mag_source, source_colour (VIS - H, mag), as far as it
            is known.
        found: whether each is at or above the operating point, shape (lens,).
        n_bins: of each property; half as many where there are two.

    Returns:
        Columns network, x, y (names of properties; y empty for one), bounds of the cell, n, found, and recall
        with its binomial interval; these are missing in cells with fewer than 20 lenses. A property that the
        table does not have has no rows.
    """
    parts = [_cells(table, found, (x,), n_bins) for x in PROPERTIES if x in table]
    parts += [_cells(table, found, pair, max(2, n_bins // 2)) for pair in PAIRS if {*pair} <= {*table}]
    if not parts:
        return pd.DataFrame(columns=_CELL)
    return pd.concat(parts, ignore_index=True).assign(network=network)[_CELL]


def _cells(table: pd.DataFrame, found: np.ndarray, names: tuple[str, ...], n_bins: int) -> pd.DataFrame:
    known = table[list(names)].notna().all(axis=1).to_numpy()
    values = [table[name].to_numpy(float)[known] for name in names]
    bounds = [edges(one, n_bins) for one in values]
    places = [
        np.clip(np.searchsorted(limits, one, side="right") - 1, 0, n_bins - 1)
        for limits, one in zip(bounds, values, strict=True)
    ]
    shape = (n_bins,) * len(names)
    flat = np.ravel_multi_index(places, shape) if len(values[0]) else np.zeros(0, int)
    n = np.bincount(flat, minlength=int(np.prod(shape)))
    k = np.bincount(flat, weights=np.asarray(found, float)[known], minlength=int(np.prod(shape)))
    share = metrics.binomial(k, np.maximum(n, 1))
    blank = n < LEAST
    at = np.unravel_index(np.arange(len(n)), shape)
    cells = {"x": names[0], "y": names[1] if len(names) > 1 else ""}
    for axis, letter in zip(range(2), "xy", strict=True):
        inside = axis < len(names)
        cells[f"{letter}_low"] = bounds[axis][at[axis]] if inside else np.nan  # type: ignore[assignment]
        cells[f"{letter}_high"] = bounds[axis][at[axis] + 1] if inside else np.nan  # type: ignore[assignment]
    rates = {
        name: np.where(blank, np.nan, share[key])
        for name, key in (("recall", "value"), ("low", "low"), ("high", "high"))
    }
    return pd.DataFrame(cells | {"n": n, "found": k.astype(int)} | rates)


def impostors(network: str, kinds: np.ndarray, called: np.ndarray) -> pd.DataFrame:
    """False positive rate of each kind of impostor.

    Args:
        network: its name.
        kinds: of the non-lenses, shape (non-lens,).
        called: whether each is at or above the operating point, shape (non-lens,).

    Returns:
        Columns network, kind, n, called, false_positive_rate, low, high (binomial, 68 %).
    """
    rows = []
    for kind in sorted(set(kinds)):
        of_kind = kinds == kind
        share = metrics.binomial(int(called[of_kind].sum()), int(of_kind.sum()))
        rows.append(
            {"network": network, "kind": kind, "n": share["n"], "called": int(called[of_kind].sum())}
            | {"false_positive_rate": share["value"], "low": share["low"], "high": share["high"]}
        )
    columns = ["network", "kind", "n", "called", "false_positive_rate", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def compared(impostor_table: pd.DataFrame, pairs: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """False positive rates of a kind for a network that saw it in training and for one that did not.

    Args:
        impostor_table: of ``impostors``, all networks.
        pairs: each with ``kind``, ``trained_with`` and ``trained_without`` (names of networks).

    Returns:
        The rows of these networks and kinds, with a column training: "with" or "without".
    """
    found = [impostor_table.head(0).assign(training="")]
    for pair in pairs:
        for training in ("with", "without"):
            here = (impostor_table["network"] == pair[f"trained_{training}"]) & (
                impostor_table["kind"] == pair["kind"]
            )
            found.append(impostor_table[here].assign(training=training))
    return pd.concat(found, ignore_index=True)


def write(
    scores: Mapping[str, Mapping[str, str | Path]],
    points: Mapping[str, float],
    shards: Mapping[str, Sequence[str | Path]],
    settings: Mapping[str, Any],
    out: Mapping[str, str | Path],
) -> None:
    """Write completeness and false positives of all methods.

    Args:
        scores: for each method, parquet by name of the set.
        points: threshold of each, log odds.
        shards: files of the sets.
        settings: ``n_bins`` of the completeness, of the testing set; ``impostors``, the set whose impostors
            are counted, which has to tell their kinds; and ``without``, the pairs of ``compared``.
        out: "completeness", "impostors" and "without", CSV to write.

    Raises:
        GridMismatch, NotADataSet: as of ``score.read``.
    """
    testing, others = "testing", settings["impostors"]
    truth = {name: DataSet(shards[name]).table for name in {testing, others}}
    lens = {name: table["label"].to_numpy() == 1 for name, table in truth.items()}
    cells, mistaken = [], []
    for method, files in scores.items():
        called = {name: score.read(files[name], shards[name]).logits >= points[method] for name in truth}
        found, lenses = called[testing][lens[testing]], truth[testing][lens[testing]]
        cells.append(completeness(method, lenses, found, settings["n_bins"]))
        kinds = truth[others]["kind"].to_numpy()[~lens[others]]
        mistaken.append(impostors(method, kinds, called[others][~lens[others]]))
    by_kind = pd.concat(mistaken, ignore_index=True)
    tables.write_csv(pd.concat(cells, ignore_index=True), out["completeness"])
    tables.write_csv(by_kind, out["impostors"])
    tables.write_csv(compared(by_kind, settings["without"]), out["without"])
