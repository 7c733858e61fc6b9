"""What lenses add to training: bands and their scaling, weights of classes, turned images, scores."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from skyneedle.core import inference, metrics, store
from skyneedle.core.errors import (
    BadSetting,
    MissingBand,
    NotADataSet,
    OneClassOnly,
    StampHasNaN,
    UnknownNetwork,
    WrongStampSize,
)
from skyneedle.core.runtime import Job
from skyneedle.lenses import score_table, training
from skyneedle.lenses.preprocess import Scaling

JOB = Job(3, 1, "cpu", {"code": "c", "settings": "s"})
SKY = {"J": 1.0, "Y": 2.0, "H": 4.0}
OUTPUTS = ("seed0.safetensors", "seed0.last.safetensors", "seed0.json", "history.csv")


def write(path, labels, seed=0, visible=True, unit=1.0, first_id=0):
    """NISP stamps of sky noise; those of lenses have a bright ring, if it is visible."""
    rng, n = np.random.default_rng(seed), len(labels)
    y, x = np.mgrid[:66, :66] - 32.5
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 14) / 4) ** 2)
    sigma = np.array(list(SKY.values()))
    nisp = rng.normal(size=(n, 3, 66, 66)) + visible * np.array(labels)[:, None, None, None] * 3 * ring
    nisp = (unit * nisp * sigma[:, None, None]).astype(np.float32)
    ids = first_id + np.arange(n)
    table = pd.DataFrame({"id": ids, "label": np.array(labels, dtype=int), "parent_id": ids})
    attributes = {"bands": list(SKY), "sky_sigma": (unit * sigma).tolist()}
    store.write(path, {"nisp": nisp}, table, attributes)
    return [path]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Training (40, three quarters lenses), validation (16, a quarter lenses) and testing (24) set."""
    folder = tmp_path_factory.mktemp("sets")
    labels = {"training": [0, 1, 1, 1] * 10, "validation": [0, 0, 0, 1] * 4, "testing": [0, 1] * 12}
    return {
        name: write(folder / name / "000.h5", labels[name], seed, first_id=100 * seed)
        for seed, name in enumerate(labels)
    }


def entry(**settings):
    """A small network with dropout and batch normalisation."""
    return {
        "name": "small",
        "source": "resnet10",
        "options": {"bands": ["H", "J"], "size": 16, "width": 4},
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 0.01} | settings,
    }


def train(sets, folder, network=None, recipe="corrected", **settings):
    return training.train(
        network or entry(**settings),
        sets["training"],
        sets["validation"],
        recipe=recipe,
        scale="smoke",
        out=folder / "seed0",
        state_dir=folder / "state",
        job=JOB,
    )


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(sets, folder, epochs=6)


def predicted(folder, shards, **options):
    training.predict(folder / "seed0", shards, folder / "scores.parquet", job=JOB, **options)
    return pd.read_parquet(folder / "scores.parquet")


# --- weights of classes


def test_weights_come_from_the_examples_trained_on_alone(sets, tmp_path):
    card = train(sets, tmp_path / "all", epochs=1)
    assert card["provenance"]["class_weights"] == [2.0, pytest.approx(2 / 3)]
    card = train(sets, tmp_path / "few", epochs=1, max_examples=6)  # two non-lenses, four lenses
    assert card["provenance"]["class_weights"] == [1.5, 0.75]
    assert card["training"]["n_examples"] == 6


# --- scaling


def test_the_card_holds_the_scaling_of_the_examples_trained_on(sets, tmp_path):
    card = train(sets, tmp_path / "a", epochs=1, max_examples=20)
    data = store.DataSet(sets["training"])
    stamps = data.read("nisp", slice(None))
    stamps[20:] *= 7
    store.write(tmp_path / "set" / "000.h5", {"nisp": stamps}, data.table, data.attributes)
    other = sets | {"training": [tmp_path / "set" / "000.h5"]}
    assert train(other, tmp_path / "b", epochs=1, max_examples=20)["normalisation"] == card["normalisation"]
    scaling = training.scaling_of(json.loads((tmp_path / "a" / "seed0.json").read_text()))
    assert (scaling.bands, scaling.size, scaling.sky_sigma) == (("H", "J"), 16, (4.0, 1.0))
    inputs = scaling(nisp=stamps[:20])
    assert inputs.mean((0, 2, 3)) == pytest.approx([0, 0], abs=1e-4)
    assert inputs.std((0, 2, 3)) == pytest.approx([1, 1], abs=1e-4)


