"""What transients add to training: which examples, whose labels, which epoch, and who may judge whom."""

import numpy as np
import pandas as pd
import pytest
import torch

from skyneedle.core import inference, metrics, store
from skyneedle.core.errors import BadSetting, NoLabel, OneClassOnly, UnknownNetwork, WrongPixelMode
from skyneedle.transients import samples, split, training
from skyneedle.transients.preprocess import Scaling
from tests.unit.transients.small import JOB, entry, ids_of, made, relabelled, write

OUTPUTS = ("seed0.safetensors", "seed0.last.safetensors", "seed0.json", "seed0.history.csv")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sets"))


def train(sets, folder, network=None, labels=None, recipe="corrected", job=JOB, **settings):
    return training.train(
        network or entry(**settings),
        *sets,
        labels,
        recipe=recipe,
        scale="smoke",
        out=folder / "seed0",
        state_dir=folder / "state",
        job=job,
    )


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(sets, folder, epochs=5)


def predicted(folder, sets, names="testing", labels=None, **options):
    shards, split_file = sets
    out = folder / "scores.parquet"
    training.predict(folder / "seed0", shards, split_file, names, labels, out, job=JOB, **options)
    return pd.read_parquet(out)


# --- learning


def test_a_trained_network_is_trained_further_with_its_own_scaling(sets, trained, tmp_path):
    folder, card = trained
    again = training.train(
        entry(epochs=1, learning_rate=1e-12),
        *sets,
        start=folder / "seed0",
        recipe="corrected",
        scale="smoke",
        out=tmp_path / "seed0",
        state_dir=tmp_path / "state",
        job=JOB,
    )
    assert again["normalisation"] == card["normalisation"]
    assert again["best_loss"] == pytest.approx(card["best_loss"], rel=1e-4)


def test_a_simple_task_is_learned(sets, trained):
    found = predicted(trained[0], sets)
    assert metrics.Ranking(found["label"], found["logit"]).auroc() > 0.95
    assert (
        found.loc[found["label"] == 1, "score"].mean() > 0.5 > found.loc[found["label"] == 0, "score"].mean()
    )
    history = pd.read_csv(trained[0] / "seed0.history.csv")
    assert {"loss", "accuracy", "learning_rate"} < set(history.columns)


def test_labels_that_mean_nothing_teach_nothing(tmp_path):
    sets = made(tmp_path, 240, visible=False)
    train(sets, tmp_path, epochs=3)
    found = predicted(tmp_path, sets)
    assert metrics.Ranking(found["label"], found["logit"]).auroc() == pytest.approx(0.5, abs=0.2)  # 3 sigma


def test_only_the_rows_of_its_splits_are_seen(sets, tmp_path, monkeypatch):
    seen = []
    original = training.scaled
    monkeypatch.setattr(
        training,
        "scaled",
        lambda data, scaling, rows: (
            seen.extend(data.table["id"].to_numpy()[rows]) or original(data, scaling, rows)
        ),
    )
    card = train(sets, tmp_path, epochs=1)
    assert sorted(seen) == sorted(ids_of(sets, "training", "validation"))
    assert card["training"]["n_examples"] == len(ids_of(sets, "training"))
    seen.clear()
    card = train(sets, tmp_path / "few", epochs=1, max_examples=12)
    assert card["training"]["n_examples"] == 12
    twelve = set(seen[:12])
    assert twelve < set(ids_of(sets, "training"))
    seen.clear()
    train(sets, tmp_path / "other", entry(epochs=1, max_examples=12) | {"name": "b"}, job=JOB)
    assert set(seen[:12]) == twelve


def test_every_method_can_prove_that_it_learned_from_the_same(sets, tmp_path):
    data = store.DataSet(sets[0])
    one = samples.sample(data, sets[1], "training", None)
    assert one.hash() == train(sets, tmp_path, epochs=1)["provenance"]["training_ids"]
    assert one.hash() == samples.Sample(data, one.rows[::-1], one.labels[::-1]).hash()
    assert one.hash() != samples.sample(data, sets[1], "training", None, 12).hash()
    assert one.hash() != samples.Sample(data, one.rows, 1 - one.labels).hash()


