"""Real images as stamps: cut, padded with noise that is counted, in units of their own sky."""

import numpy as np
import pytest

from skyneedle.core.errors import ConstantStamp, NotAStamp, StampHasNaN
from skyneedle.core.seeds import generator
from skyneedle.transfer.fetch import stamps
from tests.unit.lenses.fetch.fits_files import write_extensions


def _image(shape, sky=0.3, sigma=0.02, peak=50.0):
    """Noise on a sky, and an object in the middle that stands out by ``peak`` standard deviations."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in shape)
    blob = np.exp(-(x[None] ** 2 + y[:, None] ** 2) / 2 / 3**2)
    noise = np.random.default_rng(2).normal(size=shape)
    return (sky + sigma * (noise + peak * blob)).astype(np.float32)


@pytest.mark.parametrize("shape", [(148, 148), (234, 233), (100, 100), (56, 56), (46, 45), (120, 60)])
def test_any_size_becomes_a_stamp_in_units_of_its_sky(shape):
    made = stamps.stamp(_image(shape), generator(1, "x"), "a")
    assert made.values.shape == (100, 100)
    assert made.values.dtype == np.float32
    kept = [min(side, 100) for side in shape]
    assert made.n_padded == 10_000 - kept[0] * kept[1]
    assert made.sky == pytest.approx(0.3, abs=0.005)
    assert made.sigma == pytest.approx(0.02, rel=0.15)
    row, column = np.unravel_index(made.values.argmax(), (100, 100))
    assert abs(row - 49.5) <= 3
    assert abs(column - 49.5) <= 3
    assert made.values.max() == pytest.approx(50, rel=0.2)
    corner = made.values[:20, :20]
    assert corner.std() == pytest.approx(1, abs=0.2)
    assert corner.mean() == pytest.approx(0, abs=0.3)


def test_padding_depends_on_the_seed_and_leaves_the_image_alone():
    image = _image((60, 60))
    first, again, other = (stamps.stamp(image, generator(seed, "x"), "a").values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    inner = (slice(20, 80), slice(20, 80))
    assert np.array_equal(first[inner], other[inner])
    assert not np.array_equal(first[:20], other[:20])


def test_neither_unit_nor_sky_level_matters():
    image = _image((90, 90))
    first = stamps.stamp(image, generator(1, "x"), "a").values
    second = stamps.stamp(1000 * image + 7, generator(1, "x"), "a").values
    assert np.allclose(first, second, atol=0.02)


def test_bright_pixels_at_the_border_do_not_count():
    image = _image((110, 110))
    image[0, ::10] = 100
    assert stamps.stamp(image, generator(1, "x"), "a").sigma == pytest.approx(0.02, rel=0.1)


def test_bad_images_are_named():
    holed = _image((60, 60))
    holed[3, 3] = np.inf
    with pytest.raises(StampHasNaN, match="HE 0435: 1 pixels"):
        stamps.stamp(holed, generator(1), "HE 0435")
    with pytest.raises(ConstantStamp, match="border does not vary"):
        stamps.stamp(np.zeros((60, 60), np.float32), generator(1), "HE 0435")


def test_files(tmp_path):
    image = _image((50, 40))
    np.savez(tmp_path / "a.npz", image_data=image.astype(np.float64))
    assert np.array_equal(stamps.read(tmp_path / "a.npz"), image)
    cube = write_extensions(tmp_path / "b.fits", [("A", image, None), ("B", 2 * image, None)])
    assert np.array_equal(stamps.read(cube, 2), 2 * image)
    assert np.array_equal(stamps.read(cube), image)
    np.savez(tmp_path / "c.npz", other=image)
    np.savez(tmp_path / "d.npz", image_data=image[0])
    (tmp_path / "e.npz").write_text("<html>")
    for name, words in (("c", "image_data"), ("d", "two axes"), ("e", "expected FITS"), ("f", "No such")):
        with pytest.raises(NotAStamp, match=words):
            stamps.read(tmp_path / f"{name}.npz")
