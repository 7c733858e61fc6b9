"""Scaling of stamps: finite, monotone, and what pixels there may be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, MissingChannel, WrongPixelMode, WrongStampSize
from skyneedle.transients import preprocess
from skyneedle.transients.preprocess import Scaling

CORRECTED = Scaling(("temp", "srch", "diff"), "corrected", "fits")


def stamps(n=4, seed=0):
    return np.random.default_rng(seed).normal(50, 7, (n, 3, 51, 51)).astype(np.float32)


def write(path, images, **attributes):
    table = pd.DataFrame({"id": range(len(images))})
    mode = "gif" if images.dtype == np.uint8 else "fits"
    plain = {"channels": ["temp", "srch", "diff"], "pixel_mode": mode}
    store.write(path, {"stamps": images}, table, plain | attributes)
    return store.DataSet(path)


def test_a_plane_is_in_units_of_its_noise_about_its_median():
    plane = np.arange(2601, dtype=np.float32).reshape(51, 51)
    found = preprocess.stretched(plane[None], softening=1e5)[0]  # so soft that nothing is compressed
    noise = 1.4826 * 650  # the median absolute deviation of 0 to 2600 from 1300
    assert found == pytest.approx((plane - 1300) / noise, abs=1e-5)
    found = preprocess.stretched(plane[None], softening=0.5)[0]
    assert found == pytest.approx(0.5 * np.arcsinh((plane - 1300) / noise / 0.5), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["uint8", "normal", "huge", "few", "constant", "one", "masked", "tiny"]),
    st.floats(0.1, 100),
)
def test_scaled_planes_are_single_precision_finite_and_monotone(seed, kind, softening):
    rng = np.random.default_rng(seed)
    plane = {
        "uint8": lambda: rng.integers(256, size=(51, 51)).astype(np.uint8),
        "normal": lambda: rng.normal(size=(51, 51)),
        "huge": lambda: rng.uniform(-1, 1, (51, 51)) * 3e38,
        "few": lambda: np.where(rng.random((51, 51)) < 0.2, rng.normal(size=(51, 51)), 3.0),
        "constant": lambda: np.full((51, 51), rng.normal()),
        "one": lambda: np.where(np.arange(2601).reshape(51, 51) == 7, 1e20, 0.0),
        "masked": lambda: np.where(rng.random((51, 51)) < 0.7, 1e-30, rng.normal(size=(51, 51))),
        "tiny": lambda: rng.normal(size=(51, 51)) * 1e-36,
    }[kind]()
    plane = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
    found = preprocess.stretched(plane[None], softening)[0]
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    good = ~preprocess.bad_pixels(plane)
    order = np.argsort(plane[good], kind="stable")
    assert (np.diff(found[good][order]) >= 0).all()


def test_eight_bits_do_not_wrap_around():
    plane = np.full((51, 51), 200, np.uint8)
    plane[:10] = np.arange(51)
    plane[-10:] = 255
    scaling = Scaling(("temp", "srch", "diff"), "corrected", "gif")
    found = scaling(np.stack([plane] * 3)[None])[0, 0]
    assert found[0, 0] < found[0, 1] < found[20, 20] == 0 < found[-1, -1]
    faithful = Scaling(("temp", "srch", "diff"), "faithful", "gif")
    raw = faithful(np.stack([plane] * 3)[None])
    assert raw.dtype == np.float32
    assert (raw[0, 0] == plane).all()


def test_masked_and_missing_pixels_are_the_median_and_change_no_other():
    image = stamps(1)
    clean = CORRECTED(image)
    marred = image.copy()
    marred[0, 2, :3] = 1e-30
    marred[0, 2, 50] = np.nan
    marred[0, 2, 49, :2] = np.inf, -np.inf
    found = CORRECTED(marred)
    bad = preprocess.bad_pixels(marred)[0, 2]
    assert bad.sum() == 3 * 51 + 51 + 2
    assert (found[0, 2][bad] == 0).all()
    assert (found[0, :2] == clean[0, :2]).all()
    # As if the plane had no more than its good pixels.
    good = marred[0, 2][~bad].astype(float)
    middle = np.sort(good)[(len(good) - 1) // 2]
    noise = 1.4826 * np.sort(np.abs(good - middle))[(len(good) - 1) // 2]
    assert found[0, 2][~bad] == pytest.approx(5 * np.arcsinh((good - middle) / noise / 5), abs=1e-4)


def test_planes_without_noise():
    image = stamps(1)
    image[0, 0] = 42.0
    image[0, 1] = 1e-30
    image[0, 2] = 0.0
    image[0, 2, 25, 20:30] = 10.0
    found = CORRECTED(image)[0]
    assert not found[0].any()
    assert not found[1].any()
    mean_deviation = 100 / 2601
    assert found[2, 25, 25] == pytest.approx(5 * np.arcsinh(10 / (1.2533 * mean_deviation) / 5), rel=1e-5)
    assert preprocess.count_bad(image) == {
        "bad_pixels": 2601,
        "planes_with_bad_pixels": 1,
        "constant_planes": 2,
        "planes_without_nmad": 1,
    }


def test_each_channel_has_mean_0_and_deviation_1_over_the_training_set(tmp_path):
    images = stamps(40) * np.array([1.0, 9.0, 0.01], np.float32)[:, None, None]
    images[::2, 1, 20:30, 20:30] += 900
    data = write(tmp_path / "0.h5", images)
    rows = np.arange(0, 30)
    scaling = preprocess.measure(data, rows, ["diff", "srch"], "corrected")
    found = scaling(images[rows])
    assert found.mean((0, 2, 3)) == pytest.approx([0, 0], abs=1e-4)
    assert found.std((0, 2, 3)) == pytest.approx([1, 1], abs=1e-4)
    images[30:] *= 100  # others have no say
    assert (
        preprocess.measure(write(tmp_path / "1.h5", images), rows, ["diff", "srch"], "corrected") == scaling
    )


def test_planes_are_scaled_by_themselves():
    """The known error of one of the peers: a template scaled by the range of the search image."""
    image = stamps(1)
    other = image.copy()
    other[0, 1] *= 1000
    assert (CORRECTED(image)[0, [0, 2]] == CORRECTED(other)[0, [0, 2]]).all()
    assert CORRECTED(other)[0, 1] == pytest.approx(CORRECTED(image)[0, 1], abs=1e-4)


def test_channels_are_picked_by_name():
    image = stamps(2)
    everything = CORRECTED(image)
    swapped = Scaling(("diff", "temp"), "corrected", "fits")(image)
    assert (swapped == everything[:, [2, 0]]).all()
    with pytest.raises(MissingChannel, match="expected names out of temp, srch, diff"):
        Scaling(("search",), "corrected", "fits")


def test_pixels_of_another_kind_are_refused(tmp_path):
    image = stamps(1)
    with pytest.raises(WrongPixelMode, match="hold float32, pixel mode 'gif' has uint8"):
        Scaling(("diff",), "corrected", "gif")(image)
    with pytest.raises(WrongPixelMode, match="'faithful' takes the values 0 to 255"):
        Scaling(("diff",), "faithful", "fits")
    with pytest.raises(BadSetting, match="recipe 'paper'"):
        Scaling(("diff",), "paper", "fits")
    with pytest.raises(WrongStampSize, match=r"shape \(1, 3, 63, 63\)"):
        CORRECTED(np.zeros((1, 3, 63, 63), np.float32))
    data = write(tmp_path / "a.h5", image, channels=["srch", "temp", "diff"])
    with pytest.raises(MissingChannel, match=r"planes are \['srch', 'temp', 'diff'\]"):
        preprocess.measure(data, np.arange(1), ["diff"], "corrected")
    data = write(tmp_path / "b.h5", image, pixel_mode="png")
    with pytest.raises(WrongPixelMode, match="pixel mode is 'png'"):
        preprocess.measure(data, np.arange(1), ["diff"], "corrected")


def test_faithful_measures_nothing(tmp_path):
    data = write(tmp_path / "a.h5", np.zeros((2, 3, 51, 51), np.uint8))
    scaling = preprocess.measure(data, np.arange(2), ["temp", "srch", "diff"], "faithful")
    assert (scaling.mean, scaling.std) == ((), ())