def test_other_labels_teach_something_else(sets, trained, tmp_path):
    data = store.DataSet(sets[0])
    flipped = relabelled(tmp_path / "l.parquet", data.table["id"], 1 - data.table["label_given"])
    card = train(sets, tmp_path, labels=flipped, epochs=5)
    found = predicted(tmp_path, sets, labels=flipped)
    given = predicted(tmp_path, sets)
    assert (found["label"] == 1 - given["label"]).all()
    assert (found["logit"] == given["logit"]).all()
    assert metrics.Ranking(given["label"], given["logit"]).auroc() < 0.05
    assert card["provenance"]["training_ids"] != trained[1]["provenance"]["training_ids"]


def test_examples_without_a_label_are_left_out_and_counted(sets, tmp_path):
    data = store.DataSet(sets[0])
    learnt = ids_of(sets, "training")
    table = data.table[~data.table["id"].isin(learnt[:7])]
    card = train(sets, tmp_path, labels=relabelled(tmp_path / "l.parquet", table["id"], table["label_given"]))
    assert card["training"]["n_examples"] == len(learnt) - 7
    assert card["provenance"]["n_without_label"] == 7
    found = predicted(tmp_path, sets, "training", labels=tmp_path / "l.parquet")
    assert set(found.loc[found["label"].isna(), "id"]) == set(learnt[:7])
    assert found["score"].between(0, 1).all()


# --- stamps


def test_stamps_are_turned_by_id_and_epoch_all_planes_alike(sets):
    data = store.DataSet(sets[0])
    everything = samples.sample(data, None, None, None)
    scaling = Scaling(("temp", "diff"), "corrected", "fits")
    plain, turned = (training.Stamps(everything, scaling, seed) for seed in (None, 5))

    def operations(rows, epoch):
        found = []
        for before, after in zip(plain(rows, epoch)[0], turned(rows, epoch)[0], strict=True):
            same = [k for k in range(8) if (training.turned(before, k) == after).all()]
            assert len(same) == 1
            found += same
        return found

    rows = np.arange(80)
    first = operations(rows, 0)
    assert set(first) == set(range(8))
    assert operations(rows[::-1], 0) == first[::-1]
    assert operations(rows[7:8], 0) == [first[7]]
    assert operations(rows, 1) != first
    images, labels = turned(rows, 0)
    assert (images.dtype, labels.dtype, labels.shape) == (np.float32, np.float32, (80,))


# --- best and last


def test_best_and_last_epoch_are_both_kept_and_told(sets, tmp_path):
    card = train(sets, tmp_path, epochs=6, learning_rate=0.1)
    losses = pd.read_csv(tmp_path / "seed0.history.csv").query("split == 'validation'").loss.to_numpy()
    assert card["best_epoch"] == int(losses.argmin()) + 1
    assert (card["best_loss"], card["last_loss"]) == pytest.approx((losses.min(), losses[-1]))
    assert card["provenance"]["weights"] == "best"
    best = predicted(tmp_path, sets, "validation", weights="best")
    last = predicted(tmp_path, sets, "validation", weights="last")
    assert predicted(tmp_path, sets, "validation")["logit"].equals(best["logit"])
    for found, loss in ((best, losses.min()), (last, losses[-1])):
        x, y = torch.tensor(found["logit"]), torch.tensor(found["label"].to_numpy(dtype=float))
        assert float(torch.nn.functional.binary_cross_entropy_with_logits(x, y)) == pytest.approx(
            loss, rel=1e-3
        )
    with pytest.raises(BadSetting, match="'best' or 'last', not 'first'"):
        predicted(tmp_path, sets, weights="first")


def test_faithful_takes_raw_pixels_steps_and_the_last_epoch(tmp_path):
    sets = made(tmp_path, gif=True)
    card = train(sets, tmp_path, recipe="faithful", epochs=12, learning_rate=0.1)
    assert card["normalisation"]["recipe"] == "faithful"
    assert card["provenance"]["weights"] == "last"
    assert card["provenance"]["flips"] is False
    assert card["training"]["amsgrad"] is False
    rates = pd.read_csv(tmp_path / "seed0.history.csv").query("split == 'train'").learning_rate.tolist()
    assert rates == [0.1] * 10 + [0.05] * 2
    last = predicted(tmp_path, sets, weights="last")
    assert predicted(tmp_path, sets)["logit"].equals(last["logit"])
    network, _ = inference.load(tmp_path / "seed0.last")
    data = store.DataSet(sets[0])
    rows = split.rows(data, sets[1], "testing")
    with torch.no_grad():
        logit = network(torch.from_numpy(data.read("stamps", rows).astype(np.float32)))
    assert last["logit"].to_numpy() == pytest.approx(logit.numpy(), abs=1e-3)


