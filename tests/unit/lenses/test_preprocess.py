"""Resizing against scikit-image; what each recipe does to colour, noise and empty images."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from skimage import transform

from skyneedle.core import store
from skyneedle.core.errors import (
    BadSetting,
    ConstantStamp,
    MissingBand,
    StampHasNaN,
    WrongStampSize,
)
from skyneedle.lenses import preprocess
from skyneedle.lenses.preprocess import Scaling

ALL = ("J", "Y", "H", "VIS")
SKY = {"VIS": 0.0108, "J": 0.071, "Y": 0.074, "H": 0.071}


def blob(n, scale, flux, width_arcsec=0.8):
    """A Gaussian of a given total flux in the middle of n x n pixels."""
    x = (np.arange(n) - (n - 1) / 2) * scale
    profile = np.exp(-0.5 * np.square(x / width_arcsec))
    image = np.outer(profile, profile)
    return flux * image / image.sum()


def stamps(fluxes, noise=0.0, seed=0):
    """vis (n, 200, 200) and nisp (n, 3, 66, 66) of one blob for each entry of fluxes (mapping by band)."""
    rng = np.random.default_rng(seed)
    made = {}
    for band in ALL:
        n, scale = preprocess.PIXELS[band], preprocess.PIXEL_SCALE[band]
        images = np.stack([blob(n, scale, flux[band]) for flux in fluxes])
        made[band] = images + noise * SKY[band] * rng.normal(size=images.shape)
    nisp = np.stack([made[band] for band in preprocess.NISP], axis=1)
    return made["VIS"].astype(np.float32), nisp.astype(np.float32)


def corrected(size=66, bands=ALL, factor=1.0):
    n = len(bands)
    return Scaling(
        bands, size, "corrected", [factor * SKY[band] for band in bands], [0.4] * n, [1.5] * n, 2.0
    )


# --- resizing


@pytest.mark.parametrize(
    ("n_in", "n_out"), [(200, 66), (66, 200), (500, 66), (500, 200), (119, 200), (101, 66), (66, 66)]
)
def test_resizing_is_that_of_scikit_image(n_in, n_out):
    image = np.random.default_rng(n_in).normal(size=(n_in, n_in)).astype(np.float32)
    expected = transform.resize(image, (n_out, n_out))
    np.testing.assert_allclose(preprocess.resize(image, n_out), expected, atol=2e-6)


def test_resizing_keeps_surface_brightness_place_and_stacks():
    image = blob(200, 0.1, 100.0, 1.5)
    small = preprocess.resize(image, 66)
    assert small.dtype == np.float32
    # Flux a pixel is kept: nine times fewer pixels hold a ninth of the sum.
    assert small.sum() == pytest.approx(100 * (66 / 200) ** 2, rel=1e-3)
    np.testing.assert_allclose(small, small[::-1, ::-1], atol=1e-6)
    np.testing.assert_allclose(preprocess.resize(np.full((200, 200), 7.0), 66), 7.0, rtol=1e-6)
    stack = np.random.default_rng(0).normal(size=(2, 3, 66, 66))
    whole = preprocess.resize(stack, 200)
    assert whole.shape == (2, 3, 200, 200)
    np.testing.assert_allclose(whole[1, 2], preprocess.resize(stack[1, 2], 200), atol=1e-6)


@pytest.mark.parametrize(("n_in", "n_out"), [(200, 66), (66, 200), (200, 200)])
def test_noise_gain_is_what_white_noise_shows(n_in, n_out):
    noise = np.random.default_rng(1).normal(size=(40, n_in, n_in))
    measured = preprocess.resize(noise, n_out).std()
    assert preprocess.noise_gain(n_in, n_out) == pytest.approx(measured, rel=0.01)


# --- recipes


def test_faithful_scaling_erases_colour_and_brightness_and_corrected_keeps_them():
    red = {"VIS": 20.0, "Y": 80.0, "J": 100.0, "H": 120.0}
    blue = {"VIS": 20.0, "Y": 20.0, "J": 20.0, "H": 20.0}
    bright = {band: 10 * flux for band, flux in red.items()}
    vis, nisp = stamps([red, blue, bright])
    faithful = Scaling(ALL, 66, "faithful")(vis, nisp)
    np.testing.assert_allclose(faithful[0], faithful[1], atol=1e-6)
    np.testing.assert_allclose(faithful[0], faithful[2], atol=1e-6)
    assert faithful.min() == 0
    assert faithful.max() == 1
    kept = corrected()(vis, nisp)
    np.testing.assert_array_equal(kept[0, 3], kept[1, 3])
    h = ALL.index("H")
    assert kept[0, h].max() > kept[1, h].max() + 0.5
    assert (kept[2].max((1, 2)) > kept[0].max((1, 2)) + 0.5).all()


def test_corrected_scaling_by_hand():
    vis, nisp = stamps([dict.fromkeys(ALL, 30.0)], noise=1.0)
    x = corrected(200)(vis, nisp)
    np.testing.assert_allclose(
        x[0, 3], (np.arcsinh(vis[0] / (2 * SKY["VIS"])) - 0.4) / 1.5, rtol=1e-4, atol=1e-5
    )
    enlarged = preprocess.resize(nisp[0, 1], 200) / (2 * SKY["Y"] * preprocess.noise_gain(66, 200))
    np.testing.assert_allclose(x[0, 1], (np.arcsinh(enlarged) - 0.4) / 1.5, rtol=1e-4, atol=1e-5)


def test_the_unit_of_the_stamps_does_not_matter():
    vis, nisp = stamps([dict.fromkeys(ALL, 30.0)], noise=1.0)
    tiny = np.float32(1e-12)  # as in the challenges
    for plain, scaled in ((Scaling(ALL, 66, "faithful"),) * 2, (corrected(), corrected(factor=1e-12))):
        np.testing.assert_allclose(scaled(vis * tiny, nisp * tiny), plain(vis, nisp), rtol=1e-4, atol=1e-5)


def test_sky_noise_enters_every_band_and_size_with_the_same_width():
    vis, nisp = stamps([dict.fromkeys(ALL, 0.0)] * 4, noise=1.0)
    for size in (66, 200):
        x = corrected(size)(vis, nisp) * 1.5 + 0.4
        widths = 2 * np.sinh(x).std(axis=(0, 2, 3))  # the softening is 2
        np.testing.assert_allclose(widths, 1, rtol=0.03)


@pytest.mark.parametrize("bands", [ALL, ("VIS", "Y", "J", "H"), ("H",), ("VIS",), ("J", "Y", "H")])
def test_channels_come_in_the_order_of_the_bands(bands):
    rng = np.random.default_rng(5)
    raw = {band: rng.normal(size=(2, preprocess.PIXELS[band], preprocess.PIXELS[band])) for band in ALL}
    nisp = np.stack([raw["J"], raw["Y"], raw["H"]], axis=1)
    x = Scaling(bands, 66, "faithful")(raw["VIS"], nisp)
    assert x.shape == (2, len(bands), 66, 66)
    for i, band in enumerate(bands):
        one = preprocess.unit_range(preprocess.resize(raw[band], 66))
        np.testing.assert_array_equal(x[:, i], one)


def test_empty_images_become_zeros_not_nan():
    vis, nisp = stamps([dict.fromkeys(ALL, 30.0)] * 2)
    vis[0], nisp[1, 2] = 0.0, 3.5
    for size in (66, 200):
        x = Scaling(ALL, size, "faithful")(vis, nisp)
        assert np.isfinite(x).all()
        assert not x[0, 3].any()
        assert not x[1, 2].any()
        assert x[1, 3].max() == 1
        assert np.isfinite(corrected(size)(vis, nisp)).all()


# --- sky noise and statistics


def test_sky_noise_is_found_beside_galaxies():
    rng = np.random.default_rng(2)
    images = 3.0 + 0.5 * rng.normal(size=(8, 100, 100))
    images += np.stack([blob(100, 0.1, flux) for flux in (0, 10, 100, 300, 1000, 3000, 10000, 100000)])
    # Wings below the noise cannot be told from it, whatever the flux of the galaxy.
    np.testing.assert_allclose(preprocess.sky_noise(images), 0.5, rtol=0.1)
    np.testing.assert_allclose(preprocess.sky_noise(images[:2]), 0.5, rtol=0.02)
    assert preprocess.sky_noise(np.ones((1, 10, 10))).tolist() == [0.0]


def data_set(folder, vis, nisp, attributes=None):
    table = pd.DataFrame({"id": np.arange(len(vis)), "label": 0, "parent_id": np.arange(len(vis))})
    store.write(folder / "0000.h5", {"vis": vis, "nisp": nisp}, table, attributes or {})
    return store.DataSet(folder)


@pytest.mark.parametrize("size", [66, 200])
def test_measured_scaling_standardises_the_training_rows(tmp_path, size):
    fluxes = [dict(zip(ALL, (50, 40, 60, 8 * (i + 1)), strict=True)) for i in range(6)]
    vis, nisp = stamps([*fluxes, dict.fromkeys(ALL, 1e6)], noise=1.0)
    data = data_set(tmp_path, vis, nisp)
    scaling = preprocess.measure(data, ALL, size, rows=np.arange(6))
    np.testing.assert_allclose(scaling.sky_sigma, [SKY[band] for band in ALL], rtol=0.06)
    x = scaling(vis[:6], nisp[:6])
    np.testing.assert_allclose(x.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=(0, 2, 3)), 1, rtol=1e-4)
    # The bright outlier is no training row: with it the numbers are others.
    assert preprocess.measure(data, ALL, size).mean[0] > scaling.mean[0] + 0.01
    again = Scaling(**json.loads(json.dumps(dataclasses.asdict(scaling))))
    assert again == scaling
    given = preprocess.measure(data, ("VIS",), size, np.arange(6), sky_sigma=[0.02])
    assert given.sky_sigma == (0.02,)


def test_the_instruments_own_noise_is_preferred_to_an_estimate(tmp_path):
    vis, nisp = stamps([dict.fromkeys(ALL, 50.0)] * 2, noise=1.0)
    said = {"bands": ["VIS", "J", "Y", "H"], "sky_sigma": [0.01, 0.02, 0.03, 0.04]}
    data = data_set(tmp_path, vis, nisp, said)
    assert preprocess.measure(data, ALL, 66).sky_sigma == (0.02, 0.03, 0.04, 0.01)
    assert preprocess.measure(data, ("H",), 66, sky_sigma=[0.5]).sky_sigma == (0.5,)


def test_a_set_without_noise_cannot_be_measured(tmp_path):
    data = data_set(tmp_path, np.zeros((3, 200, 200), np.float32), np.zeros((3, 3, 66, 66), np.float32))
    with pytest.raises(ConstantStamp, match="VIS does not vary"):
        preprocess.measure(data, ("VIS",), 66)


# --- bad input


def test_bad_stamps_are_refused_by_name():
    vis, nisp = stamps([dict.fromkeys(ALL, 30.0)] * 2)
    scaling = Scaling(ALL, 66, "faithful")
    with pytest.raises(MissingBand, match=r"needs VIS.*no array 'vis'"):
        scaling(nisp=nisp)
    with pytest.raises(MissingBand, match=r"needs J.*no array 'nisp'"):
        scaling(vis)
    with pytest.raises(MissingBand, match=r"\(2, 2, 66, 66\)"):
        scaling(vis, nisp[:, :2])
    with pytest.raises(WrongStampSize, match=r"VIS stamps have shape \(2, 101, 101\).*20.0 arcsec"):
        scaling(vis[:, :101, :101], nisp)
    with pytest.raises(WrongStampSize, match="J stamps"):
        scaling(vis, nisp[..., :65])
    nisp[1, 2, 5, 5] = np.nan
    with pytest.raises(StampHasNaN, match="Stamp 1 of the batch has H"):
        scaling(vis, nisp)
    assert Scaling(("VIS",), 200, "faithful")(vis).shape == (2, 1, 200, 200)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bands": ("VIS", "K"), "size": 66, "recipe": "faithful"}, MissingBand, "'K'"),
        ({"bands": (), "size": 66, "recipe": "faithful"}, MissingBand, "known are J, Y, H, VIS"),
        ({"bands": ("VIS",), "size": 66, "recipe": "paper"}, BadSetting, "'paper'"),
        ({"bands": ("VIS",), "size": 66}, BadSetting, "sky_sigma"),
        (
            {"bands": ("VIS",), "size": 66, "sky_sigma": (1,), "mean": (0,), "std": (0.0,)},
            BadSetting,
            "positive",
        ),
        (
            {"bands": ("VIS",), "size": 66, "sky_sigma": (1,), "mean": (np.nan,), "std": (1,)},
            BadSetting,
            "mean",
        ),
        (
            {"bands": ("VIS",), "size": 66, "sky_sigma": (1,), "mean": (0,), "std": (1,), "softening": 0},
            BadSetting,
            "softening is 0",
        ),
    ],
)
def test_scalings_that_cannot_work_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Scaling(**options)
