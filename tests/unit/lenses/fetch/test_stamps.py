"""Checks of images name what is wrong; the middle of an image."""

import numpy as np
import pytest

from skyneedle.core import fits_images
from skyneedle.core.errors import ConstantStamp, StampHasNaN, WrongPixelScale, WrongStampSize
from skyneedle.lenses.fetch import stamps
from tests.unit.lenses.fetch.fits_files import write


def test_checks_name_file_value_and_expectation(tmp_path):
    values = np.arange(9.0, dtype=np.float32).reshape(3, 3)
    image = fits_images.read(write(tmp_path / "a.fits", values, 0.1))
    assert stamps.check(image, (3, 3), 0.1) is image.values
    with pytest.raises(WrongStampSize, match=r"a.fits\[0\]: 3 x 3 pixels, expected 66 x 66"):
        stamps.check(image, (66, 66))
    with pytest.raises(WrongPixelScale, match=r"0.1000 arcsec a pixel, expected 0.3"):
        stamps.check(image, (3, 3), 0.3)
    unknown = fits_images.read(write(tmp_path / "b.fits", values))
    assert stamps.check(unknown, (3, 3), 0.3) is unknown.values  # a header that says nothing is believed
    values[1, 1] = np.nan
    with pytest.raises(StampHasNaN, match="1 pixels"):
        stamps.check(fits_images.read(write(tmp_path / "c.fits", values)))
    with pytest.raises(ConstantStamp, match="every pixel is 4"):
        stamps.check(fits_images.read(write(tmp_path / "d.fits", np.full((3, 3), 4))))


def test_the_middle_is_kept(tmp_path):
    values = np.zeros((10, 12))
    values[4:6, 5:7] = 1
    assert stamps.centre(values, 2, "x").all()
    with pytest.raises(WrongStampSize, match=r"x: 10 x 12 pixels are fewer than the 11 x 11"):
        stamps.centre(values, 11, "x")
