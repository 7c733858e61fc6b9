"""Examples with labels, out of a set of stamps, and how networks are told from what they learnt."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core.errors import NoLabel, OneClassOnly
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transients import split


@dataclass(frozen=True)
class Sample:
    """Examples with labels out of a set.

    Attributes:
        data: the set.
        rows: ascending, shape (n,).
        labels: 1 artifact, 0 not, shape (n,).
        n_without_label: examples that were asked for and have none.
    """

    data: DataSet
    rows: np.ndarray
    labels: np.ndarray
    n_without_label: int = 0

    @property
    def ids(self) -> np.ndarray:
        """Ids, shape (n,)."""
        return self.data.table["id"].to_numpy(dtype=np.int64)[self.rows]

    def where(self, chosen: np.ndarray) -> "Sample":
        """Those of its examples that a mask of shape (n,) chooses."""
        return Sample(self.data, self.rows[chosen], self.labels[chosen])

    def hash(self) -> str:
        """Of ids and labels, whatever their order: networks and forest must learn from the same."""
        order = np.argsort(self.ids)
        both = np.stack([self.ids[order], self.labels[order]]).astype("<i8")
        return hashlib.sha256(both.tobytes()).hexdigest()[:16]


def sample(
    data: DataSet,
    split_file: str | Path | None,
    names: str | Sequence[str] | None,
    labels: str | Path | None,
    n_most: int | None = None,
) -> Sample:
    """Examples to learn from.

    Args:
        data: the set.
        split_file: see ``split.write``; None takes all.
        names: of the splits to take; None takes all of the file.
        labels: parquet of id and label, 1 artifact; None takes the given labels. Examples without a label
            there are left out.
        n_most: at most so many, drawn by id alone, the same for every network and seed.

    Raises:
        BadSplit: if a split is empty.
        NoLabel: if no example has a label.
        OneClassOnly: if all have the same.
    """
    rows = split.rows(data, split_file, names)
    label = labels_of(data, labels)[rows]
    labelled = ~np.isnan(label)
    where = f"{data.shards[0].parent}, {names or 'all'}"
    if not labelled.any():
        raise NoLabel(f"{where}: none of {len(rows)} examples has a label in {labels or 'its table'}.")
    n_without, rows, label = int((~labelled).sum()), rows[labelled], label[labelled].astype(np.int64)
    found = fewer(Sample(data, rows, label, n_without), n_most)
    label = found.labels
    if label.min() == label.max():
        raise OneClassOnly(
            f"{where}: {int(label.sum())} artifacts among {len(label)} examples; training needs both "
            "artifacts and others. Take more examples."
        )
    return found


def labels_of(data: DataSet, labels: str | Path | None) -> np.ndarray:
    """Label of each example of a set, shape (n,), double precision, NaN where there is none.

    Raises:
        NoLabel: if there is another label than 0 and 1.
    """
    if labels is None:
        if "label_given" not in data.table:
            return np.full(len(data), np.nan)
        found, place = data.table["label_given"], str(data.shards[0].parent)
    else:
        table = (
            pd.read_parquet(labels, columns=["id", "label"]).drop_duplicates("id").set_index("id")["label"]
        )
        found, place = table.reindex(data.table["id"]), str(labels)
    values = found.to_numpy(dtype=float, na_value=np.nan)
    values = np.where(values == -1, np.nan, values) if labels is None else values
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise NoLabel(f"{place}: labels other than 0 (non-artifact) and 1 (artifact) are in it.")
    return values


def fewer(learnt: Sample, n_most: int | None) -> Sample:
    """At most so many of them, drawn by the order of their ids alone."""
    if n_most is None or n_most >= len(learnt.rows):
        return learnt
    order = np.argsort(learnt.ids, kind="stable")
    chosen = np.zeros(len(order), bool)
    chosen[order[generator(0, "subset").permutation(len(order))[:n_most]]] = True
    return replace(learnt.where(chosen), n_without_label=learnt.n_without_label)
