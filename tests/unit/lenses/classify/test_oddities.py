"""Stamps with sky left in, or in another unit, are scored with a warning; galaxies of any size get none."""

import re

import numpy as np
import pandas as pd
import pytest

from skyneedle import cli
from skyneedle.lenses.classify import oddities
from skyneedle.lenses.fetch import compounds, euclid_q1
from skyneedle.lenses.preprocess import sky_noise
from skyneedle.lenses.simulate import examples
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.settings import Settings
from tests.unit.lenses.classify.made import (
    BANDS,
    N,
    classify,
    write_layout,
    write_network,
    write_plain,
    write_set,
)

TIMES = {"J": 500, "Y": 1000, "H": 2000, "VIS": 20}
SIGMA = {"VIS": 1, "J": 2, "Y": 3, "H": 4}  # of the stamps made here


def odd_ones(planes):
    """Sky in VIS of number 3 and, below zero, in H of 4; VIS of 7 times a thousand, J of 8 by 20."""
    odd = {band: plane.copy() for band, plane in planes.items()}
    odd["VIS"][3] += 1e5
    odd["H"][4] -= 15 * SIGMA["H"]
    odd["VIS"][7] *= 1000
    odd["J"][8] /= 20
    return odd


EXPECTED = {
    3: "VIS has a sky of 1e+05 sigma",
    4: "H has a sky of -15 sigma",
    7: "VIS has 1e+03 times the noise of its group",
    8: "J has 0.05 times the noise of its group",
}


def same(warning, expected):
    """Equal in words, and in numbers but for the noise that they come from."""
    found, wanted = (re.split(r"(-?\d\S*)", text) for text in (warning, expected))
    return found[::2] == wanted[::2] and [float(n) for n in found[1::2]] == pytest.approx(
        [float(n) for n in wanted[1::2]], rel=0.25
    )


@pytest.mark.parametrize("layout", ["set", "bands"])
def test_odd_stamps_are_scored_with_a_warning(layout, planes, weights, tmp_path, capsys):
    (tmp_path / "stamps").mkdir()
    names = write_layout(tmp_path / "stamps", layout, odd_ones(planes))
    words = ["--network", str(weights), "--out", str(tmp_path / "out"), "--top", "0"]
    assert cli.main(["classify", str(tmp_path / "stamps"), *words]) == 0
    found = pd.read_parquet(tmp_path / "out" / "scores.parquet").set_index("name")["warning"]
    on_disk = pd.read_csv(tmp_path / "out" / "scores.csv", keep_default_na=False).set_index("name")
    pd.testing.assert_series_equal(on_disk["warning"], found, check_dtype=False)
    assert len(found) == N
    for i, name in enumerate(names):
        assert same(found[name], EXPECTED.get(i, "")), (name, found[name])
    told = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert told == [
        "4 of these objects have a warning, and a score not to be trusted: sky not subtracted in H 1, VIS 1 "
        "(subtract the sky); noise unlike the others' in J 1, VIS 1 (give all stamps of one path in one "
        "unit)."
    ]


def test_normal_stamps_and_the_published_recipe_get_no_warning(planes, weights, tmp_path):
    told = []
    write_plain(tmp_path / "good.h5", planes)
    assert set(classify(tmp_path / "good.h5", weights, tmp_path / "a", tell=told.append)["warning"]) == {""}
    # Each band of each stamp is mapped to 0 ... 1: the scores do not depend on level and unit.
    write_plain(tmp_path / "odd.h5", odd_ones(planes))
    faithful = {"bands": list(BANDS), "size": 16, "recipe": "faithful"}
    stem = write_network(tmp_path / "faithful", normalisation=faithful)
    good = classify(tmp_path / "good.h5", stem, tmp_path / "b").sort_values("name", key=by_number)
    odd = classify(tmp_path / "odd.h5", stem, tmp_path / "c", tell=told.append).sort_values(
        "name", key=by_number
    )
    np.testing.assert_allclose(odd["logit"], good["logit"], atol=0.02)
    assert set(odd["warning"]) == {""}
    assert not any("warning" in line for line in told)


