"""Strain files as the Gravitational Wave Open Science Center writes them: HDF5 and text, read and written.

Layout of the HDF5 files: `strain/Strain` with attributes Xstart and Xspacing (s); one unsigned integer a
second of quality bits in `quality/simple/DQmask`, of hardware-injection bits in `quality/injections/Injmask`.
"""

import gzip
import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np

from skyneedle.core.errors import NotAStrainFile, NotHDF5, TruncatedFile
from skyneedle.core.files import appearing
from skyneedle.strain.fetch.stretch import (
    DETECTORS,
    Strain,
    detector_name,
    join,
    nan_seconds,
    refuse_nan,
    sample_range,
    seconds_as_spans,
)

__all__ = [
    "DETECTORS",
    "INJECTION_BITS",
    "QUALITY_BITS",
    "Strain",
    "join",
    "nan_seconds",
    "read",
    "read_gwosc",
    "read_text",
    "seconds_as_spans",
    "write_gwosc",
]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
QUALITY_BITS = ("DATA", "CBC_CAT1", "CBC_CAT2", "CBC_CAT3", "BURST_CAT1", "BURST_CAT2", "BURST_CAT3")
INJECTION_BITS = (
    "NO_CBC_HW_INJ",
    "NO_BURST_HW_INJ",
    "NO_DETCHAR_HW_INJ",
    "NO_CW_HW_INJ",
    "NO_STOCH_HW_INJ",
)
# GPS second from which GPS is ahead of UTC by so many seconds (the archive's data begin in 2005).
LEAP_SECONDS = (
    (1167264018, 18),
    (1119744017, 17),
    (1025136016, 16),
    (914803215, 15),
    (820108814, 14),
    (0, 13),
)


def read(
    path: str | os.PathLike,
    *,
    allow_nan: bool = False,
    span: tuple[float, float] | None = None,
    name: str = "",
) -> Strain:
    """Read a strain file in the GWOSC HDF5 or text format, told apart by name.

    Args:
        path: `.hdf5`/`.h5`, or `.txt`/`.txt.gz`.
        allow_nan: accept missing samples (NaN), as the archive's 4096-s files have them.
        span: (start, end) in GPS s to cut out; None for the whole file.
        name: what the file is to be called, where that is not its name yet (a partial download).

    Returns:
        The strain.

    Raises:
        NotHDF5, TruncatedFile, NotAStrainFile, StrainHasNaN: see `read_gwosc` and `read_text`.
    """
    reader = read_text if (name or Path(path).name).endswith((".txt", ".txt.gz")) else read_gwosc
    return reader(path, allow_nan=allow_nan, span=span)


