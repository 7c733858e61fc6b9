import json
import math

import numpy as np
import pytest

from skyneedle.core import metrics
from skyneedle.core.errors import OneClassOnly


def test_wilson_matches_hand_computed_values():
    # 8 of 10: centre (0.8 + 0.05) / 1.1, half width sqrt(0.016 + 0.0025) / 1.1
    entry = metrics.binomial(8, 10)
    half = math.sqrt(0.8 * 0.2 / 10 + 1 / 400) / 1.1
    assert entry["value"] == pytest.approx(0.8)
    assert entry["low"] == pytest.approx(0.85 / 1.1 - half)
    assert entry["high"] == pytest.approx(0.85 / 1.1 + half)
    # k = 0 of n has the closed form 1 / (n + 1) as its upper end.
    assert metrics.binomial(0, 10) == {"value": 0.0, "low": 0.0, "high": pytest.approx(1 / 11), "n": 10}
    assert metrics.binomial(10, 10)["low"] == pytest.approx(10 / 11)
    assert metrics.binomial(10, 10)["high"] == 1.0


def test_binomial_is_elementwise_and_honest_about_no_trials():
    entry = metrics.binomial(np.array([0, 3]), np.array([0, 4]))
    assert math.isnan(entry["value"][0])
    assert entry["value"][1] == 0.75
    assert entry["n"].tolist() == [0, 4]


@pytest.mark.parametrize(("k", "low", "high"), [(0, 0.0, 1.841), (1, 0.173, 3.300), (10, 6.891, 14.267)])
def test_garwood_matches_the_tabulated_one_sigma_limits(k, low, high):
    # Gehrels 1986, ApJ 303, 336, tables 1 and 2 (84.13 % one-sided limits).
    entry = metrics.poisson_rate(k, 1.0)
    assert entry["low"] == pytest.approx(low, abs=1e-3)
    assert entry["high"] == pytest.approx(high, abs=2e-3)


def test_no_count_gives_a_lower_limit_of_the_time_and_null_in_json():
    time = metrics.inverse(metrics.poisson_rate(0, 3600.0))
    assert time["value"] == math.inf
    assert time["high"] == math.inf
    assert time["low"] == pytest.approx(3600 / 1.8410, rel=1e-4)
    text = json.dumps(metrics.json_ready({"a": time, "b": np.float32(0.5), "c": [np.int64(3), math.nan]}))
    assert json.loads(text)["a"]["high"] is None
    assert json.loads(text)["b"] == 0.5
    assert json.loads(text)["c"] == [3, None]


def test_inverse_swaps_the_ends():
    rate = metrics.poisson_rate(4, 100.0)
    time = metrics.inverse(rate)
    assert time["value"] == 25.0
    assert time["low"] == pytest.approx(1 / rate["high"])
    assert time["high"] == pytest.approx(1 / rate["low"])


def test_bootstrap_covers_the_truth_and_widens_with_groups():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        hits = rng.random(200) < 0.7
        entry = metrics.bootstrap(metrics.weighted_share(hits), np.arange(200), 200, rng)
        covered += entry["low"] <= 0.7 <= entry["high"]
    assert 55 <= covered <= 80  # 68 % expected

    # Ten copies of each of 20 examples hold the information of 20.
    hits = np.repeat(rng.random(20) < 0.5, 10)
    single = metrics.bootstrap(metrics.weighted_share(hits), np.arange(200), 400, rng)
    grouped = metrics.bootstrap(metrics.weighted_share(hits), np.repeat(np.arange(20), 10), 400, rng)
    assert grouped["n"] == 20
    assert (grouped["high"] - grouped["low"]) > 2 * (single["high"] - single["low"])


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(2)
    first = rng.random(500) < 0.5
    second = first & (rng.random(500) < 0.95)
    groups = np.arange(500)
    shares = metrics.weighted_share(first), metrics.weighted_share(second)
    paired = metrics.paired_difference(*shares, groups, 400, rng)
    alone = metrics.bootstrap(shares[0], groups, 400, rng)
    assert paired["value"] == pytest.approx(first.mean() - second.mean())
    assert paired["low"] > 0
    assert paired["high"] - paired["low"] < 0.6 * (alone["high"] - alone["low"])


def test_weighted_share_of_a_subset():
    share = metrics.weighted_share(np.array([1, 0, 1, 1]), np.array([True, True, True, False]))
    assert share(np.array([1.0, 2.0, 1.0, 9.0])) == pytest.approx(0.5)
    assert math.isnan(share(np.array([0.0, 0.0, 0.0, 1.0])))


def test_roc_by_hand_and_area_with_ties():
    curve = metrics.roc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9])
    assert curve["threshold"].tolist() == [np.inf, 0.9, 0.4, 0.1]
    assert curve["true_positive_rate"].tolist() == [0, 0.5, 1, 1]
    assert curve["false_positive_rate"].tolist() == [0, 0, 0.5, 1]
    # Pairs: 0.9 beats both, 0.4 beats 0.1 and ties once: 3.5 of 4.
    assert metrics.auc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]) == pytest.approx(3.5 / 4)
    # Weights count as repetitions.
    repeated = metrics.auc([0, 1, 0, 0, 1, 1], [0.1, 0.4, 0.4, 0.4, 0.9, 0.9])
    assert metrics.auc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9], np.array([1, 1, 2, 2])) == pytest.approx(repeated)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_roc_of_one_class_is_refused(labels):
    with pytest.raises(OneClassOnly, match="one class"):
        metrics.roc(labels, np.arange(len(labels)))
