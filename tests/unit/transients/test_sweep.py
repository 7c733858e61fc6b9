"""The sweep over label noise: the same examples for all methods, whatever their labels."""

import json

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.store import DataSet
from skyneedle.transients import forest, sweep
from tests.unit.transients import test_forest
from tests.unit.transients.small import JOB, entry, made


def test_only_training_examples_are_thinned_and_by_id_alone(tmp_path):
    n = 200
    table = pd.DataFrame({"id": np.arange(n) + 10**12, "group": np.arange(n) // 4})
    table["split"] = np.array(["training", "training", "validation", "testing"], object)[np.arange(n) % 4]
    table.to_parquet(tmp_path / "split.parquet")
    table.sample(frac=1, random_state=1).to_parquet(tmp_path / "shuffled.parquet")
    found = {}
    for name, n_most in (("split", 30), ("shuffled", 30), ("split", None), ("split", 60)):
        sweep.write_split(tmp_path / "out.parquet", tmp_path / f"{name}.parquet", n_most, 5)
        found[name, n_most] = pd.read_parquet(tmp_path / "out.parquet")
    thinned = found["split", 30]
    assert thinned["split"].value_counts().to_dict() == {"training": 30, "validation": 50, "testing": 50}
    pd.testing.assert_frame_equal(thinned, found["shuffled", 30])
    pd.testing.assert_frame_equal(found["split", None], table)
    assert set(thinned["id"]) < set(found["split", 60]["id"])  # more examples are the same ones and others
    merged = thinned.merge(table, on="id")
    assert (merged["split_x"] == merged["split_y"]).all()


def test_networks_learn_from_the_labels_they_are_given_and_finished_ones_are_kept(tmp_path):
    shards, split = made(tmp_path, 80)
    true = DataSet(shards).table.set_index("id")["label_given"]
    for name, label in (("right", true), ("turned", 1 - true)):
        label.rename("label").reset_index().to_parquet(tmp_path / f"{name}.parquet")
    cases = [("right", 0), ("right", 1), ("turned", 0)]
    trainings = [(tmp_path / f"{name}.parquet", k, tmp_path / f"{name}{k}.scores") for name, k in cases]
    options = {"recipe": "corrected", "scale": "smoke", "state_dir": tmp_path / "state", "job": JOB}
    sweep.train_networks(entry(epochs=4), shards, split, trainings, **options)
    found = {case: pd.read_parquet(path) for case, (*_, path) in zip(cases, trainings, strict=True)}
    testing = pd.read_parquet(split).query("split == 'testing'")["id"]
    for (name, _), scores in found.items():
        assert set(scores["id"]) == set(testing)
        area = metrics.Ranking(true.loc[scores["id"]].to_numpy(), scores["score"].to_numpy()).auroc()
        assert area > 0.9 if name == "right" else area < 0.1
    assert not np.allclose(found["right", 0]["score"], found["right", 1]["score"])  # another start

    states = {path: path.stat().st_mtime_ns for path in tmp_path.glob("state/*/*/state/state.pt")}
    assert len(states) == len(cases)
    sweep.train_networks(entry(epochs=4), shards, split, trainings, **options)
    assert states == {path: path.stat().st_mtime_ns for path in states}
    pd.testing.assert_frame_equal(pd.read_parquet(trainings[0][2]), found["right", 0])


def test_forests_see_the_examples_that_are_left(tmp_path, monkeypatch):
    paths, _, _, _ = test_forest.survey(tmp_path)
    sweep.write_split(tmp_path / "thinned.parquet", paths["split"], 100, 5)
    monkeypatch.setitem(forest.SETTINGS, "n_estimators", 10)
    cards, train = [], forest.train

    def noted(*given, **options):
        train(*given, **options)
        cards.append(json.loads(given[3].with_suffix(".json").read_text()))

    monkeypatch.setattr(forest, "train", noted)
    trainings = [(paths["labels"], number, tmp_path / f"{number}.scores") for number in (0, 1)]
    sweep.train_forests(
        paths["features"], tmp_path / "thinned.parquet", trainings, recipe="corrected", seed=3
    )
    split, labels = pd.read_parquet(tmp_path / "thinned.parquet"), pd.read_parquet(paths["labels"])
    learnt = split[split["split"] == "training"].merge(labels, on="id")
    assert len(learnt) == 100
    both = learnt["id"].to_numpy(), learnt["label"].to_numpy()
    assert {card["provenance"]["training_ids"] for card in cards} == {forest.training_hash(*both)}
    first, second = (pd.read_parquet(path) for *_, path in trainings)
    assert set(first["id"]) == set(split.loc[split["split"] == "testing", "id"])
    assert not np.allclose(first["score"], second["score"])
