"""FITS images as native arrays; files that are something else, or end early, are named as such."""

import gzip
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits

from skyneedle.core.errors import MissingBand, NotAStamp, SkyneedleError, TruncatedFile


@dataclass(frozen=True)
class Image:
    """One image of a FITS file.

    Attributes:
        values: shape (height, width), native single precision, in the file's unit.
        header: of the extension, keyword to value.
        pixel_scale: in arcsec, from the header's world coordinates; None where it has none.
        path: file and extension, for messages.
    """

    values: np.ndarray
    header: Mapping[str, Any]
    pixel_scale: float | None
    path: str


def read(path: str | os.PathLike, extension: int | str = 0) -> Image:
    """Read one image of a FITS file.

    Args:
        path: the file.
        extension: number or name.

    Raises:
        NotAStamp: if the file is missing or is not FITS (a picture is not data), or the extension is no
            image with two axes.
        MissingBand: if there is no such extension.
        TruncatedFile: if the file ends early.
    """
    return read_all(path, [extension])[0]


def first_image(path: str | os.PathLike) -> Image:
    """The first image with two axes in a FITS file; errors as of ``read``."""
    check_signature(path)
    with _damage_named(path), fits.open(path, memmap=True) as file:
        planes = [i for i, item in enumerate(file) if item.is_image and item.header.get("NAXIS") == 2]
    if not planes:
        raise NotAStamp(f"{path}: no image with two axes in it")
    return read(path, planes[0])


def extensions(path: str | os.PathLike) -> list[str]:
    """Names of what a FITS file holds, one an extension; errors as of ``read``."""
    check_signature(path)
    with _damage_named(path), fits.open(path, memmap=True) as file:
        return [item.name for item in file]


def listed(names: Sequence[str]) -> str:
    """Names of extensions for a message, those that have none included."""
    return ", ".join(name or "one without a name" for name in names)


@contextmanager
def _damage_named(path: str | os.PathLike) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about truncation and odd keywords: both are checked here
        try:
            yield
        except SkyneedleError:
            raise
        except (OSError, EOFError, zlib.error, ValueError, TypeError, fits.VerifyError) as error:
            raise TruncatedFile(
                f"{path}: the FITS file of {os.path.getsize(path)} bytes ends early or is damaged ({error}); "
                "delete it and fetch it again"
            ) from None


def read_all(path: str | os.PathLike, extensions: Sequence[int | str]) -> list[Image]:
    """Read several images of a FITS file; errors as of ``read``."""
    check_signature(path)
    with _damage_named(path), fits.open(path, memmap=False) as file:
        return [_image(file, extension, path) for extension in extensions]


def check_signature(path: str | os.PathLike) -> None:
    """Raise unless the file begins as FITS does, packed by gzip or not.

    Raises:
        NotAStamp: if it is missing or something else; pictures and HTML pages are named as such.
        TruncatedFile: if it is empty, or cannot be unpacked.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(512)
        if head.startswith(b"\x1f\x8b"):
            with _damage_named(path), gzip.open(path) as unpacked:
                head = unpacked.read(512)
    except OSError as error:
        raise NotAStamp(f"{path}: cannot be read ({error.strerror}); give a FITS file") from None
    if not head:
        raise TruncatedFile(f"{path}: the file is empty, a FITS image was expected; fetch it again")
    if head.startswith(b"SIMPLE  ="):
        return
    text = head.lstrip().lower()
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")):
        what = "a picture, whose values are no longer fluxes"
    elif text.startswith((b"<!doctype html", b"<html")):
        what = "an HTML page (an error or login page saved under the name of an image)"
    else:
        what = f"no FITS file (it begins with {head[:8]!r})"
    raise NotAStamp(f"{path}: this is {what}; a FITS image was expected")


def _image(file: fits.HDUList, extension: int | str, path: str | os.PathLike) -> Image:
    try:
        unit = file[extension]
    except (KeyError, IndexError):
        names = listed([item.name for item in file])
        raise MissingBand(f"{path}: no extension {extension!r}; the file holds {names}") from None
    data = unit.data
    if not isinstance(unit, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) or np.ndim(data) != 2:
        raise NotAStamp(
            f"{path}: extension {extension!r} has shape {np.shape(data)}, expected an image with two axes"
        )
    # FITS is big-endian, which neither torch nor fast numpy takes; the values stay the same.
    values = np.asarray(data).astype(np.float32)
    return Image(values, unit.header, pixel_scale(unit.header), f"{path}[{extension}]")


def pixel_scale(header: Mapping[str, Any]) -> float | None:
    """Side of a pixel in arcsec from a header's world coordinates (degrees); None where there are none.

    Source: Calabretta & Greisen 2002, A&A 395, 1077: CD matrix, or PC matrix times CDELT.
    """
    if "CD1_1" in header:
        matrix = [[float(header.get(f"CD{i}_{j}", 0)) for j in (1, 2)] for i in (1, 2)]
    elif "CDELT1" in header and "CDELT2" in header:
        matrix = [
            [float(header[f"CDELT{i}"]) * float(header.get(f"PC{i}_{j}", i == j)) for j in (1, 2)]
            for i in (1, 2)
        ]
    else:
        return None
    return float(np.sqrt(abs(np.linalg.det(matrix))) * 3600)
