"""Dreams: what a response is worth, what images may become, and published steps by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from skyneedle.core import store
from skyneedle.core.errors import BadSetting
from skyneedle.lenses import networks
from skyneedle.lenses.interpret import dreams
from skyneedle.lenses.interpret.dreams import Bounds
from skyneedle.lenses.preprocess import Scaling
from tests.unit.lenses.interpret import test_kernels

SCALING, LIMITS, small = test_kernels.SCALING, test_kernels.LIMITS, test_kernels.small
FAITHFUL = Scaling(("H", "VIS"), 12, "faithful")


def start(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 2, 12, 12)).astype(np.float32)


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_dreams_move_towards_their_class_and_leave_the_network_alone(recipe):
    network = small().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    scaling = SCALING if recipe == "corrected" else FAITHFUL
    given = start(2) if recipe == "corrected" else (start(2) + 1) / 2
    made = dreams.dream(network, given, (0, 1), scaling, LIMITS, recipe=recipe, steps=40, learning_rate=0.5)
    assert made.logit_after[0] < made.logit_before[0]
    assert made.logit_after[1] > made.logit_before[1]
    np.testing.assert_array_equal(made.before, given)
    assert network.training
    assert network.layer[2].training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    # Dropout is off: the answers are those of evaluation.
    with torch.no_grad():
        logits = networks.lens_logit(network.eval()(torch.from_numpy(made.after))).numpy()
    np.testing.assert_allclose(made.logit_after, logits, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_image_and_another_one_another():
    options = {"recipe": "corrected", "steps": 3}
    first, second = (dreams.class_images(small(), SCALING, LIMITS, seed=7, **options).after for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = dreams.class_images(small(), SCALING, LIMITS, seed=8, **options)
    assert np.abs(other.after - first).max() > 0.1
    np.testing.assert_array_equal(other.before[0], other.before[1])  # both classes from the same noise


def test_grown_images_keep_within_the_range_unless_they_started_beyond():
    given = torch.zeros(1, 2, 12, 12)
    given[0, 0, 6, 6] = 9.0
    made = dreams.grow(lambda x: 50 * x.sum((1, 2, 3)), given, SCALING, LIMITS, 400).numpy()
    assert made[0, 0].max() == pytest.approx(9.0)
    assert np.delete(made[0, 0].ravel(), 6 * 12 + 6).max() == pytest.approx(LIMITS.high[0])
    assert made[0, 1].max() == pytest.approx(LIMITS.high[1])
    darker = dreams.grow(lambda x: -50 * x.sum((1, 2, 3)), given, SCALING, LIMITS, 400).numpy()
    assert darker[0].min(axis=(1, 2)).tolist() == pytest.approx(LIMITS.low.tolist())


def test_a_change_is_as_large_as_it_pays():
    # Uniform light of c spreads in one of two bands brings 0.8 c and costs c^2 / 2: c = 0.8 pays best.
    spread = LIMITS.spread[1]
    made = dreams.grow(
        lambda x: 0.8 * x[:, 1].mean((1, 2)) / spread,
        torch.zeros(1, 2, 12, 12),
        SCALING,
        LIMITS,
        300,
        change_costs=1.0,
    )
    np.testing.assert_allclose(made[0, 1].numpy(), 0.8 * spread, rtol=0.05)
    assert made[0, 0].abs().max() < 0.02  # bands are independent


def test_nothing_is_finer_than_the_camera():
    # A response to one pixel of J at its native scale: the light comes as wide as a point source.
    scaling = Scaling(("J",), 66, "corrected", (1.0,), (0.0,), (1.0,))
    limits = Bounds(np.array([-9.0]), np.array([9.0]), np.array([1.0]))
    made = dreams.grow(lambda x: x[:, 0, 33, 33], torch.zeros(1, 1, 66, 66), scaling, limits, 5)[0, 0].numpy()
    assert made.argmax() == 33 * 66 + 33
    assert (made > made.max() / 2).sum() >= 5
    fine = Scaling(("J",), 200, "corrected", (1.0,), (0.0,), (1.0,))
    wide = dreams.grow(lambda x: x[:, 0, 99, 99], torch.zeros(1, 1, 200, 200), fine, limits, 5)[0, 0].numpy()
    ratio = (wide > wide.max() / 2).sum() / (made > made.max() / 2).sum()
    assert ratio == pytest.approx((200 / 66) ** 2, rel=0.3)  # as many arcsec


def test_a_sure_network_asks_for_nothing_more():
    class Sure(nn.Module):
        def forward(self, x):
            lens = 40 + x.mean((1, 2, 3))
            return torch.stack([torch.zeros_like(lens), lens], dim=1)

    given = start(1)
    made = dreams.dream(Sure(), given, (1,), SCALING, LIMITS, recipe="corrected", steps=60)
    assert np.abs(made.after - given).max() < 0.1


def test_published_steps_by_hand():
    network = small(0.0).eval()
    given = (start(1) + 1) / 4 + 0.2
    made = dreams.dream(network, given, (1,), FAITHFUL, LIMITS, recipe="faithful", steps=2, learning_rate=0.3)
    image = given.astype(np.float64)
    for _ in range(2):
        image = (image - image.min()) / (image.max() - image.min())  # all bands at once
        x = torch.tensor(image, dtype=torch.float32, requires_grad=True)
        network(x)[0, networks.LENS].backward()
        image = np.clip(image + 0.3 * x.grad.numpy(), 0, 1)
    np.testing.assert_allclose(made.after, image, atol=1e-5)


def test_published_noise_is_one_image_in_all_bands():
    noise = dreams.uniform_noise(Scaling(("H", "VIS"), 66, "faithful"), 1)
    assert noise.shape == (2, 66, 66)
    np.testing.assert_array_equal(noise[0], noise[1])
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert noise.std() == pytest.approx(12**-0.5, rel=0.03)
    larger = dreams.uniform_noise(Scaling(("VIS",), 200, "faithful"), 1)
    assert larger.shape == (1, 200, 200)
    assert larger.std() < noise.std()  # resized, not drawn again


def test_empty_sky_has_the_noise_of_the_survey():
    sigma = (0.07, 0.01)
    sky = dreams.empty_sky(
        Scaling(("H", "VIS"), 200, "corrected", sigma, (0.2, 0.3), (0.5, 2.0), softening=30.0), 1, "here"
    )
    plain = sky[1] * 2.0 + 0.3  # inverse hyperbolic sine of the sky over 30 of its noise
    assert plain.std() == pytest.approx(1 / 30, rel=0.02)
    assert abs(plain.mean()) < 1e-3
    assert np.corrcoef(sky[0].ravel(), sky[1].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_the_range_is_that_of_the_training_inputs(tmp_path):
    rng = np.random.default_rng(3)
    vis = rng.normal(0, 1, (12, 200, 200)).astype(np.float32)
    vis[:, 100, 100] = 1e6  # one pixel of 40,000 is less than the tail
    store.write(tmp_path / "000.h5", {"vis": vis}, pd.DataFrame({"id": range(12)}), {})
    scaling = Scaling(("VIS",), 200, "corrected", (1.0,), (0.0,), (1.0,), softening=1.0)
    found = dreams.bounds(store.DataSet(tmp_path), scaling)
    pixels = np.arcsinh(vis)
    assert found.low[0] == pytest.approx(np.quantile(pixels, 1e-4), rel=1e-3)
    assert found.high[0] < np.arcsinh(6)
    assert found.spread[0] == pytest.approx(pixels.std(), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"recipe": "fixed"}, "fixed"), ({"steps": 0}, "steps is 0"), ({"targets": (0, 2)}, r"\[0, 2\]")],
)
def test_wrong_settings_are_named(change, sentence):
    given = {"targets": (0, 1), "recipe": "corrected", "steps": 1} | change
    targets = given.pop("targets")
    with pytest.raises(BadSetting, match=sentence):
        dreams.dream(small(), start(2), targets, SCALING, LIMITS, **given)
