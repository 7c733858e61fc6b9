"""From scores on disk to the operating point and the metrics of one network."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics, store, tables
from skyneedle.core.errors import GridMismatch, NotADataSet, OneClassOnly
from skyneedle.lenses.evaluate import score
from skyneedle.lenses.evaluate.score import Scored

SETTINGS = {"beta": 1.0, "n_bootstrap": 50}


def scored(labels, logits):
    return Scored(np.array(labels), np.array(logits, float), np.arange(len(labels)))


def files(folder, name, labels, logits, **columns):
    """Scores of a set and the set, which has nothing but its table."""
    ids = np.arange(len(labels))
    table = pd.DataFrame({"id": ids, "label": labels, "score": 0.5, "logit": logits})
    tables.write_parquet(table, folder / "scores" / f"{name}.parquet")
    truth = pd.DataFrame({"id": ids, "label": labels} | columns)
    store.write(folder / "data" / name / "000.h5", {}, truth, {})
    return folder / "scores" / f"{name}.parquet", [folder / "data" / name / "000.h5"]


def test_the_threshold_is_the_one_with_the_largest_f_beta():
    # From above: 1 1 0 1 1 0 0. F1 is 8/9 with five called (recall 1, precision 4/5).
    sample = scored([1, 1, 0, 1, 1, 0, 0], [6, 5, 4, 3, 2, 1, -1])
    point = score.operating_point(sample, "corrected", n_bootstrap=50)
    assert (point["threshold"], point["reached"]) == (2.0, pytest.approx(8 / 9))
    assert point["probability"] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert point["low"] <= point["reached"] <= point["high"]
    assert (point["rule"], point["set"], point["n"]) == ("largest F-1", "validation", 7)
    # A small beta wants precision: the two at the top.
    assert score.operating_point(sample, "corrected", 0.03, 50)["threshold"] == 5.0


def test_faithful_takes_a_probability_of_one_half():
    sample = scored([1, 1, 0, 0], [2.0, -1.0, 1.0, -2.0])
    point = score.operating_point(sample, "faithful", n_bootstrap=50)
    assert (point["threshold"], point["probability"], point["reached"]) == (0.0, 0.5, 0.5)
    assert "published" in point["rule"]


def test_a_validation_set_of_one_class_is_refused():
    with pytest.raises(OneClassOnly):
        score.operating_point(scored([1, 1], [0.0, 1.0]), "corrected")


def test_metrics_at_both_thresholds_and_of_sets_of_lenses_alone():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    logits = rng.normal(size=300) + 2 * labels
    arcs = scored([1] * 50, rng.normal(size=50) + 1)
    found = score.judge_sets({"testing": scored(labels, logits), "arcs": arcs}, 1.0, 50)
    for ending, threshold in (("", 1.0), ("_at_half", 0.0)):
        table = metrics.confusion(labels, logits >= threshold)
        assert found[f"precision_testing{ending}"]["value"] == pytest.approx(table.precision)
        assert found[f"recall_arcs{ending}"]["value"] == pytest.approx(np.mean(arcs.logits >= threshold))
    assert found["auroc_testing"]["value"] == pytest.approx(metrics.Ranking(labels, logits).auroc())
    assert "auroc_testing_at_half" not in found
    assert found["auroc_arcs"]["value"] is None
    assert found["auroc_arcs"]["reason"] == "the set has no non-lenses"


def test_a_network_at_chance_says_so_wherever_it_is_judged():
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    # Lenses and non-lenses have the same logits.
    noise, arcs = np.repeat(rng.normal(size=200), 2), scored([1] * 30, rng.normal(size=30))
    sets = {"training": scored(labels, noise + 3 * labels), "arcs": arcs, "testing": scored(labels, noise)}
    found = score.judge_sets(sets, 0.5, 50)
    words = "at chance: AUROC interval reaches 0.5"
    assert found["recall_testing"]["note"] == found["recall_testing_at_half"]["note"] == words
    assert found["recall_arcs"]["note"] == f"{words} on the testing set"
    assert "note" not in found["recall_training"]  # it has learned its training set by heart
    learned = score.judge_sets(sets | {"testing": sets["training"]}, 0.5, 50)
    assert not [key for key, entry in learned.items() if "note" in entry]


def test_recall_on_the_training_set_says_how_much_of_it_was_learned(tmp_path):
    labels = np.array([0, 1] * 20)
    made = {
        name: files(tmp_path, name, labels, 4.0 * labels) for name in ("validation", "training", "testing")
    }
    for n_learned, words in ((15, "learned from 15 of the 40 training examples"), (40, None)):
        card = {"n_parameters": 7, "best_epoch": 3, "training": {"n_examples": n_learned}}
        (tmp_path / "seed0.json").write_text(json.dumps(card))
        score.choose_and_score(
            {name: path for name, (path, _) in made.items()},
            {name: shards for name, (_, shards) in made.items()},
            point=tmp_path / "point.json",
            out=tmp_path / "metrics.json",
            recipe="corrected",
            settings=SETTINGS,
            card=tmp_path / "seed0.json",
        )
        found = json.loads((tmp_path / "metrics.json").read_text())
        assert found["recall_training"].get("note") == words
        assert found["recall_training_at_half"].get("note") == words
        assert "note" not in found["recall_testing"]


def test_the_validation_set_chooses_and_is_not_judged(tmp_path):
    rng = np.random.default_rng(3)
    labels = np.array([0, 1] * 40)
    made = {
        name: files(
            tmp_path, name, labels, rng.normal(size=80) + labels + shift, parent_id=np.arange(80) // 2
        )
        for name, shift in (("validation", 0.0), ("testing", 5.0))
    }
    (tmp_path / "seed0.json").write_text(json.dumps({"n_parameters": 7, "best_epoch": 3}))
    out = SimpleNamespace(point=tmp_path / "point.json", out=tmp_path / "metrics.json")
    score.choose_and_score(
        {name: path for name, (path, _) in made.items()},
        {name: shards for name, (_, shards) in made.items()},
        point=out.point,
        out=out.out,
        recipe="corrected",
        settings=SETTINGS,
        card=tmp_path / "seed0.json",
        provenance={"code": "c"},
    )
    point, found = json.loads(out.point.read_text()), json.loads(out.out.read_text())
    expected = score.operating_point(score.read(*made["validation"]), "corrected", 1.0, 50)
    assert point["threshold"] == expected["threshold"]
    assert (point["n"], point["provenance"]) == (40, {"code": "c"})  # parents of two examples each
    assert found["recall_testing"]["value"] == 1.0  # all lie above a threshold that they did not choose
    assert not [key for key in found if "validation" in key]
    assert (found["n_parameters"]["value"], found["best_epoch"]["value"]) == (7, 3)


def test_an_example_without_parent_is_its_own(tmp_path):
    assert score.read(*files(tmp_path, "known", [1, 1, 0], [1.0, 2.0, 0.0])).parents.tolist() == [0, 1, 2]


def test_log_odds_are_read_and_not_probabilities(tmp_path):
    """Many probabilities are exactly one; thresholds are in log odds (spec F7)."""
    path, shards = files(tmp_path, "a", [1, 0, 1], [40.0, -3.0, 50.0])
    assert score.read(path, shards).logits.tolist() == [40.0, -3.0, 50.0]


def test_scores_of_other_examples_are_refused(tmp_path):
    path, _ = files(tmp_path, "a", [1, 0], [1.0, 2.0])
    _, shards = files(tmp_path, "b", [1, 0, 1], [1.0, 2.0, 0.0])
    with pytest.raises(GridMismatch, match="2 examples that are not the 3 of the set"):
        score.read(path, shards)


def test_scores_without_labels_are_refused(tmp_path):
    path, shards = files(tmp_path, "a", [1, 0], [1.0, 2.0])
    tables.write_parquet(pd.read_parquet(path).assign(label=pd.Series([1, pd.NA], dtype="Int8")), path)
    with pytest.raises(NotADataSet, match="without a label"):
        score.read(path, shards)
