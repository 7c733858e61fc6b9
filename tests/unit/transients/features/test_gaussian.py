"""The fit of a round Gaussian against scipy's bounded minimiser, which Goldstein et al. used."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skyneedle.transients.features import gaussian

ROWS, COLUMNS = np.indices((51, 51))


def bell(row, column, amplitude, sigma):
    return amplitude * np.exp(-0.5 * ((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / sigma**2)


def scipy_fit(image, good, start):
    def chi2(values):
        return float((((bell(*values) - image) ** 2)[good]).sum())

    bounds = [(24.5, 25.5), (24.5, 25.5), (None, None), (None, None)]
    return minimize(chi2, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})


def noisy(n, seed=0, amplitude=(0.5, 1), sigma=(1.2, 3.5), noise=0.05):
    rng = np.random.default_rng(seed)
    truth = np.column_stack(
        [rng.uniform(24.6, 25.4, (n, 2)), rng.uniform(*amplitude, n), rng.uniform(*sigma, n)]
    )
    images = np.array([bell(*row) for row in truth]) + noise * rng.normal(size=(n, 51, 51))
    return images, truth


@pytest.mark.parametrize("masked", [False, True])
def test_the_minimum_is_that_of_scipy(masked):
    images, _ = noisy(12)
    good = np.ones(images.shape, bool)
    if masked:
        good &= np.random.default_rng(1).random(images.shape) > 0.1
        good[:, :, 30:33] = False
    images = np.where(good, images, 0)
    fitted = gaussian.fit(images, good if masked else None)
    for i, image in enumerate(images):
        # Goldstein's own starting point.
        reference = scipy_fit(image, good[i], [25, 25, 10, 10])
        assert fitted.chi2[i] <= reference.fun * (1 + 1e-9)
        reference = scipy_fit(image, good[i], [25, 25, 1, 2])
        assert fitted.chi2[i] == pytest.approx(reference.fun, rel=1e-7)
        ours = [fitted.row[i], fitted.column[i], fitted.amplitude[i], fitted.sigma[i]]
        np.testing.assert_allclose(ours, [*reference.x[:3], abs(reference.x[3])], rtol=1e-3)


def test_known_gaussians_come_back():
    images, truth = noisy(8, noise=0)
    fitted = gaussian.fit(images)
    np.testing.assert_allclose(np.column_stack(fitted[1:]), truth[:, [3, 2, 0, 1]], atol=1e-4)
    assert fitted.chi2.max() < 1e-8


def test_a_hole_has_a_negative_amplitude_and_an_empty_image_none():
    images = np.stack([-bell(25, 25, 0.7, 2.0), np.zeros((51, 51))])
    fitted = gaussian.fit(images)
    np.testing.assert_allclose(fitted.amplitude, [-0.7, 0], atol=1e-6)
    assert np.isfinite(np.array(fitted)).all()


def test_the_centre_stays_within_half_a_pixel():
    fitted = gaussian.fit(np.stack([bell(28, 22, 1, 2.0), bell(25, 27, 1, 2.0)]))
    assert (np.abs(np.array([fitted.row, fitted.column]) - 25) <= 0.5).all()
    assert fitted.row[0] == pytest.approx(25.5)
    assert fitted.column.tolist() == pytest.approx([24.5, 25.5])


def test_never_worse_than_scipy_on_what_is_no_gaussian():
    rng = np.random.default_rng(4)
    dipole = bell(24, 25, 1, 1.5) - bell(26, 25.3, 0.9, 1.5)
    pixel, track = np.zeros((2, 51, 51))
    pixel[25, 25] = 1
    track[25, 20:31] = 1
    images = np.stack([dipole, pixel, track, rng.normal(size=(51, 51)) * 0.2, np.ones((51, 51))])
    images += 0.01 * rng.normal(size=images.shape)
    fitted = gaussian.fit(images)
    assert np.isfinite(np.array(fitted)).all()
    assert ((fitted.sigma >= gaussian.SIGMAS[0]) & (fitted.sigma <= gaussian.SIGMAS[1] + 1e-9)).all()
    for image, chi2 in zip(images, fitted.chi2, strict=True):
        reference = scipy_fit(image, np.ones((51, 51), bool), [25, 25, 10, 10])
        assert chi2 <= reference.fun * (1 + 1e-3)  # widths are bounded here and free there
