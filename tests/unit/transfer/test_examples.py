"""Which examples there are, who may be in which fold, and what is read of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from skyneedle.core.errors import BadSetting, BadSplit, NotADataSet
from skyneedle.core.metrics import Ranking
from skyneedle.core.store import DataSet
from skyneedle.transfer import preprocess
from skyneedle.transfer.examples import (
    ITSELF,
    Division,
    Embeddings,
    Reader,
    Stamps,
    divide,
    division_of,
    fewer,
    known_folds,
    others,
    scores,
)
from skyneedle.transfer.preprocess import Augmentation
from tests.unit.transfer.small import embed, fold_file, set_of, table_of

AUGMENTATION = Augmentation(45.0, (0.9, 1.0), 15.0)


def by_neighbour(division, x):
    """AUC by the label of the nearest example that may be learned from."""
    score = np.empty(len(division.row))
    for k in range(division.n_folds):
        learned, judged = division.without(k), division.judged(k)
        nearest = KNeighborsClassifier(1).fit(x[learned], division.label[learned])
        score[judged] = nearest.predict_proba(x[judged])[:, 1]
    return Ranking(division.label, score).auroc()


# --- folds


def test_random_labels_are_found_again_where_copies_are_divided_and_nowhere_else():
    table = table_of(80)
    rng = np.random.default_rng(0)
    table["label"] = rng.permutation(table["label"].to_numpy())
    x = np.repeat(rng.normal(size=(80, 20)), 4, axis=0) + 0.05 * rng.normal(size=(320, 20))
    thesis = by_neighbour(divide(table, "thesis", 5, 4, 0), x)
    grouped = by_neighbour(divide(table, "grouped", 5, 4, 0), x)
    assert thesis > 0.95
    assert grouped == pytest.approx(0.5, abs=0.17)  # 3 sigma of 80 objects


@pytest.mark.parametrize("copies", [0, 3])
def test_no_parent_is_in_two_grouped_folds_and_every_example_is_judged_once(copies):
    table = table_of(60, pairs=10)
    division = divide(table, "grouped", 5, copies, 1)
    parent = table["parent_id"].to_numpy()[division.row]
    for k in range(5):
        training, choosing, judged = division.training(k), division.choosing(k), division.judged(k)
        parts = [set(parent[part]) for part in (training, choosing, judged)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]
        assert sorted([*training, *choosing]) == sorted(division.without(k))
    together = np.sort(np.concatenate([division.judged(k) for k in range(5)]))
    assert together.tolist() == list(range(60 * max(copies, 1)))


def test_the_thesis_puts_a_parent_into_several_folds():
    table = table_of(40)
    division = divide(table, "thesis", 4, 3, 0)
    folds_of_parent = pd.Series(division.fold).groupby(division.row).nunique()
    assert (folds_of_parent > 1).mean() > 0.7
    assert sorted(np.unique(division.copy)) == [0, 1, 2]


def test_the_recipe_decides_what_is_divided(tmp_path):
    table = table_of(24)
    folds = fold_file(tmp_path / "folds.parquet", table)
    corrected = division_of(table, folds, "corrected", 2, 0)
    assert (corrected.copy == ITSELF).all()
    assert corrected.fold.tolist() == pd.read_parquet(folds)["fold"].tolist()
    faithful = division_of(table, folds, "faithful", 2, 0)
    assert len(faithful.row) == 48
    with pytest.raises(BadSetting, match="recipe is 'wrong'"):
        division_of(table, folds, "wrong", 2, 0)
    with pytest.raises(BadSetting, match="with 0 copies"):
        divide(table, "thesis", 3, 0, 0)


def test_folds_of_another_set_or_across_parents_are_refused(tmp_path):
    table = table_of(12, pairs=6)
    fold_file(tmp_path / "folds.parquet", table.iloc[:10])
    with pytest.raises(BadSplit, match="no fold for id 10 and 1 others"):
        known_folds(table, tmp_path / "folds.parquet")
    table.assign(fold=np.arange(12) % 3).to_parquet(tmp_path / "torn.parquet")
    with pytest.raises(BadSplit, match="one parent are in several folds"):
        known_folds(table, tmp_path / "torn.parquet")


def test_fewer_examples_keep_the_proportion_of_labels():
    label = np.repeat([0, 1], [30, 60])
    few = fewer(np.arange(90), label, 30)
    assert len(few) == 30
    assert label[few].sum() == 20
    assert (np.diff(few) > 0).all()
    assert set(fewer(np.arange(90), label, 12)) < set(few)
    assert fewer(np.arange(90), label, None).tolist() == list(range(90))


def test_examples_that_may_not_be_learned_from_are_judged_all_the_same():
    learns = np.arange(12) < 6
    division = Division(np.arange(12), np.full(12, ITSELF), np.arange(12) % 2, np.arange(12) % 3, 3, learns)
    assert division.judged(0).tolist() == [0, 3, 6, 9]
    assert division.choosing(0).tolist() == [1, 4]
    assert division.training(0).tolist() == [2, 5]
    assert division.without(0).tolist() == [1, 2, 4, 5]
    assert replace(division, learns=None).hash() != division.hash()


# --- inputs


def test_each_epoch_takes_one_of_the_copies_and_judging_the_stamp_itself(tmp_path):
    table = table_of(20)
    source = Embeddings.read(embed(tmp_path / "a.h5", table, copies=4), seed=1, copies=True)
    division = divide(table, "grouped", 4, 0, 0)
    chosen = np.array([3, 8, 11])
    learns, judges = (Reader.of(source, division, chosen, draws) for draws in (True, False))
    rows = np.array([2, 0])
    x, label = judges(rows, 5)
    assert (x == source.plain[[11, 3]]).all()
    assert label.tolist() == [1, 1]
    taken = set()
    for epoch in range(8):
        x, _ = learns(rows, epoch)
        (which,) = np.flatnonzero((source.copies[11] == x[0]).all(axis=1))
        taken.add(int(which))
        # Whoever else is in the batch, it is the same copy.
        assert (learns(np.array([2]), epoch)[0][0] == x[0]).all()
    assert len(taken) > 1


def test_copies_that_were_not_computed_are_asked_for_in_words(tmp_path):
    table = table_of(4)
    source = Embeddings.read(embed(tmp_path / "a.h5", table))
    assert source.drawn(np.arange(4), 0).tolist() == [ITSELF] * 4
    with pytest.raises(NotADataSet, match="no augmented copies"):
        source.inputs(np.arange(2), np.array([0, 1]))


def test_embeddings_of_some_stamps_are_those(tmp_path):
    table = table_of(6)
    source = Embeddings.read(embed(tmp_path / "a.h5", table, copies=2), copies=True)
    some = source.of(np.array([1, 4]))
    assert some.table["id"].tolist() == [1, 4]
    assert (some.copies == source.copies[[1, 4]]).all()
    assert (some.n_features, some.n_copies) == (12, 2)


def test_stamps_are_augmented_by_id_and_number_and_scaled_like_all_others(tmp_path):
    table = table_of(6)
    data = DataSet(set_of(tmp_path / "a.h5", table))
    source = Stamps(data, AUGMENTATION, 3)
    row, copy = np.array([4, 1, 4]), np.array([0, ITSELF, 2])
    found = source.inputs(row, copy)
    raw = data.read("vis", row)
    expected = [
        preprocess.augmented(raw[:1], np.array([4]), 0, AUGMENTATION, 3, 0.1)[0],
        raw[1],
        preprocess.augmented(raw[2:], np.array([4]), 2, AUGMENTATION, 3, 0.1)[0],
    ]
    np.testing.assert_allclose(found, preprocess.scaled(np.stack(expected), 0.1), atol=1e-6)
    assert source.drawn(row, 7).tolist() == [7, 7, 7]


# --- scores


def test_scores_tell_who_was_judged_by_whom():
    table = table_of(5, first_id=10)
    found = scores(table, np.array([3, 1]), np.array([0, 1]), 2, np.array([0.0, 2.0]))
    assert found["id"].tolist() == [13, 11]
    assert found["score"].to_numpy() == pytest.approx([0.5, 1 / (1 + np.exp(-2))])
    assert set(found) == {"id", "label", "parent_id", "kind", "fold", "copy", "score", "logit"}
    more = others("real", table.assign(name=list("abcde")), 1, np.zeros(5))
    assert list(more)[:2] == ["set", "id"]
    assert more["name"].tolist() == list("abcde")
    assert (others("hard", table, 1, np.zeros(5))["name"] == "").all()
    assert "copy" not in more