def test_faithful_refuses_fluxes(sets, tmp_path):
    with pytest.raises(WrongPixelMode, match="Pack with pixel mode 'gif'"):
        train(sets, tmp_path, recipe="faithful")
    with pytest.raises(BadSetting, match="recipe is 'paper'"):
        train(sets, tmp_path, recipe="paper")


class Stop(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("at", [3, 9])
def test_an_interrupted_training_ends_with_the_same_bytes(sets, tmp_path, monkeypatch, at):
    settings = {"epochs": 3, "checkpoint_minutes": 0.0, "schedule": "step", "step_epochs": 1}
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
    train(sets, tmp_path / "cut", **settings)
    for name in OUTPUTS:
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_other_labels_start_a_training_anew(sets, tmp_path, capfd):
    train(sets, tmp_path, epochs=1)
    train(sets, tmp_path, epochs=1)
    assert "starts anew" not in capfd.readouterr().err
    table = store.DataSet(sets[0]).table
    label = table["label_given"].to_numpy().copy()
    label[np.flatnonzero(table["id"].isin(ids_of(sets, "training")))[0]] ^= 1
    train(sets, tmp_path, labels=relabelled(tmp_path / "l.parquet", table["id"], label), epochs=1)
    assert "starts anew" in capfd.readouterr().err


# --- predictions


def test_scores_name_their_examples_and_where_they_come_from(sets, trained):
    found = predicted(trained[0], sets)
    assert list(found.columns) == ["id", "label", "score", "logit"]
    assert found["id"].dtype == np.int64
    assert set(found["id"]) == set(ids_of(sets, "testing"))
    assert found.attrs == {"network": "small", "weights": "best", "provenance": JOB.provenance}
    given = store.DataSet(sets[0]).table.set_index("id")["label_given"]
    assert found["label"].tolist() == given[found["id"]].tolist()


def test_predictions_do_not_depend_on_the_size_of_their_batches(sets, trained):
    whole = predicted(trained[0], sets, batch_size=100)
    parts = predicted(trained[0], sets, batch_size=7)
    assert parts["logit"].to_numpy() == pytest.approx(whole["logit"].to_numpy(), abs=1e-4)


def test_pictures_are_no_fluxes(trained, tmp_path):
    sets = made(tmp_path, gif=True)
    with pytest.raises(WrongPixelMode, match="data: Stamps hold uint8, pixel mode 'fits'"):
        predicted(trained[0], sets)


# --- bad input


def test_labels_that_teach_nothing_are_refused(sets, tmp_path):
    ids = store.DataSet(sets[0]).table["id"]
    for labels, error, words in (
        ([2] * 80, NoLabel, "labels other than 0"),
        ([np.nan] * 80, NoLabel, "none of .* examples has a label"),
        ([1] * 80, OneClassOnly, "artifacts among"),
    ):
        with pytest.raises(error, match=words):
            train(sets, tmp_path, labels=relabelled(tmp_path / "l.parquet", ids, labels))
    assert not list(tmp_path.rglob("*.safetensors"))


OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, channels=("diff",), size=51):
        super().__init__()
        self.channels, self.size = channels, size
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(51 * 51, 1), nn.Flatten(0))

    def forward(self, x):
        return self.layers(x)
"""


def test_a_network_of_ones_own_is_trained_and_run(sets, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    own = entry() | {"source": f"{tmp_path}/own.py:Own", "options": {}}
    assert train(sets, tmp_path, own)["normalisation"]["channels"] == ("diff",)
    assert len(predicted(tmp_path, sets)) == len(ids_of(sets, "testing"))
    for options in ({"channels": ()}, {"size": 63}):
        with pytest.raises(UnknownNetwork, match="needs the attributes 'channels'"):
            train(sets, tmp_path, own | {"options": options})
    with pytest.raises(UnknownNetwork, match="does not say how stamps are scaled"):
        training.scaling_of({"name": "old", "normalisation": {"mean": [0.0]}})


def test_two_shards_are_one_set(sets, trained, tmp_path):
    shards = [*sets[0], *write(tmp_path / "1.h5", 40, 5, first_id=500)]
    out = tmp_path / "scores.parquet"
    training.predict(trained[0] / "seed0", shards, None, None, None, out, job=JOB)
    found = pd.read_parquet(out)
    assert found["id"].tolist() == [*range(80), *range(500, 540)]
    assert metrics.Ranking(found["label"], found["logit"]).auroc() > 0.95
