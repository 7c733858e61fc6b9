"""Objects in HDF5 files: data sets of this package, or plain arrays ``vis`` and ``nisp``."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from skyneedle.core import fits_images, store
from skyneedle.core.errors import (
    MissingBand,
    NotADataSet,
    NotHDF5,
    SkyneedleError,
    TruncatedFile,
    WrongPixelScale,
    WrongStampSize,
)
from skyneedle.lenses.classify.objects import OF_THE_FILES, Group, LeftOut, Stamp, left_out
from skyneedle.lenses.fetch import stamps
from skyneedle.lenses.preprocess import NISP, PIXEL_SCALE, PIXELS

ENDINGS = (".h5", ".hdf5", ".hdf")
CACHE_BYTES = 2**26  # of a file's chunks: some tools pack many stamps into one
SCALE = "pixel_scale_arcsec"


class Listed(NamedTuple):
    """What a file holds.

    Attributes:
        ids: of its objects.
        labels: likewise, -1 where unknown.
        sky_sigma: noise of the sky by band, empty where the file does not say it.
    """

    ids: list[str]
    labels: np.ndarray
    sky_sigma: Mapping[str, float]


def groups(
    files: Sequence[str], root: Path, before: str, bands: Sequence[str], refused: list[LeftOut]
) -> list[Group]:
    """The objects in HDF5 files, those with the same noise of the sky together.

    Args:
        files: paths relative to ``root``.
        root: folder, or the folder of a single file.
        before: put before the names.
        bands: that the network needs.
        refused: gets the files that have no stamps for it.
    """
    together: dict[str, list[tuple[str, Listed]]] = {}
    for file in files:
        try:
            listed = _look_at(root / file, bands)
        except SkyneedleError as error:
            refused.append(left_out(before + file, str(root / file), error))
        else:
            together.setdefault(json.dumps(listed.sky_sigma), []).append((file, listed))
    return [_group(members, root, before) for members in together.values()]


def _group(members: Sequence[tuple[str, Listed]], root: Path, before: str) -> Group:
    names, files, rows = [], [], []
    for file, listed in members:
        stem = before + str(Path(file).with_suffix(""))
        names += [f"{stem}:{number}" for number in listed.ids]
        files += [str(root / file)] * len(listed.ids)
        rows += list(range(len(listed.ids)))
    return Group(
        "HDF5",
        names,
        files,
        lambda i, bands: _read(files[i], rows[i], names[i], bands),
        np.concatenate([listed.labels for _, listed in members]),
        members[0][1].sky_sigma,
    )


def _look_at(path: Path, bands: Sequence[str]) -> Listed:
    try:
        with open(path, "rb") as raw:
            is_empty = not raw.read(1)
    except OSError as error:  # a link to nowhere, or a file of somebody else
        raise NotHDF5(f"{path}: cannot be read ({error.strerror}); give an HDF5 file.") from None
    if is_empty:
        raise TruncatedFile(f"{path}: the file is empty, HDF5 was expected; fetch it again.")
    if not h5py.is_hdf5(path):
        raise NotHDF5(f"{path}: this is no HDF5 file, whatever its name says; fetch it again.")
    try:
        with h5py.File(path, "r") as file:
            ours = "columns" in file.attrs and "attributes" in file.attrs
            n = _check_arrays(file, path, bands)
            known = json.loads(file.attrs["attributes"]) if ours else {}
            _check_scales(file, known, path, bands)
            ids = _ids(file, path, n)
        table = store.DataSet(path).table if ours else pd.DataFrame()
    except SkyneedleError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise TruncatedFile(f"{path}: ends early or is damaged ({error}); fetch it again.") from None
    labels = np.full(n, -1)
    if ours:
        ids = table["id"].to_numpy() if "id" in table else ids
        labels = table["label"].to_numpy() if "label" in table else labels
    if ids is not None and len(ids) != n:
        raise NotADataSet(f"{path}: {len(ids)} identifiers for {n} stamps.")
    sky = dict(zip(known.get("bands", ()), known.get("sky_sigma", ()), strict=False))
    is_linear = known.get("stretch", "linear") == "linear"
    usable = {band: float(sky[band]) for band in bands if band in sky} if is_linear else {}
    return Listed(
        [str(number) for number in (range(n) if ids is None else ids)],
        labels.astype(np.int64),
        usable if set(usable) == set(bands) else {},
    )


def _ids(file: h5py.File, path: Path, n: int) -> np.ndarray | None:
    """Names of the stamps in a plain file; None where it has none."""
    stored = file.get("id")
    if stored is None:
        return None
    if not isinstance(stored, h5py.Dataset) or stored.shape != (n,):
        what = f"has shape {stored.shape}" if isinstance(stored, h5py.Dataset) else "is no array"
        raise NotADataSet(f"{path}: 'id' {what}, expected one identifier for each of {n} stamps.")
    is_text = h5py.check_string_dtype(stored.dtype) is not None
    return np.asarray(stored.asstr()[()] if is_text else stored[()])


def _array_of(band: str) -> str:
    return "vis" if band == "VIS" else "nisp"


def _check_arrays(file: h5py.File, path: Path, bands: Sequence[str]) -> int:
    """Number of stamps, if the arrays are there and of the right size."""
    n_stamps = set()
    for name in dict.fromkeys(map(_array_of, bands)):
        needed = ", ".join(band for band in bands if _array_of(band) == name)
        stored = file.get(name)
        if not isinstance(stored, h5py.Dataset):
            raise MissingBand(
                f"{path}: no array '{name}', which {needed} needs; the file holds "
                f"{', '.join(file) or 'nothing'}, expected are vis (n, 200, 200) and nisp (n, 3, 66, 66)."
            )
        expected = (PIXELS["VIS"],) * 2 if name == "vis" else (len(NISP), PIXELS["J"], PIXELS["J"])
        if stored.shape[1:] != expected or stored.dtype.kind not in "fiu":
            raise WrongStampSize(
                f"{path}: '{name}' has shape {stored.shape} of {stored.dtype}, expected numbers of shape "
                f"(n, {', '.join(map(str, expected))})"
                + ("" if name == "vis" else ", the bands J, Y, H")
                + "."
            )
        n_stamps.add(stored.shape[0])
    if len(n_stamps) > 1:
        raise NotADataSet(f"{path}: 'vis' and 'nisp' have {' and '.join(map(str, sorted(n_stamps)))} stamps.")
    if n_stamps == {0}:
        raise NotADataSet(f"{path}: its arrays hold no stamps.")
    return n_stamps.pop()


def _check_scales(file: h5py.File, known: Mapping, path: Path, bands: Sequence[str]) -> None:
    """Pixel scales of the set, or of the arrays, where they are said."""
    of_set = dict(zip(known.get("bands", ()), known.get(SCALE, ()), strict=False))
    for band in bands:
        said = file[_array_of(band)].attrs.get(SCALE, of_set.get(band))
        if said is None:
            continue
        expected = PIXEL_SCALE[band]
        try:
            numbers = np.asarray(said, float).ravel()
        except ValueError:
            numbers = np.zeros(0)
        # One number for all bands of the array, or one for each of J, Y, H.
        several = band in NISP and len(numbers) == len(NISP)
        if len(numbers) != 1 and not several:
            raise WrongPixelScale(
                f"{path}: {band} has {said!r} arcsec a pixel, expected the number {expected}."
            )
        scale = float(numbers[NISP.index(band) if several else 0])
        if not abs(scale / expected - 1) <= stamps.SCALE_TOLERANCE:
            raise WrongPixelScale(
                f"{path}: {band} has {scale:.4f} arcsec a pixel, expected {expected}; resample the stamps."
            )


@lru_cache(maxsize=2)
def _opened(path: str, changed: int) -> h5py.File:
    return h5py.File(path, "r", rdcc_nbytes=CACHE_BYTES)


def close() -> None:
    """Close the files that were kept open to read on in them."""
    _opened.cache_clear()


def _read(path: str, row: int, name: str, bands: Sequence[str]) -> Stamp:
    planes = {}
    for band in bands:
        try:
            stored = _opened(path, os.stat(path).st_mtime_ns)[_array_of(band)]
            values = stored[row] if band == "VIS" else stored[row, NISP.index(band)]
        except (OSError, RuntimeError, KeyError) as error:
            raise (MissingBand if isinstance(error, KeyError) else TruncatedFile)(
                f"{path}: {band} of {name} cannot be read ({error})."
            ) from None
        where = f"{path}, {name.rsplit(':', 1)[-1]} [{band}]"
        planes[band] = stamps.check(fits_images.Image(np.asarray(values, np.float32), {}, None, where))
    return Stamp(planes, OF_THE_FILES)
