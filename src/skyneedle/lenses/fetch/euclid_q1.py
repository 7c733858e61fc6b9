"""Cutouts of the Euclid Quick Release 1: one FITS file an object, one extension a band, all at 0.1 arcsec.

The NISP bands come resampled to the VIS pixels; sums of 3 x 3 pixels bring them back to 0.3 arcsec.

Source: Euclid Q1 cutouts with extensions <BAND>_BGSUB or <BAND>_FLUX, <BAND>_PSF and <BAND>_RMS, and the
zero point in the keyword MAGZERO.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.errors import BadSetting, MissingBand, SkyneedleError, WrongPixelScale
from skyneedle.lenses.fetch import stamps
from skyneedle.lenses.preprocess import NISP, PIXEL_SCALE, PIXELS

EXTENSIONS = {"VIS": "VIS", "Y": "NIR_Y", "J": "NIR_J", "H": "NIR_H"}
IMAGE_ENDINGS = ("BGSUB", "FLUX")
BIN = 3  # VIS pixels along a NISP pixel
NANOJANSKY = 31.4  # AB magnitude of 1 nJy


def nisp_side(side: int) -> int:
    """NISP pixels a side that share the centre of ``side`` VIS pixels: 66 for 200."""
    return side // (2 * BIN) * 2


def read(path: str | os.PathLike, side: int = PIXELS["VIS"]) -> dict[str, np.ndarray]:
    """The four Euclid bands of one cutout, around its middle.

    Args:
        path: the FITS file; other bands in it are not used.
        side: VIS pixels a side; 200 are the 20 arcsec that the published networks see.

    Returns:
        ``vis`` (side, side) and ``nisp`` (3, n, n) in the order J, Y, H with n = ``nisp_side(side)``, both
        in nJy a pixel.

    Raises:
        MissingBand: if a band is not in the file, or says no zero point.
        WrongStampSize: if the cutout is smaller than that.
        WrongPixelScale, StampHasNaN, ConstantStamp, NotAStamp, TruncatedFile: as of ``stamps``.
    """
    names = _extensions(path)
    images = dict(zip(names, stamps.read_all(path, list(names.values())), strict=True))
    planes = {band: _in_nanojansky(image) for band, image in images.items()}
    n = nisp_side(side)
    vis = stamps.centre(planes["VIS"], side, f"{path}[{names['VIS']}]")
    nisp = []
    for band in NISP:
        middle = stamps.centre(planes[band], n * BIN, f"{path}[{names[band]}]")
        nisp.append(middle.reshape(n, BIN, n, BIN).sum(axis=(1, 3), dtype=np.float64))
    return {"vis": vis, "nisp": np.stack(nisp).astype(np.float32)}


def _extensions(path: str | os.PathLike) -> dict[str, str]:
    present = stamps.extensions(path)
    names = {}
    for band, stem in EXTENSIONS.items():
        wanted = [f"{stem}_{ending}" for ending in IMAGE_ENDINGS]
        found = [name for name in wanted if name in present]
        if not found:
            raise MissingBand(
                f"{path}: no {band} image (extension {' or '.join(wanted)}) among {', '.join(present)}; "
                "give a Euclid cutout with VIS, Y, J and H"
            )
        names[band] = found[0]
    return names


def _in_nanojansky(image: stamps.Image) -> np.ndarray:
    if image.pixel_scale is None:
        raise WrongPixelScale(f"{image.path}: the header has no world coordinates to tell the pixel scale")
    values = stamps.check(image, scale=PIXEL_SCALE["VIS"])
    zero_point: Any = image.header.get("MAGZERO")
    if not isinstance(zero_point, (int, float)):
        raise MissingBand(f"{image.path}: no zero point (keyword MAGZERO), so bands cannot be compared")
    return values * np.float32(10 ** (-0.4 * (zero_point - NANOJANSKY)))


def find(root: str | os.PathLike, side: int = PIXELS["VIS"]) -> stamps.Source:
    """All Euclid cutouts below a folder.

    Args:
        root: folder with FITS files at any depth. Files without any Euclid band (masks, models) are counted
            and left out.
        side: VIS pixels a side of the stamps, see ``read``.

    Returns:
        The stamps; labels are -1, nobody knows the truth. Column ``name`` is the file's.

    Raises:
        MissingBand: if no file has a Euclid band.
        BadSetting: if ``side`` is odd or below 6 pixels.
    """
    if side < 2 * BIN or side % 2:
        raise BadSetting(f"A stamp has an even number of at least 6 pixels a side, not {side}.")
    paths: list[Path] = []
    others: list[Path] = []
    for path in sorted(Path(root).rglob("*.fits")):
        (paths if _has_euclid_band(path) else others).append(path)
    if not paths:
        raise MissingBand(
            f"{root}: none of {len(others)} FITS files has an extension VIS_FLUX, VIS_BGSUB or of another "
            "Euclid band; give a folder of Euclid cutouts"
        )
    numbers = np.arange(len(paths))
    table = pd.DataFrame(
        {"id": numbers, "label": -1, "parent_id": numbers, "name": [path.stem for path in paths]}
    )
    n = nisp_side(side)
    return stamps.Source(
        table,
        lambda row: read(paths[row], side),
        {"vis": (side, side), "nisp": (len(NISP), n, n)},
        {
            "survey": "euclid_q1",
            "unit": "nJy a pixel",
            **stamps.grid(PIXEL_SCALE),
            "n_other_files": len(others),
            "other_files": [path.name for path in others],
        },
    )


def _has_euclid_band(path: Path) -> bool:
    from astropy.io import fits

    try:
        stamps.check_signature(path)
        with fits.open(path, memmap=True) as file:
            return any(item.name.startswith(tuple(EXTENSIONS.values())) for item in file)
    except (SkyneedleError, OSError):
        return True  # a damaged file is named when it is read
