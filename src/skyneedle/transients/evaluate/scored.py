"""Scores of one set as everything that judges reads them, and the truth to judge by."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import GridMismatch, NotADataSet


class Scored(NamedTuple):
    """One method's answers on one set.

    Attributes:
        ids: int64, shape (n,), ascending.
        labels: 1 artifact, 0 non-artifact, shape (n,).
        scores: P(artifact) in [0, 1], shape (n,).
        groups: of hosts and nights, which a bootstrap redraws whole, shape (n,).
    """

    ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    groups: np.ndarray

    def chosen(self, rows: np.ndarray) -> "Scored":
        """Some of the examples: a mask or indices."""
        return Scored(*(part[rows] for part in self))


def read(
    scores: str | Path,
    split: str | Path,
    sets: Sequence[str] = ("testing",),
    labels: pd.DataFrame | None = None,
) -> Scored:
    """Scores of the examples of some splits, in the order of their ids.

    Args:
        scores: parquet with id, label and score.
        split: parquet with id, group and split.
        sets: splits that are read.
        labels: other labels to judge by (id, label), for instance relabelled ones or those of ``truth``.

    Raises:
        GridMismatch: if no score belongs to the sets, an id stands twice, or a score has no label.
        NotADataSet: if a label is neither 0 nor 1.
        BadScores: if a score is not a number.
    """
    table, parts = pd.read_parquet(scores), pd.read_parquet(split)
    parts = parts[parts["split"].isin(sets)]
    joined = table.merge(parts[["id", "group"]], on="id")
    if labels is not None:
        n_before = len(joined)
        joined = joined.drop(columns="label").merge(labels[["id", "label"]], on="id")
        if len(joined) != n_before:
            raise GridMismatch(
                f"{scores}: {n_before} scores, of which {len(joined)} have one other label each."
            )
    if joined.empty or joined["id"].duplicated().any():
        raise GridMismatch(
            f"{scores}: {len(joined)} scores, {joined['id'].nunique()} ids of {', '.join(sets)} in {split}; "
            "expected one score for each. Predict again with this split."
        )
    if not joined["label"].isin([0, 1]).all():
        raise NotADataSet(
            f"{scores}: examples without a label of 0 or 1 cannot be judged; leave the set out."
        )
    joined = joined.sort_values("id")
    found = joined["score"].to_numpy(float)
    metrics.check_scores(found)
    return Scored(
        joined["id"].to_numpy(np.int64), joined["label"].to_numpy(np.int64), found, joined["group"].to_numpy()
    )


def common(parts: Sequence[Scored]) -> list[Scored]:
    """The examples that all methods scored, so that they are compared on the same ones.

    Raises:
        GridMismatch: if labels of the same example differ, or no example is common.
    """
    shared = parts[0].ids
    for part in parts[1:]:
        shared = np.intersect1d(shared, part.ids)
    same = [part.chosen(np.isin(part.ids, shared)) for part in parts]
    if not len(shared) or any((part.labels != same[0].labels).any() for part in same):
        raise GridMismatch(
            f"{len(shared)} examples are common to all; their labels must be those of one version."
        )
    return same


def shortened(cards: Sequence[str | Path], split: str | Path) -> dict[str, str]:
    """For each network that learned from a part of the training set alone, the sentence that its rows need.

    Args:
        cards: ``<network>/seed<k>.json``, written by its training.
        split: parquet with id and split.
    """
    n_all = int((pd.read_parquet(split, columns=["split"])["split"] == "training").sum())
    found = {}
    for path in map(Path, cards):
        card = json.loads(path.read_text())
        n_examples = card.get("training", {}).get("n_examples", n_all)
        if n_examples < n_all:
            found[path.parent.name] = (
                f"ours learned from {n_examples} of the {n_all} training examples "
                f"(epochs: {card['epochs_trained']})"
            )
    return found
