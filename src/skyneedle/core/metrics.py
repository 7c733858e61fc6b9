"""Ratios, rates and curves with 68 % intervals; numpy alone, scipy.special for Poisson's."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.errors import BadScores, OneClassOnly

LEVEL = math.erf(1 / math.sqrt(2))  # 0.6827: what one standard deviation of a Gaussian covers
Interval = dict[str, Any]  # {"value", "low", "high", "n"}: numbers, or arrays of one shape
# Of the weights of the examples, shape (example,): one number, or several measured on the same redraw.
Statistic = Callable[[np.ndarray], Any]


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
        statistic: function of the weights of the examples (how often each was drawn), shape (example,); gives
            a number or an array of them.
        groups: label of each example's group, shape (example,).
        n: number of redraws.
        rng: random stream; a fixed one when left out.

    Returns:
        Interval; n is the number of groups. Redraws where a statistic is not a number are left out for it.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    draws = np.array([statistic(rng.multinomial(len(names), share)[member].astype(float)) for _ in range(n)])
    value = statistic(np.ones(len(member)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # not one redraw with a number: the ends are NaN
        low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
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


class Confusion(NamedTuple):
    """How many positives and negatives were called positive or not; counts or sums of weights."""

    true_positives: float
    false_positives: float
    false_negatives: float
    true_negatives: float

    @property
    def precision(self) -> float:
        """Share of what was called positive that is; NaN if nothing was."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the positives that was called so; NaN without positives."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> float:
        """Share of the negatives that was called positive; NaN without negatives."""
        return _share(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def accuracy(self) -> float:
        """Share of all that was called rightly; NaN without examples."""
        return _share(self.true_positives + self.true_negatives, sum(self))

    def f_beta(self, beta: float) -> float:
        """Weighted harmonic mean of precision and recall.

        Args:
            beta: weight of recall against precision: 0 gives precision, 1 both alike, infinity recall. A beta
                of 0.03 is precision to a per mille.

        Returns:
            (1 + beta^2) TP / ((1 + beta^2) TP + beta^2 FN + FP); zero if no positive was found.

        Source: van Rijsbergen 1979, Information Retrieval, ch. 7; Wilde et al. 2022, Eq. 3.
        """
        return float(_f_beta(beta, self.true_positives, self.false_positives, self.false_negatives))

    def purity(self, prevalence: float) -> float:
        """Precision in a population with another share of positives, see ``purity``."""
        return purity(self.recall, self.false_positive_rate, prevalence)


def confusion(labels: np.ndarray, called: np.ndarray, weights: np.ndarray | None = None) -> Confusion:
    """Count right and wrong calls.

    Args:
        labels: 1 or True for positives, shape (example,).
        called: True for what is called positive, shape (example,).
        weights: of the examples, shape (example,).
    """
    labels, called = np.asarray(labels).astype(bool), np.asarray(called).astype(bool)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    kinds = (labels & called, ~labels & called, labels & ~called, ~labels & ~called)
    return Confusion(*(float(weights[kind].sum()) for kind in kinds))


def purity(true_positive_rate: float, false_positive_rate: float, prevalence: float) -> float:
    """Share of true positives in a sample that was selected from a population, by Bayes' rule.

    Args:
        true_positive_rate: of the selection.
        false_positive_rate: of the selection.
        prevalence: share of positives in the population.

    Returns:
        NaN if nothing would be selected.
    """
    good = true_positive_rate * prevalence
    return _share(good, good + false_positive_rate * (1 - prevalence))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else math.nan


def _f_beta(beta: float, positive: Any, false: Any, missed: Any) -> np.ndarray:
    # With the weight of recall as a share of one, an infinite beta needs no case of its own.
    of_recall = 1.0 if math.isinf(beta) else beta**2 / (1 + beta**2)
    whole = positive + of_recall * missed + (1 - of_recall) * false
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(positive, whole)  # NaN for numbers of Python too, where there is nothing


def probability(log_odds: Any) -> Any:
    """Probabilities of log odds: the logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(np.asarray(log_odds) / 2))


def check_scores(scores: np.ndarray) -> None:
    """Raise unless every score is a number.

    Raises:
        BadScores: says how many are not.
    """
    n_bad = int(np.isnan(scores).sum())
    if n_bad:
        raise BadScores(
            f"{n_bad} of {len(scores)} scores are not a number; look at the inputs that they belong to, or "
            "leave them out."
        )


class Ranking:
    """Examples sorted by score once, so that many redraws of a bootstrap need not sort again.

    Its methods are functions of the weights of the examples, a `Statistic` each; all are NaN for weights that
    leave one class only. Examples with the same score are never told apart.

    Args:
        labels: 1 or True for positives, shape (example,).
        scores: larger is more positive, shape (example,). Logits, not probabilities: these reach exactly 1.

    Raises:
        OneClassOnly: if the labels are of one class.
        BadScores: if a score is not a number.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray):
        labels, scores = np.asarray(labels).astype(bool), np.asarray(scores)
        check_scores(scores)
        self.order = np.argsort(-scores, kind="stable")
        self.labels, ranked = labels[self.order], scores[self.order]
        if self.labels.all() or not self.labels.any():
            raise _one_class(len(labels))
        # The last example of each distinct score: ties move together.
        self.last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
        self.thresholds = ranked[self.last]  # scores >= threshold are called positive

    def counts(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives at each threshold, shape (threshold,) each."""
        weights = np.ones(len(self.order)) if weights is None else np.asarray(weights, float)[self.order]
        return tuple(np.cumsum(weights * kind)[self.last] for kind in (self.labels, ~self.labels))

    def auroc(self, weights: np.ndarray | None = None) -> float:
        """Area under the ROC curve: chance that a positive scores above a negative, ties counted half."""
        positive, negative = self.counts(weights)
        if not positive[-1] or not negative[-1]:
            return math.nan
        across, up = (np.append(0.0, counts) / counts[-1] for counts in (negative, positive))
        return float(np.trapezoid(up, across))

    def auprc(self, weights: np.ndarray | None = None) -> float:
        """Area under the precision-recall curve, as the mean precision over the steps of recall.

        No interpolation between thresholds, which would be too kind. A random score has the share of
        positives.

        Source: Davis & Goadrich 2006, ICML, p. 233.
        """
        positive, negative = self.counts(weights)
        if not positive[-1] or not negative[-1]:
            return math.nan
        called = positive + negative
        precision = np.divide(positive, called, out=np.zeros_like(called), where=called > 0)
        return float(np.diff(positive, prepend=0.0) @ precision / positive[-1])

    def recall_before(self, n_false: int, weights: np.ndarray | None = None) -> float:
        """Largest recall with fewer than so many false positives: TPR0 for 1, TPR10 for 10.

        A positive with the score of the false positive that ends the list does not count. The value depends
        on the number of negatives: the challenge had a test set of 100,000.

        Source: Metcalf et al. 2019, A&A 625, A119, Sec. 5.
        """
        positive, negative = self.counts(weights)
        if not positive[-1] or not negative[-1]:
            return math.nan
        return float(np.max(positive[negative < n_false], initial=0.0) / positive[-1])

    def best_f_beta(self, beta: float, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Largest F-beta over all thresholds, and the threshold that reaches it, the highest of several.

        The threshold is to be found on validation data; on test data the value is too good.
        """
        positive, negative = self.counts(weights)
        values = np.nan_to_num(_f_beta(beta, positive, negative, positive[-1] - positive))
        best = int(np.argmax(values))
        return float(values[best]), float(self.thresholds[best])


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
        BadScores: if a score is not a number.
    """
    ranking = Ranking(labels, scores)
    positive, negative = ranking.counts(weights)
    if not positive[-1] or not negative[-1]:
        raise _one_class(len(labels))
    return {
        "false_positive_rate": np.append(0.0, negative / negative[-1]),
        "true_positive_rate": np.append(0.0, positive / positive[-1]),
        "threshold": np.append(np.inf, ranking.thresholds),
    }


def _one_class(n: int) -> OneClassOnly:
    return OneClassOnly(
        f"A ROC curve needs positives and negatives; the {n} labels hold one class only: "
        "check how the set was chosen."
    )


def json_ready(item: Any) -> Any:
    """The same with numpy numbers as Python's, and None for what JSON cannot hold (NaN and infinities)."""
    if isinstance(item, Mapping):
        return {str(key): json_ready(value) for key, value in item.items()}
    if isinstance(item, (list, tuple, np.ndarray)):
        return [json_ready(value) for value in item]
    if isinstance(item, np.generic):
        item = item.item()
    return None if isinstance(item, float) and not math.isfinite(item) else item
