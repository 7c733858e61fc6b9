"""Weights of trunks: measured statistics, files that are really used, and downloads that fail."""

import hashlib
import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from skyneedle.core.errors import BadSetting, NotWeights, SourceUnavailable, WeightsMismatch
from skyneedle.transfer import networks, trunks
from skyneedle.transfer.backbones import BACKBONES


def stamps(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 1, 100, 100, generator=torch.Generator().manual_seed(seed))


def spread_of(network: nn.Module) -> float:
    with torch.no_grad():
        return float(network.eval().embed(stamps(3, 9)).square().mean().sqrt())


# --- random weights


@pytest.mark.parametrize("name", ["xception", "resnet"])
def test_statistics_bring_a_random_trunk_to_order_one(name):
    torch.manual_seed(0)
    network = networks.build(name, size=75)
    before = spread_of(network)
    assert not 0.1 < before < 10
    trunks.estimate_statistics(network, [stamps(4, seed) for seed in range(2)])
    assert 0.1 < spread_of(network) < 10


def test_statistics_are_the_mean_over_all_batches(stub):
    network = networks.build(stub, size=64)
    batches = [stamps(4, seed) * (seed + 1) for seed in range(3)]
    trunks.estimate_statistics(network, batches)
    conv = next(module for module in network.trunk.modules() if isinstance(module, nn.Conv2d))
    norm = next(module for module in network.trunk.modules() if isinstance(module, _BatchNorm))
    with torch.no_grad():
        maps = [conv(network.stem(batch)) for batch in batches]
    means = torch.stack([one.mean((0, 2, 3)) for one in maps])
    variances = torch.stack([one.var((0, 2, 3)) for one in maps])
    assert torch.allclose(norm.running_mean, means.mean(0), atol=1e-5)
    assert torch.allclose(norm.running_var, variances.mean(0), rtol=1e-4)
    assert norm.momentum == 0.1
    # A second pass begins anew, and the normalisations of the head are left alone.
    kept = norm.running_mean.clone()
    trunks.estimate_statistics(network, batches)
    assert torch.allclose(norm.running_mean, kept)
    assert not network.head.norm.running_mean.any()


def test_a_trunk_alone_can_be_measured_and_keeps_its_mode(stub):
    trunk = trunks.trunk(stub).train()
    trunks.estimate_statistics(trunk, [torch.rand(4, 3, 64, 64)])
    assert all(module.training for module in trunk.modules())
    with torch.no_grad():
        assert 0.1 < trunk.eval()(torch.rand(4, 3, 64, 64)).square().mean().sqrt() < 10


def test_a_trunk_without_normalisation_is_scaled():
    def small():
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU()]
        return trunks.xavier(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()))

    trunk = small()
    x = torch.rand(5, 3, 20, 20) * 1e-3
    before = trunk(x).detach()
    trunks.estimate_statistics(trunk, [x])
    after = trunk(x).detach()
    assert float(after.square().mean()) == pytest.approx(1.0, rel=1e-4)
    assert torch.allclose(after / after.max(), before / before.max(), atol=1e-5)
    with pytest.raises(BadSetting, match="mean square 0"):
        trunks.estimate_statistics(small(), [x * 0])
    with pytest.raises(BadSetting, match="0 batches"):
        trunks.estimate_statistics(small(), [])


def test_xavier_sets_every_parameter(stub):
    torch.manual_seed(0)
    trunk = trunks.trunk(stub)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            n_out, n_in = module.weight.shape[:2]
            limit = (6 / (module.kernel_size[0] * module.kernel_size[1] * (n_in + n_out))) ** 0.5
            assert module.weight.abs().max() <= limit
            assert float(module.weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.3)
        elif isinstance(module, _BatchNorm):
            assert (module.weight == 1).all()
    with pytest.raises(BadSetting, match="Xavier"):
        trunks.xavier(nn.Sequential(nn.LayerNorm(3)))


# --- files


@pytest.fixture
def planted(stub, tmp_path):
    """A file with weights that nobody would draw, and the trunk that has them."""
    torch.manual_seed(11)
    trunk = trunks.trunk(stub)
    with torch.no_grad():
        for number, parameter in enumerate(trunk.parameters()):
            parameter.add_(0.01 * number)
    path = tmp_path / "stub_galaxies.safetensors"
    trunks.write(trunk, path, {"source": stub})
    return path, trunk


def test_planted_weights_are_really_used(stub, planted):
    path, trunk = planted
    network = networks.build(stub, weights=str(path), size=64).eval()
    with torch.no_grad():
        expected = trunk.eval()(network.stem(stamps(2)))
        assert torch.equal(network.embed(stamps(2)), expected)
        random = networks.build(stub, size=64).eval()
        assert not torch.allclose(random.embed(stamps(2)), expected)
    assert path.with_suffix(".json").is_file()


def test_files_of_whole_networks_and_of_torch_are_read(stub, planted, tmp_path):
    _, trunk = planted
    whole = dict(trunk.state_dict()) | {"fc.weight": torch.zeros(10, 4), "fc.bias": torch.zeros(10)}
    half = {name: item.half() if item.is_floating_point() else item for name, item in whole.items()}
    old = {name: item for name, item in whole.items() if not name.endswith("num_batches_tracked")}
    save_file(whole, tmp_path / "whole.safetensors")
    torch.save({"state_dict": whole}, tmp_path / "nested.pth")
    torch.save(old, tmp_path / "old.pth")
    save_file(half, tmp_path / "half.safetensors")
    for name, tolerance in (
        ("whole.safetensors", 0),
        ("nested.pth", 0),
        ("old.pth", 0),
        ("half.safetensors", 1e-2),
    ):
        found = trunks.trunk(stub, tmp_path / name).state_dict()
        for key, tensor in trunk.state_dict().items():
            assert found[key].dtype == tensor.dtype
            assert torch.allclose(found[key].float(), tensor.float(), atol=tolerance)


