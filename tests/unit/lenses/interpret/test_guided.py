"""Guided Grad-CAM: equal to captum but for unit and place, and right where captum's hooks are not."""

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.interpret import gradients, guided
from tests.unit.lenses.interpret import small
from tests.unit.lenses.interpret.small import close, odds


def test_guided_gradient_is_captums_for_modules():
    theirs, network = odds()
    expected = captum.attr.GuidedBackprop(theirs.eval()).attribute(small.images(), target=0)
    close(guided.guided_gradient(network, small.images()), expected)
    assert not torch.allclose(expected, gradients.gradient(network, small.images()))


def test_guided_gradient_reaches_relus_that_are_functions_in_place_or_used_twice():
    """Where hooks silently give the plain gradient, or fail."""
    modules = small.network()
    expected = guided.guided_gradient(modules, small.images())
    close(guided.guided_gradient(small.Functional(modules), small.images()), expected)
    shared = nn.ReLU(inplace=True)
    for part in (modules.layer, modules.fc_layer):
        for i, module in enumerate(part):
            if isinstance(module, nn.ReLU):
                part[i] = shared
    close(guided.guided_gradient(modules, small.images()), expected)


def test_guided_gradient_of_the_published_recipe_leaves_the_dense_relu_alone():
    network, images = small.network(), small.images()
    faithful = guided.guided_gradient(network, images, recipe="faithful")
    assert not torch.allclose(faithful, guided.guided_gradient(network, images))
    # The same by hand: the plain gradient at the maps, then guided through the convolutions.
    network.eval()
    with torch.no_grad():
        maps = network.layer(images)
    at_maps = gradients.gradient(nn.Sequential(nn.Flatten(1), network.fc_layer), maps)
    by_hand = guided.guided_gradient(
        network.layer, images, lambda output: (output * at_maps).sum(dim=(1, 2, 3))
    )
    close(faithful, by_hand)


def test_guided_gradient_refuses_a_network_without_relu_and_relu_on_tensors_in_place():
    with pytest.raises(BadSetting, match="no ReLU"):
        guided.guided_gradient(nn.Sequential(nn.Flatten(), nn.Linear(1800, 2)), small.images())

    class InPlace(nn.Module):
        def forward(self, x):
            y = x.flatten(1)[:, :2] * 1.0
            y.relu_()
            return y

    with pytest.raises(BadSetting, match="relu_"):
        guided.guided_gradient(InPlace(), small.images())


def test_guided_grad_cam_is_captums_but_for_unit_and_place():
    theirs, network = odds()
    layer, images = gradients.last_maps(network), small.images()
    expected = captum.attr.GuidedGradCam(theirs.eval(), layer).attribute(
        images, target=0, interpolate_mode="bilinear"
    )
    cam = gradients.grad_cam(network, images)
    stretched = gradients.on_image(cam, small.SIZE, "faithful")
    gradient = guided.guided_gradient(network, images)
    close(gradient * stretched[:, None], expected)
    found = guided.guided_grad_cam(network, images)
    placed = gradients.on_image(cam, small.SIZE)
    close(found.product, gradient * (placed / placed.amax(dim=(1, 2), keepdim=True))[:, None])


def test_guided_grad_cam_shows_what_exceeds_a_share_of_the_largest_value():
    network, images = small.network(), small.images()
    found = guided.guided_grad_cam(network, images)
    for product, shown, cut in zip(*found, strict=True):
        assert cut == pytest.approx(0.05 * product.max().item())
        assert torch.equal(shown, (product >= cut).any(dim=0))
        assert 0 < shown.sum() < shown.numel()


def test_the_published_cut_is_on_a_stretched_copy_where_zero_is_not_0():
    network, images = small.network(), small.images()
    found = guided.guided_grad_cam(network, images, recipe="faithful")
    product = found.product
    low, high = product.amin(dim=(1, 2, 3)), product.amax(dim=(1, 2, 3))
    for one, shown, least, most in zip(product, found.shown, low, high, strict=True):
        assert torch.equal(shown, ((one - least) / (most - least) >= 0.05).any(dim=0))
        assert least < 0
    # Pixels with nothing at all are shown, since the least value is far below zero.
    nothing = (product == 0).all(dim=1)
    assert nothing.any()
    assert found.shown[nothing].all()


def lanczos(n, size):
    """Weights of n cells for each of more pixels, after Lanczos with three lobes; (size, n)."""
    places = (np.arange(size) + 0.5) * n / size - 0.5
    away = places[:, None] - np.arange(n)
    weights = np.sinc(away) * np.sinc(away / 3) * (np.abs(away) < 3)
    return weights / weights.sum(axis=1, keepdims=True)


def test_the_published_map_is_an_enlarged_picture_of_eight_bits():
    network, images = small.network().eval(), small.images(1)
    cam = gradients.grad_cam(network, images, objective=gradients.published_objective, recipe="faithful")
    values = cam.values[0].numpy().astype(float)
    picture = np.floor((values - values.min()) / np.ptp(values) * 255)
    weights = lanczos(len(values), small.SIZE)
    across = np.clip(np.round(picture @ weights.T), 0, 255)  # each of the two steps ends with 8 bits
    expected = np.clip(weights @ across, 0, 255) / 255
    product = guided.guided_grad_cam(network, images, recipe="faithful").product
    gradient = guided.guided_gradient(network, images, gradients.published_objective, "faithful")
    seen = gradient[0].abs() > 1e-4
    found = (product[0][seen] / gradient[0][seen]).numpy()
    by_hand = np.broadcast_to(expected, gradient[0].shape)[seen.numpy()]
    np.testing.assert_allclose(found, by_hand, atol=2 / 255)
    assert np.ptp(found) > 0.5


def test_an_image_that_nothing_speaks_for_shows_nothing():
    network = small.network()
    with torch.no_grad():
        network.fc_layer[2].weight.zero_()
    found = guided.guided_grad_cam(network, small.images())
    assert not found.shown.any()
    assert torch.isfinite(found.product).all()


def test_answers_do_not_depend_on_dropout():
    network = small.network().train()
    first, second = (guided.guided_grad_cam(network, small.images()).product for _ in range(2))
    assert torch.equal(first, second)
