"""Stamps of the survey's archive, pictures (GIF) or images (FITS), read out of a tar without unpacking."""

import io
import os
import re
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from skyneedle.core.errors import BadSetting, NotAnArchive, NotAStamp, TruncatedFile, WrongStampSize
from skyneedle.transients.preprocess import CHANNELS, SIZE

ENDINGS = {"gif": "gif", "fits": "fits"}  # of each pixel mode
DTYPES = {"gif": np.uint8, "fits": np.float32}
_NAME = re.compile(r"^(srch|temp|diff)(\d+)\.(gif|fits)$")
_FOLDERS = re.compile(r"(?:^|/)(\d{8})/(\d+)/[^/]+$")
_EXPOSURE = re.compile(r"(?:^|/)(\d+)/[^/]+$")
_TAR_BLOCK = 512
_LARGEST_ID = np.iinfo(np.int64).max


# --- single files

_FITS_BLOCK, _CARD = 2880, 80
_SIMPLE = tuple(
    f"{key:8}= {value:>20}".encode()
    for key, value in (("SIMPLE", "T"), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", SIZE), ("NAXIS2", SIZE))
)
_SCALED = (b"BSCALE", b"BZERO", b"BLANK")
_N_BYTES = 4 * SIZE * SIZE


def read_fits(content: bytes, name: str = "stamp") -> np.ndarray:
    """The primary image of a FITS file, shape (51, 51), float32 in the machine's byte order.

    Plain single-precision images are read here, which is many times faster; whatever is unusual (other
    numbers, scaling, headers that go astray) by astropy.

    Args:
        content: of the whole file.
        name: of it, for messages.

    Raises:
        NotAStamp: if it is no FITS file with an image of two axes.
        WrongStampSize: if it has other numbers of pixels.
        TruncatedFile: if it ends early.
    """
    start = _plain_data(content)
    if start is None:
        return _read_with_astropy(content, name)
    return np.frombuffer(content, ">f4", SIZE * SIZE, start).reshape(SIZE, SIZE).astype(np.float32)


def _plain_data(content: bytes) -> int | None:
    """Where the data of a plain image begin; None if it is not one, or does not end as it says."""
    for k, card in enumerate(_SIMPLE):
        if not content.startswith(card, k * _CARD):
            return None
    end = content.find(b"END" + 77 * b" ")
    if end < 0 or end % _CARD:
        return None
    if any(content.find(word, 0, end) >= 0 for word in _SCALED):
        return None
    start = -(-(end + _CARD) // _FITS_BLOCK) * _FITS_BLOCK
    return start if len(content) >= start + _N_BYTES else None


def _read_with_astropy(content: bytes, name: str) -> np.ndarray:
    from astropy.io import fits

    if not content.startswith(b"SIMPLE"):
        raise NotAStamp(f"{name}: begins with {content[:8]!r}, a FITS image was expected")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about truncation and odd keywords: what matters is checked here
        try:
            with fits.open(io.BytesIO(content), memmap=False) as file:
                values = file[0].data
        except (OSError, ValueError, TypeError, KeyError, fits.VerifyError) as error:
            raise TruncatedFile(
                f"{name}: the FITS file of {len(content)} bytes ends early or is damaged ({error})"
            ) from None
    if values is None or np.ndim(values) != 2:
        raise NotAStamp(f"{name}: its primary image has shape {np.shape(values)}, expected two axes")
    return _sized(np.asarray(values).astype(np.float32), name)


_SQUARE = 2 * SIZE.to_bytes(2, "little")  # width and height
_FRAME = b"," + bytes(4) + _SQUARE  # the whole picture
_INTERLACED = {0x00: 0, 0x40: 1}  # of flags that tell of nothing else, such as a table of its own


def read_gif(content: bytes, name: str = "stamp") -> np.ndarray:
    """The picture of a GIF file, grey values, shape (51, 51), uint8.

    The headers of plain pictures are read here, others by Pillow, which decodes both.

    Raises:
        NotAStamp: if it is no GIF file, or in colour.
        WrongStampSize: if it has other numbers of pixels.
        TruncatedFile: if it ends early.
    """
    if not content.startswith((b"GIF87a", b"GIF89a")):
        raise NotAStamp(f"{name}: begins with {content[:8]!r}, a GIF picture was expected")
    plain = _plain_picture(content)
    if plain is not None:
        return plain
    return _read_with_pillow(content, name)


def _plain_picture(content: bytes) -> np.ndarray | None:
    """Grey values of a plain picture; None if it is not one, or does not end as it should."""
    from PIL import Image

    if content[6:10] != _SQUARE or len(content) < 13 or content[10] < 128:
        return None
    end = 13 + 3 * (2 << (content[10] & 7))
    grey = content[13:end:3]  # pixels are places in a table of colours, which need not be in order
    if grey != content[14:end:3] or grey != content[15:end:3]:
        return None
    try:
        while content[end] == 0x21:  # an extension, whose blocks each begin with their length
            end += 2
            while content[end]:
                end += 1 + content[end]
            end += 1
        flags, bits, coded = content[end + 9], content[end + 10], content[end + 11 :]
        if not content.startswith(_FRAME, end) or flags not in _INTERLACED:
            return None
        how = bits, _INTERLACED[flags]
        places = Image.frombytes("L", (SIZE, SIZE), coded, "gif", how).tobytes()
    except (ValueError, IndexError, OSError):
        return None
    return np.frombuffer(places.translate(grey.ljust(256, b"\0")), np.uint8).reshape(SIZE, SIZE)


def _read_with_pillow(content: bytes, name: str) -> np.ndarray:
    from PIL import GifImagePlugin

    try:
        picture = GifImagePlugin.GifImageFile(io.BytesIO(content))
        values = np.asarray(picture)
        if picture.mode == "P":  # pixels are places in a table of colours, which need not be in order
            assert picture.palette is not None
            colours = np.frombuffer(bytes(picture.palette.palette), np.uint8).reshape(-1, 3)
            if (colours != colours[:, :1]).any():
                raise NotAStamp(f"{name}: the picture is in colour, grey values were expected")
            grey = np.zeros(256, np.uint8)
            grey[: len(colours)] = colours[:, 0]
            values = grey[values]
    except (OSError, EOFError, SyntaxError, ValueError, IndexError) as error:
        raise TruncatedFile(
            f"{name}: the GIF file of {len(content)} bytes ends early or is damaged ({error})"
        ) from None
    if picture.mode not in ("L", "P"):
        raise NotAStamp(f"{name}: the picture has mode {picture.mode}, grey values were expected")
    return _sized(values, name)


def _sized(values: np.ndarray, name: str) -> np.ndarray:
    if values.shape != (SIZE, SIZE):
        raise WrongStampSize(
            f"{name}: {values.shape[0]} x {values.shape[1]} pixels, expected {SIZE} x {SIZE}"
        )
    return values


READERS = {"gif": read_gif, "fits": read_fits}


# --- the archive


@dataclass
class Candidate:
    """Where the planes of one candidate lie in the tar.

    Attributes:
        night: YYYYMMDD; -1 where the path does not tell.
        expid: number of the exposure; -1 where the path does not tell.
        planes: from the channel to place and length of the file, in bytes.
    """

    night: int
    expid: int
    planes: dict[str, tuple[int, int]] = field(default_factory=dict)


class Archive:
    """The stamps of one tar, found by one pass over its names and read in any order; nothing is unpacked.

    Args:
        path: an uncompressed tar; its folders may be of either kind, ``.../Y1/YYYYMMDD/<expid>/`` or flatter.
        pixel_mode: "gif" or "fits"; files of the other kind are counted and left alone, since pictures and
            images differ in orientation and values.

    Attributes:
        candidates: by id, in the order in which they appear.
        counts: of members: ``stamps`` (of this kind), ``other_kind``, ``other_names``, ``no_files`` (links
            and the like), ``unsafe_names`` and ``duplicate_planes`` (of which the first is kept).

    Raises:
        NotAnArchive: if it is no such tar, or holds no stamp of this kind.
        BadSetting: if there is no such pixel mode.
    """

    def __init__(self, path: str | os.PathLike, pixel_mode: str):
        if pixel_mode not in ENDINGS:
            raise BadSetting(f"Pixel mode '{pixel_mode}': expected one of {', '.join(ENDINGS)}.")
        self.path, self.pixel_mode = Path(path), pixel_mode
        self.candidates: dict[int, Candidate] = {}
        self.counts: Counter[str] = Counter()
        for name, is_file, start, size in members(self.path):
            self.counts[self._place(name, is_file, start, size)] += 1
        if not self.candidates:
            raise NotAnArchive(
                f"{self.path}: no stamp named (temp|srch|diff)<id>.{ENDINGS[pixel_mode]} is in it "
                f"({dict(self.counts)}); choose the other pixel mode, or give an archive of stamps."
            )
        self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115, closed by close

    def _place(self, name: str, is_file: bool, start: int, size: int) -> str:
        """Take a member in and say what it was."""
        folder, _, base = name.rpartition("/")
        match = _NAME.match(base)
        if not match:
            return "other_names"
        if ".." in folder.split("/"):
            return "unsafe_names"
        if not is_file:
            return "no_files"
        if match[3] != ENDINGS[self.pixel_mode]:
            return "other_kind"
        identifier = int(match[2])
        if identifier > _LARGEST_ID:
            return "other_names"
        candidate = self.candidates.get(identifier)
        if candidate is None:
            candidate = self.candidates[identifier] = Candidate(*night_and_exposure(name))
        if match[1] in candidate.planes:
            return "duplicate_planes"
        candidate.planes[match[1]] = (start, size)
        return "stamps"

    def read(self, identifier: int) -> np.ndarray:
        """Template, search and difference image of one candidate, shape (3, 51, 51).

        Raises:
            NotAStamp: if a plane is missing, or is none.
            WrongStampSize, TruncatedFile: if a plane is not as it has to be.
        """
        planes = self.candidates[identifier].planes
        out = np.empty((len(CHANNELS), SIZE, SIZE), DTYPES[self.pixel_mode])
        for k, channel in enumerate(CHANNELS):
            name = f"{self.path}, {channel}{identifier}.{ENDINGS[self.pixel_mode]}"
            if channel not in planes:
                raise NotAStamp(f"{name}: this plane is missing")
            start, size = planes[channel]
            out[k] = READERS[self.pixel_mode](os.pread(self._file.fileno(), size, start), name)
        return out

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def night_and_exposure(name: str) -> tuple[int, int]:
    """Night (YYYYMMDD) and exposure number from a member's path; -1 for what it does not tell."""
    match = _FOLDERS.search(name)
    if match:
        return int(match[1]), int(match[2])
    match = _EXPOSURE.search(name)
    return -1, int(match[1]) if match and int(match[1]) <= _LARGEST_ID else -1


def members(path: Path) -> Iterator[tuple[str, bool, int, int]]:
    """Name, whether it is a regular file, first byte of the data and their length, of each member of a tar.

    Ordinary headers are read here, several times faster than by ``tarfile``; from the first unusual one on
    (long names, sparse files and the like) ``tarfile`` reads.

    Raises:
        NotAnArchive: if the file is no uncompressed tar, or ends early.
    """
    if not path.is_file():
        raise NotAnArchive(f"{path}: no such file; give an archive of stamps (.tar).")
    length = path.stat().st_size
    with open(path, "rb", buffering=1 << 16) as file:
        position = 0
        while True:
            header = file.read(_TAR_BLOCK)
            member = _plain_header(header)
            if member is None:
                break
            name, is_file, size = member
            yield name, is_file, position + _TAR_BLOCK, size
            position += _TAR_BLOCK - (-size // _TAR_BLOCK) * _TAR_BLOCK
            if position > length:
                raise NotAnArchive(
                    f"{path}: ends after {length} bytes within '{name}'; fetch the archive again."
                )
            file.seek(position)
        if not header.strip(b"\0") and position:  # zeros, or nothing at all, which some archives end with
            return
        file.seek(position)
        yield from _unusual(path, file, position, length)


def _unusual(path: Path, file: BinaryIO, position: int, length: int) -> Iterator[tuple[str, bool, int, int]]:
    """Members from one on that has an unusual header."""
    damaged = NotAnArchive(
        f"{path}: not an uncompressed tar, or damaged after {position} bytes; unpack it if it is "
        "compressed, else fetch it again."
    )
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.isreg() and info.offset_data + info.size > length:
                    raise NotAnArchive(
                        f"{path}: ends after {length} bytes within '{info.name}'; fetch the archive again."
                    )
                # A sparse file lies in pieces; no stamp does, so it counts as none.
                yield info.name, info.isreg() and not info.issparse(), info.offset_data, info.size
                tar.members.clear()  # type: ignore[attr-defined]  # else all stay in memory
            # tarfile ends without a word at a header that it cannot read.
            file.seek(tar.offset)
            if tar.offset == position or file.read(_TAR_BLOCK).strip(b"\0"):
                raise damaged
    except (tarfile.TarError, OSError, EOFError):
        raise damaged from None


def _plain_header(header: bytes) -> tuple[str, bool, int] | None:
    """Name, whether it is a regular file, and size of an ordinary member; None for whatever else."""
    if len(header) < _TAR_BLOCK or header[156:157] not in (b"0", b"\0", b"5", b"1", b"2"):
        return None
    try:
        size = int(header[124:136].strip(b"\0 ") or b"0", 8)
        told = int(header[148:156].strip(b"\0 "), 8)
    except ValueError:
        return None
    if told != sum(header) - sum(header[148:156]) + 8 * 32:
        return None
    kind, name = header[156:157], header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0", 1)[0] + b"/" + name
    is_file = kind in (b"0", b"\0") and not name.endswith(b"/")
    return name.decode("utf-8", "surrogateescape"), is_file, size if kind in (b"0", b"\0") else 0
