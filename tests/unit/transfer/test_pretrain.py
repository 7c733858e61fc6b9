"""Weights of trunks made here: learned from kinds of galaxies, or random with measured statistics."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from skyneedle.core.errors import BadSetting, NotADataSet
from skyneedle.core.store import DataSet
from skyneedle.transfer import networks, pretrain, trunks
from tests.unit.transfer.conftest import AUGMENTATION, TRAINING, write_set
from tests.unit.transfer.small import killed

LABELS = np.arange(80) // 2 % 10  # both stamps of a parent show the same kind


def make(stub, weights, shards, out, job, **training):
    return pretrain.make(
        stub,
        weights,
        shards,
        out,
        size=48,
        training=TRAINING | training,
        augmentation=AUGMENTATION,
        scale="test",
        state_dir=out.parent / f".state_{out.stem}",
        job=job,
    )


def test_galaxies_teach_a_trunk(stub, job, tmp_path):
    shards = write_set(tmp_path / "morphology.h5", LABELS)
    out = tmp_path / "trunks" / "stub_galaxies.safetensors"
    card = make(stub, "galaxies", shards, out, job, epochs=3)
    assert card == json.loads(out.with_suffix(".json").read_text())
    assert card["weights"] == "galaxies"
    assert card["size"] == 48
    accuracy = card["accuracy"]
    assert accuracy["n"] == 8  # a tenth of 40 parents
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    assert card["n_examples"] == 72
    assert len(card["history"]) == 1 + 2 * 3
    assert not list(out.parent.glob(".state*"))

    # It is the trunk alone, it is usable, and training changed it.
    network = networks.build(stub, weights=str(out), size=48)
    assert load_file(out).keys() == network.trunk.state_dict().keys()
    counters = [item for name, item in load_file(out).items() if name.endswith(trunks.COUNTER)]
    assert all(int(counter) >= 5 for counter in counters)  # batches until the best epoch

    # The same once more, to the byte.
    before = out.read_bytes()
    make(stub, "galaxies", shards, out, job, epochs=3)
    assert out.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from skyneedle.transfer import pretrain
from skyneedle.transfer.backbones import BACKBONES
from tests.unit.transfer import conftest, test_pretrain as t

BACKBONES["stub"], read, calls = conftest.STUB, pretrain.Stamps.__call__, []

def dies(self, rows, epoch):
    calls.append(epoch)
    if calls.count(1) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, rows, epoch)

pretrain.Stamps.__call__ = dies
t.make("stub", "galaxies", sys.argv[1], Path(sys.argv[2]), conftest.JOB)
"""


@pytest.mark.slow
def test_a_killed_pretraining_goes_on(stub, job, tmp_path, monkeypatch):
    shards = write_set(tmp_path / "morphology.h5", LABELS)
    whole, halved = tmp_path / "whole" / "a.safetensors", tmp_path / "halved" / "a.safetensors"
    make(stub, "galaxies", shards, whole, job)
    killed(KILLED, shards, halved)
    assert not halved.is_file()
    assert (halved.parent / ".state_a" / "state" / "state.pt").is_file()
    read, epochs = pretrain.Stamps.__call__, []

    def noted(self, rows, epoch):
        if self.augmentation is not None:  # what is learned from
            epochs.append(epoch)
        return read(self, rows, epoch)

    monkeypatch.setattr(pretrain.Stamps, "__call__", noted)
    make(stub, "galaxies", shards, halved, job)
    assert set(epochs) == {1}  # the first epoch is not repeated
    for ending in (".safetensors", ".json"):
        assert halved.with_suffix(ending).read_bytes() == whole.with_suffix(ending).read_bytes()
    assert not list(halved.parent.glob(".state*"))


def test_no_parent_is_in_training_and_validation(job, tmp_path):
    data = DataSet(write_set(tmp_path / "a.h5", LABELS))
    stamps = pretrain.Stamps.of(data)
    learnt, validation = stamps.divided(seed=1)
    parents = data.table["parent_id"].to_numpy()
    assert not set(parents[learnt]) & set(parents[validation])
    assert sorted([*learnt, *validation]) == list(range(80))
    other, _ = stamps.divided(seed=2)
    assert list(other) != list(learnt)
    few = pretrain.Stamps.of(data, 10)
    assert len(few.among) == 10
    images, labels = few(np.array([1, 2]), 0)
    assert images.shape == (2, 1, 100, 100)
    assert images.dtype == np.float32
    assert labels.tolist() == LABELS[few.among[[1, 2]]].tolist()


def test_augmentation_differs_between_epochs_and_is_not_on_validation(tmp_path):
    data = DataSet(write_set(tmp_path / "a.h5", LABELS[:6]))
    plain = pretrain.Stamps.of(data)
    changed = replace(plain, augmentation=pretrain.Augmentation(**AUGMENTATION), seed=4)
    rows = np.arange(3)
    assert np.array_equal(plain(rows, 0)[0], plain(rows, 1)[0])
    assert not np.array_equal(changed(rows, 0)[0], changed(rows, 1)[0])
    assert np.array_equal(changed(rows, 1)[0], changed(rows, 1)[0])


def test_labels_must_be_kinds(tmp_path):
    data = DataSet(write_set(tmp_path / "folder" / "a.h5", np.array([0, 10])))
    with pytest.raises(NotADataSet, match="content morphology"):
        pretrain.Stamps.of(data)


def test_random_trunks_have_measured_statistics(stub, job, tmp_path):
    shards = write_set(tmp_path / "morphology.h5", LABELS[:40])
    out = tmp_path / "stub_random.safetensors"
    card = make(stub, "random", shards, out, job)
    assert card["n_examples"] == 32  # whole batches only
    network = networks.build(stub, weights=str(out), size=48).eval()
    images, _ = pretrain.Stamps.of(DataSet(shards))(np.arange(16), 0)
    with torch.no_grad():
        assert 0.1 < network.embed(torch.from_numpy(images)).square().mean().sqrt() < 10
    before = out.read_bytes()
    torch.manual_seed(77)  # nothing of it depends on what was drawn before
    make(stub, "random", shards, out, job)
    assert out.read_bytes() == before
    make(stub, "random", shards, out, replace(job, seed=4))
    assert out.read_bytes() != before


def test_imagenet_weights_become_a_file_too(stub, job, tmp_path, monkeypatch):
    torch.manual_seed(2)
    trunk = trunks.trunk(stub)
    monkeypatch.setattr(trunks, "imagenet", lambda _: trunk)
    out = tmp_path / "stub_imagenet.safetensors"
    card = make(stub, "imagenet", [], out, job)
    assert card["address"].startswith("https://")
    found = trunks.trunk(stub, out).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in trunk.state_dict().items())


def test_other_weights_are_not_made(stub, job, tmp_path):
    with pytest.raises(BadSetting, match="galaxies, random, imagenet"):
        make(stub, "a/path", [], tmp_path / "x.safetensors", job)
