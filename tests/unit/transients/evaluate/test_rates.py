"""The paper's convention: by hand, by symmetry, and against scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from skyneedle.core.errors import OneClassOnly
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.evaluate.scored import Scored
from tests.unit.transients.evaluate import made


def test_four_rows_by_hand():
    labels, scores = np.array([1, 1, 1, 0]), np.array([0.9, 0.2, 0.7, 0.6])
    counts = rates.confusion(labels, scores)
    # Below 0.5 is called non-artifact, the positive class: only the artifact at 0.2, wrongly.
    assert counts == (0, 1, 1, 2)
    assert rates.missed_detection_rate(counts) == 1
    assert rates.false_positive_rate(counts) == pytest.approx(1 / 3)
    counts = rates.confusion(np.array([1, 1, 0, 0]), np.array([0.9, 0.2, 0.1, 0.8]))
    assert counts == (1, 1, 1, 1)
    assert rates.missed_detection_rate(counts) == rates.false_positive_rate(counts) == 0.5


def test_turning_labels_and_scores_round_exchanges_the_rates():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 400), rng.random(400)
    one, other = rates.confusion(labels, scores, 0.3), rates.confusion(1 - labels, 1 - scores, 0.7)
    assert rates.missed_detection_rate(one) == pytest.approx(rates.false_positive_rate(other))
    assert rates.false_positive_rate(one) == pytest.approx(rates.missed_detection_rate(other))
    area = rates.ranking(labels, scores).auroc()
    assert rates.ranking(1 - labels, 1 - scores).auroc() == pytest.approx(area)
    assert rates.ranking(1 - labels, scores).auroc() == pytest.approx(1 - area)


def test_curves_are_scikit_learn_s_in_the_paper_s_words():
    """The original took its rates from roc_curve(y, p): MDR is its fpr, FPR is 1 - its tpr."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    scores = np.round(np.clip(labels * 0.4 + rng.random(300) * 0.6, 0, 1), 2)
    fpr, tpr, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    ours = rates.curve(labels, scores)
    for threshold, mdr, false_positive in zip(thresholds[1:], fpr[1:], 1 - tpr[1:], strict=True):
        counts = rates.confusion(labels, scores, threshold)
        assert rates.missed_detection_rate(counts) == pytest.approx(mdr)
        assert rates.false_positive_rate(counts) == pytest.approx(false_positive)
    for row in ours.itertuples():
        counts = rates.confusion(labels, scores, row.threshold)
        assert rates.missed_detection_rate(counts) == pytest.approx(row.mdr)
        assert rates.false_positive_rate(counts) == pytest.approx(row.fpr)
    thinned = rates.curve(labels, scores, 10)
    assert len(thinned) <= 12
    assert thinned.iloc[[0, -1]].equals(ours.iloc[[0, -1]].set_axis(thinned.index[[0, -1]]))


def test_false_positives_at_a_missed_detection_rate_by_hand():
    # Twenty non-artifacts at 0.01 ... 0.20 and four artifacts; one non-artifact may be lost.
    real = np.arange(1, 21) / 100
    bogus = np.array([0.05, 0.185, 0.195, 0.9])
    labels, scores = np.append(np.zeros(20, int), np.ones(4, int)), np.append(real, bogus)
    ranked = rates.ranking(labels, scores)
    # All up to 0.19 must be kept: artifacts at 0.05 and 0.185 come along.
    assert rates.fpr_at_mdr(ranked, 0.05) == 0.5
    assert rates.fpr_at_mdr(ranked, 0.0) == 0.75
    assert rates.fpr_at_mdr(ranked, 0.8) == 0.0
    threshold = rates.threshold_at_mdr(labels, scores, 0.05)
    counts = rates.confusion(labels, scores, threshold)
    assert (counts.false_negatives, counts.false_positives) == (1, 2)
    assert 0.19 < threshold < 0.195


def test_ties_count_against():
    labels = np.array([0] * 20 + [1] * 4)
    scores = np.array([0.1] * 19 + [0.5] + [0.1, 0.1, 0.5, 0.9])
    assert rates.fpr_at_mdr(rates.ranking(labels, scores), 0.05) == 0.5
    scores = np.full(24, 0.5)  # no information: all artifacts come along
    assert rates.fpr_at_mdr(rates.ranking(labels, scores), 0.05) == 1


def test_weights_are_as_good_as_repeated_rows():
    rng = np.random.default_rng(2)
    labels, scores, weights = rng.integers(0, 2, 90), rng.random(90), rng.integers(0, 4, 90)
    ranked = rates.ranking(labels, scores)
    again = rates.ranking(np.repeat(labels, weights), np.repeat(scores, weights))
    assert rates.fpr_at_mdr(ranked, 0.05, weights) == pytest.approx(rates.fpr_at_mdr(again, 0.05))


