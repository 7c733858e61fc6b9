"""How far reviewers agree beyond chance."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.transients.labels import votes

COLUMNS = (
    "first",
    "second",
    "n_both",
    "agreement",
    "kappa",
    "kappa_low",
    "kappa_high",
    "n_sure",
    "kappa_sure",
)


def cohen_kappa(first: Any, second: Any, weights: np.ndarray | None = None) -> float:
    """Cohen's kappa of two lists of answers to the same questions.

    Args:
        first: answers, shape (n,).
        second: likewise.
        weights: of the questions, shape (n,).

    Returns:
        (p_o - p_e) / (1 - p_e): share of agreement beyond what chance would give with these marginals; NaN
        without answers, or if both gave the same one answer throughout.

    Source: Cohen 1960, Educational and Psychological Measurement 20, 37.
    """
    first, second = np.asarray(first), np.asarray(second)
    weights = np.ones(len(first)) if weights is None else np.asarray(weights, float)
    if not weights.sum():
        return float("nan")
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    rows, columns = codes[: len(first)], codes[len(first) :]
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (rows, columns), weights / weights.sum())
    observed, expected = np.trace(table), table.sum(axis=1) @ table.sum(axis=0)
    return float((observed - expected) / (1 - expected)) if expected < 1 - 1e-12 else float("nan")


def pairs(log: pd.DataFrame, n_bootstrap: int = 1000) -> pd.DataFrame:
    """Agreement of each pair of reviewers on what both have answered.

    Args:
        log: see ``votes.LOG_COLUMNS``.
        n_bootstrap: redraws of candidates for the interval.

    Returns:
        Columns ``COLUMNS``: kappa counts "unsure" as an answer of its own, kappa_sure leaves out the
        candidates where one of the two was unsure.
    """
    answers = votes.standing(log).pivot(index="id", columns="reviewer", values="answer")
    rows = []
    for first, second in combinations(sorted(answers.columns), 2):
        both = answers[[first, second]].dropna()
        ours, theirs = both[first].to_numpy(str), both[second].to_numpy(str)
        sure = (ours != "unsure") & (theirs != "unsure")
        kappa = _interval(ours, theirs, n_bootstrap)
        rows.append(
            {"first": first, "second": second, "n_both": len(both)}
            | {"agreement": float((ours == theirs).mean()) if len(both) else float("nan")}
            | {"kappa": kappa["value"], "kappa_low": kappa["low"], "kappa_high": kappa["high"]}
            | {"n_sure": int(sure.sum()), "kappa_sure": cohen_kappa(ours[sure], theirs[sure])}
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interval(ours: np.ndarray, theirs: np.ndarray, n: int) -> metrics.Interval:
    if not len(ours):
        return metrics.interval(np.nan, np.nan, np.nan, 0)
    return metrics.bootstrap(lambda weights: cohen_kappa(ours, theirs, weights), np.arange(len(ours)), n)
