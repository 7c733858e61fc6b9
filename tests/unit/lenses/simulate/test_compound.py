"""Compound lenses of both recipes: what is lensed, conventions, colours, and that they pass for the same
survey."""

import dataclasses

import numpy as np
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.lenses.simulate import compound, cosmology, examples, noise, populations, render, truth
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.populations import POPULATIONS
from skyneedle.lenses.simulate.render import Blur
from skyneedle.lenses.simulate.settings import Settings
from tests.unit.lenses.simulate import plain

CORRECTED = Settings(population="bright", share_negatives=0.45)
FAITHFUL = dataclasses.replace(CORRECTED, recipe="faithful")
IDS = range(500_000, 500_014)


@pytest.fixture(scope="module", params=["arcs", "rings"])
def corrected(request):
    return [compound.compound(number, request.param, CORRECTED, Blur(), 1) for number in IDS]


@pytest.fixture(scope="module", params=["arcs", "rings"])
def faithful(request):
    return [compound.compound(number, request.param, FAITHFUL, Blur(), 1) for number in IDS]


def test_two_sets_of_images_are_lensed(corrected):
    for one in corrected:
        middle, source = one.scene.lights[1:3]
        assert (middle.layer, middle.plane) == ("source", 1)
        assert (source.layer, source.plane) == ("source", 2)
        assert one.truth["two_sets"] == 1
        assert min(one.truth["mag_eff"], one.truth["mag_eff_middle"]) > 1.6
        assert one.attempts <= compound.MOST_ATTEMPTS


def test_the_middle_galaxy_is_magnified_only_where_it_is_lensed(corrected, faithful):
    grid = render.grid(instrument("euclid"))
    one = max(corrected, key=lambda made: made.truth["mag_eff_middle"])
    light = one.scene.lights[1]
    lensed = render.draw(light, one.scene, grid).light.sum()
    direct = render.draw(light._replace(plane=0), one.scene, grid).light.sum()
    assert lensed > 2 * direct
    assert all(made.scene.lights[1].plane == 0 for made in faithful)
    assert {made.truth["mag_eff_middle"] for made in faithful} == {1.0}


def test_einstein_radii_belong_to_the_source(corrected):
    for one in corrected:
        for lens, suffix in zip(one.scene.lenses, ("", "_middle"), strict=True):
            sigma = one.truth[f"sigma{suffix}_km_s"]
            assert lens.theta_e == pytest.approx(cosmology.einstein_radius(sigma, lens.z, one.scene.z_source))


def test_einstein_radii_of_the_notebook_belong_elsewhere(faithful):
    """Given for the next plane, taken for redshift 5, so that the foreground deflects too little (A4.3)."""
    for one in faithful:
        (near, middle), z_source = one.scene.lenses, one.scene.z_source
        sigma = one.truth["sigma_km_s"]
        given = cosmology.einstein_radius(sigma, near.z, middle.z)
        true = cosmology.einstein_radius(sigma, near.z, z_source)
        assert near.theta_e == pytest.approx(given * cosmology.coupling(near.z, z_source, 5.0))
        assert near.theta_e < true


def test_redshifts_increase_and_the_nearer_is_mostly_heavier(corrected):
    heavier = 0
    for one in corrected:
        assert one.truth["z_lens"] < one.truth["z_middle"] < one.truth["z_source"]
        heavier += one.truth["sigma_km_s"] > one.truth["sigma_middle_km_s"]
    assert heavier >= len(corrected) / 2


def test_ring_galaxies_are_near_the_source():
    for settings in (CORRECTED, FAITHFUL):
        for number in IDS:
            scene = compound.compound(number, "rings", settings, Blur(), 1).scene
            source = scene.lights[2].profile
            for lens in scene.lenses:
                assert max(abs(lens.x - source.x), abs(lens.y - source.y)) <= compound.RING_OFFSET


def test_colours_are_right_in_one_recipe_and_broken_in_the_other(corrected, faithful):
    for made, sign, settings in ((corrected, 1, CORRECTED), (faithful, -1, FAITHFUL)):
        made_with = settings.seen_with("rings")
        source = np.median([one.truth["source_colour"] for one in made])
        lens = [truth.of_light(one.scene.lights[0], made_with)["lens_colour"] for one in made]
        assert sign * (np.median(lens) - source) > 0.2


