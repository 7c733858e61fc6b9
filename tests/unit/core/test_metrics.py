import json
import math

import numpy as np
import pytest
from sklearn import metrics as reference

from skyneedle.core import metrics
from skyneedle.core.errors import BadScores, OneClassOnly


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
    assert metrics.Ranking([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]).auroc() == pytest.approx(3.5 / 4)
    # Weights count as repetitions.
    repeated = metrics.Ranking([0, 1, 0, 0, 1, 1], [0.1, 0.4, 0.4, 0.4, 0.9, 0.9]).auroc()
    weighted = metrics.Ranking([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9]).auroc(np.array([1, 1, 2, 2]))
    assert weighted == pytest.approx(repeated)


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_roc_of_one_class_is_refused(labels):
    with pytest.raises(OneClassOnly, match="one class"):
        metrics.roc(labels, np.arange(len(labels)))


# --- classification


def tied_scores(n=3000, seed=3):
    """Scores with many ties, larger for positives on average, and repeated examples' weights."""
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    scores = np.round(rng.normal(size=n) + 1.2 * labels, 1)
    return labels, scores, rng.integers(0, 4, n).astype(float)


def test_confusion_by_hand():
    table = metrics.confusion([1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0])
    assert table == (2, 1, 1, 4)
    assert table.precision == pytest.approx(2 / 3)
    assert table.recall == pytest.approx(2 / 3)
    assert table.false_positive_rate == pytest.approx(1 / 5)
    assert table.accuracy == pytest.approx(6 / 8)
    weighted = metrics.confusion([1, 0], [1, 1], np.array([3.0, 0.5]))
    assert weighted == (3, 0.5, 0, 0)
    nothing = metrics.confusion([1, 0], [0, 0])
    assert math.isnan(nothing.precision)
    assert (nothing.recall, nothing.f_beta(0.5)) == (0, 0)
    assert math.isnan(metrics.confusion([0], [0]).recall)


@pytest.mark.parametrize("beta", [0.03, 0.5, 1.0, 2.0, 30.0])
def test_f_beta_is_that_of_scikit_learn(beta):
    labels, scores, weights = tied_scores()
    table = metrics.confusion(labels, scores > 0.5, weights)
    expected = reference.fbeta_score(labels, scores > 0.5, beta=beta, sample_weight=weights)
    assert table.f_beta(beta) == pytest.approx(expected, rel=1e-12)


def test_small_beta_weights_precision():
    table = metrics.Confusion(30, 10, 70, 890)  # precision 0.75, recall 0.3
    assert table.f_beta(0) == table.precision == 0.75
    assert table.f_beta(math.inf) == table.recall == 0.3
    assert table.f_beta(1) == pytest.approx(2 * 0.75 * 0.3 / 1.05)
    assert table.f_beta(0.03) == pytest.approx(0.75, abs=0.0015)
    assert table.f_beta(1e4) == pytest.approx(0.3, abs=1e-6)


def test_the_papers_f_beta_follows_from_its_precision_and_recall():
    # Wilde et al. 2022, Table 5 (beta 0.03): printed precision and recall of OU-66, OU-200, OU-T-SNE.
    for precision, recall, printed in (
        (0.9758, 0.2180, 0.9727),
        (0.9697, 0.4423, 0.9687),
        (0.9431, 0.4846, 0.9423),
    ):
        table = metrics.Confusion(recall, recall * (1 / precision - 1), 1 - recall, 0)
        assert table.f_beta(0.03) == pytest.approx(printed, abs=1e-4)


def test_purity_at_another_prevalence():
    table = metrics.Confusion(80, 30, 20, 270)  # TPR 0.8, FPR 0.1, prevalence 0.25
    assert table.purity(0.25) == pytest.approx(table.precision)
    # Of 100,000 objects 100 are positives: 80 are found beside a tenth of 99,900.
    assert table.purity(1e-3) == pytest.approx(80 / (80 + 9990))
    assert metrics.purity(0.8, 0.0, 1e-3) == 1
    assert math.isnan(metrics.purity(0.0, 0.0, 0.5))


@pytest.mark.parametrize("weighted", [False, True])
def test_areas_are_those_of_scikit_learn(weighted):
    labels, scores, weights = tied_scores()
    chosen = weights if weighted else None
    ranking = metrics.Ranking(labels, scores)
    assert ranking.auroc(chosen) == pytest.approx(
        reference.roc_auc_score(labels, scores, sample_weight=chosen), rel=1e-12
    )
    assert ranking.auprc(chosen) == pytest.approx(
        reference.average_precision_score(labels, scores, sample_weight=chosen), rel=1e-12
    )
    roc = metrics.roc(labels, scores, chosen)
    area = np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"])
    assert ranking.auroc(chosen) == pytest.approx(area, rel=1e-12)


def test_average_precision_by_hand():
    # Ranked + - + -: precision 1 at the first positive, 2/3 at the second.
    assert metrics.Ranking([1, 0, 1, 0], [4, 3, 2, 1]).auprc() == pytest.approx((1 + 2 / 3) / 2)
    # All tied: one step, at the share of positives.
    assert metrics.Ranking([1, 0, 0, 0], [1, 1, 1, 1]).auprc() == pytest.approx(0.25)


