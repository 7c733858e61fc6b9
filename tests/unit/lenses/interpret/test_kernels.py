"""Kernel activation values by hand, top images, and networks left as they were."""

import numpy as np
import pytest
import torch
from torch import nn

from skyneedle.core.errors import BadSetting
from skyneedle.lenses import networks
from skyneedle.lenses.interpret import kernels
from skyneedle.lenses.interpret.dreams import Bounds
from skyneedle.lenses.interpret.kernels import Kernel
from skyneedle.lenses.preprocess import Scaling

BANDS = ("H", "VIS")
SCALING = Scaling(BANDS, 12, "corrected", (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
LIMITS = Bounds(np.array([-1.0, -2.0]), np.array([3.0, 4.0]), np.array([1.0, 0.5]))


def small(dropout: float = 0.5) -> networks.LensNetwork:
    torch.manual_seed(5)
    layer = nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(3, 2, 3), nn.ReLU())
    )
    return networks.LensNetwork("small", BANDS, 12, layer, nn.Linear(2 * 64, 2))


def images(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 2, 12, 12, generator=torch.Generator().manual_seed(2))


def convolved(image: np.ndarray, weight: np.ndarray, bias: float) -> np.ndarray:
    """Cross-correlation over all positions that fit, by loops."""
    side = image.shape[1] - weight.shape[1] + 1
    out = np.empty((side, side))
    for y in range(side):
        for x in range(side):
            out[y, x] = (image[:, y : y + weight.shape[1], x : x + weight.shape[2]] * weight).sum() + bias
    return out


