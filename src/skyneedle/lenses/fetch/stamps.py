"""Checks of images, and sets of stamps that are read one example at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.errors import ConstantStamp, StampHasNaN, WrongPixelScale, WrongStampSize
from skyneedle.core.fits_images import Image

SCALE_TOLERANCE = 0.02  # of the pixel scale; over 200 pixels that is two pixels at each edge


@dataclass(frozen=True)
class Source:
    """Stamps on disk with what is known of them.

    Attributes:
        table: one row an example; columns id, label (1 lens, 0 non-lens, -1 unknown), parent_id, and those
            of the catalogue.
        read: arrays of one example, by its row; raises an error of this package for bad files.
        shapes: of the arrays of one example, by name.
        attributes: what holds for the whole set; anything that JSON can hold.
    """

    table: pd.DataFrame
    read: Callable[[int], dict[str, np.ndarray]]
    shapes: Mapping[str, tuple[int, ...]]
    attributes: Mapping[str, Any]


def check(image: Image, shape: tuple[int, int] | None = None, scale: float | None = None) -> np.ndarray:
    """The values of an image that is what it should be.

    Args:
        image: as read.
        shape: pixels it must have; any if None.
        scale: side of a pixel in arcsec that it must have, if its header says anything about it.

    Returns:
        Its values.

    Raises:
        WrongStampSize, WrongPixelScale, StampHasNaN, ConstantStamp: each names file, value and expectation.
    """
    if scale and image.pixel_scale and abs(image.pixel_scale / scale - 1) > SCALE_TOLERANCE:
        raise WrongPixelScale(
            f"{image.path}: {image.pixel_scale:.4f} arcsec a pixel, expected {scale}; "
            "resample the image, or give the set it belongs to"
        )
    if shape is not None and image.values.shape != shape:
        raise WrongStampSize(
            f"{image.path}: {image.values.shape[0]} x {image.values.shape[1]} pixels, expected "
            f"{shape[0]} x {shape[1]}; cut the stamp to this size"
        )
    n_bad = int((~np.isfinite(image.values)).sum())
    if n_bad:
        raise StampHasNaN(f"{image.path}: {n_bad} pixels are not finite; leave the object out or fill them")
    if image.values.min() == image.values.max():
        raise ConstantStamp(
            f"{image.path}: every pixel is {image.values.flat[0]:g}, the band is empty; leave the object out"
        )
    return image.values


def grid(pixel_scale: Mapping[str, float]) -> dict[str, Any]:
    """Attributes ``bands`` and ``pixel_scale_arcsec``, VIS first, as simulated sets have them."""
    bands = sorted(pixel_scale, key=lambda band: band != "VIS")
    return {"bands": bands, "pixel_scale_arcsec": [pixel_scale[band] for band in bands]}


def centre(values: np.ndarray, side: int, path: str) -> np.ndarray:
    """The middle of an image.

    Args:
        values: shape (height, width).
        side: pixels to keep along both axes.
        path: for the message.

    Returns:
        Shape (side, side); where the difference is odd, the middle shifts by half a pixel.

    Raises:
        WrongStampSize: if the image is smaller than that.
    """
    if min(values.shape) < side:
        raise WrongStampSize(
            f"{path}: {values.shape[0]} x {values.shape[1]} pixels are fewer than the {side} x {side} that "
            "the stamp needs; cut a larger one, the sky around it is not invented"
        )
    top, left = ((n - side) // 2 for n in values.shape)
    return values[top : top + side, left : left + side]
