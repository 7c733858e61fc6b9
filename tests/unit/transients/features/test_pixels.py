"""Goldstein's pixel features on stamps whose values can be told by hand, and on real ones."""

import numpy as np
import pytest

from skyneedle.core.errors import WrongStampSize
from skyneedle.transients.features import pixels
from skyneedle.transients.features.pixels import PIXEL_FEATURES, measure

BAD = np.float32(1e-30)


def ramp():
    """Bins hold the numbers -312 to 312: their median is 0 and the median of their sizes 156."""
    bins = np.arange(-312, 313, dtype=np.float32).reshape(25, 25)
    plane = np.zeros((51, 51), np.float32)
    plane[:50, :50] = np.repeat(np.repeat(bins, 2, axis=0), 2, axis=1)
    return plane


SIGMA = 1.4826 * 156


def triplet(diff, temp=None):
    temp = ramp() if temp is None else temp
    return np.stack([temp, temp + diff, diff])[None].astype(np.float32)


def features(diff, temp=None):
    return dict(zip(PIXEL_FEATURES, measure(triplet(diff, temp))[0], strict=True))


def put(plane, row, column, value):
    """Set one bin."""
    plane[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = value
    return plane


def test_eighteen_features_by_the_survey_s_names():
    assert len(PIXEL_FEATURES) == len(set(PIXEL_FEATURES)) == 18
    assert {"N2SIG3", "N3SIG5", "N2SIG5SHIFT", "N3SIG3SHIFT"} < set(PIXEL_FEATURES)


def test_sums_and_signs_of_the_middle_bins():
    found = features(ramp())
    # Rows 10 to 14 and columns 10 to 14 are symmetric about the middle: the sum is zero.
    assert found["DIFFSUMRN"] == pytest.approx(0, abs=1e-4)
    # Of 7 x 7 symmetric values half of the 48 beside the middle are negative.
    assert found["NUMNEGRN"] == 24
    shifted = ramp()
    shifted[:50, :50] += 1000  # the median is taken off
    assert features(shifted)["NUMNEGRN"] == 24


def test_the_sum_is_in_standard_deviations_of_the_bins():
    plane = put(ramp(), 12, 12, 10 * SIGMA)  # was 0, the median; now one value more lies above
    values = np.sort(np.append(np.delete(np.arange(-312.0, 313), 312), 10 * SIGMA))
    median = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - median))
    box = np.arange(-312.0, 313).reshape(25, 25)[10:15, 10:15]
    expected = ((box - median).sum() + 10 * SIGMA) / sigma
    assert features(plane)["DIFFSUMRN"] == pytest.approx(expected, rel=1e-5)


def test_counts_of_low_bins_in_both_boxes():
    plane = ramp()
    put(plane, 12, 11, -2.5 * SIGMA)  # beyond 2 sigma, in both boxes
    put(plane, 14, 14, -4 * SIGMA)  # beyond 3 sigma, in both
    put(plane, 9, 15, -3.5 * SIGMA)  # beyond 3 sigma, in the box of 7 x 7 alone
    put(plane, 8, 12, -9 * SIGMA)  # outside of both
    found = features(plane)
    assert [found[name] for name in ("N2SIG3", "N3SIG3", "N2SIG5", "N3SIG5")] == [2, 1, 3, 2]
    assert [found[f"{name}SHIFT"] for name in ("N2SIG3", "N3SIG3", "N2SIG5", "N3SIG5")] == [0, 0, 0, 0]


def test_shifts_count_high_bins_of_the_difference_minus_those_of_the_template():
    diff, temp = ramp(), ramp()
    for row, column in ((12, 12), (12, 13), (13, 12)):
        put(diff, row, column, 5 * SIGMA)
    put(diff, 9, 9, 2.5 * SIGMA)
    put(temp, 12, 12, 2.5 * SIGMA)
    put(temp, 15, 15, 6 * SIGMA)
    found = features(diff, temp)
    assert found["N2SIG3SHIFT"] == 3 - 1
    assert found["N3SIG3SHIFT"] == 3
    assert found["N2SIG5SHIFT"] == 4 - 2
    assert found["N3SIG5SHIFT"] == 3 - 1
    assert found["N2SIG5"] == 0


def test_a_gaussian_comes_back_with_its_width_and_height():
    rows, columns = np.indices((51, 51))
    plane = 40 * np.exp(-0.5 * ((rows - 25.3) ** 2 + (columns - 24.8) ** 2) / 2.2**2)
    found = features(plane)
    # The plane is scaled by its greatest pixel, which is a little below the peak; its median is about zero.
    assert found["SCALE"] == pytest.approx(2.2, rel=1e-3)
    assert found["AMP"] == pytest.approx(40 / plane.max(), rel=1e-3)
    assert found["GAUSS"] == pytest.approx(0, abs=1e-4)


def test_column_medians_find_a_bad_column():
    plane = np.zeros((51, 51), np.float32)
    plane[:, 40] = 8
    plane[25, 25] = -10  # the greatest pixel by size
    assert features(plane)["COLMEDS"] == pytest.approx(0.8)
    assert features(plane.T)["COLMEDS"] == pytest.approx(0)  # columns, not rows


def test_l1_has_the_sign_of_the_sum():
    plane = np.zeros((51, 51), np.float32)
    plane[25, 25], plane[25, 26] = 4, -2
    assert features(plane)["L1"] == pytest.approx(1.5 / np.sqrt(0.5))
    assert features(-plane)["L1"] == pytest.approx(-1.5 / np.sqrt(0.5))