def check_signature(path: str | os.PathLike) -> None:
    """Raise unless the file begins as HDF5 does.

    Raises:
        TruncatedFile: if the file is empty.
        NotHDF5: if it is something else; an HTML page is named as such.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise TruncatedFile(f"{path}: the file is empty, a GWOSC HDF5 file was expected; fetch it again")
    if head.startswith(HDF5_SIGNATURE):
        return
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")) or b"<html" in text:
        raise NotHDF5(
            f"{path}: this is an HTML page (an error or login page saved under the name of a strain file), "
            "HDF5 was expected; delete it and fetch the file again, or name another mirror"
        )
    raise NotHDF5(
        f"{path}: the file begins with {head[:8]!r}, HDF5 begins with {HDF5_SIGNATURE!r}; "
        "give a GWOSC HDF5 file, or name text files .txt or .txt.gz"
    )


def read_gwosc(
    path: str | os.PathLike, *, allow_nan: bool = False, span: tuple[float, float] | None = None
) -> Strain:
    """Read a GWOSC HDF5 file.

    Args:
        path: the file.
        allow_nan: accept missing samples (NaN), as the archive's 4096-s files have them.
        span: (start, end) in GPS s to cut out (whole seconds keep the masks aligned); None for all of it.

    Returns:
        The strain.

    Raises:
        NotHDF5: if the file is not HDF5, for instance an HTML page.
        TruncatedFile: if the file ends early or cannot be decompressed.
        NotAStrainFile: if it is HDF5 without the data sets of a strain file, or does not contain `span`.
        StrainHasNaN: if samples are missing and `allow_nan` is false; names the GPS seconds.

    Source: file layout of LIGO Open Science Center event and bulk releases, read from O1 files.
    """
    check_signature(path)
    try:
        with h5py.File(path, "r") as file:
            strain = _from_hdf5(file, str(path), span)
    # Damage in the data is an OSError of h5py; damage in what leads to them may be any of the others.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise TruncatedFile(
            f"{path}: the HDF5 file has {os.path.getsize(path)} bytes and ends early or is damaged "
            f"({error}); delete it and fetch it again"
        ) from None
    return strain if allow_nan else refuse_nan(strain)


def _from_hdf5(file: h5py.File, path: str, span: tuple[float, float] | None) -> Strain:
    data = file.get("strain/Strain")
    if not isinstance(data, h5py.Dataset) or data.ndim != 1 or "Xspacing" not in data.attrs:
        raise NotAStrainFile(
            f"{path}: no one-dimensional data set strain/Strain with attribute Xspacing (the file holds "
            f"{', '.join(sorted(file)) or 'nothing'}); give a strain file in the GWOSC HDF5 layout"
        )
    sample_rate = _round_rate(1.0 / float(data.attrs["Xspacing"]))
    if "Xstart" in data.attrs:
        start = float(data.attrs["Xstart"])
    elif "meta/GPSstart" in file:
        start = float(file["meta/GPSstart"][()])
    else:
        raise NotAStrainFile(
            f"{path}: neither Xstart of strain/Strain nor meta/GPSstart gives the GPS time of the first "
            "sample; add one of them"
        )
    seconds = int(np.ceil(data.shape[0] / sample_rate))
    expected = (
        round(float(file["meta/Duration"][()]) * sample_rate) if "meta/Duration" in file else data.shape[0]
    )
    if data.shape[0] < expected:
        raise TruncatedFile(
            f"{path}: {data.shape[0]} samples, but meta/Duration and the rate of {sample_rate:g} Hz give "
            f"{expected}; fetch the file again"
        )
    first, last = sample_range(span, start, sample_rate, data.shape[0], path)
    masks = {
        name: _mask(file, name, path, seconds, int(first // sample_rate), int(np.ceil(last / sample_rate)))
        for name in ("quality/simple/DQmask", "quality/injections/Injmask")
    }
    return Strain(
        values=data[first:last].astype(np.float64, copy=False),
        gps_start=start + first / sample_rate,
        sample_rate=sample_rate,
        detector=_detector(file, path),
        quality=masks["quality/simple/DQmask"],
        injections=masks["quality/injections/Injmask"],
        path=path,
    )


def _mask(file: h5py.File, name: str, path: str, seconds: int, first: int, last: int) -> np.ndarray | None:
    if name not in file:
        return None
    mask = file[name]
    if mask.shape != (seconds,):
        raise NotAStrainFile(
            f"{path}: {name} has shape {mask.shape}, one value a second means ({seconds},); "
            "fetch the file again"
        )
    return mask[first:last].astype(np.uint32)


def _detector(file: h5py.File, path: str) -> str:
    for name in ("meta/Detector", "meta/Observatory"):
        if name in file:
            found = detector_name(_as_text(file[name][()]))
            if found:
                return found
    found = detector_name(Path(path).name)
    if found:
        return found
    raise NotAStrainFile(
        f"{path}: neither meta/Detector, meta/Observatory nor the file name says which detector this is; "
        f"name the file like H-H1_..., with one of {', '.join(DETECTORS)}"
    )


def _as_text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _round_rate(rate: float) -> float:
    # 1/16384 s is exact in binary, but text headers and hand-made files round the spacing.
    return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate


def read_text(
    path: str | os.PathLike, *, allow_nan: bool = False, span: tuple[float, float] | None = None
) -> Strain:
    """Read a GWOSC text file: comment lines that give rate and GPS start, then one value a line.

    Args:
        path: `.txt` or `.txt.gz`.
        allow_nan: accept missing samples (NaN).
        span: (start, end) in GPS s to cut out; None for the whole file.

    Returns:
        The strain; such files carry no quality bits, so `quality` and `injections` are None.

    Raises:
        NotAStrainFile: if the header lacks rate, start or detector, or a line is no number.
        TruncatedFile: if there are fewer values than the header says, or the compressed file ends early.
        StrainHasNaN: if samples are missing and `allow_nan` is false; names the GPS seconds.
    """
    path = Path(path)
    with open(path, "rb") as file:
        opener = gzip.open if file.read(2) == b"\x1f\x8b" else open
    header: list[str] = []
    try:
        with opener(path, "rt", encoding="ascii", errors="replace") as file:
            for line in file:
                if not line.startswith("#"):
                    break
                header.append(line)
        with opener(path, "rt", encoding="ascii", errors="replace") as file:
            values = np.loadtxt(file, dtype=np.float64, comments="#", ndmin=1)
    except (EOFError, gzip.BadGzipFile) as error:
        raise TruncatedFile(
            f"{path}: the compressed file ends early or is damaged ({error}); fetch it again"
        ) from None
    except ValueError as error:
        raise NotAStrainFile(
            f"{path}: not one number a line ({error}); give a text file in the GWOSC format"
        ) from None
    strain = _from_text("".join(header), values, path)
    if span is not None:
        first, last = sample_range(span, strain.gps_start, strain.sample_rate, len(values), str(path))
        strain = Strain(
            values[first:last],
            strain.gps_start + first / strain.sample_rate,
            strain.sample_rate,
            strain.detector,
            path=str(path),
        )
    return strain if allow_nan else refuse_nan(strain)


def _from_text(header: str, values: np.ndarray, path: Path) -> Strain:
    rate = re.search(r"([\d.]+)\s+samples per second", header)
    start = re.search(r"starting GPS\s+([\d.]+)", header)
    duration = re.search(r"duration\s+([\d.]+)", header)
    detector = detector_name(header) or detector_name(path.name)
    if not (rate and start and detector) or values.ndim != 1:
        raise NotAStrainFile(
            f"{path}: comment lines at the top must say '<rate> samples per second', 'starting GPS <second>' "
            "and the detector (or the name does, like H-H1_...), and one value a line must follow; found "
            f"{header[:200]!r}"
        )
    sample_rate = float(rate.group(1).rstrip("."))
    expected = round(float(duration.group(1).rstrip(".")) * sample_rate) if duration else len(values)
    if len(values) < expected or not len(values):
        raise TruncatedFile(
            f"{path}: {len(values)} values, the header's duration and rate give {expected}; "
            "fetch the file again"
        )
    return Strain(values, float(start.group(1).rstrip(".")), sample_rate, detector, path=str(path))


def utc(gps: float) -> str:
    """UTC of a GPS time, to the second, as the archive writes it (2015-09-14T09:50:29)."""
    leap = next(offset for since, offset in LEAP_SECONDS if gps >= since)
    return (datetime(1980, 1, 6) + timedelta(seconds=int(gps) - leap)).isoformat()


def write_gwosc(
    path: str | os.PathLike,
    values: np.ndarray,
    gps_start: float,
    detector: str,
    sample_rate: float = 4096,
    quality: np.ndarray | None = None,
    injections: np.ndarray | None = None,
) -> None:
    """Write strain as a GWOSC HDF5 file, whole or not at all; readers of the archive's files open it.

    Args:
        path: the file to write; the archive names them like H-H1_NAME-<GPS start>-<duration>.hdf5.
        values: strain, shape (n,); dimensionless.
        gps_start: GPS time of the first sample, in s.
        detector: "H1", "L1", "V1", ...
        sample_rate: in Hz.
        quality: mask of QUALITY_BITS a second, shape (n_seconds,); by default all bits where all is finite.
        injections: mask of INJECTION_BITS a second, shape (n_seconds,); by default all bits (no injection).
    """
    values = np.asarray(values, dtype=np.float64)
    seconds = int(np.ceil(len(values) / sample_rate))
    if quality is None:
        quality = np.full(seconds, 2 ** len(QUALITY_BITS) - 1)
        quality[np.unique(np.flatnonzero(~np.isfinite(values)) // int(sample_rate))] = 0
    if injections is None:
        injections = np.full(seconds, 2 ** len(INJECTION_BITS) - 1)
    start = int(gps_start) if float(gps_start).is_integer() else float(gps_start)
    with appearing(path) as partial, h5py.File(partial, "w") as file:
        _write_meta(file, start, detector, len(values) / sample_rate)
        data = file.create_dataset(
            "strain/Strain", data=values, chunks=(min(2048, max(1, len(values))),), compression="gzip"
        )
        data.attrs.update(Npoints=len(values), Xlabel="GPS time", Xspacing=1.0 / sample_rate, Xstart=start)
        data.attrs.update(Xunits="second", Ylabel="Strain", Yunits="")
        _write_mask(file, "quality/simple", "DQ", quality, QUALITY_BITS, start)
        _write_mask(file, "quality/injections", "Inj", injections, INJECTION_BITS, start)


def _write_meta(file: h5py.File, start: float, detector: str, duration: float) -> None:
    file["meta/Description"] = "Strain data time series"
    file["meta/Detector"] = detector
    file["meta/Observatory"] = detector[0]
    file["meta/Duration"] = int(duration) if float(duration).is_integer() else duration
    file["meta/GPSstart"] = start
    file["meta/Type"] = "StrainTimeSeries"
    file["meta/UTCstart"] = utc(start)


def _write_mask(
    file: h5py.File, group: str, short: str, mask: np.ndarray, bits: Sequence[str], start: float
) -> None:
    data = file.create_dataset(
        f"{group}/{short}mask", data=np.asarray(mask).astype("<u4"), compression="gzip"
    )
    data.attrs.update(Bits=len(bits), Npoints=len(mask), Xlabel="GPS time", Xspacing=1.0, Xstart=start)
    data.attrs.update(Xunits="second", Ylabel=f"{short}mask")
    file[f"{group}/{short}Shortnames"] = np.array(bits, dtype="S")
