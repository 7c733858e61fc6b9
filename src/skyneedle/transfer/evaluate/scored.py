"""Scores of a cross-validation as everything that judges reads them, and what is measured of them."""

import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import GridMismatch, NotADataSet
from skyneedle.core.metrics import Ranking, Statistic

HALF = 0.5  # probability from which on a stamp is called a lens
MEASURED = ("auc", "f1", "auprc")
DEFINITIONS = {
    "auc": "area under the ROC curve",
    "f1": "2 TP / (2 TP + FP + FN) at a probability of 0.5",
    "auprc": "area under the precision-recall curve, without interpolation",
}
COLUMNS = ("label", "parent_id", "fold", "score")


class Scored(NamedTuple):
    """Answers to stamps that the network of their fold has not seen.

    Attributes:
        labels: 1 lens, 0 no lens, shape (n,).
        scores: probability of a lens, shape (n,).
        logits: the same as log odds, which still tell apart scores that round to 1; scores where a method has
            none, shape (n,).
        parents: object that a stamp is of, which a bootstrap redraws whole, shape (n,).
        folds: fold that a stamp was judged in, shape (n,).
    """

    labels: np.ndarray
    scores: np.ndarray
    logits: np.ndarray
    parents: np.ndarray
    folds: np.ndarray

    def chosen(self, rows: np.ndarray) -> "Scored":
        """Some of the stamps: a mask or indices."""
        return Scored(*(part[rows] for part in self))


def read(path: str | Path) -> Scored:
    """Scores of one method, see ``of_table``."""
    return of_table(pd.read_parquet(path), path)


def of_table(table: pd.DataFrame, name: str | Path = "scores") -> Scored:
    """Scores as they stand in a table.

    Args:
        table: columns label, parent_id, fold, score and, where the method has them, logit.
        name: of the file, for errors.

    Raises:
        NotADataSet: if a column is missing, no row is there, or a label is neither 0 nor 1.
        BadScores: if a score is not a number.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing or table.empty:
        what = f"columns {missing} are missing" if missing else "there is no row"
        raise NotADataSet(f"{name}: {what}; expected out-of-fold scores. Delete the file and run again.")
    if not table["label"].isin([0, 1]).all():
        raise NotADataSet(f"{name}: labels must be 0 or 1, to be judged by; leave the others out.")
    scores = table["score"].to_numpy(float)
    metrics.check_scores(scores)
    has_logits = "logit" in table and table["logit"].notna().all()
    return Scored(
        table["label"].to_numpy(np.int64),
        scores,
        table["logit"].to_numpy(float) if has_logits else scores,
        table["parent_id"].to_numpy(),
        table["fold"].to_numpy(np.int64),
    )


class Folds:
    """What is measured of each fold and of all of them pooled, as functions of the weights of the stamps.

    Args:
        part: the scores; stamps are sorted once, so that many redraws of a bootstrap need not.

    A fold that has, or is left with, one class only is NaN, and no part of a mean.
    """

    def __init__(self, part: Scored):
        self.part = part
        self.names = np.unique(part.folds)
        self.rows = [np.flatnonzero(part.folds == name) for name in self.names]
        self.parts = [part.chosen(rows) for rows in self.rows]
        self.rankings = [_ranking(one) for one in self.parts]
        self.whole = _ranking(part)

    def each(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Metrics of ``MEASURED`` of each fold, shape (metric, fold)."""
        weights = np.ones(len(self.part.labels)) if weights is None else weights
        each = zip(self.parts, self.rankings, self.rows, strict=True)
        return np.array([_measured(one, ranking, weights[rows]) for one, ranking, rows in each]).T

    def mean(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Means over folds, shape (metric,): what the thesis prints."""
        return mean_over(self.each(weights))

    def mean_auc(self, weights: np.ndarray | None = None) -> float:
        """Mean over folds of the area under the ROC curve."""
        weights = np.ones(len(self.part.labels)) if weights is None else weights
        areas = [
            math.nan if ranking is None else ranking.auroc(weights[rows])
            for rows, ranking in zip(self.rows, self.rankings, strict=True)
        ]
        return float(mean_over(np.array(areas)))

    def pooled(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Metrics of all stamps in one ranking, shape (metric,).

        Networks of different folds need not mean the same by a score, which costs a little.
        """
        weights = np.ones(len(self.part.labels)) if weights is None else weights
        return np.array(_measured(self.part, self.whole, weights))


def _ranking(part: Scored) -> Ranking | None:
    one_class = part.labels.min() == part.labels.max()
    return None if one_class else Ranking(part.labels, part.logits)


def _measured(part: Scored, ranking: Ranking | None, weights: np.ndarray) -> list[float]:
    auc, auprc = (math.nan, math.nan) if ranking is None else (ranking.auroc(weights), ranking.auprc(weights))
    # The thesis prints 2 TP^2 as numerator (Eq. 7), with which F1 would be far above 1.
    f1 = metrics.confusion(part.labels, part.scores >= HALF, weights).f_beta(1)
    return [auc, f1, auprc]


def mean_over(values: np.ndarray) -> Any:
    """Mean over the last axis of what is a number; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(values, axis=-1)


def spread(values: np.ndarray) -> float:
    """Standard deviation of a sample, NaN for fewer than two numbers."""
    values = values[np.isfinite(values)]
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def common_parents(parts: Sequence[Scored]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Parents of several sets of scores, so that one redraw holds for all of them.

    Returns:
        The parents, each once, and for each part the place of the parent of each stamp among them: weights of
        parents become those of stamps by indexing.

    Raises:
        GridMismatch: if there are no parts.
    """
    if not parts:
        raise GridMismatch("Nothing to compare: no scores were given; run the networks first.")
    parents = np.unique(np.concatenate([part.parents for part in parts]))
    return parents, [np.searchsorted(parents, part.parents) for part in parts]


def mean_auc(parts: Iterable[Scored], places: Iterable[np.ndarray]) -> Statistic:
    """Statistic of the weights of parents: the mean over parts of the mean over folds of their AUC."""
    folds = [(Folds(part), place) for part, place in zip(parts, places, strict=True)]
    return lambda weights: float(mean_over(np.array([one.mean_auc(weights[at]) for one, at in folds])))