def test_lacosmic_is_greater_for_a_hot_pixel_than_for_a_star():
    rows, columns = np.indices((51, 51))
    star = np.exp(-0.5 * ((rows - 25) ** 2 + (columns - 25) ** 2) / 1.5**2)
    block = np.zeros((51, 51))
    block[24:27, 24:27] = 3
    block[25, 25] = 12
    # The median of 3 x 3 keeps the middle of the block at 3, that of 7 x 7 removes it: 12 / 3.
    assert features(block)["LACOSMIC"] == pytest.approx(4)
    assert 1 < features(star)["LACOSMIC"] < 2
    hot = np.zeros((51, 51))
    hot[25, 25] = 1
    assert np.isnan(features(hot)["LACOSMIC"])  # no fine structure at all


def test_share_of_bad_pixels():
    plane = ramp()
    plane[:5] = BAD
    plane[10, 10] = np.nan
    assert features(plane)["MASKFRAC"] == pytest.approx((5 * 51 + 1) / 51**2)
    assert features(ramp())["MASKFRAC"] == 0  # zeros are good


def test_flux_ratio_of_known_apertures():
    diff, temp = np.full((51, 51), 3.0), np.full((51, 51), 2.0)
    assert features(diff, temp)["FLUX_RATIO"] == pytest.approx((3 - 2) / 2)
    assert features(diff, -temp)["FLUX_RATIO"] == pytest.approx((3 + 2) / 2)
    assert np.isnan(features(diff, np.zeros((51, 51)))["FLUX_RATIO"])
    assert pixels.aperture(5.0).sum() == pytest.approx(np.pi * 25, rel=0.02)
    inside = np.hypot(*np.indices((51, 51)) - 25) <= 4
    assert (pixels.aperture(5.0)[inside] == 1).all()
    outside = np.hypot(*(np.indices((51, 51)) - 25)[:, :1]) > 6
    assert (pixels.aperture(5.0)[:1][outside] == 0).all()


def test_bad_pixels_do_not_count():
    plane = ramp()
    clean = features(plane)
    plane[:3, :3] = BAD
    plane[:3, 3:6] = np.nan
    spoilt = plane.copy()
    spoilt[:3, :3] = np.inf
    masked = features(plane)
    for name, value in features(spoilt).items():
        assert value == masked[name], name
    assert all(np.isfinite(value) for value in masked.values())
    assert masked["COLMEDS"] == pytest.approx(clean["COLMEDS"], rel=0.05)


@pytest.mark.parametrize("fill", [0.0, 7.0, BAD, np.nan])
def test_an_empty_difference_has_no_features_and_no_error(fill):
    with np.errstate(divide="raise", invalid="raise"):
        found = features(np.full((51, 51), fill, np.float32))
    bad = fill is BAD or np.isnan(fill)
    assert found["MASKFRAC"] == (1 if bad else 0)
    undefined = [name for name in PIXEL_FEATURES if name.startswith(("N2", "N3", "NUM", "DIFF"))]
    undefined += ["LACOSMIC", "L1"] if fill == 7 else []
    undefined += ["GAUSS", "SCALE", "AMP", "COLMEDS", "L1", "LACOSMIC"] if fill != 7 else []
    assert all(np.isnan(found[name]) for name in undefined)


def test_a_wholly_bad_template_leaves_the_rest():
    diff = put(ramp(), 12, 12, 10 * SIGMA)
    found = features(diff, np.full((51, 51), np.nan))
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {name for name in PIXEL_FEATURES if name.endswith("SHIFT")} | {"FLUX_RATIO"}


def test_one_by_one_or_in_a_batch_is_the_same():
    rng = np.random.default_rng(0)
    stamps = rng.normal(size=(7, 3, 51, 51)).astype(np.float32)
    stamps[2, 2, 5:9] = BAD
    stamps[4, 2] = 0
    together = measure(stamps)
    alone = np.concatenate([measure(stamps[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, equal_nan=True)
    assert together.dtype == np.float32
    assert measure(stamps[:0]).shape == (0, 18)


def test_units_of_the_counts_do_not_matter_but_where_they_must():
    rng = np.random.default_rng(1)
    stamps = rng.normal(size=(5, 3, 51, 51)).astype(np.float32)
    np.testing.assert_allclose(measure(stamps * 512), measure(stamps), rtol=2e-4, atol=1e-5)


def test_big_endian_pixels_are_read_as_numbers():
    rng = np.random.default_rng(2)
    stamps = rng.normal(size=(2, 3, 51, 51)).astype(np.float32)
    np.testing.assert_array_equal(measure(stamps.astype(">f4")), measure(stamps))


def test_another_shape_is_refused():
    with pytest.raises(WrongStampSize, match="got \\(2, 3, 63, 63\\)"):
        measure(np.zeros((2, 3, 63, 63)))


def test_real_stamps_of_the_survey(test_data):
    folder = test_data / "transients" / "des_autoscan"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    stamps = np.load(folder / "input_x.npy").transpose(0, 3, 1, 2)
    labels = np.loadtxt(folder / "input_labels_y.txt")
    found = dict(zip(PIXEL_FEATURES, measure(stamps).T, strict=True))
    assert all(np.isfinite(values).all() for name, values in found.items())
    # Injected supernovae are brighter in the middle, and have fewer deep holes, than the artifacts.
    assert found["DIFFSUMRN"][labels == 0].min() > 0
    assert found["N3SIG5"][labels == 0].max() == 0
    # The burnt-in marks are bright pixels of their own, which the survey's FITS files do not have.
    assert (stamps[:, 2, range(10), range(10)] == 255).all()
