"""Occlusion maps: the same as masking the image itself, for any network, mask and edge."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from skyneedle.core.errors import BadSetting
from skyneedle.lenses import networks
from skyneedle.lenses.fetch import compounds
from skyneedle.lenses.interpret import occlusion
from skyneedle.lenses.interpret.occlusion import Grid
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling
from tests.unit.lenses.interpret import small

FILL = np.array([0.3, -0.7])


def by_hand(network, image, grid, fill, answer):
    """The answer to each masked image, all of them made one by one."""
    masked = []
    for y in grid.starts:
        for x in grid.starts:
            masked.append(image.clone())
            for band, value in enumerate(fill):
                masked[-1][band, y : y + grid.window, x : x + grid.window] = float(value)
    network.eval()
    with torch.no_grad():
        found = answer(network(torch.stack(masked))) - answer(network(image[None]))
    return found.view(len(grid.starts), -1).numpy()


def own_network():
    return small.Functional(small.network())


def padded_network():
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        nn.Linear(4 * (small.SIZE // 2) ** 2, 2),
    )


def normalised_network():
    """Batch normalisation, dilation, average pooling, another stride and groups."""
    made = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ELU(), nn.AvgPool2d(2, 1)),
        *(nn.Conv2d(4, 6, 2, dilation=2, groups=2), nn.Tanh()),
        nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(54, 2)),
    )
    made[1].running_mean.normal_()
    made[1].running_var.uniform_(0.5, 2)
    return made


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (4, 4), (3, 2), (30, 30), (7, 5)])
@pytest.mark.parametrize("make", [small.network, own_network, padded_network, normalised_network])
def test_is_the_same_as_masking_each_image(make, window, stride):
    torch.manual_seed(1)
    network, image, grid = make(), small.images(1)[0], Grid(small.SIZE, window, stride)
    found = occlusion.occlude(network, image[None], grid, FILL, lens_logit)[0]
    np.testing.assert_allclose(found, by_hand(network, image, grid, FILL, lens_logit), atol=1e-5)
    assert np.ptp(found) > 1e-3 or window == small.SIZE


@pytest.mark.parametrize(("window", "stride"), [(3, 3), (4, 3)])
def test_is_the_negative_of_captums_occlusion(window, stride):
    network, images, grid = small.network().eval(), small.images(2), Grid(small.SIZE, window, stride)
    theirs = Occlusion(network).attribute(
        images,
        target=1,
        sliding_window_shapes=(2, window, window),
        strides=(2, stride, stride),
        baselines=torch.tensor(FILL, dtype=torch.float32)[None, :, None, None].expand_as(images),
        perturbations_per_eval=16,
    )
    ours = grid.to_pixels(occlusion.occlude(network, images, grid, FILL, lambda logits: logits[:, 1]))
    for band in range(2):
        np.testing.assert_allclose(-ours, theirs[:, band].numpy(), atol=1e-5)


def test_in_double_precision_the_maps_are_the_same_to_rounding():
    network, image, grid = small.network().double(), small.images(1)[0].double(), Grid(small.SIZE, 3, 2)
    found = occlusion.occlude(network, image[None], grid, FILL.astype(np.float32), lens_logit)[0]
    expected = by_hand(network, image, grid, FILL.astype(np.float32), lens_logit)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_batches_do_not_change_the_maps(monkeypatch):
    network, images, grid = small.network(), small.images(1), Grid(small.SIZE, 2, 2)
    whole = occlusion.occlude(network, images, grid, FILL, lens_logit)
    monkeypatch.setattr(occlusion, "MOST_NUMBERS", 1 << 12)
    np.testing.assert_allclose(occlusion.occlude(network, images, grid, FILL, lens_logit), whole, atol=1e-5)


def test_of_a_linear_network_is_the_masked_part_of_its_sum_and_adds_up():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * 10 * 10, 2))
    image, grid = torch.randn(1, 2, 10, 10), Grid(10, 4, 4)  # the last masks are cut to two pixels
    found = occlusion.occlude(network, image, grid, FILL, lens_logit)[0]
    weights = (network[1].weight[1] - network[1].weight[0]).detach().view(2, 10, 10)
    change = weights * (torch.tensor(FILL)[:, None, None] - image[0])
    expected = [[change[:, y : y + 4, x : x + 4].sum().item() for x in (0, 4, 8)] for y in (0, 4, 8)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    everything = occlusion.occlude(network, image, Grid(10, 10, 10), FILL, lens_logit)
    assert found.sum() == pytest.approx(everything.item(), abs=1e-5)


def test_what_a_mask_does_not_reach_counts_nothing():
    """A network that sees one pixel in the middle."""
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AvgPool2d(3, 3), nn.Flatten())
    network = nn.Sequential(network, nn.Linear(18, 2, bias=False))
    with torch.no_grad():
        network[1].weight.zero_()
        network[1].weight[1, 8] = 1  # the middle of channel 0 after pooling
    found = occlusion.occlude(network, torch.ones(1, 1, 9, 9), Grid(9, 1, 1), [0.0], lens_logit)[0]
    seen = np.zeros((9, 9), bool)
    seen[6:9, 6:9] = True
    assert (np.abs(found[~seen]) == 0).all()
    assert (np.abs(found[seen]) > 0).all()


def test_leaves_the_network_as_it_was():
    network = small.network().train()
    occlusion.occlude(network, small.images(1), Grid(small.SIZE, 5, 5), FILL)
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_pixels_get_the_mean_over_the_masks_that_cover_them():
    grid = Grid(5, 3, 2)
    assert grid.starts.tolist() == [0, 2]
    values = np.array([[1.0, 3.0], [5.0, 7.0]])
    pixels = grid.to_pixels(values)
    assert pixels.shape == (5, 5)
    assert pixels[0].tolist() == [1, 1, 2, 3, 3]
    assert pixels[2].tolist() == [3, 3, 4, 5, 5]


@pytest.mark.parametrize(("size", "window", "n"), [(200, 4, 50), (66, 1, 66)])
def test_published_masks(size, window, n):
    grid = occlusion.published_grid(size)
    assert (grid.window, grid.stride, len(grid.starts)) == (window, window, n)


def test_the_fill_is_what_empty_sky_becomes():
    sky = {"vis": np.zeros((1, 200, 200)), "nisp": np.zeros((1, 3, 66, 66))}
    scaling = Scaling(("J", "VIS"), 66, "corrected", (0.07, 0.01), (0.2, -0.1), (0.5, 2.0))
    images = scaling(**sky)
    np.testing.assert_allclose(images[0, :, 30, 30], occlusion.sky_fill(scaling), rtol=1e-6)
    assert occlusion.sky_fill(Scaling(("J", "VIS"), 66, "faithful")).tolist() == [0, 0]


@pytest.mark.parametrize(("window", "stride"), [(0, 0), (3, 4), (31, 1)])
def test_masks_that_do_not_cover_the_image_are_refused(window, stride):
    with pytest.raises(BadSetting, match="mask of"):
        Grid(small.SIZE, window, stride)


def test_images_of_another_size_are_refused():
    with pytest.raises(BadSetting, match="must agree"):
        occlusion.occlude(small.network(), small.images(1), Grid(20, 1, 1), FILL)


@pytest.mark.parametrize(("name", "file"), [("ou66", "OU_66_Weights.pt"), ("ou200", "OU_200_Weights.pt")])
def test_published_networks_on_a_real_lens_answer_as_to_the_masked_image(real_lenses, name, file):
    """Masks at the corners, at the far edges and across the ring, probability of being a lens."""
    network = networks.load_published_weights(networks.build(name), real_lenses / "wilde2022_weights" / file)
    stamp = compounds.read(compounds.KNOWN[2], real_lenses / "compound_known" / "cosmic_horseshoe")
    scaling = Scaling(networks.ALL_BANDS, network.size, "faithful")
    image = torch.from_numpy(scaling(stamp["vis"][None], stamp["nisp"][None]))
    grid = occlusion.published_grid(200) if name == "ou200" else Grid(66, 4, 3)
    found = occlusion.occlude(network, image, grid, np.zeros(4))[0]
    n, random = len(grid.starts), np.random.default_rng(3)
    places = [(0, 0), (n - 1, 0), (n - 1, n - 1), *random.integers(n // 4, 3 * n // 4, (3, 2))]
    with torch.no_grad():
        plain = occlusion.lens_probability(network(image)).item()
        for row, column in places:
            masked, y, x = image.clone(), grid.starts[row], grid.starts[column]
            masked[..., y : y + grid.window, x : x + grid.window] = 0
            expected = occlusion.lens_probability(network(masked)).item() - plain
            assert found[row, column] == pytest.approx(expected, abs=1e-5)
    # An occluded piece of the ring of OU-200 lowers the probability of a lens; of a saturated OU-66, hardly.
    assert found.min() < (-1e-3 if name == "ou200" else 0)
