"""Folds: disjoint parents, even shares, and what copies in several folds give away (spec F2)."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import BadSplit
from skyneedle.core.metrics import Ranking
from skyneedle.transfer import split

N_FOLDS = 7


@pytest.fixture(scope="module")
def table():
    """Half of the examples in pairs of a lens and an impostor of one scene."""
    random = np.random.default_rng(3)
    ids = np.arange(1000, 1280)
    paired = (ids // 2) % 2 == 0
    label = np.where(paired, ids % 2, random.integers(2, size=len(ids)))
    parent = np.where(paired, ids // 2 * 2, ids)
    return pd.DataFrame({"id": ids, "label": label, "parent_id": parent, "kind": "lens"})


def test_no_parent_is_in_two_folds_and_shares_are_even(table):
    fold = split.folds(table, N_FOLDS, 1)
    assert set(fold) == set(range(N_FOLDS))
    assert table.assign(fold=fold).groupby("parent_id")["fold"].nunique().max() == 1
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 6
    shares = table["label"].groupby(fold).mean()
    assert np.abs(shares - table["label"].mean()).max() < 0.06


def test_folds_depend_on_ids_and_seed_and_not_on_order(table):
    fold = split.folds(table, N_FOLDS, 1)
    order = np.random.default_rng(0).permutation(len(table))
    assert np.array_equal(split.folds(table.iloc[order], N_FOLDS, 1), fold[order])
    assert not np.array_equal(split.folds(table, N_FOLDS, 2), fold)
    copies = split.copy_folds(table, 4, N_FOLDS, 1)
    assert np.array_equal(split.copy_folds(table.iloc[order], 4, N_FOLDS, 1), copies[order])


def test_copies_are_divided_without_regard_to_their_parents(table):
    fold = split.copy_folds(table, 4, N_FOLDS, 1)
    assert fold.shape == (len(table), 4)
    torn = (fold != fold[:, :1]).any(axis=1)
    assert torn.mean() > 0.9
    assert np.ptp(np.bincount(fold.ravel())) <= 2


def _nearest(features, label, fold):
    """Out-of-fold scores of the nearest neighbour."""
    scores = np.empty(len(label))
    for number in range(N_FOLDS):
        known, judged = fold != number, fold == number
        distance = ((features[judged, None] - features[known]) ** 2).sum(axis=-1)
        scores[judged] = label[known][distance.argmin(axis=1)]
    return Ranking(label, scores).auroc()


def test_shuffled_labels_are_learned_from_copies_and_not_from_parents(table):
    """Labels without meaning: folds of copies seem to know them, folds of parents do not."""
    random = np.random.default_rng(5)
    parents, place = np.unique(table["parent_id"], return_inverse=True)
    label = random.permutation(np.arange(len(parents)) % 2)[place]
    shuffled = table.assign(label=label)
    looks = random.normal(size=(len(parents), 8))[place]
    features = np.repeat(looks, 4, axis=0) + 0.1 * random.normal(size=(4 * len(table), 8))
    copied = np.repeat(label, 4)
    leaking = split.copy_folds(shuffled, 4, N_FOLDS, 1).ravel()
    assert _nearest(features, copied, leaking) > 0.95
    grouped = np.repeat(split.folds(shuffled, N_FOLDS, 1), 4)
    assert _nearest(features, copied, grouped) == pytest.approx(0.5, abs=0.12)


def test_too_few_objects_are_named(table):
    few = table[(table["label"] == 0) | (table["id"] < 1010)]
    with pytest.raises(BadSplit, match="label 1"):
        split.folds(few, 60, 1)
    with pytest.raises(BadSplit, match="label 1"):
        split.copy_folds(few, 1, 60, 1)


def test_what_is_written(table, tmp_path):
    shard = tmp_path / "000.h5"
    store.write(shard, {"vis": np.zeros((len(table), 2))}, table, {})
    written = split.write(tmp_path / "folds.parquet", [shard], N_FOLDS, 1)
    read = pd.read_parquet(tmp_path / "folds.parquet")
    pd.testing.assert_frame_equal(read, written)
    assert tuple(read.columns) == split.COLUMNS
    assert np.array_equal(read["fold"], split.folds(table, N_FOLDS, 1))
    with pytest.raises(BadSplit, match="twice"):
        split.write(tmp_path / "folds.parquet", [shard, shard], N_FOLDS, 1)
