"""The plane of OU-T-SNE: the training set alone decides it, and every cell has a value by rule."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import GridMismatch
from skyneedle.lenses.evaluate import ensemble


def test_ranks_are_those_of_the_training_set_alone():
    training = np.array([[0.0, 30.0], [1.0, 10.0], [2.0, 20.0], [3.0, 40.0]])
    ranks = ensemble.inputs(np.array([[-9.0, 25.0], [9.0, 10.0], [1.0, 40.0]]), "corrected", training)
    assert ranks.tolist() == [[0.0, 0.5], [1.0, 0.125], [0.375, 0.875]]
    again = ensemble.inputs(training * 100, "corrected", training * 100)
    assert np.array_equal(again, ensemble.inputs(training, "corrected", training))


def test_faithful_lays_out_probabilities():
    logits = np.array([[0.0, 40.0]])
    assert ensemble.inputs(logits, "faithful", logits).tolist() == [[0.5, 1.0]]


def test_empty_cells_take_their_neighbours_and_then_the_nearest():
    # On 5 x 5 cells: two examples in one corner cell, one of them a lens, and a lens in the opposite corner.
    places = np.array([[0.0, 0.0], [0.0, 0.0], [10.0, 10.0]])
    plane = ensemble.grid(places, np.array([1, 0, 1]), n_cells=5)
    assert plane.values[0, 0] == 0.5
    assert plane.how[0, 0] == "own"
    assert plane.values[1, 1] == plane.values[0, 1] == 0.5
    assert plane.how[1, 1] == "neighbours"
    assert plane.values[3, 4] == 1.0
    assert plane.values[0, 3] == 0.5
    assert plane.how[0, 3] == "nearest"
    assert plane.values[2, 2] == 0.75  # as far from one as from the other
    cells, outside = plane.cells(np.array([[10.0, 10.0], [-1.0, 5.0], [12.0, 3.9]]))
    assert cells.tolist() == [[4, 4], [0, 2], [4, 1]]
    assert outside.tolist() == [False, True, True]


def test_mean_over_defined_neighbours_only():
    places = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.0, 3.0], [3.0, 0.0]])
    plane = ensemble.grid(places, np.array([1, 0, 0, 1, 0]), n_cells=3)
    assert plane.how[1, 1] == "neighbours"
    assert plane.values[1, 1] == pytest.approx((1 + 0 + 0 + 1) / 4)  # (2, 0) holds two examples


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Seven made-up networks, three sets, scored twice, the second time with a shorter testing set."""
    folder = tmp_path_factory.mktemp("plane")
    random = np.random.default_rng(0)
    sets, scores = {}, {}
    for name, n, first in (("training", 90, 0), ("testing", 40, 1000), ("arcs", 0, 2000)):
        labels = random.integers(0, 2, n)
        table = pd.DataFrame({"id": np.arange(first, first + n), "label": labels, "kind": "lens"})
        arrays = {"vis": np.zeros((n, 6, 6), np.float32), "nisp": np.zeros((n, 3, 2, 2), np.float32)}
        store.write(folder / f"{name}.h5", arrays, table, {"sky_sigma": [1.0, 1.0, 1.0, 1.0]})
        sets[name], scores[name] = [folder / f"{name}.h5"], []
        for network in range(7):
            logit = 4 * (labels - 0.5) + random.normal(0, 1, n)
            path = folder / f"{name}{network}.parquet"
            pd.DataFrame({"id": table["id"], "label": labels, "logit": logit}).to_parquet(path)
            scores[name].append(path)
    for attempt in ("a", "b"):
        out = {name: folder / attempt / f"{name}.parquet" for name in sets}
        others = {key: folder / attempt / key for key in ("embedding", "pictures", "cells")}
        ensemble.write_scores(scores, sets, out=out, **others, recipe="corrected", seed=3)
    return folder, sets, scores


def test_scores_tell_lenses_and_are_the_same_again(written):
    folder, _, _ = written
    for name in ("training.parquet", "testing.parquet", "arcs.parquet", "embedding", "pictures", "cells"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    found = pd.read_parquet(folder / "a" / "testing.parquet")
    assert found.groupby("label")["score"].mean().diff().iloc[-1] > 0.5
    assert np.isfinite(found["logit"]).all()
    assert len(pd.read_parquet(folder / "a" / "arcs.parquet")) == 0


def test_groups_are_of_training_lenses_alone(written):
    folder, _, _ = written
    table = pd.read_parquet(folder / "a" / "embedding")
    lenses = (table["set"] == "training") & (table["label"] == 1)
    assert set(table.loc[lenses, "group"]) == {1, 2, 3, 4}
    assert set(table.loc[~lenses, "group"]) == {0}
    assert table[lenses].groupby("group").size().is_monotonic_decreasing
    shown = pd.read_parquet(folder / "a" / "pictures")
    assert set(shown["label"]) == {1}
    nearest = table[table["group"] == 1].nsmallest(1, "to_centre")["id"].item()
    assert shown["id"].iloc[0] == nearest
    answers = pd.read_parquet(folder / "a" / "training.parquet").set_index("id")["score"]
    assert shown["score"].to_numpy() == pytest.approx(answers.loc[shown["id"]].to_numpy(), abs=2e-6)


def test_the_testing_set_moves_nothing(written):
    shown = np.random.default_rng(1).random((60, 7))
    others = np.random.default_rng(2).random((20, 7))
    whole, few = ensemble.embed(shown, [others], 1), ensemble.embed(shown, [others[:5]], 1)
    assert np.array_equal(whole[0], few[0])
    assert whole[1][:5] == pytest.approx(few[1], abs=1e-6)


def test_scores_of_other_examples_are_refused(written):
    _, sets, scores = written
    swapped = scores | {"testing": scores["training"]}
    nowhere = dict.fromkeys(("embedding", "pictures", "cells"), "unused")
    with pytest.raises(GridMismatch, match="predict again"):
        ensemble.write_scores(swapped, sets, out={}, **nowhere, recipe="corrected", seed=3)
