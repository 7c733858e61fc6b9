"""Embeddings: what the trunk gives, copy by copy, in files that a killed run does not lose."""

import numpy as np
import pytest
import torch

from skyneedle.core.errors import BadSetting
from skyneedle.core.store import DataSet
from skyneedle.transfer import embed, networks, preprocess, trunks
from skyneedle.transfer.preprocess import Augmentation
from tests.unit.transfer.conftest import AUGMENTATION, TRAINING, write_set


@pytest.fixture
def network(stub) -> dict:
    entry = {
        "name": "stub_a",
        "source": stub,
        "weights": "random",
        "stem": "fixed",
        "mode": "frozen",
        "size": 48,
    }
    return entry | {"options": {}, "training": TRAINING}


@pytest.fixture
def trunk(stub, tmp_path):
    torch.manual_seed(0)
    made = networks.build(stub, size=48)
    trunks.estimate_statistics(made, [torch.rand(4, 1, 100, 100)])
    trunks.write(made.trunk, tmp_path / "t.safetensors", {})
    return tmp_path / "t.safetensors"


@pytest.fixture
def sets(tmp_path):
    labels = np.arange(7) % 2
    return {
        "hst": [write_set(tmp_path / "hst" / f"{k}.h5", labels, 10 * k, k) for k in range(2)],
        "hard": write_set(tmp_path / "hard.h5", labels[:3], 50),
        "real": write_set(tmp_path / "real.h5", labels[:0]),
    }


def write(network, trunk, sets, folder, job):
    outs = {name: folder / f"{name}.h5" for name in sets}
    options = {"augmentation": AUGMENTATION | {"copies": 2}, "state_dir": folder / ".state", "job": job}
    embed.write(network, trunk, sets, outs, **options)
    return outs


def test_embeddings_are_those_of_the_network(network, trunk, sets, job, tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "BATCH", 4)
    outs = write(network, trunk, sets, tmp_path / "out", job)
    built = networks.build(network["source"], weights=str(trunk), size=48).eval()

    def embedded(stamps):
        with torch.no_grad():
            return built.embed(torch.from_numpy(preprocess.scaled(stamps, 0.05))).numpy()

    stamps, found = DataSet(sets["hst"]), DataSet(outs["hst"])
    raw, ids = stamps.read("vis", slice(None)), stamps.table["id"].to_numpy()
    assert found.shape("plain") == (14, built.n_features)
    assert found.shape("copies") == (14, 2, built.n_features)
    assert np.allclose(found.read("plain", slice(None)), embedded(raw), atol=1e-5)
    for draw in range(2):
        copies = preprocess.augmented(raw, ids, draw, Augmentation(**AUGMENTATION), job.seed, 0.05)
        assert np.allclose(found.read("copies", slice(None))[:, draw], embedded(copies), atol=1e-5)
    assert found.table.equals(stamps.table[["id", "label", "parent_id", "kind"]])
    assert found.attributes["precision"] == "float32"
    assert found.attributes["augmentation"]["seed"] == job.seed

    hard = DataSet(outs["hard"])
    assert hard.shape("plain") == (3, built.n_features)
    with pytest.raises(KeyError):
        hard.shape("copies")
    assert DataSet(outs["real"]).shape("plain") == (0, built.n_features)
    assert not (tmp_path / "out" / ".state").exists()


def test_bfloat16_changes_little(network, trunk, sets, job, tmp_path):
    full = write(network, trunk, sets, tmp_path / "a", job)
    half = network | {"training": TRAINING | {"precision": "bf16-mixed"}}
    found = DataSet(write(half, trunk, sets, tmp_path / "b", job)["hst"])
    assert found.attributes["precision"] == "bfloat16"
    a, b = DataSet(full["hst"]).read("plain", slice(None)), found.read("plain", slice(None))
    assert 0 < np.abs(a - b).mean() < 0.02 * np.abs(a).mean()


def test_a_killed_run_keeps_finished_sets(network, trunk, sets, job, tmp_path, monkeypatch):
    blocks, asked = embed._blocks, []

    def dying(run, n_features, data, draws, what):
        asked.append(what.split(", ")[1])
        if asked == ["hst", "hard"]:
            raise KeyboardInterrupt
        return blocks(run, n_features, data, draws, what)

    monkeypatch.setattr(embed, "_blocks", dying)
    with pytest.raises(KeyboardInterrupt):
        write(network, trunk, sets, tmp_path / "out", job)
    assert not (tmp_path / "out" / "hst.h5").exists()
    asked += ["again"]
    outs = write(network, trunk, sets, tmp_path / "out", job)
    assert asked == ["hst", "hard", "again", "hard", "real"]
    again = write(network, trunk, sets, tmp_path / "other", job)
    assert all(outs[name].read_bytes() == again[name].read_bytes() for name in sets)


def test_other_weights_are_embedded_anew(network, trunk, sets, job, tmp_path):
    hst = {"hst": sets["hst"]}
    outs = write(network, trunk, hst, tmp_path / "out", job)
    done = tmp_path / "out" / ".state" / "hst.h5"  # as if killed before it was moved
    done.parent.mkdir()
    outs["hst"].rename(done)
    before = done.read_bytes()
    assert embed._is_complete(done, DataSet(done).attributes)
    torch.manual_seed(1)
    trunks.write(trunks.trunk(network["source"]), trunk, {})
    assert write(network, trunk, hst, tmp_path / "out", job)["hst"].read_bytes() != before


def test_what_is_trained_as_a_whole_has_no_embeddings(network, trunk):
    for other in ({"mode": "full"}, {"stem": "learned"}, {"source": "lensflow"}):
        with pytest.raises(BadSetting, match="stub_a: only a frozen trunk"):
            embed.prepared(network | other, trunk)
