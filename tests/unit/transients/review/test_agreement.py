import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from skyneedle.transients.labels.votes import ANSWERS, LOG_COLUMNS
from skyneedle.transients.review import agreement


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    first = rng.choice(ANSWERS, 200, p=[0.5, 0.4, 0.1])
    second = np.where(rng.random(200) < 0.7, first, rng.choice(ANSWERS, 200))
    weights = rng.integers(0, 4, 200)
    assert agreement.cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    expected = cohen_kappa_score(first, second, sample_weight=weights)
    assert agreement.cohen_kappa(first, second, weights) == pytest.approx(expected)


def test_kappa_by_hand():
    # 3 of 4 agree; chance: 0.5 * 0.75 + 0.5 * 0.25 = 0.5
    assert agreement.cohen_kappa(list("aabb"), list("aaab")) == pytest.approx((0.75 - 0.5) / 0.5)
    assert agreement.cohen_kappa(list("ab"), list("ba")) == pytest.approx(-1)
    assert np.isnan(agreement.cohen_kappa(list("aa"), list("aa")))
    assert np.isnan(agreement.cohen_kappa([], []))


def test_pairs_are_compared_on_what_both_answered():
    rows = []
    for name, answers in (("ann", "rrbbu"), ("bob", "rrbr"), ("eve", "")):
        words = {"r": "real", "b": "bogus", "u": "unsure"}
        rows += [(name, one, words[letter]) for one, letter in enumerate(answers)]
    log = pd.DataFrame(rows, columns=["reviewer", "id", "answer"]).reindex(columns=list(LOG_COLUMNS))
    log["action"] = "answer"
    found = agreement.pairs(log, 100)
    assert list(found) == list(agreement.COLUMNS)
    row = found.iloc[0]
    assert (row["first"], row["second"], row["n_both"], row["n_sure"]) == ("ann", "bob", 4, 4)
    assert row["agreement"] == 0.75
    assert row["kappa_low"] <= row["kappa"] <= row["kappa_high"]
