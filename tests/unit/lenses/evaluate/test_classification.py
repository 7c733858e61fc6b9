"""All metrics of a set at once: against each one alone, in sets of one class, and by parent."""

import json
import math

import numpy as np
import pytest

from skyneedle.core import metrics
from skyneedle.core.errors import BadScores
from skyneedle.lenses.evaluate import classification

N = 600


@pytest.fixture(scope="module")
def scored():
    """Labels, logits and parents (two examples each, of one class) of a set with 72 % lenses."""
    rng = np.random.default_rng(4)
    labels = np.repeat(rng.random(N // 2) < 0.72, 2)
    return labels.astype(int), rng.normal(size=N) + 2.0 * labels - 1.0, np.repeat(np.arange(N // 2), 2)


def test_values_are_those_of_the_metrics_one_by_one(scored):
    labels, logits, parents = scored
    judged = classification.judge(labels, logits, parents, threshold=0.3, n_redraws=100)
    table = metrics.confusion(labels, logits >= 0.3)
    ranking = metrics.Ranking(labels, logits)
    expected = {
        "recall": table.recall,
        "false_positive_rate": table.false_positive_rate,
        "precision": table.precision,
        "accuracy": table.accuracy,
        "f1": 2 * table.precision * table.recall / (table.precision + table.recall),
        "f_beta": table.f_beta(0.03),
        "auroc": ranking.auroc(),
        "auprc": ranking.auprc(),
        "tpr0": ranking.recall_before(1),
        "tpr10": ranking.recall_before(10),
        "purity_0.72": table.purity(0.72),
        "purity_0.5": table.purity(0.5),
        "purity_0.001": table.purity(1e-3),
    }
    assert {name: entry["value"] for name, entry in judged.items()} == pytest.approx(expected, rel=1e-12)
    # Probability 0.5 is the log odds 0, and the purity falls with the prevalence.
    assert judged["purity_0.72"]["value"] > judged["purity_0.5"]["value"] > judged["purity_0.001"]["value"]
    for name, entry in judged.items():
        assert (entry["n"], entry["n_lenses"] + entry["n_non_lenses"]) == (N // 2, N)
        assert entry["definition"]
        assert entry["low"] <= entry["value"] <= entry["high"] or name == "tpr0"  # the top one may be redrawn
    assert json.loads(json.dumps(judged, allow_nan=False)) == judged
    assert "beta = 0.03" in judged["f_beta"]["definition"]


def test_intervals_are_those_of_redrawn_parents(scored):
    labels, logits, parents = scored
    judged = classification.judge(labels, logits, parents, n_redraws=200, rng=np.random.default_rng(1))
    ranking = metrics.Ranking(labels, logits)
    alone = metrics.bootstrap(ranking.auroc, parents, 200, np.random.default_rng(1))
    assert judged["auroc"]["low"] == pytest.approx(alone["low"], rel=1e-12)
    assert judged["auroc"]["high"] == pytest.approx(alone["high"], rel=1e-12)
    # Pairs that are copies of one another hold half as much as they seem to.
    copies = np.repeat(logits[::2], 2)
    by_parent, naive = (
        classification.judge(labels, copies, groups, n_redraws=300)["recall"]
        for groups in (parents, np.arange(N))
    )
    ratio = (by_parent["high"] - by_parent["low"]) / (naive["high"] - naive["low"])
    assert ratio == pytest.approx(math.sqrt(2), rel=0.15)


@pytest.mark.parametrize(
    ("label", "metric", "lacking"), [(1, "recall", "non-lenses"), (0, "false_positive_rate", "lenses")]
)
def test_sets_of_one_class_say_what_they_lack(label, metric, lacking):
    logits = np.array([-1.0, 2.0, 3.0, 0.0])
    judged = classification.judge(np.full(4, label), logits, np.arange(4), n_redraws=50)
    assert judged[metric]["value"] == 0.75  # 0 is at the threshold
    others = [entry for name, entry in judged.items() if name != metric]
    assert all(entry["value"] is None and entry["reason"] == f"the set has no {lacking}" for entry in others)


def test_where_nothing_is_called_a_lens_precision_has_a_reason():
    judged = classification.judge([1, 0, 1], [0.0, 1.0, 2.0], np.arange(3), threshold=9.0, n_redraws=20)
    without = {name for name, entry in judged.items() if entry["value"] is None}
    assert without == {"precision", "purity_0.72", "purity_0.5", "purity_0.001"}
    assert {judged[name]["reason"] for name in without} == {"nothing is at or above the threshold"}
    assert (judged["recall"]["value"], judged["f1"]["value"]) == (0, 0)


@pytest.mark.parametrize(("low", "said"), [(0.49, True), (0.5, True), (0.51, False)])
def test_chance_is_where_the_interval_reaches_one_half(low, said):
    assert classification.at_chance({"value": 0.6, "low": low}) == said
    assert not classification.at_chance({"value": None, "low": None})


def test_answers_are_ranked_by_log_odds_where_probabilities_are_one():
    """In single precision the first four are the same probability, and none of them would count (spec F7)."""
    logits = np.array([60.0, 50.0, 40.0, 30.0, 0.0])
    assert (metrics.probability(logits).astype(np.float32) == 1).sum() == 4
    judged = classification.judge([1, 1, 0, 1, 0], logits, np.arange(5), n_redraws=20)
    assert judged["tpr0"]["value"] == pytest.approx(2 / 3)
    assert judged["auroc"]["value"] == pytest.approx(5 / 6)
    assert judged["auprc"]["value"] == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(BadScores, match="1 of 2"):
        classification.judge([1, 0], [np.nan, 1.0], [0, 1])
