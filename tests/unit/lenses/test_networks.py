"""The published networks parameter by parameter, and their weights on the real Cosmic Horseshoe."""

import math

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn

from skyneedle.core.errors import (
    BadSetting,
    MissingBand,
    NotWeights,
    SourceUnavailable,
    UnknownNetwork,
    WeightsMismatch,
    WrongStampSize,
)
from skyneedle.lenses import networks
from skyneedle.lenses.fetch import compounds
from skyneedle.lenses.preprocess import Scaling

# Wilde et al. 2022, last columns of Tables 3 and 4: parameters of each layer that has any.
TABLE3 = [1850, 22550, 22550, 22550, 18040, 14440, 14440, 14440, 10830, 60500, 1002]
TABLE4 = [5050, 50040, 10830, 5420, 3620, 3620, 252350, 702]
SHAPES3 = [(50, 32), (50, 30), (50, 28), (50, 26), (40, 12), (40, 10), (40, 8), (40, 6), (30, 2)]
SHAPES4 = [(50, 98), (40, 47), (30, 22), (20, 10), (20, 8), (20, 6)]
PUBLISHED = ("ou66", "ou200", "ou_j", "ou_y", "ou_h", "ou_jyh", "ou_vis")


def layers(network):
    return [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@pytest.mark.parametrize(
    ("name", "total", "table", "shapes"),
    [("ou66", 203192, TABLE3, SHAPES3), ("ou200", 331632, TABLE4, SHAPES4)],
)
def test_parameters_and_shapes_are_those_of_the_papers_tables(name, total, table, shapes):
    network = networks.build(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == total
    assert [module.weight.numel() + module.bias.numel() for module in layers(network)] == table
    x, seen = torch.zeros(1, 4, network.size, network.size), []
    for module in network.layer:
        x = module(x)
        if isinstance(module, nn.Dropout):
            seen.append((x.shape[1], x.shape[2]))
    assert seen == shapes


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_network_gives_two_logits_for_its_bands(name):
    network = networks.build(name).eval()
    x = torch.rand(3, len(network.bands), network.size, network.size)
    with torch.no_grad():
        logits = network(x)
        alone = torch.cat([network(x[i : i + 1]) for i in range(3)])
    assert logits.shape == (3, 2)
    torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)
    assert (logits.sum(1) - 1).abs().min() > 1e-6  # not probabilities


def test_bands_of_the_variants():
    assert {name: networks.build(name).bands for name in PUBLISHED} == {
        "ou66": ("J", "Y", "H", "VIS"),
        "ou200": ("J", "Y", "H", "VIS"),
        "ou_j": ("J",),
        "ou_y": ("Y",),
        "ou_h": ("H",),
        "ou_jyh": ("J", "Y", "H"),
        "ou_vis": ("VIS",),
    }
    assert [networks.build(name).size for name in PUBLISHED] == [66, 200, 66, 66, 66, 66, 200]


@pytest.mark.parametrize("name", ["ou66", "ou200", "resnet10"])
def test_weights_are_drawn_after_he(name):
    torch.manual_seed(0)
    for module in layers(networks.build(name)):
        fan_in = module.weight[0].numel()
        expected = math.sqrt(2 / fan_in)
        assert module.weight.std().item() == pytest.approx(expected, rel=4 / math.sqrt(module.weight.numel()))
        assert module.bias is None or not module.bias.any()


def test_dropout_follows_every_convolution_and_can_be_switched_on_later():
    network = networks.build("ou66", dropout=0.0).train()
    assert sum(isinstance(module, nn.Dropout) for module in network.layer) == 9
    assert not any(isinstance(module, nn.Dropout) for module in network.fc_layer)
    x = torch.rand(2, 4, 66, 66)
    assert torch.equal(network(x), network(x))
    network.set_dropout(0.2)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
    assert {module.p for module in networks.build("ou200").modules() if isinstance(module, nn.Dropout)} == {
        0.2
    }
    with pytest.raises(BadSetting, match=r"\[0, 1\)"):
        network.set_dropout(1.0)


@pytest.mark.parametrize("name", ["ou66", "ou200", "resnet10"])
def test_every_relu_is_its_own_module_and_does_not_work_in_place(name):
    network = networks.build(name).eval()
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    assert not any(relu.inplace for relu in relus)
    calls = []
    for relu in relus:
        relu.register_forward_hook(lambda module, *_: calls.append(module))
    network(torch.rand(1, 4, network.size, network.size))
    assert len(calls) == len(set(calls)) == len(relus)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("name", ["ou66", "resnet10"])
def test_captum_can_hook_the_networks(name):
    torch.manual_seed(1)
    network = networks.build(name).eval()
    x = torch.rand(1, 4, 66, 66, requires_grad=True)
    last = [module for module in network.layer.modules() if isinstance(module, nn.Conv2d)][-1]
    maps = attr.GuidedGradCam(network, last).attribute(x, target=networks.LENS)
    assert maps.shape == x.shape
    assert torch.isfinite(maps).all()
    gradients = attr.IntegratedGradients(network).attribute(x, target=networks.LENS, n_steps=32)
    with torch.no_grad():
        difference = (network(x) - network(torch.zeros_like(x)))[:, networks.LENS]
    torch.testing.assert_close(gradients.sum((1, 2, 3)), difference, rtol=0.03, atol=0.03)


def test_the_reference_network_takes_any_size_and_bands():
    network = networks.build("resnet10", bands=("VIS",), size=100, width=8).eval()
    assert network(torch.rand(2, 1, 100, 100)).shape == (2, 2)
    n_parameters = sum(parameter.numel() for parameter in networks.build("resnet10").parameters())
    assert 203192 < n_parameters < 331632  # between the published ones
    with pytest.raises(BadSetting, match="7 pixels"):
        networks.build("resnet10", size=7)


@pytest.mark.parametrize("n", [1, 64])
def test_probabilities_are_normalised_over_the_classes_for_any_batch(n):
    logits = torch.randn(n, 2, generator=torch.Generator().manual_seed(n)) * 5
    probabilities = networks.probabilities(logits)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(n))
    # The published code normalises over the batch, where 64 images share a probability of one.
    by_hand = [1 / (1 + math.exp(float(row[0] - row[1]))) for row in logits]
    torch.testing.assert_close(probabilities[:, networks.LENS], torch.tensor(by_hand))
    torch.testing.assert_close(torch.sigmoid(networks.lens_logit(logits)), probabilities[:, networks.LENS])