def test_predictions_are_the_network_behind_the_scaling_of_its_card(sets, trained):
    folder, card = trained
    found = predicted(folder, sets["testing"])
    network, _ = inference.load(folder / "seed0")
    stamps = store.DataSet(sets["testing"]).read("nisp", slice(None))
    with torch.no_grad():
        logits = network(torch.from_numpy(Scaling(**card["normalisation"])(nisp=stamps))).double()
    assert found["logit"].to_numpy() == pytest.approx((logits[:, 1] - logits[:, 0]).numpy(), abs=1e-5)
    assert found["score"].to_numpy() == pytest.approx(torch.softmax(logits, 1)[:, 1].numpy(), abs=1e-6)


def test_stamps_in_another_unit_get_the_same_scores(sets, trained, tmp_path):
    one = predicted(trained[0], sets["testing"])
    scaled = write(tmp_path / "000.h5", [0, 1] * 12, seed=2, unit=1e-3, first_id=200)
    other = predicted(trained[0], scaled)
    assert other["logit"].to_numpy() == pytest.approx(one["logit"].to_numpy(), abs=1e-3)


def test_stretched_stamps_are_not_in_units_of_the_sky_that_the_set_names(sets, trained, tmp_path):
    data = store.DataSet(sets["testing"])
    stamps = data.read("nisp", slice(None)) * 10  # the noise is measured, ten times what the set says
    store.write(tmp_path / "000.h5", {"nisp": stamps}, data.table, data.attributes | {"stretch": "sqrt"})
    scaling = training.for_survey(training.scaling_of(trained[1]), store.DataSet(tmp_path / "000.h5"))
    assert scaling.sky_sigma == pytest.approx((40.0, 10.0), rel=0.3)  # the rings are in it


def test_faithful_scales_image_by_image_and_turns_none(sets, tmp_path):
    card = train(sets, tmp_path, recipe="faithful", epochs=1)
    assert card["normalisation"] == {
        "bands": ("H", "J"),
        "size": 16,
        "recipe": "faithful",
        "sky_sigma": (),
        "mean": (),
        "std": (),
        "softening": 30.0,
    }
    assert predicted(tmp_path, sets["testing"])["logit"].notna().all()


# --- turned images


def test_the_eight_operations_are_the_symmetries_of_the_square():
    image = np.arange(9).reshape(3, 3)
    made = [training.turned(image, operation) for operation in range(8)]
    assert len({one.tobytes() for one in map(np.ascontiguousarray, made)}) == 8
    assert (made[0] == image).all()
    assert made[1].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    assert made[4].tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]
    again = {np.ascontiguousarray(training.turned(one, k)).tobytes() for one in made for k in range(8)}
    assert again == {np.ascontiguousarray(one).tobytes() for one in made}  # closed