def test_fig_11_the_right_way_round():
    labels = np.array([0] * 100 + [1] * 50)
    scores = np.concatenate([np.full(97, 0.1), np.full(3, 0.9), np.full(10, 0.2), np.full(40, 0.8)])
    table = rates.confusion_table(Scored(np.arange(150), labels, scores, np.arange(150)))
    cells = table.set_index(["predicted", "true"])
    assert cells.loc[("artifact", "non-artifact"), "n"] == 3  # missed: Fig. 3's false negatives
    assert cells.loc[("non-artifact", "artifact"), "n"] == 10
    assert cells.loc[("artifact", "non-artifact"), "share"] == 0.03
    assert cells.loc[("non-artifact", "artifact"), "share"] == 0.2
    assert table["n"].sum() == 150
    assert table.groupby("true")["share"].sum().tolist() == pytest.approx([1, 1])


def test_judging_gives_purity_at_each_prevalence():
    labels, scores = np.repeat([0, 1], 100), np.concatenate([np.full(90, 0.1), np.full(10, 0.9)] * 2)
    scores[100:] = np.concatenate([np.full(20, 0.1), np.full(80, 0.9)])
    judged = rates.judge(Scored(np.arange(200), labels, scores, np.arange(200)), 0.5, 50)
    assert judged["mdr"]["value"] == pytest.approx(0.1)
    assert judged["fpr"]["value"] == pytest.approx(0.2)
    for a in (1, 7, 11, 100):
        assert judged[f"purity_{a}_to_1"]["value"] == pytest.approx(0.9 / (0.9 + 0.2 * a))
    assert judged["tpr"]["value"] == pytest.approx(0.9)
    assert judged["tnr_at_half"]["value"] == pytest.approx(0.8)
    assert judged["accuracy_at_half"]["value"] == pytest.approx(0.85)
    # Nine tenths of the non-artifacts are at 0.1; to lose fewer, the rest must be kept with all artifacts.
    assert [judged[f"fpr_at_mdr{mdr}"]["value"] for mdr in ("03", "04", "05")] == [1, 1, 1]
    for entry in judged.values():
        assert entry["low"] <= entry["value"] <= entry["high"]
        assert entry["definition"]
        assert (entry["n"], entry["n_artifacts"], entry["n_non_artifacts"]) == (200, 100, 100)


def test_judging_counts_as_the_plain_functions_do():
    rng = np.random.default_rng(6)
    labels, scores = rng.integers(0, 2, 500), np.round(rng.random(500), 2)
    scores[:5] = 0.5  # at the threshold: artifacts
    part = Scored(np.arange(500), labels, scores, np.arange(500))
    for threshold in (0.0, 0.37, 0.5, 0.999, 2.0):
        judged = rates.judge(part, threshold, 5)
        for ending, at in (("", threshold), ("_at_half", 0.5)):
            counts = rates.confusion(labels, scores, at)
            assert judged[f"mdr{ending}"]["value"] == pytest.approx(rates.missed_detection_rate(counts))
            assert judged[f"fpr{ending}"]["value"] == pytest.approx(rates.false_positive_rate(counts))
            assert judged[f"accuracy{ending}"]["value"] == pytest.approx(counts.accuracy)
    ranked = rates.ranking(labels, scores)
    assert judged["auc"]["value"] == pytest.approx(ranked.auroc())
    assert judged["fpr_at_mdr04"]["value"] == rates.fpr_at_mdr(ranked, 0.04)


def test_intervals_widen_when_groups_share_their_fate():
    rng = np.random.default_rng(3)
    fate = np.repeat(rng.random(40) < 0.2, 50)
    labels = np.tile([0, 1], 1000)
    scores = np.where(fate, 1 - labels, labels) * 0.8 + 0.1 * rng.random(2000)
    width = {}
    for name, groups in (("own", np.arange(2000)), ("shared", np.repeat(np.arange(40), 50))):
        entry = rates.judge(Scored(np.arange(2000), labels, scores, groups), 0.5, 200)["mdr"]
        width[name] = entry["high"] - entry["low"]
    assert width["shared"] > 3 * width["own"]


