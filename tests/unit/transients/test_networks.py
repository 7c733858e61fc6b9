"""Networks of transients: the published layers, number by number, and what may be varied."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting, MissingChannel, UnknownNetwork, WrongStampSize
from skyneedle.transients import networks

PARAMETERS = {"cnn1": 265_165, "cnn2": 414_205, "cnn3": 851_605, "cnn4": 953_785}
TOTAL = {"cnn1": 265_747, "cnn2": 414_947, "cnn3": 852_667, "cnn4": 954_247}
# Shape of the maps after each convolution and pooling, and parameters of each layer: Table 4 of the paper.
SHAPES = {
    "cnn1": [(80, 51), (80, 25), (80, 25), (80, 12), (80, 12), (80, 6)],
    "cnn2": [(80, 51), (80, 51), (80, 17), (80, 17), (80, 17), (80, 5)],
    "cnn3": [(120, 51), (120, 51), (120, 17), (120, 17), (120, 17), (120, 5)],
    "cnn4": [(40, 26), (60, 13), (80, 13)],
}
CONVOLUTIONS = {
    "cnn1": [2240, 57680, 57680],
    "cnn2": [3920, 102480, 102480, 102480],
    "cnn3": [5880, 230520, 230520, 230520],
    "cnn4": [4360, 86460, 172880],
}
DENSE = {"cnn1": 146931, "cnn2": 102051, "cnn3": 153051, "cnn4": 689571}
ORDER = {
    "cnn1": "Conv ReLU BatchNorm Pool " * 3,
    "cnn2": ("Conv ReLU BatchNorm " * 2 + "Pool ") * 2,
    "cnn3": ("Conv ReLU BatchNorm " * 2 + "Pool ") * 2,
    "cnn4": "Conv ReLU BatchNorm Dropout " * 3,
}
WORDS = {
    networks.SameConv2d: "Conv",
    nn.ReLU: "ReLU",
    nn.BatchNorm2d: "BatchNorm",
    nn.MaxPool2d: "Pool",
    nn.Dropout: "Dropout",
}


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", networks.NAMES)
def test_published_networks_layer_by_layer(name):
    network = networks.build(name)
    assert networks.n_trainable(network) == PARAMETERS[name]
    kept = sum(b.numel() for key, b in network.named_buffers() if "running" in key)
    assert PARAMETERS[name] + kept == TOTAL[name]
    assert " ".join(WORDS[type(module)] for module in network.layer) == ORDER[name].strip()
    head = [type(module) for module in network.head]
    assert head == [nn.Dropout, nn.Linear, nn.ReLU, networks.DenseNorm, nn.Linear]
    convolutions = [module for module in network.layer if isinstance(module, nn.Conv2d)]
    assert [n_parameters(module) for module in convolutions] == CONVOLUTIONS[name]
    assert (n_parameters(network.head[1]), n_parameters(network.head[4])) == (DENSE[name], 52)
    shapes, x = [], torch.zeros(2, 3, 51, 51)
    for module in network.layer:
        x = module(x)
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)):
            shapes.append(tuple(x.shape[1:3]))
            assert x.shape[2] == x.shape[3]
    assert shapes == SHAPES[name]
    assert network(torch.zeros(2, 3, 51, 51)).shape == (2,)


@pytest.mark.parametrize("name", networks.NAMES)
def test_normalisation_initial_weights_and_dropout(name):
    torch.manual_seed(0)
    network = networks.build(name)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            assert (module.momentum, module.eps) == (0.01, 1e-5)
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            field = module.kernel_size[0] ** 2 if isinstance(module, nn.Conv2d) else 1
            limit = np.sqrt(6 / (field * (module.weight.shape[0] + module.weight.shape[1])))
            largest = float(module.weight.detach().abs().max())
            assert 0.9 * limit < largest <= limit
            assert not module.bias.any()
    inner = [module.p for module in network.layer if isinstance(module, nn.Dropout)]
    assert inner == ([0.1] * 3 if name == "cnn4" else [])
    assert network.head[0].p == 0.3
    assert not any(module.inplace for module in network.modules() if isinstance(module, nn.ReLU))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads", "maps"),
    [
        (51, 3, 1, (1, 1), 51),
        (51, 4, 1, (1, 2), 51),
        (51, 6, 2, (2, 3), 26),
        (26, 6, 2, (2, 2), 13),
        (13, 6, 1, (2, 3), 13),
        (51, 2, 1, (0, 1), 51),
        (51, 8, 3, (2, 3), 17),
    ],
)
def test_padding_is_that_of_tensorflow(size, kernel, stride, pads, maps):
    conv = networks.SameConv2d(2, 3, kernel, stride, size)
    assert conv.pads == pads
    x = torch.randn(1, 2, size, size)
    found, weight = conv(x), conv.weight.detach()
    assert found.shape == (1, 3, maps, maps)
    # A pixel of the maps by hand: it looks at pixels from stride * i - pads[0] on; outside there is zero.
    for i, j in ((0, 0), (maps - 1, 0), (maps // 2, maps - 1)):
        total, found = conv.bias[1].item(), found.detach()
        for a in range(kernel):
            for b in range(kernel):
                row, column = stride * i - pads[0] + a, stride * j - pads[0] + b
                if 0 <= row < size and 0 <= column < size:
                    total += float((weight[1, :, a, b] * x[0, :, row, column]).sum())
        assert float(found[0, 1, i, j]) == pytest.approx(total, abs=1e-4)


def test_maps_are_flattened_row_by_row_with_channels_last():
    network = networks.build("cnn1").eval()
    x = torch.randn(2, 3, 51, 51)
    maps = network.layer(x).detach()
    flat = maps.numpy().transpose(0, 2, 3, 1).reshape(2, -1)
    expected = network.head(torch.from_numpy(np.ascontiguousarray(flat)))[:, 0]
    assert torch.allclose(network(x), expected, atol=1e-5)
    network.to(memory_format=torch.channels_last)
    found = network(x.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_batch_of_one_example_trains_too():
    network = networks.build("cnn4").train()
    before = network.head[3].running_var.clone()
    network(torch.randn(1, 3, 51, 51)).sum().backward()
    assert torch.equal(network.head[3].running_var, before)
    assert all(parameter.grad is not None for parameter in network.parameters())
    network(torch.randn(2, 3, 51, 51))
    assert not torch.equal(network.head[3].running_var, before)


def test_running_means_may_follow_faster():
    network = networks.build("cnn4", momentum=0.1)
    norms = [one for one in network.modules() if isinstance(one, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert [one.momentum for one in norms] == [0.1] * 4


def test_two_images_and_their_order():
    network = networks.build("cnn1", channels=["temp", "srch"])
    assert (network.channels, network.size) == (("temp", "srch"), 51)
    assert network(torch.zeros(2, 2, 51, 51)).shape == (2,)
    assert networks.n_trainable(network) == PARAMETERS["cnn1"] - 9 * 80
    assert networks.build("cnn2").channels == ("temp", "srch", "diff")
    with pytest.raises(MissingChannel, match=r"2 channels.* temp, srch; the data have shape"):
        network(torch.zeros(2, 3, 51, 51))
    with pytest.raises(MissingChannel, match="expected names out of temp, srch, diff"):
        networks.build("cnn1", channels=["search"])
    with pytest.raises(WrongStampSize, match="these have 63 x 63; cut their centre"):
        network(torch.zeros(2, 2, 63, 63))


@pytest.mark.parametrize("name", networks.NAMES)
def test_published_networks_are_instances_of_the_searched_kind(name):
    blocks = [vars(block) for block in networks.PUBLISHED[name]]
    torch.manual_seed(1)
    searched = networks.build("searched", blocks=blocks)
    torch.manual_seed(1)
    published = networks.build(name)
    assert searched.state_dict().keys() == published.state_dict().keys()
    searched.load_state_dict(published.state_dict())
    x = torch.randn(2, 3, 51, 51)
    assert torch.equal(searched.eval()(x), published.eval()(x))


def test_searched_networks_take_kernels_widths_strides_pools_and_dropout():
    blocks = [
        {"widths": [10, 12], "kernel": 8, "stride": 3, "dropout": 0.2},
        {"widths": [7], "kernel": 2, "pool": 4},
    ]
    network = networks.build("searched", blocks=blocks, dropout=0.5, dense=20, channels=("diff",))
    assert network(torch.zeros(3, 1, 51, 51)).shape == (3,)
    assert network.layer(torch.zeros(1, 1, 51, 51)).shape == (1, 7, 4, 4)
    with pytest.raises(BadSetting, match="leave nothing of 51 pixels"):
        networks.build("searched", blocks=[{"widths": [4], "kernel": 3, "pool": 4}] * 3)
    with pytest.raises(BadSetting, match="a block has widths, kernel, stride, pool and dropout"):
        networks.build("searched", blocks=[{"widths": [4], "kernal": 3}])
    with pytest.raises(BadSetting, match="at least 1"):
        networks.build("searched", blocks=[{"widths": [4], "kernel": 0}])
    with pytest.raises(BadSetting, match="at least one block"):
        networks.build("searched", blocks=[])
    with pytest.raises(UnknownNetwork, match="cnn1, cnn2, cnn3, cnn4, searched"):
        networks.build("cnn5")
    with pytest.raises(UnknownNetwork, match="cannot be built"):
        networks.build("cnn1", width=3)


@pytest.mark.parametrize("name", networks.NAMES)
def test_multiply_adds_are_those_of_the_layers(name, monkeypatch):
    counted = []
    conv, linear = functional.conv2d, functional.linear

    def counting_conv(x, weight, *rest):
        y = conv(x, weight, *rest)
        counted.append(y.shape[2] * y.shape[3] * weight.numel())
        return y

    def counting_linear(x, weight, bias=None):
        counted.append(weight.numel())
        return linear(x, weight, bias)

    monkeypatch.setattr(functional, "conv2d", counting_conv)
    monkeypatch.setattr(functional, "linear", counting_linear)
    network = networks.build(name).eval()
    network(torch.zeros(1, 3, 51, 51))
    assert networks.multiply_adds(network.blocks) == sum(counted)
