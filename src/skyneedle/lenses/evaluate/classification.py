"""Scores of lens candidates to the numbers of Tables 5 and 6 and of the lens-finding challenges."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skyneedle.core import metrics

BETA = 0.03
PREVALENCES = (0.72, 0.5, 1e-3)  # training set of the challenge, balanced, the sky

DEFINITIONS = {
    "recall": "share of the lenses at or above the threshold",
    "false_positive_rate": "share of the non-lenses at or above the threshold",
    "precision": "share of lenses among what is at or above the threshold, at the prevalence of the set",
    "accuracy": "share of rightly classified examples, at the prevalence of the set",
    "f1": "harmonic mean of precision and recall",
    "f_beta": "F-beta: the smaller beta, the more it is precision and the less recall",
    "auroc": "area under the ROC curve",
    "auprc": "area under the precision-recall curve (average precision), at the prevalence of the set",
    "tpr0": "largest recall without any false positive, ties counted against; its interval is one-sided: a "
    "redraw may leave out the highest non-lens, but has none higher",
    "tpr10": "largest recall with fewer than ten false positives, ties counted against",
    "purity": "share of lenses among what is at or above the threshold, at the prevalence given",
}
NOTHING_CALLED = "nothing is at or above the threshold"
AT_CHANCE = "at chance: AUROC interval reaches 0.5"
OF_POSITIVES = ("recall",)
OF_NEGATIVES = ("false_positive_rate",)


def judge(
    labels: np.ndarray,
    logits: np.ndarray,
    parents: np.ndarray,
    *,
    threshold: float = 0.0,
    beta: float = BETA,
    prevalences: Sequence[float] = PREVALENCES,
    n_redraws: int = 1000,
    rng: np.random.Generator | None = None,
) -> dict[str, dict[str, Any]]:
    """Every metric of one network on one set, with intervals from redrawing parents.

    Args:
        labels: 1 for lenses, shape (example,).
        logits: log odds of being a lens, shape (example,); not probabilities, of which many are exactly 1.
        parents: group of each example, shape (example,); groups are redrawn whole.
        threshold: in log odds, from which an example is called a lens; 0 is a probability of 0.5.
        beta: of F-beta.
        prevalences: shares of lenses for which the purity is given.
        n_redraws: of the bootstrap.
        rng: of the redraws; a fixed one if left out.

    Returns:
        For each metric value, low, high (68 %), n (parents), n_lenses, n_non_lenses and definition; those of
        ``DEFINITIONS``, with ``purity_<prevalence>`` for each prevalence. In a set of one class, what needs
        both has no value but a reason; so have precision and purity where nothing is called a lens.

    Raises:
        BadScores: if a logit is not a number.

    Source: Wilde et al. 2022, Sec. 4 and Tables 5 and 6; Metcalf et al. 2019, A&A 625, A119, Sec. 5.
    """
    labels, logits = np.asarray(labels).astype(bool), np.asarray(logits)
    metrics.check_scores(logits)
    counts = {"n_lenses": int(labels.sum()), "n_non_lenses": int((~labels).sum())}
    names = _names(prevalences)
    usable = [name for name in names if _has_value(name, **counts)]
    ranking = metrics.Ranking(labels, logits) if all(counts.values()) else None
    called = logits >= threshold

    def measure(weights: np.ndarray) -> np.ndarray:
        found = _at_threshold(metrics.confusion(labels, called, weights), beta, prevalences)
        if ranking is not None:
            found |= {
                "auroc": ranking.auroc(weights),
                "auprc": ranking.auprc(weights),
                "tpr0": ranking.recall_before(1, weights),
                "tpr10": ranking.recall_before(10, weights),
            }
        return np.array([found[name] for name in usable])

    entry = metrics.bootstrap(measure, parents, n_redraws, rng)
    judged: dict[str, dict[str, Any]] = {}
    for name in names:
        judged[name] = {**counts, "n": int(entry["n"]), "definition": _definition(name, beta)}
        values = dict.fromkeys(("value", "low", "high"))
        if name not in usable:
            lacking = "lenses" if not counts["n_lenses"] else "non-lenses"
            judged[name] |= values | {"reason": f"the set has no {lacking}"}
        elif np.isnan(entry["value"][usable.index(name)]):
            judged[name] |= values | {"reason": NOTHING_CALLED}
        else:
            judged[name] |= {key: float(entry[key][usable.index(name)]) for key in values}
    return judged


def at_chance(auroc: Mapping[str, Any]) -> bool:
    """Whether the interval of an AUROC reaches 0.5; of one that has no value nothing is said."""
    return auroc["value"] is not None and auroc["low"] <= 0.5


def _names(prevalences: Sequence[float]) -> list[str]:
    plain = [name for name in DEFINITIONS if name != "purity"]
    return [*plain, *(f"purity_{prevalence:g}" for prevalence in prevalences)]


def _definition(name: str, beta: float) -> str:
    if name.startswith("purity_"):
        return f"{DEFINITIONS['purity']}: {name.removeprefix('purity_')}"
    return f"{DEFINITIONS[name]} (beta = {beta:g})" if name == "f_beta" else DEFINITIONS[name]


def _has_value(name: str, n_lenses: int, n_non_lenses: int) -> bool:
    needs_lenses, needs_others = name not in OF_NEGATIVES, name not in OF_POSITIVES
    return (n_lenses > 0 or not needs_lenses) and (n_non_lenses > 0 or not needs_others)


def _at_threshold(table: metrics.Confusion, beta: float, prevalences: Sequence[float]) -> dict[str, float]:
    found = {
        "recall": table.recall,
        "false_positive_rate": table.false_positive_rate,
        "precision": table.precision,
        "accuracy": table.accuracy,
        "f1": table.f_beta(1.0),
        "f_beta": table.f_beta(beta),
    }
    return found | {f"purity_{prevalence:g}": table.purity(prevalence) for prevalence in prevalences}
