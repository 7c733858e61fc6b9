"""Deflection and distances, against lenstronomy and astropy, and hand-computed cases."""

import numpy as np
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.simulate import cosmology, lensing
from skyneedle.lenses.simulate.lensing import Lens

NEAR = Lens(0.4, 1.3, 0.65, 0.7, 0.2, -0.3, 0.04, -0.02)
MIDDLE = Lens(1.2, 0.5, 0.8, 2.1, 0.1, 0.15, -0.01, 0.03)
Z_SOURCE = 3.2


@pytest.fixture(scope="module")
def rays():
    return np.random.default_rng(1).uniform(-5, 5, (2, 400))


def _of_lenstronomy(lenses, z_source=None, z_convention=None):
    from astropy.cosmology import FlatLambdaCDM
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.Util.param_util import phi_q2_ellipticity

    keywords = []
    for lens in lenses:
        e1, e2 = phi_q2_ellipticity(lens.phi, lens.q)
        place = {"center_x": lens.x, "center_y": lens.y}
        keywords.append({"theta_E": lens.theta_e, "e1": e1, "e2": e2, **place})
        keywords.append({"gamma1": lens.gamma1, "gamma2": lens.gamma2, "ra_0": lens.x, "dec_0": lens.y})
    names = ["SIE", "SHEAR"] * len(lenses)
    if z_source is None:
        return LensModel(names), keywords
    model = LensModel(
        names,
        z_source=z_source,
        lens_redshift_list=[lens.z for lens in lenses for _ in range(2)],
        multi_plane=True,
        cosmo=FlatLambdaCDM(H0=cosmology.HUBBLE, Om0=cosmology.MATTER),
        z_source_convention=z_convention or z_source,
    )
    return model, keywords


def test_distances_are_those_of_astropy():
    from astropy.cosmology import FlatLambdaCDM

    universe = FlatLambdaCDM(H0=70, Om0=0.3)
    for near, far in ((0.0, 0.5), (0.3, 2.0), (1.2, 5.0)):
        expected = universe.angular_diameter_distance(near, far).value
        assert cosmology.angular_diameter(near, far) == pytest.approx(expected, rel=1e-6)
    assert cosmology.distance_modulus(0.7) == pytest.approx(universe.distmod(0.7).value, abs=1e-5)


def test_einstein_radius_by_hand():
    # 4 pi (220 / 299792.458)^2 rad = 1.396 arcsec, far behind the lens; z = 0.001 makes the ratio nearly one.
    assert cosmology.einstein_radius(220, 0.001, 1.0) == pytest.approx(1.396, rel=2e-3)


@pytest.mark.parametrize("q", [0.3, 0.65, 0.99, 1.0])
def test_deflection_is_that_of_lenstronomy(rays, q):
    lens = NEAR._replace(q=q)
    model, keywords = _of_lenstronomy([lens._replace(q=min(q, 1 - 1e-6))])
    expected = np.array(model.alpha(*rays, keywords))
    # lenstronomy has a core of 1e-10 and takes q above 1 - 1e-6 as round.
    assert np.abs(np.array(lensing.deflection(lens, *rays)) - expected).max() < (1e-4 if q > 0.98 else 2e-6)


def test_greatest_deflection_is_reached_and_not_passed(rays):
    for q in (0.4, 0.7, 1.0):
        lens = NEAR._replace(q=q, gamma1=0, gamma2=0)
        lengths = np.hypot(*lensing.deflection(lens, *rays))
        assert 0.97 * lensing.greatest_deflection(lens) < lengths.max() <= lensing.greatest_deflection(lens)


def test_two_planes_are_those_of_lenstronomy(rays):
    model, keywords = _of_lenstronomy([NEAR, MIDDLE], Z_SOURCE)
    _, on_middle, on_source = lensing.trace([NEAR, MIDDLE], Z_SOURCE, *rays)
    expected = model.ray_shooting(*rays, keywords)
    assert np.abs(np.array(on_source) - expected).max() < 1e-5
    foreground, alone = _of_lenstronomy([NEAR], MIDDLE.z, Z_SOURCE)
    expected = foreground.ray_shooting(*rays, alone)
    assert np.abs(np.array(on_middle) - expected).max() < 1e-5


def test_one_plane_limit_of_many_planes(rays):
    """A second deflector without mass, and two deflectors at almost the same place (issue: 1e-6)."""
    single = np.array(lensing.trace([NEAR], Z_SOURCE, *rays)[-1])
    empty = MIDDLE._replace(theta_e=0.0, gamma1=0.0, gamma2=0.0)
    assert np.abs(np.array(lensing.trace([NEAR, empty], Z_SOURCE, *rays)[-1]) - single).max() < 1e-6
    beside = MIDDLE._replace(z=NEAR.z + 1e-9)
    both = [np.array(lensing.deflection(lens, *rays)) for lens in (NEAR, beside)]
    summed = rays - both[0] - both[1]
    assert np.abs(np.array(lensing.trace([NEAR, beside], Z_SOURCE, *rays)[-1]) - summed).max() < 1e-6


def test_no_lens_leaves_rays_alone(rays):
    ((x, y),) = lensing.trace([], 1.0, *rays)
    assert np.array_equal([x, y], rays)


def test_redshifts_out_of_order_are_refused(rays):
    with pytest.raises(BadSetting, match="increasing"):
        lensing.trace([MIDDLE, NEAR], Z_SOURCE, *rays)


def test_convention_of_einstein_radii():
    """Spec A4.3: 250 km/s at 0.5, radius for a source at 1.5 taken as one for redshift 5, source at 3.5."""
    given = cosmology.einstein_radius(250, 0.5, 1.5)
    acting = lensing.rescaled(Lens(0.5, given, 0.9, 0, 0, 0), 5.0, 3.5).theta_e
    assert acting == pytest.approx(0.975, abs=0.002)
    assert cosmology.einstein_radius(250, 0.5, 3.5) == pytest.approx(1.302, abs=0.002)


def test_wrong_convention_is_what_lenstronomy_makes_of_it(rays):
    given = [NEAR, MIDDLE]
    model, keywords = _of_lenstronomy(given, Z_SOURCE, z_convention=5.0)
    acting = [lensing.rescaled(lens, 5.0, Z_SOURCE) for lens in given]
    expected = model.ray_shooting(*rays, keywords)
    assert np.abs(np.array(lensing.trace(acting, Z_SOURCE, *rays)[-1]) - expected).max() < 1e-5
