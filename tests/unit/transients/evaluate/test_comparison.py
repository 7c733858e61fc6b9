"""Paired comparison of methods, and old labels against new ones."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import GridMismatch
from skyneedle.transients.evaluate import comparison, rates, scored
from tests.unit.transients.evaluate import made


@pytest.fixture
def parts(tmp_path):
    table, split = made.survey(tmp_path, n=6000)
    found = {
        name: [
            scored.read(made.scores(table, tmp_path / f"{name}{k}.parquet", s, seed=10 * s + k), split)
            for k in range(n)
        ]
        for name, s, n in (("good", 3, 3), ("bad", 2, 2))
    }
    return found


def test_values_are_means_over_seeds(parts):
    found = comparison.paired(parts["good"], parts["bad"], n_bootstrap=60)
    fprs = {
        name: np.mean([rates.fpr_at_mdr(rates.ranking(part.labels, part.scores)) for part in seeds])
        for name, seeds in parts.items()
    }
    assert found["first"]["value"] == pytest.approx(fprs["good"])
    assert found["difference"]["value"] == pytest.approx(fprs["good"] - fprs["bad"])
    assert found["relative"]["value"] == pytest.approx(1 - fprs["good"] / fprs["bad"])
    assert found["ratio"]["value"] == pytest.approx(1 - found["relative"]["value"])
    assert found["difference"]["high"] < 0
    assert found["auc_difference"]["low"] > 0
    assert 0 < found["relative"]["low"] < found["relative"]["value"] < found["relative"]["high"] <= 1
    assert found["first"]["n_seeds"] == [3, 2]


def test_a_method_does_not_differ_from_itself(parts):
    one = parts["good"][:1]
    found = comparison.paired(one, one, n_bootstrap=30)
    for name in ("difference", "relative", "auc_difference"):
        assert (found[name]["low"], found[name]["value"], found[name]["high"]) == (0, 0, 0)
    # With several seeds the difference between trainings remains.
    found = comparison.paired(parts["good"], parts["good"], n_bootstrap=60)
    assert found["difference"]["low"] < 0 < found["difference"]["high"]


def test_only_common_examples_are_compared(parts):
    fewer = [part.chosen(part.ids % 2 == 0) for part in parts["bad"]]
    found = comparison.paired(parts["good"], fewer, n_bootstrap=5)
    assert found["first"]["n_examples"] == len(fewer[0].ids)


def test_models_must_have_seen_the_same_ids(tmp_path):
    cards = [tmp_path / f"{k}.json" for k in range(3)]
    for path, content in zip(cards, ({"training_ids": "a"}, {}, {"training_ids": "b"}), strict=True):
        path.write_text(json.dumps({"provenance": content}))
    assert comparison.check_same_ids(cards[:2]) == ""
    with pytest.raises(GridMismatch, match="trained on ids b"):
        comparison.check_same_ids(cards)


def test_a_forest_as_published_may_have_seen_more_and_the_row_says_so(tmp_path):
    cards = [tmp_path / f"{name}.json" for name in ("network", "forest")]
    forest = {"kind": "forest", "recipe": "faithful", "provenance": {"training_ids": "b"}}
    for path, card in zip(cards, ({"provenance": {"training_ids": "a"}}, forest), strict=True):
        path.write_text(json.dumps(card))
    assert comparison.check_same_ids(cards) == comparison.MORE
    cards[1].write_text(json.dumps(forest | {"recipe": "corrected"}))
    with pytest.raises(GridMismatch, match="trained on ids b"):
        comparison.check_same_ids(cards)
    cards[1].write_text(json.dumps(forest))
    table, split = made.survey(tmp_path)
    scores = [made.scores(table, tmp_path / f"{k}.parquet", 3, seed=k) for k in range(2)]
    comparison.write_paired(
        ("cnn1", scores[:1]), ("forest", scores[1:]), split, tmp_path / "m.json", cards=cards, n_bootstrap=5
    )
    assert json.loads((tmp_path / "m.json").read_text())["cnn1_minus_forest"]["note"] == comparison.MORE


def test_files_of_the_paired_comparison(tmp_path):
    table, split = made.survey(tmp_path)
    first = [made.scores(table, tmp_path / f"c{k}.parquet", 3, seed=k) for k in range(2)]
    second = [made.scores(table, tmp_path / "f.parquet", 1.5, seed=9)]
    table.assign(label_true=table["label"]).to_parquet(tmp_path / "truth.parquet")
    comparison.write_paired(
        ("cnn1", first),
        ("forest", second),
        split,
        tmp_path / "m.json",
        truth=[tmp_path / "truth.parquet"],
        n_bootstrap=20,
    )
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["cnn1_minus_forest"]["value"] < 0
    assert found["relative_cnn1_forest_truth"]["value"] == found["relative_cnn1_forest"]["value"]
    assert {"fpr_cnn1", "fpr_forest", "auc_cnn1_minus_forest"} < set(found)


def test_old_and_new_labels_crossed(tmp_path):
    table, split = made.survey(tmp_path, n=6000)
    rng = np.random.default_rng(0)
    wrong = rng.random(len(table)) < 0.03
    table[["id", "label"]].to_parquet(tmp_path / "new.parquet")
    old = table.assign(label=np.where(wrong, 1 - table["label"], table["label"]))
    old[["id", "label"]].to_parquet(tmp_path / "old.parquet")
    scores = {
        "cnn1": {
            "given": [made.scores(table, tmp_path / "g.parquet", 2.5, seed=1)],
            "relabelled": [made.scores(table, tmp_path / "r.parquet", 3.5, seed=2)],
        }
    }
    labels = {"given": tmp_path / "old.parquet", "relabelled": tmp_path / "new.parquet"}
    comparison.write_crossed(scores, split, labels, tmp_path / "t.csv", tmp_path / "m.json", n_bootstrap=30)
    cells = pd.read_csv(tmp_path / "t.csv").set_index(["trained_with", "judged_by", "metric"])["value"]
    assert len(cells) == 8
    # Wrong labels in the testing set alone make a method look worse.
    assert cells["given", "given", "fpr_at_mdr05"] > cells["given", "relabelled", "fpr_at_mdr05"] + 0.01
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["relabelling_cnn1_relabelled"]["value"] < 0
    assert found["auc_cnn1_relabelled_given"]["value"] == cells["relabelled", "given", "auc"]
