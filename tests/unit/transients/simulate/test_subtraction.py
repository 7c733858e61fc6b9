"""The fitted kernel against known ones, and what it does to noise."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from skyneedle.transients.simulate import fields, scenes, settings, subtraction
from skyneedle.transients.simulate.scenes import Source

SIZE = 96
PLACE = np.arange(-subtraction.HALF, subtraction.HALF + 1)


def stars(seed: int, fwhm: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    sources = [Source(*random.uniform(0, SIZE, 2), 10 ** random.uniform(4, 5)) for _ in range(25)]
    return scenes.image(scenes.light(sources) * scenes.psf_transform(fwhm), SIZE).astype(float)


def gaussian(sigma_x: float, sigma_y: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    kernel = np.outer(
        np.exp(-0.5 * ((PLACE - y) / sigma_y) ** 2), np.exp(-0.5 * ((PLACE - x) / sigma_x) ** 2)
    )
    return kernel / kernel.sum()


@pytest.mark.parametrize(
    ("known", "tolerance"),
    [
        (0.9 * gaussian(1.5, 1.5), 1e-3),  # one of the functions it is a sum of
        (1.1 * gaussian(1.3, 1.3), 0.02),
        (0.95 * gaussian(1.6, 1.2, 0.2, -0.1), 0.02),  # elongated and shifted
    ],
)
def test_a_known_kernel_is_recovered(known, tolerance):
    template = stars(1, 2.0)
    search = fftconvolve(template, known, mode="same") + 7.0
    found = subtraction.fit(template, search, np.full_like(search, 100.0))
    assert np.abs(found.pixels - known).max() < tolerance * known.max()
    assert found.pixels.sum() == pytest.approx(known.sum(), rel=2e-3)
    assert found.background == pytest.approx(7.0, abs=0.5)
    inner = slice(2 * subtraction.HALF, -2 * subtraction.HALF)
    left = subtraction.difference(template, search, found)[inner, inner]
    assert np.abs(left).max() < 2e-3 * search.max()


def test_difference_of_identical_scenes_is_noise():
    """Two noisy exposures in different seeing, fitted and subtracted: chi^2 is that of the noise."""
    random = np.random.default_rng(2)
    template, search = stars(3, 3.4), stars(3, 4.2)
    variance, variance_template = 900 + search, (900 + template) / 10
    noisy = search + random.normal(0, np.sqrt(variance))
    noisy_template = template + random.normal(0, np.sqrt(variance_template))
    kernel = subtraction.fit(noisy_template, noisy, variance)
    inner = slice(2 * subtraction.HALF, -2 * subtraction.HALF)
    left = subtraction.difference(noisy_template, noisy, kernel)[inner, inner]
    expected = variance + fftconvolve(variance_template, kernel.pixels**2, mode="same")
    chi2 = (left**2 / expected[inner, inner]).mean()
    assert chi2 == pytest.approx(1.0, abs=0.1)
    assert abs(left.mean()) < 4 * left.std() / np.sqrt(left.size)


@pytest.mark.parametrize("ratio", [0.9, 1.3])
def test_noise_of_differences_is_correlated_as_the_kernel_says(ratio):
    """A sharpened template leaves worms; the correlation of pixels is that of kernel and white noise."""
    wanted = settings.profile("des", {"template_fwhm_ratio": (ratio, ratio), "n_epochs": (6, 6)})
    exposure = fields.Survey(wanted, 4).exposure(0, 0, "r")
    random = np.random.default_rng(3)
    measured = []
    quiet = exposure.kernel._replace(background=0.0)
    kernel = quiet.pixels
    for _ in range(20):
        template = random.normal(0, 6**-0.5, (scenes.SIZE, scenes.SIZE))
        search = random.normal(0, 1, template.shape)
        left = subtraction.difference(template, search, quiet)[12:-12, 12:-12]
        measured.append([(left[:, 1:] * left[:, :-1]).mean(), (left[2:, 1:] * left[:-2, :-1]).mean()])
    steps = [(0, 1), (2, 1)]
    n = len(kernel)
    expected = [(kernel[a:, b:] * kernel[: n - a, : n - b]).sum() / 6 for a, b in steps]
    np.testing.assert_allclose(np.mean(measured, axis=0), expected, atol=0.02)
    if ratio > 1:
        assert expected[0] > 0.04
        assert expected[1] < -0.01


def test_pixels_of_infinite_variance_do_not_count():
    template = stars(5, 3.0)
    known = gaussian(1.5, 1.5)
    search = fftconvolve(template, known, mode="same")
    variance = np.full_like(search, 100.0)
    search[40, 40], variance[40, 40] = 1e7, np.inf
    assert subtraction.fit(template, search, variance).pixels.sum() == pytest.approx(1.0, rel=1e-3)
