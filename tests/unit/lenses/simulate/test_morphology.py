"""Galaxies and stars by morphology: ten kinds in turn, none a lens, all made of light that adds up."""

import dataclasses

import numpy as np
import pytest

from skyneedle.core.store import DataSet
from skyneedle.lenses.simulate import examples, morphology, populations
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.populations import POPULATIONS
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS, Settings

HST = Settings(population="galaxy_scale", instrument="hst_f814w", share_negatives=0.4, share_pairs=0.2)
F814W = instrument("hst_f814w")
TEN = range(660_000, 660_010)


@pytest.fixture(scope="module")
def ten():
    return [examples.example(number, "morphology", HST, 1, with_layers=True) for number in TEN]


def test_the_kinds_take_turns_and_labels_are_their_numbers(ten):
    assert len(morphology.KINDS) == 10
    assert tuple(one.row["kind"] for one in ten) == morphology.KINDS
    assert [one.row["label"] for one in ten] == list(range(10))
    assert [one.row["parent_id"] for one in ten] == list(TEN)
    assert tuple(ten[0].row) == examples.COLUMNS


def test_there_is_no_lens_among_them(ten):
    for one in ten:
        assert one.row["n_sources"] == 0
        assert np.isnan(one.row["theta_e"])
        assert one.layers["source"].vis.max() == 0
        assert one.layers["lens"].vis.max() > 0


@pytest.mark.parametrize("name", ["hst_f814w", "euclid"])
@pytest.mark.parametrize("kind", morphology.KINDS)
def test_every_kind_has_the_light_of_deflector_and_lensed_source(kind, name):
    seen_with = instrument(name)
    random = np.random.default_rng(4)
    system = populations.system(POPULATIONS["galaxy_scale"], seen_with, random)
    lensed = 5 * system.source.flux
    lights = morphology.lights(kind, system, lensed, seen_with, random)
    total = sum(light.flux for light in lights)
    assert total.shape == (len(seen_with.bands),)
    assert total[0] == pytest.approx(system.deflector.flux[0] + lensed[0])
    assert all(light.plane == 0 and (light.flux > 0).all() for light in lights)


def test_a_star_is_a_point_with_all_its_flux(ten):
    star = ten[morphology.KINDS.index("star")]
    image = star.layers["lens"].vis
    y, x = np.indices(image.shape)
    row, column = ((image * one).sum() / image.sum() for one in (y, x))
    spread = ((image * ((y - row) ** 2 + (x - column) ** 2)).sum() / image.sum() / 2) ** 0.5
    band = F814W.bands[0]
    # The point-spread function averaged over the pixel, as a standard deviation.
    expected = np.hypot(band.fwhm_arcsec / 2.3548 / band.pixel_scale_arcsec, 12**-0.5)
    assert spread == pytest.approx(expected, rel=0.1)
    double = ten[morphology.KINDS.index("double_star")].layers
    seen = double["lens"].vis + double["rest"].vis
    inner = seen[1:-1, 1:-1]
    peaks = (
        (inner > seen[:-2, 1:-1])
        & (inner > seen[2:, 1:-1])
        & (inner > seen[1:-1, :-2])
        & (inner > seen[1:-1, 2:])
        & (inner > 0.02 * seen.max())
    )
    assert peaks.sum() == 2


def test_the_faithful_recipe_is_about_compound_lenses_alone(tmp_path, ten):
    faithful = dataclasses.replace(HST, recipe="faithful")
    assert faithful.seen_with("morphology") == F814W
    assert np.array_equal(
        examples.example(TEN[3], "morphology", faithful, 1).images.vis,
        examples.example(TEN[3], "morphology", HST, 1).images.vis,
    )
    assert np.array_equal(ten[3].images.vis, examples.example(TEN[3], "morphology", HST, 1, True).images.vis)
    examples.write_shard(tmp_path / "a.h5", "morphology", "morphology", TEN, faithful, 1)
    data = DataSet(tmp_path / "a.h5")
    assert data.attributes["stretch"] == "linear"
    assert data.attributes["content"] == "morphology"
    assert data.shape("vis") == (10, 100, 100)
    assert data.table["label"].tolist() == list(range(10))
    assert set(data.table["kind"][:6]) == set(NEGATIVE_KINDS)
