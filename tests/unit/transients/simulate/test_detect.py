"""Fluxes and signal-to-noise ratios against a fit with GalSim's PSF, and against their own scatter."""

import galsim
import numpy as np
import pytest

from skyneedle.transients.simulate import detect, fields, scenes, settings
from skyneedle.transients.simulate.scenes import SIZE, Source


@pytest.fixture(scope="module")
def exposure() -> fields.Exposure:
    return fields.Survey(settings.profile("des"), 1).exposure(0, 0, "r")


def test_flux_and_error_are_those_of_a_fit_with_another_psf(exposure):
    psf = galsim.Moffat(beta=3.0, fwhm=exposure.fwhm).shear(g1=exposure.e1, g2=exposure.e2)
    model = psf.drawImage(galsim.ImageD(SIZE, SIZE), scale=1.0, method="auto").array
    random = np.random.default_rng(1)
    variance = np.full((SIZE, SIZE), 2500.0)
    picture = scenes.image(scenes.light([Source(50, 50, 9000.0)]) * exposure.psf)
    picture = picture + random.normal(0, 50, picture.shape)
    found = detect.strongest(picture.astype(np.float32), variance, exposure, (50.2, 49.9), 3.0)
    flux = (picture * model).sum() / (model**2).sum()
    error = 50 / np.sqrt((model**2).sum())
    assert (found.x, found.y) == (50, 50)
    assert found.flux == pytest.approx(flux, rel=0.01)
    assert found.error == pytest.approx(error, rel=0.15)  # the scale of the noise is measured on one stamp
    assert found.snr == pytest.approx(found.flux / found.error)


def test_error_is_the_scatter_of_fluxes_where_noise_is_uneven(exposure):
    y, x = np.mgrid[:SIZE, :SIZE]
    variance = 400.0 + 4000.0 * np.exp(-0.5 * ((x - 50) ** 2 + (y - 47) ** 2) / 5.0**2)
    random = np.random.default_rng(2)
    noise = random.normal(0, np.sqrt(variance), (300, SIZE, SIZE)).astype(np.float32)
    fluxes = [detect.flux_map(one, exposure)[50, 50] for one in noise]
    error = detect.flux_error(variance, exposure, 50, 50, 0)[0, 0]
    assert np.std(fluxes) == pytest.approx(error, rel=0.12)
    assert abs(np.mean(fluxes)) < 4 * error / np.sqrt(300)


def test_fading_is_found_only_where_it_is_looked_for(exposure):
    picture = scenes.image(scenes.light([Source(51, 49, -9000.0)]) * exposure.psf)
    picture += np.random.default_rng(3).normal(0, 50, picture.shape).astype(np.float32)
    variance = np.full((SIZE, SIZE), 2500.0)
    assert detect.strongest(picture, variance, exposure, (50, 50), 3.0).snr < 5
    faded = detect.strongest(picture, variance, exposure, (50, 50), 3.0, both_signs=True)
    assert faded.snr < -10
    assert (faded.x, faded.y) == (51, 49)


def test_peaks_outside_the_circle_do_not_count(exposure):
    picture = scenes.image(scenes.light([Source(56, 50, 50000.0)]) * exposure.psf)
    picture += np.random.default_rng(4).normal(0, 50, picture.shape).astype(np.float32)
    found = detect.strongest(picture, np.full((SIZE, SIZE), 2500.0), exposure, (50, 50), 3.0)
    assert np.hypot(found.x - 50, found.y - 50) <= 3.0
