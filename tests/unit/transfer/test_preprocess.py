"""Scaling with fixed constants, and random changes that depend on id and draw alone."""

import math

import numpy as np
import pytest
from scipy import ndimage

from skyneedle.core.errors import BadSetting, StampHasNaN
from skyneedle.transfer import preprocess
from skyneedle.transfer.preprocess import Augmentation

THESIS = Augmentation(45.0, (0.9, 1.0), 15.0)
STILL = Augmentation(0.0, (1.0, 1.0), 0.0)  # flips alone
N = 40


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(size=(9, N, N)).astype(np.float32)


# --- scaling


def test_scaling_has_fixed_ends():
    flux = np.array([0.0, 1.0, 1000.0, -1.0]).reshape(1, 2, 2) * 0.02
    out = preprocess.scaled(flux, 0.02)
    assert out.shape == (1, 1, 2, 2)
    assert out.dtype == np.float32
    assert out.ravel() == pytest.approx([0, math.asinh(1 / 3) / math.asinh(1000 / 3), 1, -out[0, 0, 0, 1]])


def test_scaling_does_not_depend_on_the_unit_or_the_other_stamps(noise):
    whole = preprocess.scaled(noise, 0.5)
    assert np.allclose(preprocess.scaled(noise * 7, 3.5), whole, atol=1e-6)
    brighter = noise.copy()
    brighter[1:] *= 1e4
    assert np.array_equal(preprocess.scaled(brighter, 0.5)[0], whole[0])


def test_bad_stamps_are_named(noise):
    holed = noise.copy()
    holed[4, 0, 0] = np.nan
    with pytest.raises(StampHasNaN, match="Stamp 4 of 9"):
        preprocess.scaled(holed, 1.0)
    for sigma in (0.0, -1.0, math.nan):
        with pytest.raises(BadSetting, match="sky_sigma"):
            preprocess.scaled(noise, sigma)
    for wrong in ((200.0, (0.9, 1.0), 15.0), (45.0, (1.0, 0.9), 15.0), (45.0, (0.9, 1.1), 15.0)):
        with pytest.raises(BadSetting):
            Augmentation(*wrong)


# --- random changes


def test_the_map_is_that_of_scipy(noise):
    """Bilinear and mirrored at the edge, with a much larger change than the thesis has."""
    wild = Augmentation(180.0, (0.5, 1.0), 40.0)
    ids = np.arange(9)
    ours = preprocess.augmented(noise, ids, 3, wild, 5, 0.0)
    middle = np.full(2, (N - 1) / 2)
    for stamp, number, found in zip(noise, ids, ours, strict=True):
        matrix = preprocess.affine(int(number), 3, wild, 5)[::-1, ::-1]  # scipy counts rows first
        offset = middle - matrix @ middle
        expected = ndimage.affine_transform(stamp.astype(float), matrix, offset, order=1, mode="reflect")
        assert np.allclose(found, expected, atol=2e-4)


def test_a_stamp_that_is_not_square(noise):
    wide = noise[:2, :30, :].copy()
    ours = preprocess.augmented(wide, [0, 1], 0, THESIS, 5, 0.0)
    matrix = preprocess.affine(1, 0, THESIS, 5)[::-1, ::-1]
    middle = (np.array(wide.shape[1:]) - 1) / 2
    expected = ndimage.affine_transform(
        wide[1].astype(float), matrix, middle - matrix @ middle, order=1, mode="reflect"
    )
    assert np.allclose(ours[1], expected, atol=2e-4)


def test_flips_move_a_marked_pixel_to_its_mirror_places():
    marked = np.zeros((32, N, N), np.float32)
    marked[:, 3, 7] = 1
    moved = preprocess.augmented(marked, np.arange(32), 0, STILL, 1, 0.0)
    assert np.allclose(moved.max(axis=(1, 2)), 1, atol=1e-4)
    places = {np.unravel_index(one.argmax(), one.shape) for one in moved}
    assert places == {(3, 7), (N - 4, 7), (3, N - 8), (N - 4, N - 8)}


