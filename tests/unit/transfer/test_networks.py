"""Networks of transfer: what is published about them, what is frozen, and what is kept."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting, UnknownNetwork, WrongStampSize
from skyneedle.transfer import networks, trunks
from skyneedle.transfer.backbones import BACKBONES
from tests.unit.transfer.conftest import stamps_of

# Source: spec B, parameters without head, in millions; Table 5-1 counts heads of 1000 classes too.
PARAMETERS = {
    "xception": (20.81, 2048),
    "inception": (21.79, 2048),
    "resnet": (23.51, 2048),
    "nasnet": (84.72, 4032),
    "vgg16": (134.26, 4096),
    "vgg19": (139.57, 4096),
}


def stamps(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 1, 100, 100, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", PARAMETERS)
def test_backbones_have_the_published_numbers_of_parameters(name):
    trunk = trunks.empty(name)
    millions, n_features = PARAMETERS[name]
    assert sum(parameter.numel() for parameter in trunk.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.01
    )
    assert networks.n_features(name) == n_features


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [("xception", 75), ("nasnet", 75), ("vgg16", 75), ("inception", 96)]
)
def test_backbones_take_small_images(name, size):
    network = networks.build(name, size=size)
    images = torch.from_numpy(stamps_of(np.arange(8)))[:, None] / 6
    with torch.no_grad():
        trunks.estimate_statistics(network, [images])
        features = network.eval().embed(images[::4])
    assert features.shape == (2, network.n_features)
    assert 0.1 < features.square().mean().sqrt() < 10


def test_lensflow_is_that_of_table_3_1():
    network = networks.build("lensflow")
    assert sum(parameter.numel() for parameter in network.parameters()) == 8_754_532
    shapes, x = [], stamps(2)
    for module in [*network.layer, nn.Flatten(), *network.head]:
        x = module(x)
        shapes.append(tuple(x.shape[1:]))
    published = [(30, 96, 96), (30, 48, 48), (60, 44, 44), (60, 22, 22), (90, 18, 18), (90, 9, 9)]
    assert [shape for k, shape in enumerate(shapes[:9]) if k % 3 != 1] == published
    assert [shape[0] for shape in shapes[9:]] == [7290, 1000, 1000, 800, 800, 600, 600, 2]
    assert torch.equal(x, network(stamps(2)))
    kinds = [type(module).__name__ for module in [*network.layer, *network.head]]
    assert kinds.count("Tanh") == kinds.count("MaxPool2d") == kinds.count("ReLU") == 3


def test_deeplens_is_as_described():
    network = networks.build("deeplens").eval()
    with torch.no_grad():
        assert network(stamps(2)).shape == (2, 2)
        maps = network.stem(stamps(1))
        sizes = []
        for stage in network.stages:
            maps = stage(maps)
            sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(32, 100, 100), (64, 50, 50), (128, 25, 25), (256, 13, 13), (512, 7, 7)]
    assert [len(stage) for stage in network.stages] == [3] * 5
    first = network.stages[1][0]
    kinds = [type(module).__name__ for module in [*first.first, *first.inner]]
    assert kinds == ["BatchNorm2d", "ELU", "Conv2d"] * 3
    assert first.inner[3].stride == (2, 2)
    assert network.stages[1][1].shortcut is None


# --- stem, head, modes


def test_the_fixed_stem_gives_the_trunk_what_it_was_made_for(stub):
    network = networks.build(stub, size=120)
    x, published = stamps(2), trunks.input_of(stub)
    seen = network.stem(x)
    assert seen.shape == (2, 3, 120, 120)
    shown = seen * torch.tensor(published["std"]).view(3, 1, 1) + torch.tensor(published["mean"]).view(
        3, 1, 1
    )
    expected = functional.interpolate(x, (120, 120), mode="bilinear", align_corners=False)
    assert torch.allclose(shown, expected.expand(-1, 3, -1, -1), atol=1e-5)
    assert networks.build(stub).size == published["size"] == 160
    assert not list(network.stem.parameters())


def test_the_learned_stem_is_trained_through_a_frozen_trunk(stub):
    network = networks.build(stub, stem="learned", size=64).train()
    assert network.stem(stamps(2)).shape == (2, 3, 64, 64)
    network(stamps(4)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.stem.parameters())
    assert all(parameter.grad is None for parameter in network.trunk.parameters())


@pytest.mark.parametrize("stem", networks.STEMS)
def test_a_frozen_trunk_stays_as_it_is(stub, stem):
    network = networks.build(stub, stem=stem, size=64)
    trunks.estimate_statistics(network, [stamps(4)])
    before = copy.deepcopy(network.trunk.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    start = network.head.linear.weight.clone()
    for step in range(3):
        network.train()
        optimizer.zero_grad()
        network(stamps(4, step)).square().sum().backward()
        optimizer.step()
    assert network.head.training
    assert not any(module.training for module in network.trunk.modules())
    after = network.trunk.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not torch.equal(network.head.linear.weight, start)


@pytest.mark.parametrize("mode", ["full", "scratch"])
def test_other_modes_train_everything(stub, mode):
    network = networks.build(stub, mode=mode, size=64).train()
    before = copy.deepcopy(network.trunk.state_dict())
    network(stamps(4)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(module.training for module in network.trunk.modules())
    norm = next(name for name in before if name.endswith("running_mean"))
    assert not torch.equal(network.trunk.state_dict()[norm], before[norm])


def test_a_head_begins_the_same_with_and_without_a_trunk(stub):
    torch.manual_seed(5)
    alone = networks.build("head", n_features=networks.n_features(stub))
    for options in ({}, {"stem": "learned"}, {"mode": "full"}):
        torch.manual_seed(5)
        within = networks.build(stub, size=64, **options).head
        for name, tensor in alone.state_dict().items():
            assert torch.equal(tensor, within.state_dict()[name])


def test_a_last_batch_of_one_example_can_be_trained_on(stub):
    head = networks.build("head", n_features=7, dropout=0.0).train()
    mean = head.norm.running_mean.clone()
    assert head(torch.ones(1, 7)).shape == (1, 2)
    assert torch.equal(head.norm.running_mean, mean)
    head(torch.rand(3, 7))
    assert not torch.equal(head.norm.running_mean, mean)


def test_a_head_answers_in_single_precision(stub):
    network = networks.build(stub, size=64).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features, logits = network.embed(stamps(2)), network(stamps(2))
    assert features.dtype == torch.bfloat16
    assert logits.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(logits, network.head(features))


def test_stem_and_head_are_kept_and_the_trunk_is_not(stub):
    torch.manual_seed(0)
    network = networks.build(stub, stem="learned", size=64).eval()
    kept = networks.kept(network)
    assert {name.partition(".")[0] for name in kept} == {"stem", "head"}
    assert kept.keys() == network.state_dict().keys()  # what a training saves is what is kept
    torch.manual_seed(1)
    other = networks.build(stub, stem="learned", size=64).eval()
    other.trunk.load_state_dict(network.trunk.state_dict())
    other.load_state_dict(kept)
    assert torch.equal(other(stamps(2)), network(stamps(2)))
    with pytest.raises(RuntimeError, match=r"head\.linear\.weight"):
        other.load_state_dict({name: item for name, item in kept.items() if name != "head.linear.weight"})
    full = networks.build(stub, mode="full", size=64)
    assert any(name.startswith("trunk.") for name in full.state_dict())
    assert {name.partition(".")[0] for name in networks.kept(full)} == {"head"}


def test_what_cannot_be_built_says_why(stub):
    for options, words in [
        ({"stem": "wide"}, "fixed, learned"),
        ({"mode": "thawed"}, "frozen, full, scratch"),
        ({"mode": "scratch", "weights": "imagenet"}, "random"),
        ({"weights": "galaxies"}, "pretrain_transfer"),
    ]:
        with pytest.raises(BadSetting, match=words):
            networks.build(stub, **options)
    with pytest.raises(UnknownNetwork, match="nasnet"):
        networks.build("alexnet")
    with pytest.raises(UnknownNetwork, match="depth"):
        networks.build("lensflow", depth=3)
    with pytest.raises(WrongStampSize, match="100, 100"):
        networks.build(stub)(torch.rand(2, 3, 100, 100))


def test_options_follow_from_the_configuration(stub):
    entry = {
        "name": "one",
        "source": stub,
        "weights": "galaxies",
        "stem": "fixed",
        "mode": "frozen",
        "size": 64,
    }
    entry["options"] = {"dropout": 0.3}
    expected = {"weights": "a/b.safetensors", "stem": "fixed", "mode": "frozen", "size": 64, "dropout": 0.3}
    assert networks.options_of(entry, "a/b.safetensors") == expected
    scratch = entry | {"mode": "scratch", "weights": "random"}
    assert networks.options_of(scratch, "a/b.safetensors")["weights"] == "random"
    plain = entry | {"source": "lensflow", "weights": "random", "options": {}}
    assert networks.options_of(plain) == {}
    with pytest.raises(UnknownNetwork, match=r"one: mode is for the backbones xception"):
        networks.options_of(plain | {"mode": "full"})


def test_all_six_backbones_are_named():
    assert set(PARAMETERS) == set(BACKBONES)
    assert set(networks.NAMES) == {*PARAMETERS, "lensflow", "deeplens", "head"}
