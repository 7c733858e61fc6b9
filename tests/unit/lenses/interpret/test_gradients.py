"""Attribution by gradients: equal to captum where it has the method, and right where it has not."""

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting
from skyneedle.lenses import networks
from skyneedle.lenses.interpret import gradients, guided
from skyneedle.lenses.interpret.gradients import Cam
from skyneedle.lenses.networks import lens_logit
from tests.unit.lenses.interpret import small
from tests.unit.lenses.interpret.small import close, odds

BASELINE = [0.2, -0.4]


def test_gradient_is_captums_saliency():
    theirs, network = odds()
    expected = captum.attr.Saliency(theirs.eval()).attribute(small.images(), target=0, abs=False)
    close(gradients.gradient(network.train(), small.images()), expected)


def test_integrated_gradients_are_captums():
    theirs, network = odds()
    baseline = torch.tensor(BASELINE)[None, :, None, None].expand_as(small.images())
    expected = captum.attr.IntegratedGradients(theirs.eval()).attribute(
        small.images(), baselines=baseline, target=0, n_steps=12
    )
    close(gradients.integrated_gradients(network, small.images(), BASELINE, steps=12), expected)


def test_integrated_gradients_add_up_to_the_change_of_the_log_odds():
    network, images = small.network().eval(), small.images()
    found = gradients.integrated_gradients(network, images, BASELINE, steps=64)
    empty = torch.tensor(BASELINE)[None, :, None, None].expand_as(images)
    with torch.no_grad():
        change = lens_logit(network(images)) - lens_logit(network(empty))
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), change, rtol=0.01, atol=0.01)


def test_grad_cam_is_captums():
    theirs, network = odds()
    layer = gradients.last_maps(network)
    expected = captum.attr.LayerGradCam(theirs.eval(), layer).attribute(
        small.images(), target=0, relu_attributions=True
    )[:, 0]
    found = gradients.grad_cam(network, small.images())
    close(found.values, expected.detach())
    assert found.values.max() > 0


@pytest.mark.parametrize(("name", "place"), [("ou200", 20), ("ou66", 27), ("resnet10", None)])
def test_last_maps_are_those_of_the_last_convolution(name, place):
    network = networks.build(name)
    layer = gradients.last_maps(network)
    assert isinstance(layer, nn.ReLU)
    if place is None:
        assert layer is network.layer[-2].relu
    else:
        assert layer is network.layer[place]  # of the published code: spec A1, A5


@pytest.mark.parametrize("name", ["small", "ou66"])
def test_each_cell_of_a_map_is_put_where_it_looks(name):
    """The middle of the pixels that change a cell, found by their gradient."""
    network = small.network() if name == "small" else networks.build(name)
    layer, n_bands = gradients.last_maps(network), len(network.bands)
    cam = gradients.grad_cam(network, torch.randn(1, n_bands, network.size, network.size))
    prefix = nn.Sequential()
    for module in network.layer:
        # Linear layers see the same pixels, and every one of them counts.
        if isinstance(module, nn.MaxPool2d):
            prefix.append(nn.AvgPool2d(2))
        elif isinstance(module, nn.Conv2d):
            prefix.append(module)
        if module is layer:
            break
    for cell in (0, cam.values.shape[-1] - 1):
        image = torch.randn(1, n_bands, network.size, network.size, requires_grad=True)
        prefix(image)[0, :, cell, cell].sum().backward()
        seen = image.grad[0].abs().sum(dim=(0, 1)).nonzero()[:, 0]
        middle = (seen.min() + seen.max()).item() / 2
        assert cam.first + cell * cam.step == pytest.approx(middle)


def test_maps_peak_where_their_cells_are_and_vanish_beyond_them():
    values = torch.zeros(1, 3, 3)
    values[0, 2, 1] = 5
    placed = gradients.on_image(Cam(values, 7.0, 4.0), 30)[0]
    assert placed.max() == placed[15, 11] == 5
    assert placed[15 + 2, 11] == placed[15, 11 - 2] == 2.5
    assert placed[15 + 4 :].max() == 0
    stretched = gradients.on_image(Cam(values, 7.0, 4.0), 30, "faithful")[0]
    assert stretched[22:].max() == pytest.approx(4.75)  # nine pixels farther out than the cell looks
    unknown = gradients.on_image(Cam(values, None, 1.0), 30)[0]
    assert torch.equal(unknown, stretched)


def test_the_published_map_starts_at_one():
    network, images = small.network(), small.images()
    network.eval()
    own, published = (gradients.grad_cam(network, images, recipe=r).values for r in ("corrected", "faithful"))
    positive = own > 0
    close(published[positive], own[positive] + 1)
    assert published.min() > own.min()


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_nothing_is_left_behind(recipe):
    """No hook, no changed mode, no gradient of weights, even after an error."""
    network = small.network().train()
    guided.guided_grad_cam(network, small.images(), recipe=recipe)
    gradients.integrated_gradients(network, small.images(), BASELINE, steps=2)
    with pytest.raises(RuntimeError):
        gradients.grad_cam(network, small.images(), objective=lambda logits: logits.detach()[:, 0])
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert module.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    x = torch.tensor([-1.0], requires_grad=True)
    functional.relu(x).backward()  # an ordinary ReLU again
    assert x.grad == 0


@pytest.mark.parametrize(("baseline", "steps"), [([0.0], 4), ([0.0, 0.0], 0)])
def test_a_baseline_of_other_bands_is_refused(baseline, steps):
    with pytest.raises(BadSetting, match="baseline"):
        gradients.integrated_gradients(small.network(), small.images(), baseline, steps=steps)


def test_a_network_without_convolution_has_no_map():
    with pytest.raises(BadSetting, match="no convolution"):
        gradients.grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(1800, 2)), small.images())


def test_resnet_works_with_every_method():
    torch.manual_seed(0)
    network, images = networks.build("resnet10"), torch.randn(1, 4, 66, 66)
    with torch.no_grad():
        network.fc_layer[1].weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 128))
    for found in (
        gradients.gradient(network, images),
        guided.guided_grad_cam(network, images).product,
        gradients.integrated_gradients(network, images, np.zeros(4), steps=2),
    ):
        assert found.shape == images.shape
        assert found.abs().sum() > 0
