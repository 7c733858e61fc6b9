"""Folds: by parent object, so that no network is judged on what it has seen; or by copy, as in the thesis."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSplit
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet

COLUMNS = ("id", "parent_id", "label", "kind", "fold")


def folds(table: pd.DataFrame, n_folds: int, seed: int) -> np.ndarray:
    """Divide examples so that a parent object is in one fold, and folds have about the same share of lenses.

    Args:
        table: columns id, label (0 or 1), parent_id; its order does not matter.
        n_folds: how many.
        seed: of the draw.

    Returns:
        Fold of each row, 0 to n_folds - 1, shape (n,).

    Raises:
        BadSplit: if a class has fewer parents than there are folds, so that a fold would lack it.

    Source: spec A6; ``StratifiedGroupKFold`` of scikit-learn.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    for label in (0, 1):
        n_parents = table.loc[table["label"] == label, "parent_id"].nunique()
        if n_parents < n_folds:
            raise BadSplit(
                f"{n_folds} folds are asked for, but {n_parents} objects have the label {label}; raise "
                "n_examples of the set or lower transfer.folds."
            )
    order = np.argsort(table["id"].to_numpy(), kind="stable")
    label = table["label"].to_numpy()[order]
    divide = StratifiedGroupKFold(n_folds, shuffle=True, random_state=_state(seed, "grouped"))
    found = np.empty(len(table), np.int64)
    for number, (_, judged) in enumerate(
        divide.split(np.zeros(len(order)), label, table["parent_id"].to_numpy()[order])
    ):
        found[order[judged]] = number
    return found


def copy_folds(table: pd.DataFrame, copies: int, n_folds: int, seed: int) -> np.ndarray:
    """Divide copies of examples without regard to what they are copies of, as the thesis did.

    Args:
        table: columns id and label (0 or 1); its order does not matter.
        copies: of each example.
        n_folds: how many.
        seed: of the draw.

    Returns:
        Fold of each copy, shape (n, copies).

    Raises:
        BadSplit: if a class has fewer copies than there are folds.

    Source: Akhazhanov 2018, Secs. 5.1 and 5.2; ``StratifiedKFold`` of scikit-learn.
    """
    from sklearn.model_selection import StratifiedKFold

    order = np.argsort(table["id"].to_numpy(), kind="stable")
    label = np.repeat(table["label"].to_numpy()[order], copies)
    for value in (0, 1):
        if (label == value).sum() < n_folds:
            raise BadSplit(
                f"{n_folds} folds are asked for, but {(label == value).sum()} copies have the label {value}; "
                "raise n_examples of the set or lower transfer.folds."
            )
    divide = StratifiedKFold(n_folds, shuffle=True, random_state=_state(seed, "copies"))
    found = np.empty(len(label), np.int64)
    for number, (_, judged) in enumerate(divide.split(np.zeros(len(label)), label)):
        found[judged] = number
    back = np.empty((len(order), copies), np.int64)
    back[order] = found.reshape(len(order), copies)
    return back


def write(
    out: str | Path,
    shards: Sequence[str | Path] | str | Path,
    n_folds: int,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Write the folds of a set as parquet, columns ``COLUMNS``, in the order of the set.

    Args:
        out: file to write.
        shards: of the set.
        n_folds: how many.
        seed: of the draw.
        provenance: stored in the file.

    Returns:
        The table.

    Raises:
        BadSplit: see ``folds``; and if an id is there twice.
    """
    table = DataSet(shards).table
    twice = table["id"].duplicated()
    if twice.any():
        raise BadSplit(
            f"{out}: id {table['id'][twice].iloc[0]} is there twice; give each set ids of its own (first_id)."
        )
    table = table.assign(fold=folds(table, n_folds, seed))[list(COLUMNS)]
    tables.write_parquet(table, out, {"n_folds": n_folds, "seed": seed, "provenance": dict(provenance or {})})
    return table


def _state(seed: int, what: str) -> int:
    return int(generator(seed, "folds", what).integers(2**31))
