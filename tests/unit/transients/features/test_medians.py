"""Fast medians against numpy's and scipy's."""

import numpy as np
import pytest
from scipy import ndimage

from skyneedle.transients.features import medians


def images(kind, n=6):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(n, 51, 51)).astype(np.float32)
    return {
        "noise": noise,
        "smooth": ndimage.gaussian_filter(noise, (0, 1.5, 1.5)),
        "few values": np.round(noise),
        "constant": np.full((n, 51, 51), 3, np.float32),
        "mostly zero": noise * (rng.random(noise.shape) > 0.9),
        "steep": np.exp(4 * noise),
    }[kind]


KINDS = ("noise", "smooth", "few values", "constant", "mostly zero", "steep")


@pytest.mark.parametrize("kind", KINDS)
def test_moving_medians_to_the_last_bit(kind):
    found = images(kind)
    smooth = ndimage.median_filter(found, size=(1, 3, 3))
    np.testing.assert_array_equal(medians.three_by_three(found), smooth)
    fine = smooth - ndimage.median_filter(smooth, size=(1, 7, 7))
    np.testing.assert_array_equal(medians.fine_structure_peak(found), fine.max(axis=(1, 2)))


@pytest.mark.parametrize("m", [1, 2, 7, 8])
def test_medians_of_good_values(m):
    rng = np.random.default_rng(m)
    values = rng.normal(size=(40, m))
    good = rng.random((40, m)) > 0.4
    expected = [
        np.median(row[kept]) if kept.any() else np.nan for row, kept in zip(values, good, strict=True)
    ]
    np.testing.assert_array_equal(medians.of_good(values, good), expected)
    np.testing.assert_array_equal(medians.of_good(values), np.median(values, axis=1))
    np.testing.assert_array_equal(medians.of_good(values, np.ones_like(good)), np.median(values, axis=1))