@pytest.fixture
def stamps(sets):
    data = store.DataSet(sets["training"])
    scaling = Scaling(("J", "H"), 66, "corrected", (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
    labels = data.table["label"].to_numpy()
    rows = np.arange(len(data))
    plain, turned = (training.Stamps(data, scaling, rows, labels, turns) for turns in (None, 5))
    return plain, turned


def operations(stamps, rows, epoch):
    """Which operation each image was turned by, found out from its pixels, all bands together."""
    plain, turned = (one(rows, epoch)[0] for one in stamps)
    found = []
    for before, after in zip(plain, turned, strict=True):
        same = [k for k in range(8) if (training.turned(before, k) == after).all()]
        assert len(same) == 1
        found.append(same[0])
    return found


def test_all_bands_of_an_image_are_turned_alike_by_row_and_epoch(stamps):
    rows = np.arange(40)
    first = operations(stamps, rows, 0)
    assert operations(stamps, rows, 0) == first
    assert operations(stamps, rows[::-1], 0) == first[::-1]
    assert operations(stamps, np.array([7]), 0) == [first[7]]
    assert operations(stamps, rows, 1) != first


def test_turns_tell_nothing_about_the_class(stamps):
    drawn = np.array([operations(stamps, np.arange(40), epoch) for epoch in range(4)])
    labels = stamps[0].labels
    lenses, others = drawn[:, labels == 1].ravel(), drawn[:, labels == 0].ravel()
    assert set(lenses) == set(others) == set(range(8))
    counts = [np.bincount(one, minlength=8) for one in (lenses, others)]
    chi2 = sum((((c - c.sum() / 8) ** 2) / (c.sum() / 8)).sum() for c in counts)
    assert chi2 < 36.1  # 14 degrees of freedom, one in a thousand
    swapped = training.Stamps(stamps[1].data, stamps[1].scaling, stamps[1].among, 1 - labels, 5)
    assert (swapped(np.arange(8), 2)[0] == stamps[1](np.arange(8), 2)[0]).all()


def test_training_turns_images_and_validation_does_not(sets, tmp_path, monkeypatch):
    seen = []
    original = training.turned
    monkeypatch.setattr(training, "turned", lambda image, k: seen.append(k) or original(image, k))
    train(sets, tmp_path / "a", epochs=1)
    assert len(seen) == 40
    train(sets, tmp_path / "b", epochs=1, recipe="faithful")
    assert len(seen) == 40


# --- training


def test_a_simple_task_is_learned(sets, trained):
    found = predicted(trained[0], sets["testing"])
    assert metrics.Ranking(found["label"], found["logit"]).auroc() > 0.95
    history = pd.read_csv(trained[0] / "history.csv")
    assert {"loss", "accuracy", "learning_rate"} < set(history.columns)


def test_a_kind_that_is_left_out_is_never_seen(sets, tmp_path, monkeypatch):
    kinds = {}
    for name in ("training", "validation"):
        data = store.DataSet(sets[name])
        table = data.table.assign(kind=np.where(data.table["label"] == 1, "lens", "spiral"))
        table.loc[:3, "kind"] = ["merger", "lens", "lens", "lens"]
        kinds[name] = [tmp_path / name / "000.h5"]
        store.write(kinds[name][0], {"nisp": data.read("nisp", slice(None))}, table, data.attributes)
    seen = set()
    original = training.scaled
    monkeypatch.setattr(
        training,
        "scaled",
        lambda data, scaling, rows: (
            seen.update(data.table["kind"].to_numpy()[rows]) or original(data, scaling, rows)
        ),
    )
    card = train(kinds, tmp_path, network=entry(epochs=1) | {"without": "spiral"})
    assert seen == {"lens", "merger"}
    assert card["provenance"]["without"] == "spiral"
    assert card["training"]["n_examples"] == 31
    with pytest.raises(NotADataSet, match="'kind' to leave 'spiral' out"):
        train(sets, tmp_path / "none", network=entry(epochs=1) | {"without": "spiral"})


def test_labels_that_mean_nothing_teach_nothing(tmp_path):
    """On images of both kinds with labels at random, nothing carries over to other images."""
    rng = np.random.default_rng(1)
    random = {}
    for seed, (name, n) in enumerate({"training": 64, "validation": 32, "testing": 160}.items()):
        shards = write(tmp_path / name / "000.h5", [0, 1] * (n // 2), seed)
        data = store.DataSet(shards)
        table = data.table.assign(label=rng.permutation(data.table["label"].to_numpy()))
        store.write(shards[0], {"nisp": data.read("nisp", slice(None))}, table, data.attributes)
        random[name] = shards
    train(random, tmp_path, epochs=4)
    found = predicted(tmp_path, random["testing"])
    assert metrics.Ranking(found["label"], found["logit"]).auroc() == pytest.approx(
        0.5, abs=0.14
    )  # three sigma


class Stop(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("at", [4, 8, 17])
def test_an_interrupted_training_ends_with_the_same_bytes(sets, tmp_path, monkeypatch, at):
    """In the first epoch, at the start of the second, and in the third, when dropout is on."""
    settings = {"epochs": 3, "dropout_from_epoch": 2, "checkpoint_minutes": 0.0}
    train(sets, tmp_path / "whole", **settings)
    calls = []
    original = training.Stamps.__call__

    def stopping(self, rows, epoch):
        calls.append(epoch)
        if len(calls) == at:
            raise Stop
        return original(self, rows, epoch)

    monkeypatch.setattr(training.Stamps, "__call__", stopping)
    with pytest.raises(Stop):
        train(sets, tmp_path / "cut", **settings)
    calls += [0] * at
    train(sets, tmp_path / "cut", **settings)
    for name in OUTPUTS:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_data_start_a_training_anew(sets, tmp_path, capfd):
    train(sets, tmp_path, epochs=1)
    train(sets, tmp_path, epochs=1)
    assert "starts anew" not in capfd.readouterr().err
    train(sets | {"training": sets["testing"]}, tmp_path, epochs=1)
    assert "starts anew" in capfd.readouterr().err


# --- predictions


def test_predictions_do_not_depend_on_the_size_of_their_batches(sets, trained):
    whole = predicted(trained[0], sets["testing"], batch_size=100)
    for size in (1, 7):
        parts = predicted(trained[0], sets["testing"], batch_size=size)
        assert parts[["id", "label"]].equals(whole[["id", "label"]])
        assert parts["logit"].to_numpy() == pytest.approx(whole["logit"].to_numpy(), abs=1e-5)


def test_scores_name_their_examples_and_where_they_come_from(sets, trained):
    found = predicted(trained[0], sets["testing"])
    assert list(found.columns) == ["id", "label", "score", "logit"]
    assert found["id"].tolist() == list(range(200, 224))
    assert found["label"].tolist() == [0, 1] * 12
    assert found["score"].between(0, 1).all()
    assert found.attrs == {"network": "small", "provenance": {"code": "c", "settings": "s"}}


def test_a_set_without_labels_is_scored_too(sets, trained, tmp_path):
    data = store.DataSet(sets["testing"])
    table = data.table.drop(columns="label")
    store.write(tmp_path / "000.h5", {"nisp": data.read("nisp", slice(None))}, table, data.attributes)
    found = predicted(trained[0], tmp_path / "000.h5")
    assert found["label"].isna().all()
    assert found["logit"].notna().all()


def test_log_odds_of_a_network_that_is_too_sure_are_not_cut(sets, trained, monkeypatch):
    """They are the difference of logits, not what is left of it after a softmax (spec F7)."""
    plain = predicted(trained[0], sets["testing"])
    network, card = inference.load(trained[0] / "seed0")
    with torch.no_grad():
        for parameter in network.fc_layer[-1].parameters():
            parameter *= 1000
    monkeypatch.setattr(training.inference, "load", lambda path: (network, card))
    sure = predicted(trained[0], sets["testing"])
    assert sure["logit"].to_numpy() == pytest.approx(1000 * plain["logit"].to_numpy(), rel=1e-3, abs=0.1)
    assert (sure["score"] == 1).sum() > 5
    assert sure["logit"].is_unique


def test_log_odds_tell_apart_scores_that_round_to_one(sets):
    data = store.DataSet(sets["testing"])
    found = score_table.table(data, np.linspace(-800, 800, 24))
    assert found["score"].between(0, 1).all()
    assert (found["score"] == 1).sum() > 5
    assert found["logit"].is_unique


# --- bad input


def changed(sets, folder, stamps=None, **columns):
    data = store.DataSet(sets["testing"])
    arrays = {"nisp": data.read("nisp", slice(None)) if stamps is None else stamps}
    store.write(folder / "bad" / "000.h5", arrays, data.table.assign(**columns), data.attributes)
    return [folder / "bad" / "000.h5"]


def test_a_bad_stamp_is_named_by_its_id(sets, trained, tmp_path):
    stamps = store.DataSet(sets["testing"]).read("nisp", slice(None))
    stamps[13, 2, 5, 5] = np.nan
    bad = changed(sets, tmp_path, stamps)
    with pytest.raises(StampHasNaN, match=r"bad, example 213: .* H pixels"):
        predicted(trained[0], bad)
    with pytest.raises(StampHasNaN, match="bad, example 213"):
        train(sets | {"validation": bad}, tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_stamps_of_another_size_are_named(sets, trained, tmp_path):
    stamps = store.DataSet(sets["testing"]).read("nisp", slice(None))[..., :60, :60]
    with pytest.raises(WrongStampSize, match=r"example 200: H stamps have shape .* expected \(n, 66, 66\)"):
        predicted(trained[0], changed(sets, tmp_path, stamps))


def test_a_band_that_a_set_lacks_is_named(sets, tmp_path):
    with pytest.raises(MissingBand, match="no array 'vis', which the bands VIS need"):
        train(sets, tmp_path, entry() | {"options": {"bands": ["VIS"], "size": 16}})


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([2] * 24, NotADataSet, "no column 'label' of 0"),
        ([1] * 24, OneClassOnly, "24 lenses among 24 examples"),
    ],
)
def test_labels_that_teach_nothing_are_refused(sets, tmp_path, labels, error, words):
    bad = changed(sets, tmp_path, label=labels)
    for name in ("training", "validation"):
        with pytest.raises(error, match=words):
            train(sets | {name: bad}, tmp_path)


OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, bands=("J", "Y"), n_logits=2):
        super().__init__()
        self.size = 8
        if bands:
            self.bands = tuple(bands)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, n_logits))

    def forward(self, x):
        return self.layers(x)
"""


def test_a_network_of_ones_own_is_trained_and_run(sets, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    own = entry() | {"source": f"{tmp_path}/own.py:Own", "options": {}}
    card = train(sets, tmp_path, own)
    assert (card["normalisation"]["bands"], card["normalisation"]["size"]) == (("J", "Y"), 8)
    assert len(predicted(tmp_path, sets["testing"])) == 24
    with pytest.raises(UnknownNetwork, match="needs the attributes 'bands'"):
        train(sets, tmp_path, own | {"options": {"bands": []}})
    with pytest.raises(BadSetting, match=r"logits of shape \(8, 1\)"):
        train(sets, tmp_path / "c", own | {"options": {"n_logits": 1}})


def test_a_card_without_scaling_is_refused():
    with pytest.raises(UnknownNetwork, match="does not say how stamps are scaled"):
        training.scaling_of({"name": "old", "normalisation": {"mean": [0.0]}})