def test_wrong_files_say_what_is_wrong(stub, planted, tmp_path):
    path, trunk = planted
    state = dict(trunk.state_dict())
    first = next(iter(state))
    wrong = tmp_path / "wrong.safetensors"

    save_file({name: item for name, item in state.items() if name != first}, wrong)
    with pytest.raises(
        WeightsMismatch, match=rf"wrong.safetensors.*stub.*1 of {len(state)} .*missing.*{first}"
    ):
        trunks.trunk(stub, wrong)
    save_file(state | {"layer9.weight": torch.zeros(2)}, wrong)
    with pytest.raises(WeightsMismatch, match=r"1 are unknown, such as layer9\.weight"):
        trunks.trunk(stub, wrong)
    save_file(state | {first: torch.zeros(2, 2)}, wrong)
    with pytest.raises(WeightsMismatch, match=rf"{first} has shape \(2, 2\) instead of \("):
        trunks.trunk(stub, wrong)
    with pytest.raises(WeightsMismatch, match="resnet"):
        trunks.trunk("resnet", path)

    with pytest.raises(SourceUnavailable, match=r"nowhere\.safetensors: no such file.*imagenet"):
        trunks.trunk(stub, tmp_path / "nowhere.safetensors")
    for name in ("text.safetensors", "text.pth"):
        (tmp_path / name).write_text("no weights")
        with pytest.raises(NotWeights, match=name):
            trunks.trunk(stub, tmp_path / name)
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(NotWeights, match="list"):
        trunks.trunk(stub, tmp_path / "list.pth")


# --- ImageNet


@pytest.fixture
def refused(monkeypatch, tmp_path):
    """No network, and empty caches."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)


def test_imagenet_weights_are_asked_for_by_name(monkeypatch, tmp_path, refused):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "xception-43020ad28.pth").touch()
    asked = {}

    def create(name, **options):
        asked.update(options, name=name)
        return nn.Identity()

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(SourceUnavailable, match=r"sha256 e3b0c44298fc instead of 43020ad28, delete .*\.pth"):
        trunks.imagenet("xception")
    assert asked == {}
    monkeypatch.setattr(trunks, "sha256_of", lambda _: "43020ad28" + 55 * "0")
    trunks.imagenet("xception")
    overlay = asked.pop("pretrained_cfg_overlay")
    assert asked == {"name": "legacy_xception.tf_in1k", "pretrained": True, "num_classes": 0}
    assert Path(overlay["file"]) == tmp_path / "checkpoints" / "xception-43020ad28.pth"


def test_files_are_held_to_the_checksum_in_their_names(tmp_path):
    right, wrong = hashlib.sha256(b"weights").hexdigest(), hashlib.sha256(b"others").hexdigest()
    for name in (f"net-{right[:8]}.pth", "resnet50.safetensors", f"blobs/{right}", f"blobs/{wrong[:40]}"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
        trunks.check(path)
    for name in (f"net-{wrong[:8]}.pth", f"blobs/{wrong}"):
        (tmp_path / name).write_bytes(b"weights")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "blobs" / wrong)
    for name in (f"net-{wrong[:8]}.pth", "model.safetensors"):
        with pytest.raises(WeightsMismatch, match=rf"{right[:12]} instead of {wrong[:8]}.*{name}"):
            trunks.check(tmp_path / name)


def test_what_is_downloaded_lies_where_the_cache_is_looked_for(monkeypatch, tmp_path, refused):
    def fetch(url, path, progress):
        Path(path).write_text(url)

    monkeypatch.setattr(trunks, "_reach", lambda _: None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *asked: "/".join(asked))
    assert str(trunks._download("resnet")) == "timm/resnet50.tv_in1k/model.safetensors"
    path = trunks._download("xception")
    assert path == trunks.cached("xception")
    assert path.read_text() == trunks.address("xception")


def test_a_cached_file_needs_no_network(stub, planted, monkeypatch, refused):
    path, trunk = planted
    monkeypatch.setattr(trunks, "cached", lambda _: path)
    found = trunks.trunk(stub, "imagenet").state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in trunk.state_dict().items())


@pytest.mark.parametrize(
    ("name", "where"),
    [("resnet", "huggingface.co/timm/resnet50.tv_in1k"), ("xception", "xception-43020ad28.pth")],
)
@pytest.mark.parametrize("switched_off", [True, False])
def test_without_a_network_one_sentence_says_how_to_supply_the_file(
    name, where, switched_off, monkeypatch, refused
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1" if switched_off else "0")
    start = time.monotonic()
    with pytest.raises(SourceUnavailable) as caught:
        trunks.trunk(name, "imagenet")
    assert time.monotonic() - start < 5
    words = str(caught.value)
    assert "\n" not in words
    assert f"{name}: the ImageNet weights {BACKBONES[name].timm}" in words
    assert where in words
    assert "path of that file as `weights`" in words


def test_dense_layers_of_torchvision_become_convolutions():
    expected = {"pre_logits.fc1.weight": torch.empty(6, 2, 7, 7), "head.fc.weight": torch.empty(3, 6)}
    state = {
        "classifier.0.weight": torch.arange(588.0).reshape(6, 98),
        "classifier.6.weight": torch.zeros(3, 6),
    }
    found = trunks._named_as(expected, state, BACKBONES["vgg16"])
    assert list(found) == ["pre_logits.fc1.weight"]
    assert torch.equal(found["pre_logits.fc1.weight"].flatten(), torch.arange(588.0))
