"""Inference: what was trained is what is run, and no cutting of a series changes what comes out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from skyneedle.core import inference, store
from skyneedle.core.errors import BadSetting, StrainTooShort, UnknownNetwork

STRAIN = "skyneedle.strain.networks"
OPTIONS = {"channels": 6, "n_blocks": 5}  # receptive field 32, offset 15


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return inference.build("fcn", OPTIONS, STRAIN).eval()


@pytest.fixture
def stem(network, tmp_path) -> Path:
    """A trained network on disk."""
    save_file(network.state_dict(), tmp_path / "seed0.safetensors")
    card = {
        "name": "tiny",
        "source": "fcn",
        "options": OPTIONS,
        "registry": STRAIN,
        "normalisation": {"mean": [1.0, -2.0], "std": [30.0, 40.0]},
    }
    (tmp_path / "seed0.json").write_text(json.dumps(card))
    return tmp_path / "seed0"


def series(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


# --- networks from names and files


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nothing", "no network 'nothing' for strain"),
        ("absent.py:Net", "absent.py: no such file"),
        ("{folder}/own.py:Absent", "defines no 'Absent'"),
        ("{folder}/own.py:number", "gives a int, expected a torch.nn.Module"),
        ("{folder}/own.py:NoOffset", "no integer attribute 'output_offset'"),
        ("{folder}/own.py:Net", "cannot be built with {'width': 3}"),
        ("{folder}/broken.py:Net", "cannot be imported .*ModuleNotFoundError"),
    ],
)
def test_wrong_sources_are_named(tmp_path, source, sentence):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\nclass Net(nn.Identity):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "\nclass NoOffset(nn.Identity):\n    pass\n\ndef number(**options):\n    return 3\n"
    )
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there\n")
    options = {"width": 3} if source.endswith(("Net", "number")) else {}
    with pytest.raises(UnknownNetwork, match=sentence):
        inference.build(source.format(folder=tmp_path), options, STRAIN)


def test_own_network_from_a_file(tmp_path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self, width):\n        super().__init__()\n"
        "        self.output_offset, self.layer = 2, nn.Conv1d(2, 1, width)\n"
        "    def forward(self, x):\n        return self.layer(x)[:, 0]\n"
    )
    made = inference.build(f"{tmp_path}/own.py:Net", {"width": 5}, STRAIN)
    assert made.output_offset == 2
    assert inference.apply(made, series(3, 2, 20)).shape == (3, 16)


@pytest.mark.parametrize("ending", ["", ".json", ".safetensors"])
def test_load_gives_back_the_network_in_evaluation_mode(network, stem, ending):
    loaded, card = inference.load(f"{stem}{ending}")
    assert not loaded.training
    assert card["name"] == "tiny"
    x = torch.from_numpy(series(2, 2, 50))
    assert torch.equal(loaded(x), network(x))


def test_last_weights_share_the_card(network, stem):
    weights = {key: value + 1 for key, value in network.state_dict().items()}
    save_file(weights, stem.with_name("seed0.last.safetensors"))
    loaded, card = inference.load(stem.with_name("seed0.last"))
    assert card["name"] == "tiny"
    assert torch.equal(loaded.output.bias, network.output.bias + 1)


def test_missing_or_foreign_weights_are_named(stem):
    with pytest.raises(UnknownNetwork, match=r"seed1\.safetensors: no such file"):
        inference.load(stem.with_name("seed1"))
    card = json.loads(stem.with_suffix(".json").read_text())
    stem.with_suffix(".json").write_text(json.dumps(card | {"options": OPTIONS | {"channels": 7}}))
    with pytest.raises(UnknownNetwork, match="does not fit its card"):
        inference.load(stem)


# --- precision


def test_precision_follows_the_processor(tmp_path, monkeypatch):
    wide = inference.build("fcn", {"channels": 64, "n_blocks": 2}, STRAIN)
    narrow = inference.build("fcn", {"channels": 8, "n_blocks": 2}, STRAIN)
    for flags, expected in (
        ("avx2 avx512f", False),
        ("avx512f avx512_bf16", True),
        ("amx_tile amx_bf16", True),
    ):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu {flags} sse\n")
        assert inference.has_fast_bfloat16(tmp_path / "cpuinfo") is expected
    assert not inference.has_fast_bfloat16(tmp_path / "absent")
    for is_fast, chosen in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(inference, "has_fast_bfloat16", lambda is_fast=is_fast: is_fast)
        assert inference.choose_precision(wide, "cpu") == chosen
        assert inference.choose_precision(narrow, "cpu") == "float32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, chosen in (((7, 5), "float32"), ((9, 0), "bfloat16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=capability: found)
        assert inference.choose_precision(wide, "cuda:0") == chosen
    with pytest.raises(BadSetting, match="float16"):
        inference.choose_precision(wide, "cpu", "float16")
    with pytest.raises(BadSetting, match="half"):
        inference.choose_precision(wide, "cpu", "half")


@pytest.mark.parametrize("source", ["fcn", "classifier"])
def test_bfloat16_gives_nearly_the_same_logits(source):
    torch.manual_seed(1)
    options = OPTIONS | {"channels": 64} if source == "fcn" else {"duration_s": 0.25}
    made, x = inference.build(source, options, STRAIN), series(2, 2, 600)
    exact = inference.apply(made, x, precision="float32")
    half = inference.apply(made, x, precision="bfloat16")
    assert half.dtype == np.float32
    assert 0 < np.abs(half - exact).max() < 0.05 * np.abs(exact).max()


# --- running


def test_apply_normalises_each_channel_and_ignores_batch_size(network):
    normalisation = {"mean": [1.0, -2.0], "std": [30.0, 40.0]}
    x = series(5, 2, 60) * 30
    mean, std = (np.array(normalisation[key], np.float32)[:, None] for key in ("mean", "std"))
    with torch.no_grad():
        expected = network(torch.from_numpy((x - mean) / std)).numpy()
    for batch_size in (1, 2, 16):
        logits = inference.apply(network, x, normalisation, batch_size=batch_size)
        assert (logits.dtype, logits.shape) == (np.float32, (5, 29))
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_apply_runs_dropout_networks_without_dropout():
    made = inference.build("classifier", {"duration_s": 0.25}, STRAIN).train()
    x = series(2, 2, 512)
    np.testing.assert_array_equal(inference.apply(made, x), inference.apply(made, x))


@pytest.mark.parametrize("chunk", [1, 7, 100, 469, 10_000])
def test_chunks_equal_a_single_pass(network, chunk):
    x = series(2, 500)
    with torch.no_grad():
        expected = network(torch.from_numpy(x[None]))[0].numpy()
    np.testing.assert_allclose(inference.slide(network, x, chunk=chunk), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_chunks_of_a_stepping_network_equal_a_single_pass(chunk):
    made = inference.build("classifier", {"duration_s": 0.25, "step": 50}, STRAIN).eval()
    x = series(2, 1234)
    with torch.no_grad():
        expected = made(torch.from_numpy(x[None]))[0].numpy()
    assert expected.shape == ((1234 - 512) // 50 + 1,)
    np.testing.assert_allclose(inference.slide(made, x, chunk=chunk), expected, atol=1e-6, rtol=1e-5)


def test_series_below_one_receptive_field_is_named(network):
    with pytest.raises(StrainTooShort):
        inference.slide(network, series(2, 31))


def test_stream_keeps_times_and_order(network):
    x = series(2, 200)
    pieces = [(0.0, x[:, :100]), (8.5, x[:, 100:])]
    got = list(inference.stream(network, iter(pieces)))
    assert [start for start, _ in got] == [0.0, 8.5]
    np.testing.assert_array_equal(got[1][1], inference.slide(network, x[:, 100:]))


# --- data sets


@pytest.fixture
def dataset(tmp_path) -> store.DataSet:
    x = series(7, 2, 60) * 35
    for shard, rows in (("000.h5", slice(0, 4)), ("001.h5", slice(4, 7))):
        ids = np.arange(7)[rows]
        table = pd.DataFrame({"id": 10 + ids, "crop_gps": 1126051217.0 + 32 * ids, "label": ids % 2})
        store.write(tmp_path / "data" / shard, {"strain": x[rows]}, table, {"sample_rate": 2048.0})
    return store.DataSet(tmp_path / "data")


def test_outputs_of_a_set_follow_the_contract(stem, dataset, tmp_path):
    inference.predict_set(stem, dataset, tmp_path / "out", batch_size=3, provenance={"code": "abc"})
    out = store.DataSet(tmp_path / "out")
    network, card = inference.load(stem)
    expected = inference.apply(network, dataset.read("strain", slice(None)), card["normalisation"])
    logits = out.read("logit", slice(None))
    assert (logits.dtype, logits.shape) == (np.float16, (7, 29))
    np.testing.assert_allclose(logits, expected, rtol=2e-3, atol=1e-4)
    assert [path.name for path in out.shards] == ["000.h5", "001.h5"]
    assert out.table["id"].tolist() == list(range(10, 17))
    # Output 0 is about input sample 15, which is 15 / 2048 s after the first one.
    np.testing.assert_allclose(out.table["gps_start"] - dataset.table["crop_gps"], 15 / 2048, atol=1e-6)
    assert (out.attributes["sample_rate"], out.attributes["network"]) == (2048.0, "tiny")
    assert out.attributes["provenance"] == {"code": "abc"}


def test_huge_logits_stay_finite_in_half_precision(network, stem, dataset, tmp_path):
    weights = network.state_dict() | {"output.bias": torch.tensor([1e6])}
    save_file(weights, stem.with_suffix(".safetensors"))
    inference.predict_set(stem, dataset, tmp_path / "out")
    assert np.isfinite(store.DataSet(tmp_path / "out").read("logit", slice(None))).all()


def test_complete_shards_are_kept_only_if_asked(network, stem, dataset, tmp_path):
    folder = tmp_path / "out"
    inference.predict_set(stem, dataset, folder)
    inodes = {path.name: path.stat().st_ino for path in folder.iterdir()}
    (folder / "001.h5").write_bytes(b"cut off")
    (folder / "007.h5").write_bytes(b"of another set")
    inference.predict_set(stem, dataset, folder, keep=True)
    assert sorted(path.name for path in folder.iterdir()) == ["000.h5", "001.h5"]
    assert (folder / "000.h5").stat().st_ino == inodes["000.h5"]
    assert len(store.DataSet(folder)) == 7
    before = (folder / "000.h5").read_bytes()
    save_file(
        {key: value + 1 for key, value in network.state_dict().items()}, stem.with_suffix(".safetensors")
    )
    inference.predict_set(stem, dataset, folder, keep=True)  # other weights: nothing is kept
    assert (folder / "000.h5").read_bytes() != before


@pytest.mark.gpu
def test_gpu_agrees_with_cpu(network):
    x = series(3, 2, 400)
    exact = inference.apply(network, x, device="cpu", precision="float32")
    on_gpu = inference.apply(network, x, device="cuda:0", precision="float32")
    np.testing.assert_allclose(on_gpu, exact, rtol=1e-3, atol=1e-3)
    for precision in ("bfloat16", "float16"):
        half = inference.apply(network, x, device="cuda:0", precision=precision)
        assert np.abs(half - exact).max() < 0.05 * np.abs(exact).max()
