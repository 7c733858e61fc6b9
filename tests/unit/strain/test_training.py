"""What strain adds to training: labels, pieces, curricula, detectors."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, DetectorMismatch, OneClassOnly
from skyneedle.core.runtime import Job
from skyneedle.strain import training
from skyneedle.strain.preprocess import N_CROP, OUTPUT_OFFSET, SAMPLE_RATE

SCALE = {"mean": [0.0, 0.0], "std": [1.0, 1.0]}
SAMPLES = OUTPUT_OFFSET + np.arange(N_CROP - 4095)


@pytest.fixture
def shards(tmp_path):
    """Eight examples, every second with an event; strain is the sample number plus 1e5 times the detector."""
    events = np.array([8000, -1, 5000, -1, 11000, -1, 9000, -1])
    ramp = np.arange(N_CROP, dtype=np.float32) + 1e5 * np.arange(3, dtype=np.float32)[:, None]
    table = pd.DataFrame(
        {
            "id": np.arange(8),
            "label": (events >= 0).astype(np.int8),
            "event_index": events,
            "snr": np.where(events >= 0, [20.0, 0, 5.0, 0, 12.0, 0, 8.0, 0], np.nan),
            "parent": np.arange(8),
            "crop_gps": np.arange(8) * 32.0,
        }
    )
    attributes = {"detectors": ["H1", "L1", "V1"], "sample_rate": 2048.0}
    store.write(tmp_path / "set" / "000.h5", {"strain": np.repeat(ramp[None], 8, axis=0)}, table, attributes)
    return [tmp_path / "set" / "000.h5"]


def read(shards, rows, detectors=("H1", "L1"), epoch=0, scale=SCALE, n_training=8, step=1, **targets):
    data = store.DataSet(shards)
    made = training.examples(
        data, detectors, scale, training.Targets(**targets), SAMPLES, "corrected", 5, n_training, step
    )
    return made, made.read(np.array(rows), epoch)


def test_labels_stand_where_the_event_is(shards):
    _, (x, y) = read(shards, [2, 1])
    assert x.shape == (2, 2, N_CROP)
    assert y.shape == (2, len(SAMPLES))
    on = SAMPLES[y[0] == 1]
    assert (on.min(), on.max(), len(on)) == (5000 - 204, 5000 + 204, 409)
    assert y[1].sum() == 0


def test_networks_take_their_own_detectors_in_their_own_order(shards):
    _, (x, _) = read(shards, [0], detectors=("V1", "H1"))
    assert x[0, :, 0].tolist() == [2e5, 0.0]
    with pytest.raises(DetectorMismatch, match="no strain of K1"):
        read(shards, [0], detectors=("H1", "K1"))


def test_a_network_with_another_receptive_field_gets_labels_on_its_own_grid(shards):
    data = store.DataSet(shards)
    grid = 100 + 16 * np.arange(900)
    made = training.examples(
        data, ("H1",), SCALE | {"mean": [0.0], "std": [1.0]}, training.Targets(), grid, "corrected", 5
    )
    _, y = made.read(np.array([0]), 0)
    assert np.abs(grid[y[0] == 1] - 8000).max() <= 204
    assert y.shape == (1, 900)


def test_the_first_epochs_see_short_parts_around_the_event(shards):
    options = {"crop_s": 3.0, "crop_epochs": 2}
    for epoch in (0, 1):
        _, (x, y) = read(shards, np.arange(8), epoch=epoch, **options)
        assert x.shape == (8, 2, 6144)
        assert y.shape == (8, 6144 - 4095)
        assert y.sum(axis=1).tolist() == [409, 0] * 4  # the whole label, whatever the start
        first = x[0, 0, 0]  # the strain of H1 is the sample number
        centre = first + OUTPUT_OFFSET + np.flatnonzero(y[0]).mean()
        assert centre == 8000
    starts = [read(shards, [0], epoch=epoch, **options)[1][0][0, 0, 0] for epoch in (0, 1)]
    assert starts[0] != starts[1]
    _, (x, _) = read(shards, [0], epoch=2, **options)
    assert x.shape[-1] == N_CROP
    _, (x, _) = read(shards, [0], n_training=None, **options)
    assert x.shape[-1] == N_CROP


def test_with_a_step_labels_belong_to_the_outputs_that_are_left(shards):
    places = set()
    for epoch in range(8):
        _, (x, y) = read(shards, [0, 1], epoch=epoch, step=16)
        assert x.shape == (2, 2, N_CROP - 15)
        assert y.shape == (2, -(-(N_CROP - 15 - 4095) // 16))
        start = int(x[0, 0, 0])  # the strain of H1 is the sample number
        places.add(start)
        about = start + OUTPUT_OFFSET + 16 * np.arange(y.shape[1])
        assert (y[0] == (np.abs(about - 8000) <= 204)).all()
    assert len(places) > 3  # every output has its turn
    assert all(0 <= place < 16 for place in places)
    for epoch in (0, 1):  # in validation the same outputs each time
        _, (x, y) = read(shards, [0], n_training=None, step=16, epoch=epoch)
        assert x.shape[-1] == N_CROP
        assert (y[0] == (np.abs(SAMPLES[::16] - 8000) <= 204)).all()


def test_signs_are_turned_by_row_and_epoch_and_in_training_only(shards):
    _, (plain, _) = read(shards, np.arange(8))
    seen = []
    for epoch in range(6):
        _, (x, _) = read(shards, np.arange(8), epoch=epoch, flips=True)
        seen.append(np.sign(x[:, 0, 5]))
        assert (np.abs(x) == np.abs(plain)).all()
        assert (np.sign(x[:, 1, 5]) == seen[-1]).all()  # all detectors together
    assert 0.2 < np.mean(np.array(seen) < 0) < 0.8
    assert len({tuple(signs) for signs in seen}) == 6
    _, (alone, _) = read(shards, [3], epoch=2, flips=True)
    assert np.sign(alone[0, 0, 5]) == seen[2][3]
    _, (x, _) = read(shards, np.arange(8), n_training=None, flips=True)
    assert (x == plain).all()


def test_pieces_hold_the_merger_in_their_last_quarter(shards):
    made, (x, y) = read(shards, np.arange(16), kind="piece", pieces_an_epoch=2, position_s=(0.75, 1.0))
    assert made.n == 16
    assert x.shape == (16, 2, SAMPLE_RATE)
    assert y.shape == (16, 1)
    assert 0 < y.sum() < 16
    events = np.array([8000, 5000, 11000, 9000])
    for piece, label in zip(x, y[:, 0], strict=True):
        place = events - piece[0, 0]  # the strain of H1 is the sample number
        holds = ((place >= 0.75 * SAMPLE_RATE) & (place <= SAMPLE_RATE)).any()
        assert holds or not label


def test_pieces_depend_on_row_and_epoch_alone(shards):
    made, (x, _) = read(shards, [3, 7], kind="piece")
    again, _ = made.read(np.array([7]), 0)
    other, _ = made.read(np.array([7]), 1)
    assert (again[0] == x[1]).all()
    assert (other[0] != x[1]).any()


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_the_share_of_positives_is_what_was_asked_for(shards, share):
    _, (_, y) = read(shards, np.arange(400), kind="piece", share=share, pieces_an_epoch=50)
    assert y.mean() == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 400))


def test_the_curriculum_starts_with_loud_signals_and_ends_with_all(shards):
    made, _ = read(shards, [0], curriculum_snr=15.0, curriculum_epochs=2)
    assert made.subset(0).tolist() == [0, 1, 3, 5, 7]
    assert made.subset(1).tolist() == [0, 1, 3, 4, 5, 7]
    assert made.subset(2).tolist() == list(range(8))
    validation, _ = read(shards, [0], n_training=None, curriculum_snr=15.0, curriculum_epochs=2)
    assert validation.subset is None


def test_sets_of_one_class_are_refused(shards):
    with pytest.raises(OneClassOnly, match="1 signals among 1 examples"):
        read(shards, [0], n_training=1)


@pytest.mark.parametrize("bad", [{"kind": "image"}, {"share": 0.0}, {"position_s": (0.9, 1.2)}])
def test_bad_targets_are_named(bad):
    with pytest.raises(BadSetting, match=next(iter(bad))):
        training.Targets(**bad)


def test_a_network_of_ones_own_trains_and_predicts(shards, tmp_path):
    """The worked example of the README: one file and one entry of the configuration."""
    source = tmp_path / "mine.py"
    source.write_text(
        "from torch import nn\n\n\nclass Small(nn.Module):\n"
        "    receptive_field, output_offset = 64, 31\n\n"
        "    def __init__(self, detectors, width=2):\n        super().__init__()\n"
        "        layers = nn.Conv1d(detectors, width, 64), nn.ReLU(), nn.Conv1d(width, 1, 1)\n"
        "        self.layers = nn.Sequential(*layers)\n\n"
        "    def forward(self, x):\n        return self.layers(x)[:, 0]\n"
    )
    network = {
        "name": "mine",
        "source": f"{source}:Small",
        "options": {"detectors": 2, "width": 3},
        "detectors": ["L1", "V1"],
        "targets": {},
        "training": {"epochs": 1, "batch_size": 4, "max_examples": None},
    }
    job = Job(3, 1, "cpu", {"code": "c", "settings": "s", "recipe": "corrected"})
    out = tmp_path / "models" / "seed0"
    card = training.train(
        network,
        shards,
        shards,
        recipe="corrected",
        scale="smoke",
        out=out,
        state_dir=tmp_path / "state",
        job=job,
    )
    assert card["normalisation"]["detectors"] == ["L1", "V1"]
    assert json.loads((tmp_path / "models" / "seed0.json").read_text())["options"] == network["options"]
    training.predict(out.with_suffix(".safetensors"), shards, tmp_path / "outputs", job=job)
    outputs = store.DataSet(tmp_path / "outputs")
    assert outputs.shape("logit") == (8, N_CROP - 63)
    assert outputs.table["gps_start"].tolist() == pytest.approx(np.arange(8) * 32.0 + 31 / 2048)