def test_faber_jackson_of_the_notebook():
    # M = -23 at this redshift: log10 sigma = 0.0886 * 23 + 0.547
    magnitude = -23 + cosmology.distance_modulus(0.5)
    assert compound.faber_jackson(magnitude, 0.5) == pytest.approx(10 ** (0.0886 * 23 + 0.547))


def test_compounds_pass_for_singles_of_the_same_survey():
    """Same instrument, units and stretch, and noise of the same size within 5 % (spec F4)."""
    compounds = examples.attributes("rings", "rings", CORRECTED, 1)
    singles = examples.attributes("training", "singles", CORRECTED, 1)
    for name in ("instrument", "bands", "pixel_scale_arcsec", "sky_sigma", "unit", "stretch"):
        assert compounds[name] == singles[name]
    for content in ("singles", "arcs", "rings"):
        one = examples.example(IDS[0], content, CORRECTED, 1, with_layers=True)
        clean = noise.total(one.layers)
        for image, model, band in ((one.images.vis, clean.vis, 0), (one.images.nisp[2], clean.nisp[2], 3)):
            exposure = instrument("euclid").bands[band].total_exposure_s
            sigma = np.sqrt(compounds["sky_sigma"][band] ** 2 + np.maximum(model, 0) / exposure)
            assert ((image - model) / sigma).std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("roll", ["fixed", "random"])
@pytest.mark.parametrize("content", ["singles", "arcs", "rings"])
def test_compounds_and_singles_are_blurred_alike(content, roll):
    """With the instrument's PSF and the lobes and the roll that are set (spec F4)."""
    settings = dataclasses.replace(CORRECTED, psf={"shape": "trefoil", "amplitude": 0.4, "roll": roll})
    number = next(n for n in IDS if examples.role(n, settings, 1) == ("lens", n))
    one = examples.example(number, content, settings, 1, with_layers=True)
    assert (one.row["roll_rad"] != 0) == (roll == "random")
    blur = Blur(0.4, one.row["roll_rad"])
    if content == "singles":
        random = generator(1, number, "scene")
        scene = plain.scene_of(populations.system(POPULATIONS["bright"], instrument("euclid"), random))
    else:
        scene = compound.compound(number, content, settings, blur, 1).scene
    expected, _ = render.render(scene, instrument("euclid"), blur, separate=True)
    round_ones, _ = render.render(scene, instrument("euclid"), Blur(), separate=True)
    for layer in render.LAYERS:
        for found, wanted, without in zip(one.layers[layer], expected[layer], round_ones[layer], strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-5 * wanted.max())
            assert np.abs(wanted - without).max() > 1e-3 * wanted.max()  # the lobes are seen


def test_images_of_the_notebook_are_square_roots():
    """Spec A4.9: no negative noise is left, and nothing above one."""
    image = examples.example(IDS[0], "rings", FAITHFUL, 1).images
    assert image.vis.min() == 0
    assert (image.vis == 0).mean() > 0.01
    assert compound.faithful_stretch(np.array([-3.0, 0.25, 2e4])).tolist() == pytest.approx([0, 0.005, 1.0])
    attributes = examples.attributes("rings", "rings", FAITHFUL, 1)
    assert (attributes["instrument"], attributes["stretch"]) == ("wilde2022", "sqrt")
    assert examples.attributes("training", "singles", FAITHFUL, 1)["stretch"] == "linear"


def test_a_population_too_faint_for_compounds_is_named(monkeypatch):
    faint = POPULATIONS["bright"]._replace(source_mag=(34.0, 35.0))
    monkeypatch.setattr(compound, "POPULATIONS", {"bright": faint})
    monkeypatch.setattr(compound, "MOST_ATTEMPTS", 3)
    with pytest.raises(BadSetting, match="Example 500000: in 3 draws of population 'bright'"):
        compound.compound(IDS[0], "rings", CORRECTED, Blur(), 1)