def by_number(names):
    return names.str.split(":").str[1].astype(int)


def test_a_sky_noise_that_does_not_belong_to_the_stamps_is_named(planes, weights, tmp_path):
    """A set says its own noise; its arrays are in another unit."""
    said = {
        "bands": ["VIS", *BANDS[:3]],
        "sky_sigma": [SIGMA[band] / TIMES[band] for band in ("VIS", *BANDS[:3])],
    }
    write_set(tmp_path / "000.h5", {band: plane[:3] for band, plane in planes.items()}, **said)
    found = classify(tmp_path / "000.h5", weights, tmp_path / "out")
    expected = "; ".join(f"{band} has {n} times the noise of its group" for band, n in TIMES.items())
    assert all(same(warning, expected) for warning in found["warning"])


def test_bright_simulated_lenses_are_not_odd():
    settings = Settings(population="bright", share_negatives=0.1, share_pairs=0.1)
    bands = instrument("euclid").bands
    sigmas = [band.sky_sigma for band in bands]
    names = [band.name for band in bands]
    for number in range(8):
        one = examples.example(number, "singles", settings, 11, with_layers=True)
        planes = dict(zip(names, (one.images.vis, *one.images.nisp), strict=True))
        assert oddities.find(planes, names, sigmas) == []
        level, sigma = oddities.sky_of(planes["VIS"])
        assert sigma == pytest.approx(sigmas[0], rel=0.3)
        assert abs(level) < 3 * sigma


@pytest.mark.parametrize("place", [0, 4])
def test_a_galaxy_that_fills_the_stamp_is_no_sky(place):
    """Half the pixels lie above the limit; an exponential disk of 2 arcsec, in the middle and off it."""
    y, x = (np.mgrid[:200, :200] - 99.5) * 0.1
    disk = 1500 * np.exp(-np.hypot(x - place, y - place) / 2)
    image = np.random.default_rng(1).normal(size=(200, 200)) + disk
    assert np.median(image) > 1.5 * oddities.MOST_SKY
    assert oddities.find({"VIS": image}, ("VIS",), (1.0,)) == []
    assert [one.kind for one in oddities.find({"VIS": image + 100}, ("VIS",), (1.0,))] == ["sky"]


def test_real_lenses_are_not_odd(real_lenses):
    """The Cosmic Horseshoe from three HST bands, whose noise is correlated, and a group of Euclid's Q1."""
    known = compounds.KNOWN[2]
    for stamp in (
        compounds.read(known, real_lenses / "compound_known" / known.folder),
        euclid_q1.read(real_lenses / "euclid_q1" / "sample_group" / "group.fits"),
    ):
        planes = dict(zip(BANDS, (*stamp["nisp"], stamp["vis"]), strict=True))
        alone = [float(sky_noise(planes[band][None])[0]) for band in BANDS]  # a group of one
        assert oddities.find(planes, BANDS, alone) == []
        for band in BANDS:
            raised = planes | {band: planes[band] + 20 * alone[BANDS.index(band)]}
            assert [one[:2] for one in oddities.find(raised, BANDS, alone)] == [(band, "sky")]


def test_corners_that_are_cut_off_do_not_count():
    image = np.random.default_rng(0).normal(100, 1, size=(200, 200))
    image[:90] = 0
    level, sigma = oddities.sky_of(image)
    assert level == pytest.approx(100, abs=0.3)
    assert sigma == pytest.approx(1, rel=0.2)
    image[50:] = 0
    assert oddities.sky_of(image) == (0, 0)
    assert (
        oddities.in_words(oddities.find({"H": image}, ("H",), (1.0,)))
        == "H has 0 times the noise of its group"
    )