def test_log_odds_order_what_probabilities_no_longer_tell_apart():
    logits = torch.tensor([[-20.0, 20.0], [-30.0, 30.0]])
    assert networks.probabilities(logits)[:, 1].tolist() == [1.0, 1.0]
    assert networks.lens_logit(logits).tolist() == [40.0, 60.0]


def test_wrong_input_and_unknown_names_are_refused():
    network = networks.build("ou66")
    with pytest.raises(MissingBand, match=r"4 bands.*J, Y, H, VIS.*\(1, 3, 66, 66\)"):
        network(torch.zeros(1, 3, 66, 66))
    with pytest.raises(WrongStampSize, match="66 x 66 pixels, these have 200 x 200"):
        network(torch.zeros(1, 4, 200, 200))
    with pytest.raises(UnknownNetwork, match=r"'ou67'.*ou66, ou200"):
        networks.build("ou67")
    with pytest.raises(UnknownNetwork, match="colour"):
        networks.build("ou66", colour=3)


# --- published weights


@pytest.fixture
def weights(real_lenses):
    return real_lenses / "wilde2022_weights"


def published(weights, name):
    files = {"ou66": "OU_66_Weights.pt", "ou200": "OU_200_Weights.pt", "ou_j": "OU_J_Weights.pt"}
    return networks.load_published_weights(networks.build(name), weights / files[name])


