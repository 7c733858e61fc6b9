"""Images against GalSim's own, and photons against the light they come from."""

import galsim
import numpy as np
import pytest

from skyneedle.transients.simulate import scenes
from skyneedle.transients.simulate.scenes import Source

FWHM = 4.1


def galsim_image(source: Source, e1: float = 0.0, e2: float = 0.0) -> np.ndarray:
    psf = galsim.Moffat(beta=scenes.MOFFAT_BETA, fwhm=FWHM).shear(g1=e1, g2=e2)
    if source.n == 0:
        profile = psf.withFlux(source.flux)
    else:
        galaxy = galsim.Sersic(source.n, half_light_radius=source.radius, flux=source.flux)
        profile = galsim.Convolve(galaxy.shear(q=source.q, beta=source.phi * galsim.radians), psf)
    middle = (scenes.SIZE - 1) / 2
    shifted = profile.shift(source.x - middle, source.y - middle)
    image = galsim.ImageD(scenes.SIZE, scenes.SIZE)
    shifted.drawImage(image, scale=1.0, method="auto")
    return image.array


@pytest.mark.parametrize(
    "source",
    [
        Source(50.0, 50.0, 1000.0),
        Source(47.3, 55.8, 1000.0),
        Source(50.2, 49.7, 1000.0, 1.0, 3.0, 0.5, 0.4),
        Source(44.0, 53.5, 1000.0, 4.0, 2.0, 0.8, 2.0),
        Source(50.4, 50.4, 1000.0, 2.5, 5.0, 0.3, 1.2),
    ],
)
def test_images_are_those_of_galsim(source):
    ours = scenes.image(scenes.light([source]) * scenes.psf_transform(FWHM))
    theirs = galsim_image(source)
    assert np.abs(ours - theirs).max() < 3e-3 * theirs.max()


def test_sheared_psf_is_that_of_galsim():
    source = Source(51.0, 48.6, 500.0)
    ours = scenes.image(scenes.light([source]) * scenes.psf_transform(FWHM, 0.05, -0.03))
    theirs = galsim_image(source, 0.05, -0.03)
    assert np.abs(ours - theirs).max() < 3e-3 * theirs.max()


def test_a_scene_is_the_sum_of_its_sources_and_shifts_with_them():
    sources = [Source(40.0, 45.0, 300.0), Source(60.5, 52.2, 500.0, 1.5, 2.0, 0.6, 1.0)]
    psf = scenes.psf_transform(FWHM)
    together = scenes.image(scenes.light(sources) * psf)
    apart = sum(scenes.image(scenes.light([one]) * psf) for one in sources)
    np.testing.assert_allclose(together, apart, atol=1e-3)
    moved = scenes.image(scenes.light(sources) * psf * scenes.shift_transform(3, -2))
    np.testing.assert_allclose(moved[:-2, 3:], together[2:, :-3], atol=1e-3)


def test_photons_follow_the_light():
    source = Source(0, 0, 1.0, 1.0, 5.0, 0.4, 0.7)
    random = np.random.default_rng(1)
    x, y = np.array([scenes.photon(source, random) for _ in range(1500)]).T
    along = x * np.cos(source.phi) + y * np.sin(source.phi)
    across = y * np.cos(source.phi) - x * np.sin(source.phi)
    assert np.std(across) / np.std(along) == pytest.approx(source.q, rel=0.12)
    inside = np.hypot(along * np.sqrt(source.q), across / np.sqrt(source.q)) < source.radius
    assert inside.mean() == pytest.approx(0.5, abs=0.05)  # of the half-light ellipse
    assert abs(x.mean()) < 0.6
    assert abs(y.mean()) < 0.6
