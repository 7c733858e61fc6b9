"""FITS images: native values, pixel scales, and every kind of bad file by its name."""

import numpy as np
import pytest
from astropy.io import fits

from skyneedle.core import fits_images
from skyneedle.core.errors import MissingBand, NotAStamp, TruncatedFile
from tests.unit.lenses.fetch.fits_files import first_image, header, write, write_extensions


def test_big_endian_files_become_native_with_the_same_values(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32) * 1e-12
    path = write(tmp_path / "stamp.fits", values, 0.1)
    assert first_image(path, (5, 7)).dtype.byteorder in ">"  # what is on the disk
    image = fits_images.read(path)
    assert image.values.dtype.isnative
    np.testing.assert_array_equal(image.values, values)
    assert not np.array_equal(image.values.view(">f4"), values)  # bytes read the wrong way round differ


def test_pixel_scale_from_every_spelling():
    degrees = 0.1 / 3600
    turned = np.radians(30)
    rotated = {
        "CD1_1": degrees * np.cos(turned),
        "CD1_2": -degrees * np.sin(turned),
        "CD2_1": degrees * np.sin(turned),
        "CD2_2": degrees * np.cos(turned),
    }
    for keywords in (
        {"CD1_1": -degrees, "CD2_2": degrees},
        rotated,
        {"CDELT1": -degrees, "CDELT2": degrees},
        {"CDELT1": 1.0, "CDELT2": 1.0, "PC1_1": -degrees, "PC2_2": degrees},
    ):
        assert fits_images.pixel_scale(keywords) == pytest.approx(0.1)
    assert fits_images.pixel_scale({"BUNIT": "adu"}) is None


def test_a_damaged_or_strange_file_is_named(tmp_path):
    good = write(tmp_path / "good.fits", np.eye(66), 0.3)
    content = good.read_bytes()
    for name, bad, error, message in (
        ("cut.fits", content[:5000], TruncatedFile, "ends early"),
        ("header.fits", content[:100], TruncatedFile, "ends early"),
        ("empty.fits", b"", TruncatedFile, "empty"),
        ("page.fits", b"<!DOCTYPE html><html>404", NotAStamp, "HTML page"),
        ("picture.fits", b"\x89PNG\r\n\x1a\n" + bytes(100), NotAStamp, "a picture"),
        ("table.fits", b"ID,label\n1,2\n", NotAStamp, "no FITS file"),
    ):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(error, match=message) as caught:
            fits_images.read(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(NotAStamp, match="No such file"):
        fits_images.read(tmp_path / "absent.fits")
    with pytest.raises(MissingBand, match=r"no extension 'VIS'.*PRIMARY"):
        fits_images.read(good, "VIS")


def test_what_is_no_image_is_refused(tmp_path):
    cube = tmp_path / "cube.fits"
    fits.writeto(cube, np.zeros((2, 3, 3), np.float32))
    with pytest.raises(NotAStamp, match=r"shape \(2, 3, 3\)"):
        fits_images.read(cube)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))], name="CAT")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "table.fits")
    for extension in (0, "CAT"):
        with pytest.raises(NotAStamp, match="expected an image"):
            fits_images.read(tmp_path / "table.fits", extension)


def test_several_extensions_at_once(tmp_path):
    path = write_extensions(
        tmp_path / "m.fits",
        [("A", np.eye(3), header(0.1)), ("B", 2 * np.eye(3), header(0.2, MAGZERO=25.0))],
    )
    first, second = fits_images.read_all(path, ["B", "A"])
    assert (first.values[0, 0], second.values[0, 0]) == (2, 1)
    assert first.pixel_scale == pytest.approx(0.2)
    assert first.header["MAGZERO"] == 25.0
