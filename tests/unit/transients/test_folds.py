"""Scores out of fold: who may judge whom, and what a killed run does."""

import json

import pandas as pd
import pytest

from skyneedle.core import metrics, store
from skyneedle.core.errors import BadSplit
from skyneedle.transients import folds, training
from skyneedle.transients.labels import suspects
from tests.unit.transients.small import JOB, entry, ids_of, made, relabelled


class Stop(Exception):
    """A kill."""


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sets"))


def fold(sets, folder, labels=None, **options):
    given = {"n_folds": 3, "recipe": "corrected", "scale": "smoke", "job": JOB} | options
    network = given.pop("network", None) or entry(epochs=3)
    return folds.train_folds(
        network, *sets, labels, out=folder / "folds.parquet", state_dir=folder / "folds", **given
    )


def test_nobody_is_judged_by_a_network_that_saw_his_group(sets, tmp_path, monkeypatch):
    seen = []
    original = training.fit

    def watched(network, learnt, validation, **options):
        seen.append((learnt.ids, validation.ids))
        return original(network, learnt, validation, **options)

    monkeypatch.setattr(training, "fit", watched)
    found = fold(sets, tmp_path)
    assert found.equals(pd.read_parquet(tmp_path / "folds.parquet"))
    assert found["id"].tolist() == list(range(80))
    assert found["fold"].value_counts().min() >= 20
    assert list(found.columns) == ["id", "fold", "label", "score", "logit"]
    assert len(seen) == 3
    group = pd.read_parquet(sets[1]).set_index("id")["group"]
    for k, (learnt, chooses) in enumerate(seen):
        held = found.loc[found["fold"] == k, "id"]
        parts = [set(group[ids]) for ids in (learnt, chooses, held)]
        assert len(set.union(*parts)) == sum(map(len, parts))
        assert len(learnt) + len(chooses) + len(held) == 80
    assert metrics.Ranking(found["label"], found["logit"]).auroc() > 0.9


def test_folds_of_some_splits_alone_and_few_examples(sets, tmp_path):
    found = fold(sets, tmp_path, names=["training", "validation"], network=entry(epochs=1, max_examples=16))
    assert set(found["id"]) == set(ids_of(sets, "training", "validation"))
    card = json.loads((tmp_path / "folds" / "pass0" / "fold0" / "network.json").read_text())
    assert card["training"]["n_examples"] == 16
    with pytest.raises(BadSplit, match=r"folds of .* groups"):
        fold(sets, tmp_path, n_folds=50)


def test_a_killed_run_goes_on_with_the_fold_in_which_it_stopped(sets, tmp_path, monkeypatch):
    short = {"network": entry(epochs=1)}
    whole = fold(sets, tmp_path / "whole", **short)
    calls = []
    original = training.fit

    def stopping(*arguments, **options):
        calls.append(options["out"].parent.name)
        if len(calls) == 2:
            raise Stop
        return original(*arguments, **options)

    monkeypatch.setattr(training, "fit", stopping)
    with pytest.raises(Stop):
        fold(sets, tmp_path / "cut", **short)
    assert fold(sets, tmp_path / "cut", **short).equals(whole)
    assert calls == ["fold0", "fold1", "fold1", "fold2"]
    table = store.DataSet(sets[0]).table
    other = relabelled(tmp_path / "l.parquet", table["id"], 1 - table["label_given"])
    assert not fold(sets, tmp_path / "cut", other, **short)["logit"].equals(whole["logit"])
    assert calls[4:] == ["fold0", "fold1", "fold2"]


def test_a_second_pass_learns_without_the_suspects_of_the_first_and_scores_them(sets, tmp_path, monkeypatch):
    table = store.DataSet(sets[0]).table
    given = table["label_given"].to_numpy().copy()
    wrong = [3, 20, 41, 62]
    given[wrong] = 1 - given[wrong]
    labels = relabelled(tmp_path / "wrong.parquet", table["id"], given)
    seen = []
    original = training.fit

    def watched(network, learnt, validation, **options):
        seen.append(set(learnt.ids) | set(validation.ids))
        return original(network, learnt, validation, **options)

    monkeypatch.setattr(training, "fit", watched)
    long = {"network": entry(epochs=6)}
    once = fold(sets, tmp_path / "once", labels, **long)
    doubted = set(suspects.find(once, "out_of_fold")["id"])
    assert doubted
    twice = fold(sets, tmp_path / "twice", labels, n_passes=2, **long)
    assert len(seen) == 3 + 6
    assert seen[:3] == seen[3:6]
    for first, second, held in zip(seen[3:6], seen[6:], range(3), strict=True):
        assert second == first - doubted
        assert not second & set(twice.loc[twice["fold"] == held, "id"])
    assert twice["id"].tolist() == list(range(80))
    assert twice["label"].tolist() == given.tolist()
