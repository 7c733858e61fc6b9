"""Networks for strain: sizes, receptive field, and the fast forms against the plain ones."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting, DetectorMismatch, StrainTooShort, UnknownNetwork
from skyneedle.strain import networks


def plain_stack(network: networks.FCN, x: torch.Tensor) -> torch.Tensor:
    """The network written as the paper describes it, with the general convolution."""
    x = functional.conv1d(x, network.input.weight, network.input.bias)
    for block in network.blocks:
        x = functional.relu(functional.conv1d(x, block.weight, block.bias, dilation=block.dilation))
    return functional.conv1d(x, network.output.weight, network.output.bias)[:, 0]


def small(**options) -> networks.FCN:
    torch.manual_seed(1)
    return networks.build("fcn", **{"channels": 8, "n_blocks": 5} | options)


def test_published_network_has_its_parameters_and_biases():
    network = networks.build("fcn")
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_299_649
    assert all((value == 0.001).all() for name, value in network.named_parameters() if name.endswith("bias"))
    # Kaiming-normal by fan-in: variance 2 / (512 channels x 2 taps).
    assert network.blocks[3].weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert all(type(layer) is nn.Conv1d for layer in network.blocks)


@pytest.mark.parametrize("detectors", [1, 2, 3])
def test_three_quarters_of_a_window_are_judged(detectors):
    network = networks.build("fcn", detectors=detectors, channels=2)
    with torch.no_grad():
        assert network(torch.randn(1, detectors, 16384)).shape == (1, 12289)


@pytest.mark.parametrize("n", [4096, 4097, 5000])
def test_any_length_above_the_receptive_field(n):
    network = networks.build("fcn", channels=2)
    with torch.no_grad():
        assert network(torch.randn(2, 2, n)).shape == (2, n - 4095)


def test_receptive_field_and_offset_by_gradient():
    network = networks.build("fcn", channels=4).double()
    with torch.no_grad():
        for parameter in network.parameters():  # positive weights: no ReLU is closed, no path cancels
            parameter.abs_()
    for j in (0, 700):
        x = torch.rand(1, 2, 5000, dtype=torch.float64, requires_grad=True)
        network(x)[0, j].backward()
        reached = x.grad.abs().sum((0, 1)).nonzero()[:, 0]
        assert (reached[0], reached[-1], len(reached)) == (j, j + 4095, 4096)
    assert (network.receptive_field, network.output_offset) == (4096, 2047)


def test_equals_the_general_convolution_forward_and_backward():
    network, x = small().double(), torch.randn(3, 2, 90, dtype=torch.float64, requires_grad=True)
    gradients = []
    for function in (network, lambda x: plain_stack(network, x)):
        network.zero_grad()
        x.grad = None
        result = function(x)
        (result**3).mean().backward()
        gradients.append([result.detach(), x.grad, *(parameter.grad for parameter in network.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", [2, 8, 32])
@pytest.mark.parametrize("n", [32, 33, 90, 95])
def test_training_on_every_few_outputs_leaves_out_the_others_and_nothing_else(step, n):
    network, x = small(training_step=step).double(), torch.randn(3, 2, n, dtype=torch.float64)
    assert (network.eval()(x) == small().double()(x)).all()  # what is learned with a step is used without
    gradients = []
    for function in (network.train(), lambda x: plain_stack(network, x)[:, ::step]):
        network.zero_grad()
        result = function(x)
        (result**3).mean().backward()
        gradients.append([result.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", [0, 3, 64])
def test_steps_that_no_block_can_take_are_named(step):
    with pytest.raises(BadSetting, match=f"training_step is {step}; expected a power of two of at most 32"):
        small(training_step=step)


def test_gradients_by_finite_differences():
    network = small(channels=3, n_blocks=3).double()
    x = torch.randn(2, 2, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,))


def test_bfloat16_autocast_trains():
    network, x = small(channels=16), torch.randn(2, 2, 300)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(x)
    half.float().square().mean().backward()
    exact = plain_stack(network, x)
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().max() < 0.05 * exact.std() + 0.05
    assert all(parameter.grad.dtype == torch.float32 for parameter in network.parameters())


@pytest.mark.parametrize("detectors", [1, 3])
def test_folded_input_layer_is_the_same_function(detectors):
    network, x = small(detectors=detectors, channels=32), torch.randn(2, detectors, 200)
    with torch.no_grad():
        # Biases of different size, so that folding them wrongly cannot pass.
        for i, layer in enumerate((network.input, *network.blocks)):
            layer.bias += 0.1 * i + 0.05 * torch.randn_like(layer.bias)
        expected = plain_stack(network, x)
    folded = network.for_inference()
    assert (folded(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    half = network.for_inference(torch.bfloat16)(x)
    assert half.dtype == torch.float32
    assert (half - expected).abs().max() < 0.05 * expected.abs().max()


def test_one_example_keeps_its_batch_axis():
    assert small()(torch.randn(1, 2, 32)).shape == (1, 1)
    assert networks.build("classifier")(torch.randn(1, 2, 2048)).shape == (1, 1)


def test_too_short_strain_and_wrong_detectors_are_named():
    for network in (small(), small().for_inference()):
        with pytest.raises(StrainTooShort, match="31 samples"):
            network(torch.randn(1, 2, 31))
        with pytest.raises(DetectorMismatch, match="2 detectors"):
            network(torch.randn(1, 3, 64))
    with pytest.raises(StrainTooShort):
        networks.build("classifier", duration_s=0.05)


def test_classifier_has_the_parameters_counted_by_hand():
    network = networks.build("classifier")
    # 2048 -> 2033 -> 2026 -> 506 -> 499 -> 496 -> 124 -> 121 -> 118 -> 29 samples of 32 channels
    convolutions = (2 * 16 + 1) * 8 + (8 * 8 + 1) * 8 + (8 * 8 + 1) * 16 + (16 * 4 + 1) * 16
    convolutions += (16 * 4 + 1) * 32 + (32 * 4 + 1) * 32
    dense = (32 * 29 + 1) * 64 + 65 * 64 + 65
    assert sum(parameter.numel() for parameter in network.parameters()) == convolutions + dense == 72_753
    assert network.classify(torch.randn(5, 2, 2048)).shape == (5,)


@pytest.mark.parametrize("step", [100, 64, 128, 192])
def test_sliding_classifier_equals_cut_out_pieces(step):
    """Also where the pieces share their convolutions, at multiples of 64 samples."""
    network = networks.build("classifier", step=step).eval()
    x = torch.randn(2, 2, 2048 + 3 * step + 50)
    with torch.no_grad():
        sliding = network(x)
        assert sliding.shape == (2, 4)
        pieces = [network.classify(x[:, :, k * step : k * step + 2048]) for k in range(4)]
    torch.testing.assert_close(sliding, torch.stack(pieces, 1))


def test_output_grid_names_the_input_samples():
    assert networks.output_grid(small(), 40).tolist() == list(range(15, 15 + 9))
    grid = networks.output_grid(networks.build("classifier", step=64), 2048 + 200)
    assert grid.tolist() == [1023, 1087, 1151, 1215]
    np.testing.assert_array_equal(
        networks.output_grid(networks.build("fcn", channels=2), 16384), np.arange(2047, 14336)
    )


def test_unknown_names_and_options_are_named():
    with pytest.raises(UnknownNetwork, match="'fnc' for strain; known are fcn, classifier"):
        networks.build("fnc")
    with pytest.raises(UnknownNetwork, match="chanels"):
        networks.build("fcn", chanels=8)