def test_activation_values_are_means_of_maps_before_the_relu():
    network = small()
    found = kernels.activations(network, images().split(2))
    first, second = network.layer[0], network.layer[3]
    weights = [(module.weight.detach().numpy(), module.bias.detach().numpy()) for module in (first, second)]
    for row, image in zip(found, images().numpy(), strict=True):
        maps = np.stack([convolved(image, *pair) for pair in zip(*weights[0], strict=True)])
        later = np.stack([convolved(np.maximum(maps, 0), *pair) for pair in zip(*weights[1], strict=True)])
        expected = [*maps.mean((1, 2)), *later.mean((1, 2))]
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)
    assert (found < 0).any()  # a mean after the ReLU would not be
    assert kernels.kernels_of(network) == [
        *(Kernel("0", 0), Kernel("0", 1), Kernel("0", 2), Kernel("3", 0), Kernel("3", 1))
    ]


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_a_network_is_left_as_it_was(recipe):
    network = small().train()
    network.layer[0].eval()
    network.layer[3].weight.requires_grad_(False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    state = torch.random.get_rng_state()
    kernels.activations(network, [images()], recipe=recipe, ids=range(5))
    kernels.generated(network, [Kernel("3", 1)], SCALING, LIMITS, [0.1], recipe=recipe, steps=2, seed=1)
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == [
        *(True, True, False, True, True, True)
    ]
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_hooks_are_gone_after_an_error_too():
    network = small()
    with pytest.raises(RuntimeError):
        kernels.activations(network, [torch.zeros(1, 2, 12, 12).double()])
    assert not any(module._forward_hooks for module in network.modules())


def test_dropout_of_the_published_code_depends_on_the_image_alone():
    network = small()
    whole = kernels.activations(network, [images()], recipe="faithful", seed=3, ids=range(5))
    parts = kernels.activations(network, images().split(2), recipe="faithful", seed=3, ids=range(5))
    np.testing.assert_array_equal(whole, parts)
    plain = kernels.activations(network, [images()])
    np.testing.assert_allclose(whole[:, :3], plain[:, :3], rtol=1e-4, atol=1e-6)  # nothing is dropped yet
    assert np.abs(whole[:, 3:] - plain[:, 3:]).min() > 1e-4
    last = kernels.activations(network, [images()[4:]], recipe="faithful", seed=3, ids=[4])
    np.testing.assert_array_equal(last[0], whole[4])


def test_summary_names_the_top_images_and_what_a_kernel_is_good_for():
    named = [Kernel("0", 0), Kernel("0", 1)]
    values = np.array([[1.0, 0.0], [5.0, 0.0], [3.0, 0.0], [5.0, 0.0]])
    table = kernels.summary(named, values, np.array([0, 1, 0, 1]), np.array([10, 11, 12, 13]), n_top=3)
    first = table.iloc[0]
    assert first[["top1", "top2", "top3"]].tolist() == [11, 13, 12]
    assert first[["value1", "value3", "mean", "auroc"]].tolist() == [5.0, 3.0, 3.5, 1.0]
    assert table["auroc"].iloc[1] == 0.5
    assert table["top1"].iloc[1] == 10
    alone = kernels.summary(named, values, None, np.arange(4))
    assert alone["auroc"].isna().all()


def test_kernels_shown_are_spread_over_the_layers_and_none_is_dead():
    named = [Kernel(layer, kernel) for layer in ("0", "4", "7") for kernel in range(4)]
    values = np.tile([[1.0], [-1.0]], (10, 12)) * (np.arange(12) % 4)  # the first kernel of a layer is dead
    values[5, 2::4] += 9.0  # one image stands out for the third one
    values[6, 1::4] -= 9.0  # and below the others for the second one
    table = kernels.summary(named, values, None, np.arange(20))
    shown = kernels.selective(table, 3)
    assert shown["layer"].tolist() == ["0", "4", "7"]
    assert set(shown["kernel"]) == {2}
    assert set(shown["top1"]) == {5}
    assert set(kernels.selective(table, 6)["kernel"]) == {2, 3}
    assert len(kernels.selective(table, 2)) == 2


def test_maps_stop_at_the_layer_and_take_any_size():
    network = small(0.0).eval()
    network.layer[4].register_forward_hook(lambda *_: pytest.fail("a later layer was run"))
    big = torch.randn(1, 2, 20, 20)
    torch.testing.assert_close(
        kernels.maps(network, "3", big), network.layer[3](torch.relu(network.layer[0](big)))
    )


def test_grown_images_activate_their_own_kernel_within_the_range_of_inputs():
    network, chosen = small(), [Kernel("3", 1), Kernel("0", 2), Kernel("3", 0)]
    scatter = kernels.activations(network, [images(40)]).std(axis=0)
    named = kernels.kernels_of(network)
    options = {"recipe": "corrected", "steps": 30, "seed": 4}
    of = [scatter[named.index(one)] for one in chosen]
    made, reached = kernels.generated(network, chosen, SCALING, LIMITS, of, **options)
    again = kernels.activations(network, [torch.from_numpy(made)])
    for i, one in enumerate(chosen):
        column = named.index(one)
        assert again[i, column] == pytest.approx(reached[i], rel=1e-4)
        assert again[i, column] == again[:, column].max()
    start = kernels.generated(network, chosen, SCALING, LIMITS, of, **options | {"steps": 1})[1]
    assert (reached > start).all()
    sky = np.abs(made).max(axis=(2, 3))
    assert (sky <= np.maximum(LIMITS.high, 5.0)).all()
    alone, value = kernels.generated(network, chosen[:1], SCALING, LIMITS, of[:1], **options)
    np.testing.assert_allclose(alone[0], made[0], atol=1e-4)  # whatever else is in the batch
    assert value[0] == pytest.approx(reached[0], rel=1e-4)


def test_published_images_are_two_hundred_pixels_of_noise_and_clipped():
    network = small()
    made, reached = kernels.generated(
        network, [Kernel("0", 1)], SCALING, LIMITS, [1.0], recipe="faithful", steps=1, seed=4
    )
    assert made.shape == (1, 2, 200, 200)
    assert made.min() == 0
    assert made.max() == 1
    weight = network.layer[0].weight.detach()[1]
    start = kernels._start(Kernel("0", 1), SCALING, "faithful", 4)
    # The first step of Adam is as long as its rate, towards the sign of the gradient: that of the mean of a
    # convolution is, away from the edges, the sum of the kernel's weights.
    for band in range(2):
        step = np.sign(weight[band].sum().item()) * kernels.PUBLISHED_RATE
        inner = (band, slice(5, -5), slice(5, -5))
        np.testing.assert_allclose(made[0][inner], np.clip(start[inner] + step, 0, 1), atol=1e-4)
    assert reached.shape == (1,)


def test_networks_without_kernels_and_unknown_recipes_are_refused():
    with pytest.raises(BadSetting, match="no two-dimensional convolution"):
        kernels.convolutions(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(BadSetting, match="fixed"):
        kernels.activations(small(), [images()], recipe="fixed")


def test_nested_layers_have_dotted_names():
    named = list(kernels.convolutions(networks.build("resnet10")))
    assert named[:3] == ["0", "3.inner.0", "3.inner.3"]
    assert len(named) == len(set(named))
