"""Columns of the catalogue: hand-made scenes, and a critical curve found by brute force."""

import math

import numpy as np
import pytest

from skyneedle.lenses.simulate import cosmology, examples, lensing, morphology, populations, render, truth
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.lensing import Lens
from skyneedle.lenses.simulate.profiles import Sersic
from skyneedle.lenses.simulate.render import Light, Scene
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS, Settings

EUCLID = instrument("euclid")
HST = instrument("hst_f814w")
SETTINGS = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)
LENS = Lens(0.5, 1.4, 0.65, 0.6, 1.0, -2.0, 0.06, -0.04)


# --- critical curves


def _area_where_parity_is_negative(lens, step=0.01, half=4.0):
    """Count cells of a fine grid in which the determinant of the finite-difference Jacobian is negative."""
    axis = np.arange(-half, half, step)
    x, y = np.meshgrid(lens.x + axis, lens.y + axis)
    (right_x, right_y), (left_x, left_y) = (
        lensing.trace([lens], 2.0, x + sign * 1e-4, y)[-1] for sign in (1, -1)
    )
    (upper_x, upper_y), (lower_x, lower_y) = (
        lensing.trace([lens], 2.0, x, y + sign * 1e-4)[-1] for sign in (1, -1)
    )
    determinant = (right_x - left_x) * (upper_y - lower_y) - (upper_x - lower_x) * (right_y - left_y)
    return (determinant < 0).sum() * step**2


@pytest.mark.parametrize("lens", [LENS, LENS._replace(q=1.0), LENS._replace(gamma1=-0.15, phi=2.5)])
def test_area_in_the_critical_curve_is_that_of_negative_parity(lens):
    n_crit, area = lensing.critical_curves([lens], 2.0, 10.0)
    assert n_crit == 1
    assert area == pytest.approx(_area_where_parity_is_negative(lens), rel=2e-3)


def test_without_shear_the_area_is_that_of_the_einstein_radius():
    unsheared = LENS._replace(gamma1=0.0, gamma2=0.0)
    assert lensing.critical_curves([unsheared], 2.0, 10.0)[1] == pytest.approx(math.pi * 1.4**2)


def test_two_deflectors_have_one_curve_or_two():
    """A feather behind a lens changes nothing; two lenses far apart have a curve each."""
    alone = lensing.critical_curves([LENS], 2.0, 10.0)[1]
    feather = LENS._replace(z=0.8, theta_e=1e-3, gamma1=0.0, gamma2=0.0)
    n_crit, area = lensing.critical_curves([LENS, feather], 2.0, 10.0)
    assert (n_crit, area) == (1, pytest.approx(alone, rel=0.02))
    apart = LENS._replace(z=0.51, x=-6.0, y=6.0)
    n_crit, area = lensing.critical_curves([LENS, apart], 2.0, 10.0)
    assert (n_crit, area) == (2, pytest.approx(2 * alone, rel=0.2))


def test_halo_mass_by_hand():
    # (sqrt 2 x 200 km/s)^3 / (10 G x 70 km/s/Mpc) today
    assert cosmology.halo_mass(200.0, 0.0) == pytest.approx(7.515e12, rel=1e-3)
    # Dark energy loses: at redshift 1 the universe expands sqrt(0.3 x 8 + 0.7) times as fast.
    assert cosmology.halo_mass(200.0, 1.0) == pytest.approx(7.515e12 / math.sqrt(3.1), rel=1e-3)


# --- the galaxy in the middle and its surroundings


def test_pixels_and_contrast_are_those_of_the_layers():
    for number in range(0, 16, 2):
        made = examples.example(number, "singles", SETTINGS, 5, with_layers=True)
        row, lens, source = made.row, made.layers["lens"].vis, made.layers["source"].vis
        # The layer is blurred, which only moves the rim.
        assert row["n_pix_lens"] == pytest.approx((lens > EUCLID.bands[0].sky_sigma).sum(), rel=0.05)
        if row["n_sources"]:
            peak = np.unravel_index(source.argmax(), source.shape)
            assert row["sb_contrast"] == pytest.approx(source[peak] / lens[peak], rel=0.2)
        else:
            assert math.isnan(row["sb_contrast"])


