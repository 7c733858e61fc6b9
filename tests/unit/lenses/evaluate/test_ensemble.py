"""The plane of OU-T-SNE: the training set alone decides it, and every cell has a value by rule."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import GridMismatch
from skyneedle.lenses.evaluate import answers, ensemble

HORSESHOE, JACKPOT = "SDSS J1148+1930", "SDSS J0946+1006"
MISSING = {"SL2S J02176-0513": "only a picture"}


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
    # One network more than the plane has was asked, one compound lens answered by all, another by some.
    asked = [
        {"network": f"n{k}", "id": i, "name": name, "turn": turn, "logit": 4.0 + 0.1 * turn}
        for i, name in enumerate((HORSESHOE, JACKPOT))
        for k in range(8 if name == HORSESHOE else 6)
        for turn in range(8)
    ]
    for attempt in ("a", "b"):
        out = {name: folder / attempt / f"{name}.parquet" for name in sets}
        others = {key: folder / attempt / key for key in ("embedding", "pictures", "cells")}
        known = answers.Known(
            pd.DataFrame(asked), [f"n{k}" for k in range(7)], MISSING, folder / attempt / "known"
        )
        ensemble.write_scores(scores, sets, out=out, **others, known=known, recipe="corrected", seed=3)
    return folder, sets, scores


def test_scores_tell_lenses_and_are_the_same_again(written):
    folder, _, _ = written
    for name in (
        "training.parquet",
        "testing.parquet",
        "arcs.parquet",
        "embedding",
        "pictures",
        "cells",
        "known",
    ):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    found = pd.read_parquet(folder / "a" / "testing.parquet")
    assert found.groupby("label")["score"].mean().diff().iloc[-1] > 0.5
    assert np.isfinite(found["logit"]).all()
    assert len(pd.read_parquet(folder / "a" / "arcs.parquet")) == 0


def test_known_lenses_have_a_score_or_the_reason_for_none(written):
    """All seven networks call the Horseshoe a lens, as they do the lenses of the training set."""
    folder, _, _ = written
    found = json.loads((folder / "a" / "known").read_text())
    entry = found["cosmic_horseshoe_ou_tsne"]
    assert entry["value"] > 0.9
    assert (entry["low"] <= entry["value"] <= entry["high"], entry["n"]) == (True, 8)
    assert found["SDSSJ0946+1006_ou_tsne"]["reason"] == "no answer of n6: it takes those of all 7 networks"
    assert found["SL2SJ02176-0513_ou_tsne"]["reason"] == "only a picture"
    assert "no data" in found["HSCJ142449-005322_ou_tsne"]["reason"]


def test_orientations_in_empty_cells_or_outside_are_counted():
    plane = ensemble.grid(np.array([[0.0, 0.0], [10.0, 10.0]]), np.array([0, 1]), n_cells=5)
    images = pd.DataFrame({"id": 0, "name": HORSESHOE, "turn": range(4)})
    places = np.array([[9.9, 9.9], [12.0, 9.9], [7.0, 7.0], [0.1, 0.1]])
    found = ensemble.to_known(images, places, plane, {})["cosmic_horseshoe_ou_tsne"]
    assert (found["value"], found["low"]) == pytest.approx((1, 0), abs=1e-5)
    assert "1 of 4 in cells without training examples" in found["note"]
    assert "1 of 4 outside them all" in found["note"]


@pytest.mark.parametrize("sets", [("training", "testing"), ("training", "testing", "evaluation")])
def test_cells_are_counted_on_what_is_judged_on(sets):
    rows = [
        {"set": name, "how": how, "outside": outside}
        for name in sets
        for how, outside in (
            *[("own", False)] * (5 if name == "testing" else 7),
            ("neighbours", True),
            ("neighbours", False),
            ("nearest", False),
        )
    ]
    found = ensemble.counted(pd.DataFrame(rows))
    assert len(found) == 4 * (len(sets) - 1)
    assert {key: (one["value"], one["n"]) for key, one in found.items() if "evaluation" not in key} == {
        "share_empty": (3 / 8, 8),
        "share_neighbours": (2 / 8, 8),
        "share_nearest": (1 / 8, 8),
        "share_outside": (1 / 8, 8),
    }
    if "evaluation" in sets:
        assert found["share_empty_evaluation"]["value"] == pytest.approx(3 / 10)
        assert "evaluation set" in found["share_empty_evaluation"]["quantity"]


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
    nowhere = dict.fromkeys(("embedding", "pictures", "cells", "known"), "unused")
    with pytest.raises(GridMismatch, match="predict again"):
        ensemble.write_scores(swapped, sets, out={}, **nowhere, recipe="corrected", seed=3)