@pytest.mark.parametrize("name", ["ou66", "ou200", "ou_j"])
def test_published_weights_load_to_the_last_value(weights, name):
    network = published(weights, name)
    assert not network.training
    files = {"ou66": "OU_66_Weights.pt", "ou200": "OU_200_Weights.pt", "ou_j": "OU_J_Weights.pt"}
    stored = torch.load(weights / files[name], map_location="cpu", weights_only=True)
    assert len(stored) == (16 if name == "ou200" else 22)
    assert all(torch.equal(tensor, stored[key]) for key, tensor in network.state_dict().items())


@pytest.mark.parametrize(("name", "least", "paper"), [("ou66", 0.9999, 1.0000), ("ou200", 0.99, 0.9953)])
def test_published_networks_find_the_cosmic_horseshoe_only_in_their_band_order(
    real_lenses, weights, name, least, paper
):
    horseshoe = next(compound for compound in compounds.KNOWN if compound.name == "SDSS J1148+1930")
    stamps = compounds.read(horseshoe, real_lenses / "compound_known" / horseshoe.folder, "faithful")
    network = published(weights, name)
    found = {}
    for order in (("J", "Y", "H", "VIS"), ("VIS", "Y", "J", "H")):  # of the weights; of the paper's text
        x = Scaling(order, network.size, "faithful")(stamps["vis"][None], stamps["nisp"][None])
        with torch.no_grad():
            found[order[0]] = networks.probabilities(network(torch.from_numpy(x)))[0, networks.LENS].item()
    assert found["J"] >= least
    assert found["J"] == pytest.approx(paper, abs=0.005)  # Table 7
    assert found["VIS"] < 0.8


def test_keys_with_the_prefix_of_the_vis_file_are_the_same_weights(tmp_path):
    torch.manual_seed(3)
    trained = networks.build("ou_vis").eval()
    state = {
        key.replace("layer.", "VIS_layer.") if key.startswith("layer.") else key: tensor
        for key, tensor in trained.state_dict().items()
    }
    assert any(key.startswith("VIS_layer.0") for key in state)
    torch.save(state, tmp_path / "OU_VIS_Weights.pt")
    loaded = networks.load_published_weights(networks.build("ou_vis"), tmp_path / "OU_VIS_Weights.pt")
    x = torch.rand(2, 1, 200, 200)
    with torch.no_grad():
        assert torch.equal(loaded(x), trained(x))


def test_weights_of_another_network_are_refused(tmp_path):
    state = networks.build("ou_j").state_dict()
    torch.save(state, tmp_path / "OU_J_Weights.pt")
    with pytest.raises(WeightsMismatch, match="weights of ou_j, not of ou_y"):
        networks.load_published_weights(networks.build("ou_y"), tmp_path / "OU_J_Weights.pt")
    torch.save(state, tmp_path / "mine.pt")
    before = networks.build("ou66")
    with pytest.raises(WeightsMismatch, match=r"layer.0.weight has shape \(50, 1, 3, 3\).*\(1 differences\)"):
        networks.load_published_weights(before, tmp_path / "mine.pt")
    for change in ({"extra": torch.zeros(1)}, {"fc_layer.2.bias": None}):
        changed = {key: value for key, value in (state | change).items() if value is not None}
        torch.save(changed, tmp_path / "mine.pt")
        with pytest.raises(WeightsMismatch, match=next(iter(change))):
            networks.load_published_weights(networks.build("ou_j"), tmp_path / "mine.pt")


class Payload:
    """What an unsafe reader would run."""

    def __reduce__(self):
        return (open, ("ran.txt", "w"))


def test_files_that_are_no_weights_are_refused_without_running_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = networks.build("ou_j")
    with pytest.raises(SourceUnavailable, match="no such file"):
        networks.load_published_weights(network, tmp_path / "OU_J_Weights.pt")
    (tmp_path / "page.pt").write_text("<html>404</html>")
    torch.save({"layer.0.weight": Payload()}, tmp_path / "code.pt")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("page.pt", "code.pt", "list.pt", "array.npy"):
        with pytest.raises(NotWeights, match=name):
            networks.load_published_weights(network, tmp_path / name)
    assert not (tmp_path / "ran.txt").exists()