def _disc(x, flux=1.0, **more):
    return Light(Sersic(x, 0.0, 0.3, 1.0), np.full(len(EUCLID.bands), flux), **{"layer": "rest", **more})


def test_companions_are_counted_and_arms_are_not():
    scene = Scene((_disc(0.0, layer="lens"), _disc(1.0, part=True), _disc(2.0), _disc(-4.0), _disc(9.0)))
    assert truth.of_surroundings(scene) == {"n_gal_3": 1, "n_gal_5": 2, "n_gal_10": 3, "n_sources": 0}


def test_parts_of_impostors_are_no_companions():
    """Whole galaxies of the kinds ``companions`` and ``merger`` are; arms, rings, discs and tails are not."""
    random = np.random.default_rng(1)
    drawn = populations.system(populations.POPULATIONS["bright"], EUCLID, random)
    beside = dict.fromkeys(morphology.KINDS, 0) | {"merger": 1}
    for kind in morphology.KINDS:
        lights = morphology.lights(kind, drawn, np.ones(4), EUCLID, random)
        galaxies = sum(light.layer == "rest" and not light.part for light in lights)
        assert 2 <= galaxies <= 4 if kind == "companions" else galaxies == beside[kind], kind


def test_light_in_the_middle_is_what_is_there():
    """An isolated elliptical has deflector and lensed source in one; others have no more."""
    made = {}
    for number in range(200):
        kind, parent = examples.role(number, SETTINGS, 5)
        if kind in NEGATIVE_KINDS and kind not in made:
            made[kind] = examples.example(number, "singles", SETTINGS, 5).row
            random = examples.generator(5, parent, "scene")
            drawn = populations.system(populations.POPULATIONS["bright"], EUCLID, random).deflector
            fainter = made[kind]["mag_lens"] - drawn.magnitude
            assert made[kind]["lens_flux"] == pytest.approx(EUCLID.bands[0].flux(made[kind]["mag_lens"]))
            if kind == "elliptical":
                assert fainter < 0
            elif kind in ("companions", "ring_galaxy"):
                assert fainter == pytest.approx(0)
    assert set(made) == set(NEGATIVE_KINDS)


def test_one_band_has_no_colour_and_no_minus_zero():
    row = examples.example(0, "singles", Settings(population="bright", instrument="hst_f814w"), 5).row
    for name in ("lens_colour", "source_colour", "color_diff"):
        if not math.isnan(row[name]):
            assert (row[name], math.copysign(1, row[name])) == (0.0, 1.0)


def test_faithful_compounds_have_the_light_of_their_deflector():
    for recipe in ("corrected", "faithful"):
        row = examples.example(500_000, "arcs", Settings(recipe=recipe, population="bright"), 5).row
        assert math.isfinite(row["lens_flux"])
        for name in ("n_pix_lens", "n_crit", "crit_area"):
            assert row[name] > 0
        assert row["color_diff"] == pytest.approx(row["lens_colour"] - row["source_colour"])


def test_impostors_have_no_critical_curve():
    elliptical = Scene((_disc(0.0, layer="lens"),))
    assert truth.of_mass(elliptical, EUCLID) == {}
    assert examples._completed({})["n_crit"] == 0


def test_a_galaxy_out_of_the_stamp_has_no_pixels():
    scene = Scene((_disc(500.0, layer="lens"),))
    patches = [render.draw(scene.lights[0], scene, render.grid(EUCLID))]
    found = truth.of_middle(scene, patches, np.zeros((200, 200)), EUCLID)
    assert found["n_pix_lens"] == 0
    assert math.isnan(found["sb_contrast"])
