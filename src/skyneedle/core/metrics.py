"""Ratios, rates and curves with 68 % intervals; numpy alone, scipy.special for Poisson's."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skyneedle.core.errors import OneClassOnly

LEVEL = math.erf(1 / math.sqrt(2))  # 0.6827: what one standard deviation of a Gaussian covers
Interval = dict[str, Any]  # {"value", "low", "high", "n"}: numbers, or arrays of one shape
Statistic = Callable[[np.ndarray], float]  # of the weights of the examples, shape (example,)


def interval(value: Any, low: Any, high: Any, n: Any) -> Interval:
    """A value with its 68 % interval and the number of things it was measured on."""
    scalar = np.ndim(value) == 0
    cast = float if scalar else np.asarray
    return {
        "value": cast(value),
        "low": cast(low),
        "high": cast(high),
        "n": int(n) if scalar else np.asarray(n),
    }


def binomial(k: Any, n: Any) -> Interval:
    """A share with Wilson's score interval (z = 1): inside [0, 1], and with a width at k = 0 and k = n too.

    Args:
        k: successes, a number or an array.
        n: trials, of the same shape.

    Returns:
        Interval of k / n; NaN where n = 0.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209.
    """
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = k / n
        centre = (share + 0.5 / n) / (1 + 1 / n)
        half = np.sqrt(share * (1 - share) / n + 0.25 / n**2) / (1 + 1 / n)
    # Rounding must not push the share itself out of its interval at k = 0 and k = n.
    low, high = np.minimum(centre - half, share), np.maximum(centre + half, share)
    return interval(share, np.maximum(low, 0), np.minimum(high, 1), n.astype(np.int64))


def poisson_rate(k: Any, exposure: Any) -> Interval:
    """A rate with Garwood's central interval of a Poisson mean.

    Args:
        k: counts, a number or an array.
        exposure: time (or whatever the rate is per), of the same shape.

    Returns:
        Interval of k / exposure, n = k; for k = 0 from 0 to 1.841 / exposure.

    Source: Garwood 1936, Biometrika 28, 437.
    """
    from scipy.special import gammaincinv

    k, exposure = np.broadcast_arrays(np.asarray(k, float), np.asarray(exposure, float))
    tail = (1 - LEVEL) / 2
    low = np.where(k > 0, gammaincinv(np.maximum(k, 1), tail), 0.0)
    high = gammaincinv(k + 1, 1 - tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        return interval(k / exposure, low / exposure, high / exposure, k.astype(np.int64))


def inverse(rate: Interval) -> Interval:
    """The interval of 1 / rate; a rate of zero gives an infinite value and upper end, and a lower end."""
    with np.errstate(divide="ignore"):
        value, low, high = (1 / np.asarray(rate[key], float) for key in ("value", "high", "low"))
    return interval(value, low, high, rate["n"])


def bootstrap(
    statistic: Statistic, groups: np.ndarray, n: int = 1000, rng: np.random.Generator | None = None
) -> Interval:
    """Percentile interval under redrawing whole groups, for examples that share their background.

    Args:
        statistic: function of the weights of the examples (how often each was drawn), shape (example,).
        groups: label of each example's group, shape (example,).
        n: number of redraws.
        rng: random stream; a fixed one when left out.

    Returns:
        Interval; n is the number of groups. Redraws for which the statistic is not a number are left out.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    draws = np.array([statistic(rng.multinomial(len(names), share)[member].astype(float)) for _ in range(n)])
    value = statistic(np.ones(len(member)))
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return interval(value, np.nan, np.nan, len(names))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return interval(value, low, high, len(names))


def paired_difference(
    first: Statistic,
    second: Statistic,
    groups: np.ndarray,
    n: int = 1000,
    rng: np.random.Generator | None = None,
) -> Interval:
    """Interval of ``first - second`` when both are measured on the same examples: what they share cancels."""
    return bootstrap(lambda weights: first(weights) - second(weights), groups, n, rng)


def weighted_share(passed: np.ndarray, among: np.ndarray | None = None) -> Statistic:
    """Statistic for `bootstrap`: the weighted share of ``passed`` examples, of those in ``among`` if given.

    Args:
        passed: booleans or counts, shape (example,).
        among: booleans, shape (example,).
    """
    chosen = np.ones(len(passed), bool) if among is None else np.asarray(among, bool)
    passed = np.asarray(passed, float)

    def share(weights: np.ndarray) -> float:
        total = weights[chosen].sum()
        return float(weights[chosen] @ passed[chosen] / total) if total else math.nan

    return share


def roc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Receiver operating characteristic, one point for each distinct score.

    Args:
        labels: 1 or True for positives, shape (example,).
        scores: larger is more positive, shape (example,).
        weights: of the examples, shape (example,).

    Returns:
        false_positive_rate, true_positive_rate and threshold (examples with score >= threshold are called
        positive), from (0, 0) at an infinite threshold to (1, 1).

    Raises:
        OneClassOnly: if the labels, or those with any weight, are of one class.
    """
    labels, scores = np.asarray(labels).astype(bool), np.asarray(scores)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    order = np.argsort(-scores, kind="stable")
    positive = np.cumsum(weights[order] * labels[order])
    negative = np.cumsum(weights[order] * ~labels[order])
    if not len(order) or positive[-1] == 0 or negative[-1] == 0:
        raise OneClassOnly(
            f"A ROC curve needs positives and negatives; the {len(labels)} labels hold one class only: "
            "check how the set was chosen."
        )
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # ties move together
    return {
        "false_positive_rate": np.append(0.0, negative[last] / negative[-1]),
        "true_positive_rate": np.append(0.0, positive[last] / positive[-1]),
        "threshold": np.append(np.inf, scores[order][last]),
    }


def auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half."""
    curve = roc(labels, scores, weights)
    return float(np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"]))


def json_ready(item: Any) -> Any:
    """The same with numpy numbers as Python's, and None for what JSON cannot hold (NaN and infinities)."""
    if isinstance(item, Mapping):
        return {str(key): json_ready(value) for key, value in item.items()}
    if isinstance(item, (list, tuple, np.ndarray)):
        return [json_ready(value) for value in item]
    if isinstance(item, np.generic):
        item = item.item()
    return None if isinstance(item, float) and not math.isfinite(item) else item
