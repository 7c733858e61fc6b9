"""Candidates from alert packets: Avro or Parquet, with cutouts as FITS, compressed or not.

Schemas differ between surveys (ZTF, DECam, Rubin), but all name the three cutouts alike.
"""

import gzip
import io
import math
import warnings
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from skyneedle.core.errors import MissingChannel, NotAnArchive, NotAStamp, SkyneedleError, TruncatedFile
from skyneedle.transients.score.candidates import Candidate, Source

ENDINGS = (".avro", ".parquet")
CUTOUTS = {"temp": "cutoutTemplate", "srch": "cutoutScience", "diff": "cutoutDifference"}
SCORES = ("drb", "reliability", "rb")  # what surveys call theirs, the better one first
ABOUT = ("objectId", "diaObjectId", "candid", "diaSourceId", "publisher", "candidate", "diaSource")
_READ_AT_ONCE = 64


def source(path: Path) -> Source:
    """All alerts of a file.

    Raises:
        NotAnArchive: if it is no such file, or holds no cutouts.
    """
    if path.suffix.lower() == ".parquet":
        return Source("alerts (Parquet)", str(path), False, partial(_parquet, path), _rows(path))
    with open(path, "rb") as file:
        if file.read(4) != b"Obj\x01":
            raise NotAnArchive(
                f"{path}: not an Avro file of alerts with its schema; give the packet as sent."
            )
    return Source("alerts (Avro)", str(path), False, partial(_avro, path))


def _rows(path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise NotAnArchive(f"{path}: not a Parquet file ({error}); fetch it again.") from None
    with file:
        missing = [name for name in CUTOUTS.values() if name not in file.schema_arrow.names]
        if missing:
            raise NotAnArchive(f"{path}: no table of alerts: it has no column {', '.join(missing)}.")
        return file.metadata.num_rows


def _parquet(path: Path) -> Iterator[Candidate]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        wanted = [name for name in (*ABOUT, *CUTOUTS.values()) if name in file.schema_arrow.names]
        place = 0
        for batch in file.iter_batches(batch_size=_READ_AT_ONCE, columns=wanted):
            for alert in batch.to_pylist():
                yield _candidate(alert, path, place)
                place += 1


def _avro(path: Path) -> Iterator[Candidate]:
    import fastavro

    place = 0
    with open(path, "rb") as file:
        try:
            for alert in fastavro.reader(file):
                yield _candidate(cast(dict[str, Any], alert), path, place)
                place += 1
        except (EOFError, ValueError, KeyError, IndexError, zlib.error) as error:
            damage = f"{path}: ends early or is damaged after {place} alerts ({error}); fetch it again."
            yield Candidate(f"{path.stem}:{place}", str(path), partial(_refuse, TruncatedFile(damage)))


def _refuse(error: SkyneedleError) -> Mapping[str, np.ndarray]:
    raise error


def _candidate(alert: Mapping[str, Any], path: Path, place: int) -> Candidate:
    first = alert.get("objectId") or alert.get("diaObjectId")
    second = alert.get("candid") or alert.get("diaSourceId")
    name = ":".join(str(part) for part in (first, second) if part) or f"{path.stem}:{place}"
    about = alert.get("candidate") or alert.get("diaSource") or {}
    numbers = (about.get(key) for key in SCORES)
    score = next((float(value) for value in numbers if isinstance(value, (int, float))), math.nan)
    survey = str(alert.get("publisher") or "").split(" ")[0]
    return Candidate(name, str(path), partial(planes_of, alert, name), survey, -1, score)


def planes_of(alert: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    """The cutouts of an alert by channel.

    Raises:
        MissingChannel: if one is not there.
        NotAStamp, TruncatedFile: see ``image_of``.
    """
    planes = {}
    for channel, key in CUTOUTS.items():
        content = alert.get(key)
        if isinstance(content, Mapping):
            content = content.get("stampData")
        if not content:
            raise MissingChannel(f"{name}: the alert has no {key}.")
        planes[channel] = image_of(content, f"{name}, {key}")
    return planes


def image_of(content: bytes, name: str) -> np.ndarray:
    """The first image of a FITS file of any size, gzipped or not, float32.

    Raises:
        NotAStamp: if it is none.
        TruncatedFile: if it ends early.
    """
    from astropy.io import fits

    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise TruncatedFile(f"{name}: damaged ({error}).") from None
    if not content.startswith(b"SIMPLE"):
        raise NotAStamp(f"{name}: begins with {content[:8]!r}, a FITS image was expected.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd keywords; what matters is checked here
        try:
            with fits.open(io.BytesIO(content), memmap=False) as file:
                values = next((hdu.data for hdu in file if hdu.is_image and hdu.data is not None), None)
        except (OSError, ValueError, TypeError, KeyError, fits.VerifyError) as error:
            raise TruncatedFile(f"{name}: the FITS file ends early or is damaged ({error}).") from None
    if values is None or np.ndim(values) != 2:
        raise NotAStamp(f"{name}: no image with two axes.")
    return np.asarray(values).astype(np.float32)
