"""Cutouts of the Euclid Quick Release 1: one FITS file an object, one extension a band, all at 0.1 arcsec.

The NISP bands come resampled to the VIS pixels; sums of 3 x 3 pixels bring them back to 0.3 arcsec.

Source: Euclid Q1 cutouts with extensions <BAND>_BGSUB or <BAND>_FLUX, <BAND>_PSF and <BAND>_RMS, and the
zero point in the keyword MAGZERO.
"""

import os
from typing import Any

import numpy as np

from skyneedle.core import fits_images
from skyneedle.core.errors import MissingBand, WrongPixelScale
from skyneedle.lenses.fetch import stamps
from skyneedle.lenses.preprocess import NISP, PIXEL_SCALE, PIXELS

EXTENSIONS = {"VIS": "VIS", "Y": "NIR_Y", "J": "NIR_J", "H": "NIR_H"}
IMAGE_ENDINGS = ("BGSUB", "FLUX")
BIN = 3  # VIS pixels along a NISP pixel
NANOJANSKY = 31.4  # AB magnitude of 1 nJy


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The four Euclid bands of one cutout, around its middle.

    Args:
        path: the FITS file; other bands in it are not used.

    Returns:
        ``vis`` (200, 200) and ``nisp`` (3, 66, 66) in the order J, Y, H, with the same centre, both in nJy a
        pixel.

    Raises:
        MissingBand: if a band is not in the file, or says no zero point.
        WrongStampSize: if the cutout is smaller than that.
        WrongPixelScale, StampHasNaN, ConstantStamp, NotAStamp, TruncatedFile: as of ``stamps``.
    """
    names = _extensions(path)
    images = dict(zip(names, fits_images.read_all(path, list(names.values())), strict=True))
    planes = {band: _in_nanojansky(image) for band, image in images.items()}
    n = PIXELS["J"]
    vis = stamps.centre(planes["VIS"], PIXELS["VIS"], f"{path}[{names['VIS']}]")
    nisp = []
    for band in NISP:
        middle = stamps.centre(planes[band], n * BIN, f"{path}[{names[band]}]")
        nisp.append(middle.reshape(n, BIN, n, BIN).sum(axis=(1, 3), dtype=np.float64))
    return {"vis": vis, "nisp": np.stack(nisp).astype(np.float32)}


def _extensions(path: str | os.PathLike) -> dict[str, str]:
    present = fits_images.extensions(path)
    names = {}
    for band, stem in EXTENSIONS.items():
        wanted = [f"{stem}_{ending}" for ending in IMAGE_ENDINGS]
        found = [name for name in wanted if name in present]
        if not found:
            raise MissingBand(
                f"{path}: no {band} image (extension {' or '.join(wanted)}) among "
                f"{fits_images.listed(present)}; give a Euclid cutout with VIS, Y, J and H"
            )
        names[band] = found[0]
    return names


def _in_nanojansky(image: fits_images.Image) -> np.ndarray:
    if image.pixel_scale is None:
        raise WrongPixelScale(f"{image.path}: the header has no world coordinates to tell the pixel scale")
    values = stamps.check(image, scale=PIXEL_SCALE["VIS"])
    zero_point: Any = image.header.get("MAGZERO")
    if not isinstance(zero_point, (int, float)):
        raise MissingBand(f"{image.path}: no zero point (keyword MAGZERO), so bands cannot be compared")
    return values * np.float32(10 ** (-0.4 * (zero_point - NANOJANSKY)))