def test_thresholds_come_from_validation_data_alone(tmp_path):
    table, split = made.survey(tmp_path)
    path = made.scores(table, tmp_path / "scores.parquet")
    files = {"point": tmp_path / "point.json", "out": tmp_path / "metrics.json"}
    flipped = table.assign(
        label=np.where(np.arange(len(table)) % 50 == 0, 1 - table["label"], table["label"])
    )
    flipped[["id", "label"]].to_parquet(tmp_path / "new.parquet")
    truth = flipped.rename(columns={"label": "label_true"})
    truth.to_parquet(tmp_path / "truth.parquet")
    settings = {"mdr": 0.05, "n_bootstrap": 20}
    more = {"labels": {"relabelled": tmp_path / "new.parquet"}, "truth": [tmp_path / "truth.parquet"]}
    rates.choose_and_judge(
        path, split, **files, settings=settings, **more, card={"n_parameters": 5}, note="few"
    )
    point, found = (json.loads(files[key].read_text()) for key in ("point", "out"))
    validation = scored.read(path, split, ("validation",))
    assert point["mdr"] <= 0.05
    assert point["threshold"] == rates.threshold_at_mdr(validation.labels, validation.scores)
    testing = scored.read(path, split)
    counts = rates.confusion(testing.labels, testing.scores, point["threshold"])
    assert found["mdr_testing"]["value"] == pytest.approx(rates.missed_detection_rate(counts))
    assert found["auc_testing_relabelled"]["value"] < found["auc_testing"]["value"]
    assert found["auc_testing_truth"]["value"] == found["auc_testing_relabelled"]["value"]
    assert found["n_parameters"] == {"value": 5}
    assert {entry["note"] for key, entry in found.items() if "_testing" in key} == {"few"}
    # The testing set does not move the threshold.
    worse = pd.read_parquet(path)
    is_testing = worse["id"].isin(table.loc[table["split"] == "testing", "id"])
    worse.loc[is_testing, "score"] = 1 - worse.loc[is_testing, "score"]
    worse.to_parquet(tmp_path / "worse.parquet")
    rates.choose_and_judge(tmp_path / "worse.parquet", split, **files, settings=settings)
    assert json.loads(files["point"].read_text())["threshold"] == point["threshold"]


def test_one_class_is_refused(tmp_path):
    with pytest.raises(OneClassOnly):
        rates.ranking(np.ones(4), np.arange(4))
    table, split = made.survey(tmp_path)
    path = made.scores(table, tmp_path / "scores.parquet")
    table[["id"]].assign(label=1).to_parquet(tmp_path / "ones.parquet")
    with pytest.raises(OneClassOnly, match="one class only"):
        rates.choose_and_judge(
            path,
            split,
            point=tmp_path / "p.json",
            out=tmp_path / "m.json",
            settings={"mdr": 0.05, "n_bootstrap": 5},
            labels={"ones": tmp_path / "ones.parquet"},
        )
    assert not (tmp_path / "m.json").exists()


def test_curves_of_all_methods_and_labels(tmp_path):
    table, split = made.survey(tmp_path)
    paths = {name: made.scores(table, tmp_path / f"{name}.parquet", s) for name, s in (("a", 3), ("b", 1))}
    table.assign(label_true=table["label"]).to_parquet(tmp_path / "truth.parquet")
    rates.write_curves(paths, split, tmp_path / "c.parquet", truth=[tmp_path / "truth.parquet"])
    found = pd.read_parquet(tmp_path / "c.parquet")
    assert set(found.groupby(["method", "labels"]).groups) == {
        (m, v) for m in "ab" for v in ("given", "truth")
    }
    assert np.allclose(found["tpr"], 1 - found["mdr"])
    areas = found.groupby("method")["auc"].first()
    assert areas["a"] > areas["b"]
    for _, one in found.groupby(["method", "labels"]):
        assert one["fpr"].is_monotonic_increasing
        assert one["mdr"].is_monotonic_decreasing
        assert np.trapezoid(one["tpr"], one["fpr"]) == pytest.approx(one["auc"].iloc[0], abs=2e-3)


def test_goldstein_s_points():
    assert rates.GOLDSTEIN == ((0.03, 0.038), (0.04, 0.024), (0.05, 0.016))


def test_confusion_of_all_methods(tmp_path):
    table, split = made.survey(tmp_path)
    paths = {name: made.scores(table, tmp_path / f"{name}.parquet", s) for name, s in (("a", 3), ("b", 1))}
    rates.write_confusion(paths, split, tmp_path / "c.csv", thresholds={"a": 0.0})
    found = pd.read_csv(tmp_path / "c.csv")
    assert found.groupby("method")["n"].sum().tolist() == [(table["split"] == "testing").sum()] * 2
    of_a = found[found["method"] == "a"].set_index("cell")["n"]
    assert of_a["true_positives"] == of_a["false_positives"] == 0  # everything is at or above zero