def test_a_round_object_in_the_middle_stays_round_and_where_it_is():
    y, x = np.indices((N, N)) - (N - 1) / 2
    blob = np.exp(-(x**2 + y**2) / 2 / 5**2).astype(np.float32)
    turned = preprocess.augmented(
        blob[None].repeat(5, 0), range(5), 2, Augmentation(180.0, (1, 1), 0), 1, 0.0
    )
    within = np.hypot(x, y) < N / 2  # what lies in the corners is mirrored
    assert np.abs(turned - blob)[:, within].max() < 0.01
    enlarged = preprocess.augmented(blob[None], [0], 2, Augmentation(45.0, (0.8, 0.8), 0), 1, 0.0)[0]
    wider = np.exp(-(x**2 + y**2) / 2 / (5 / 0.8) ** 2)
    assert np.abs(enlarged - wider)[within].max() < 0.01


def test_shear_alone_slants_a_column():
    stamp = np.zeros((1, N, N), np.float32)
    stamp[0, :, N // 2 - 1 : N // 2 + 1] = 1
    shear = Augmentation(0.0, (1.0, 1.0), 30.0)
    matrix = preprocess.affine(4, 0, shear, 1)
    moved = preprocess.augmented(stamp, [4], 0, shear, 1, 0.0)[0]
    middles = (moved * np.arange(N)).sum(axis=1) / moved.sum(axis=1)
    slope = np.polyfit(np.arange(N), middles, 1)[0]
    assert abs(slope) == pytest.approx(abs(matrix[0, 1]), abs=0.01)
    assert 0.02 < abs(slope) < math.sin(math.radians(30))


def test_copies_have_the_noise_of_their_stamps_everywhere():
    """Interpolation halves it between pixels; new noise makes up for it, and does not where there is none."""
    stamps = np.random.default_rng(2).normal(size=(400, N, N)).astype(np.float32)
    copies = preprocess.augmented(stamps, np.arange(400), 1, THESIS, 3, 1.0)
    assert preprocess.augmented(stamps, np.arange(400), 1, THESIS, 3, 0.0).var() < 0.6
    assert copies.var(axis=0) == pytest.approx(np.ones((N, N)), abs=0.4)  # 400 values a pixel: 0.07
    for part in (copies[:, :2], copies[:, 15:25, 15:25], copies[:, :, -1:]):
        assert part.var() == pytest.approx(1, abs=0.02)
    assert np.abs(preprocess.augmented(stamps, np.arange(400), 1, STILL, 3, 1.0)).mean() == pytest.approx(
        np.abs(stamps).mean(), rel=1e-3
    )


def test_changes_depend_on_id_and_draw_and_not_on_the_batch(noise):
    ids = np.arange(9)
    whole = preprocess.augmented(noise, ids, 1, THESIS, 3, 0.5)
    assert np.array_equal(preprocess.augmented(noise[4:6], ids[4:6], 1, THESIS, 3, 0.5), whole[4:6])
    backwards = preprocess.augmented(noise[::-1], ids[::-1], 1, THESIS, 3, 0.5)
    assert np.array_equal(backwards[::-1], whole)
    many = preprocess.augmented(np.tile(noise, (16, 1, 1)), np.tile(ids, 16), 1, THESIS, 3, 0.5)
    assert np.array_equal(many, np.tile(whole, (16, 1, 1)))
    for other in (
        preprocess.augmented(noise, ids, 2, THESIS, 3, 0.5),
        preprocess.augmented(noise, ids + 9, 1, THESIS, 3, 0.5),
        preprocess.augmented(noise, ids, 1, THESIS, 4, 0.5),
    ):
        assert (np.abs(other - whole).max(axis=(1, 2)) > 0.1).all()
    assert not np.shares_memory(whole, noise)


def test_ranges_are_those_asked_for():
    maps = np.stack([preprocess.affine(number, 0, THESIS, 1) for number in range(400)])
    areas = np.abs(np.linalg.det(maps))
    assert areas.min() >= 0.9**2 * math.cos(math.radians(15)) - 1e-9
    assert areas.max() <= 1
    angles = np.degrees(np.arctan2(np.abs(maps[:, 1, 0]), np.abs(maps[:, 0, 0])))
    assert 40 < angles.max() <= 45
    assert (np.linalg.det(maps) < 0).mean() == pytest.approx(0.5, abs=0.1)


def test_no_stamps_are_no_stamps():
    assert preprocess.augmented(np.empty((0, N, N)), [], 0, THESIS, 1, 0.0).shape == (0, N, N)
    assert preprocess.scaled(np.empty((0, N, N)), 1.0).shape == (0, 1, N, N)
