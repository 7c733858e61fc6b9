import numpy as np
import pytest

from skyneedle.transients.review import pixels


@pytest.mark.parametrize("stretch", pixels.STRETCHES)
@pytest.mark.parametrize("is_difference", [False, True])
def test_masked_and_missing_pixels_are_black_and_spoil_nothing(stretch, is_difference):
    rng = np.random.default_rng(0)
    plane = rng.normal(100, 5, (51, 51)).astype(np.float32)
    expected = pixels.grey(plane, stretch, is_difference=is_difference)
    bad = plane.copy()
    bad[0, :2], bad[1, 0], bad[1, 1] = 1e-30, np.nan, np.inf
    found = pixels.grey(bad, stretch, is_difference=is_difference)
    assert (found[:2, :2] == 0).all()
    assert np.abs(found[2:].astype(int) - expected[2:]).max() <= 12
    assert found.std() > 10


def test_nothing_to_see_is_black():
    for plane in (np.zeros((51, 51)), np.full((51, 51), np.nan), np.full((51, 51), 1e-30)):
        assert not pixels.grey(plane, "asinh", is_difference=True).any()
    mostly = np.zeros((51, 51))  # no spread of the median pixel
    mostly[25, 25] = 10
    for stretch in pixels.STRETCHES:
        found = pixels.grey(mostly, stretch, is_difference=False)
        assert found[25, 25] == 255
        assert found[0, 0] < 200


def test_zero_is_grey_in_a_difference_and_sky_is_dark_elsewhere():
    plane = np.random.default_rng(0).normal(0, 5, (51, 51))
    assert np.median(pixels.grey(plane, "asinh", is_difference=True)) == pytest.approx(127, abs=2)
    assert np.median(pixels.grey(plane, "asinh", is_difference=False)) < 100