def test_recall_before_the_first_and_the_tenth_false_positive():
    #           + +  +- tied  -  +
    labels = [1, 1, 1, 0, 0, 1]
    scores = [9, 8, 7, 7, 6, 5]
    ranking = metrics.Ranking(labels, scores)
    assert ranking.recall_before(1) == pytest.approx(2 / 4)  # the tied positive does not count
    assert ranking.recall_before(2) == pytest.approx(3 / 4)
    assert ranking.recall_before(3) == 1
    assert metrics.Ranking([0, 1], [2, 1]).recall_before(1) == 0
    # Twelve negatives interleaved with twelve positives: nine false positives are fewer than ten.
    labels = np.tile([0, 1], 12)
    ranking = metrics.Ranking(labels, -np.arange(24.0))
    assert (ranking.recall_before(1), ranking.recall_before(10)) == (0, pytest.approx(9 / 12))


def test_saturated_scores_count_against_and_logits_do_not_saturate():
    logits = np.array([60.0, 50.0, 40.0, 30.0, 0.0])
    labels = np.array([1, 1, 0, 1, 0])
    saturated = (1 / (1 + np.exp(-logits.astype(np.float32)))).astype(np.float32)
    assert (saturated == 1).sum() == 4
    assert metrics.Ranking(labels, logits).recall_before(1) == pytest.approx(2 / 3)
    assert metrics.Ranking(labels, saturated).recall_before(1) == 0


def test_best_threshold_is_the_best_of_all():
    labels, scores, weights = tied_scores()
    ranking = metrics.Ranking(labels, scores)
    for beta in (0.0, 0.3, 1.0, 3.0):
        value, threshold = ranking.best_f_beta(beta, weights)
        every = [metrics.confusion(labels, scores >= at, weights).f_beta(beta) for at in np.unique(scores)]
        assert value == pytest.approx(np.nanmax(every))
        assert metrics.confusion(labels, scores >= threshold, weights).f_beta(beta) == pytest.approx(value)


def test_weights_of_a_ranking_are_repetitions():
    labels, scores, weights = tied_scores(400)
    ranking = metrics.Ranking(labels, scores)
    repeated = np.repeat(np.arange(400), weights.astype(int))
    again = metrics.Ranking(labels[repeated], scores[repeated])
    for weighted, plain in (
        (ranking.auroc(weights), again.auroc()),
        (ranking.auprc(weights), again.auprc()),
        (ranking.recall_before(10, weights), again.recall_before(10)),
        (ranking.best_f_beta(0.5, weights), again.best_f_beta(0.5)),
    ):
        assert weighted == pytest.approx(plain)


def test_bootstrap_of_an_area_by_parent():
    labels, scores, _ = tied_scores(300)
    ranking = metrics.Ranking(labels, scores)
    single = metrics.bootstrap(ranking.auroc, np.arange(300), 300)
    expected = 0.5 * math.erfc(-1.2 / 2)  # two unit Gaussians 1.2 apart
    width = single["high"] - single["low"]
    assert single["value"] == pytest.approx(expected, abs=1.5 * width)  # three standard deviations
    # The same 300 examples twenty times over know no more, if their parents are heeded.
    many = metrics.Ranking(np.tile(labels, 20), np.tile(scores, 20))
    by_parent = metrics.bootstrap(many.auroc, np.tile(np.arange(300), 20), 300)
    naive = metrics.bootstrap(many.auroc, np.arange(6000), 100)
    assert by_parent["high"] - by_parent["low"] == pytest.approx(width, rel=0.25)
    assert naive["high"] - naive["low"] < 0.4 * width


def test_redraws_of_one_class_are_left_out_and_bad_scores_refused():
    labels, scores = np.array([1, 0, 0]), np.array([3.0, 2.0, 1.0])
    ranking = metrics.Ranking(labels, scores)
    only = np.array([0.0, 1.0, 1.0])
    assert all(
        math.isnan(value)
        for value in (ranking.auroc(only), ranking.auprc(only), ranking.recall_before(1, only))
    )
    entry = metrics.bootstrap(ranking.auroc, np.arange(3), 200)
    assert (entry["value"], entry["low"], entry["high"]) == (1, 1, 1)
    with pytest.raises(OneClassOnly, match="one class"):
        metrics.Ranking([1, 1], [0.1, 0.2])
    with pytest.raises(OneClassOnly, match="one class"):
        metrics.roc(labels, scores, only)
    with pytest.raises(BadScores, match="1 of 3 scores"):
        metrics.Ranking(labels, [0.1, np.nan, 0.2])


def test_shuffled_labels_give_half():
    rng = np.random.default_rng(8)
    ranking = metrics.Ranking(rng.random(20000) < 0.2, rng.normal(size=20000))
    assert ranking.auroc() == pytest.approx(0.5, abs=0.02)
    assert ranking.auprc() == pytest.approx(0.2, abs=0.02)


def test_several_statistics_share_their_redraws():
    labels, scores, _ = tied_scores(300)
    ranking = metrics.Ranking(labels, scores)
    both = metrics.bootstrap(
        lambda weights: np.array([ranking.auroc(weights), ranking.auprc(weights), math.nan]),
        np.arange(300),
        200,
    )
    for i, statistic in enumerate((ranking.auroc, ranking.auprc)):
        alone = metrics.bootstrap(statistic, np.arange(300), 200)
        assert [both[key][i] for key in ("value", "low", "high")] == [
            alone[key] for key in ("value", "low", "high")
        ]
    assert np.isnan([both[key][2] for key in ("value", "low", "high")]).all()
