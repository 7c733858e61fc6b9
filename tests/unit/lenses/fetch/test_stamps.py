"""FITS images: native values, pixel scales, and every kind of bad file by its name."""

import numpy as np
import pytest
from astropy.io import fits

from skyneedle.core.errors import (
    ConstantStamp,
    MissingBand,
    NotAStamp,
    StampHasNaN,
    TruncatedFile,
    WrongPixelScale,
    WrongStampSize,
)
from skyneedle.lenses.fetch import stamps
from tests.unit.lenses.fetch.fits_files import first_image, header, write, write_extensions


def test_big_endian_files_become_native_with_the_same_values(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32) * 1e-12
    path = write(tmp_path / "stamp.fits", values, 0.1)
    assert first_image(path, (5, 7)).dtype.byteorder in ">"  # what is on the disk
    image = stamps.read(path)
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
        assert stamps.pixel_scale(keywords) == pytest.approx(0.1)
    assert stamps.pixel_scale({"BUNIT": "adu"}) is None


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
            stamps.read(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(NotAStamp, match="No such file"):
        stamps.read(tmp_path / "absent.fits")
    with pytest.raises(MissingBand, match=r"no extension 'VIS'.*PRIMARY"):
        stamps.read(good, "VIS")


def test_what_is_no_image_is_refused(tmp_path):
    cube = tmp_path / "cube.fits"
    fits.writeto(cube, np.zeros((2, 3, 3), np.float32))
    with pytest.raises(NotAStamp, match=r"shape \(2, 3, 3\)"):
        stamps.read(cube)
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.zeros(3))], name="CAT")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "table.fits")
    for extension in (0, "CAT"):
        with pytest.raises(NotAStamp, match="expected an image"):
            stamps.read(tmp_path / "table.fits", extension)


def test_checks_name_file_value_and_expectation(tmp_path):
    values = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    image = stamps.read(write(tmp_path / "a.fits", values, 0.1))
    assert stamps.check(image, (3, 3), 0.1) is image.values
    with pytest.raises(WrongStampSize, match=r"a.fits\[0\]: 3 x 3 pixels, expected 66 x 66"):
        stamps.check(image, (66, 66))
    with pytest.raises(WrongPixelScale, match=r"0.1000 arcsec a pixel, expected 0.3"):
        stamps.check(image, (3, 3), 0.3)
    unknown = stamps.read(write(tmp_path / "b.fits", values))
    assert stamps.check(unknown, (3, 3), 0.3) is unknown.values  # a header that says nothing is believed
    values[1, 1] = np.nan
    with pytest.raises(StampHasNaN, match="1 pixels"):
        stamps.check(stamps.read(write(tmp_path / "c.fits", values)))
    with pytest.raises(ConstantStamp, match="every pixel is 4"):
        stamps.check(stamps.read(write(tmp_path / "d.fits", np.full((3, 3), 4))))


def test_the_middle_is_kept(tmp_path):
    values = np.zeros((10, 12))
    values[4:6, 5:7] = 1
    assert stamps.centre(values, 2, "x").all()
    with pytest.raises(WrongStampSize, match=r"x: 10 x 12 pixels are fewer than the 11 x 11"):
        stamps.centre(values, 11, "x")


def test_several_extensions_at_once(tmp_path):
    path = write_extensions(
        tmp_path / "m.fits",
        [("A", np.eye(3), header(0.1)), ("B", 2 * np.eye(3), header(0.2, MAGZERO=25.0))],
    )
    first, second = stamps.read_all(path, ["B", "A"])
    assert (first.values[0, 0], second.values[0, 0]) == (2, 1)
    assert first.pixel_scale == pytest.approx(0.2)
    assert first.header["MAGZERO"] == 25.0
