"""Real images of any size as stamps of 100 pixels in units of their own sky noise."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skyneedle.core import fits_images
from skyneedle.core.errors import ConstantStamp, NotAStamp, StampHasNaN

SIDE = 100  # pixels
_ENDINGS = {".fits", ".fit"}


class Stamp(NamedTuple):
    """A real image as networks see it.

    Attributes:
        values: (flux - sky) / sky noise, shape (100, 100), float32.
        n_padded: pixels that the image did not have and that are noise drawn by us.
        sky: level that was taken off, in the unit of the file.
        sigma: standard deviation of the sky in the same unit.
    """

    values: np.ndarray
    n_padded: int
    sky: float
    sigma: float


def read(path: str | os.PathLike, extension: int | None = None) -> np.ndarray:
    """An image from a FITS file, or the array ``image_data`` of an npz file.

    Args:
        path: the file.
        extension: of a FITS file; the first image with two axes if not given.

    Returns:
        Shape (height, width), float32.

    Raises:
        NotAStamp: if the file is neither, or holds no such image; and as ``core.fits_images.read``.
    """
    if Path(path).suffix in _ENDINGS:
        image = fits_images.first_image(path) if extension is None else fits_images.read(path, extension)
        return image.values
    try:
        with np.load(path, allow_pickle=False) as file:
            values = np.asarray(file["image_data"], dtype=np.float32)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAStamp(
            f"{path}: expected FITS, or an npz file with an array 'image_data' ({error}); give such a file."
        ) from None
    if values.ndim != 2:
        raise NotAStamp(f"{path}: 'image_data' has shape {values.shape}, expected an image with two axes.")
    return values


def stamp(image: np.ndarray, random: np.random.Generator, name: str) -> Stamp:
    """Cut or pad an image to a stamp in units of its sky noise.

    Sky and noise are the median and the scaled median absolute deviation of the outer tenth of the image, so
    that the object in its middle and single bright pixels do not count; where an object fills the image, its
    light is in both. A larger image is cut to its middle;
    where the difference is odd, it shifts by half a pixel. A smaller one stands in the middle of pixels drawn
    from a normal distribution with the sky noise of its own border: nothing is known about what was there,
    and such pixels are counted. Pixels keep their size on the sky, whatever it is.

    Args:
        image: shape (height, width), in any unit.
        random: stream of the padding.
        name: of the image, for messages.

    Raises:
        StampHasNaN: if a pixel is not finite.
        ConstantStamp: if the border does not vary, so that its noise is unknown.
    """
    n_bad = int((~np.isfinite(image)).sum())
    if n_bad:
        raise StampHasNaN(f"{name}: {n_bad} pixels are not finite; leave the object out or fill them.")
    border = _border(image)
    sky = float(np.median(border))
    sigma = 1.4826 * float(np.median(np.abs(border - sky)))
    if sigma <= 0:
        raise ConstantStamp(f"{name}: its border does not vary, so the sky noise is unknown; leave it out.")
    values = (_cut(image).astype(np.float64) - sky) / sigma
    height, width = values.shape
    padded = random.normal(size=(SIDE, SIDE))
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    padded[top : top + height, left : left + width] = values
    return Stamp(padded.astype(np.float32), SIDE * SIDE - values.size, sky, sigma)


def _border(image: np.ndarray) -> np.ndarray:
    """Pixels of the outer tenth on each side, at least three of them."""
    inside = np.zeros(image.shape, bool)
    rows, columns = (max(3, side // 10) for side in image.shape)
    inside[rows:-rows, columns:-columns] = True
    return image[~inside]


def _cut(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - SIDE) // 2) for side in image.shape)
    return image[top : top + SIDE, left : left + SIDE]
