"""The lens-finding challenges as published: packed images and their catalogue, fetched where asked for."""

import shutil
import tarfile
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from tqdm import tqdm

from skyneedle.core import archive
from skyneedle.core.download import check_disk
from skyneedle.core.errors import NotACatalogue, NotAnArchive

PAGE = "http://metcalf1.difa.unibo.it/blf-portal/gg_challenge.html"
CATALOGUE2 = "image_catalog2.0train.csv"
# Files of each challenge, the one first without which the others are of no use; addresses in datasets.tsv.
ARCHIVES = MappingProxyType(
    {
        "challenge1": ("SpaceBasedTraining.tar.gz",),
        "challenge2": (CATALOGUE2, "datapack2.0train.tar.gz"),
        "challenge2_test": ("datapack2.0test.tar.gz",),
    }
)
UNPACKED = (".fits", ".csv")
_EXPANDS = 1.4  # a set's 100,000 objects take 23 GB in four bands, their packed file 19 GB
_CHUNK = 1 << 20


def fetch(status: str | Path, name: str, folder: str | Path, **options: Any) -> dict[str, Any]:
    """Bring one challenge into a folder and unpack it there.

    Args:
        status: JSON to write when all is there, see ``core.archive.fetch``.
        name: one of ``ARCHIVES``.
        folder: for the packed files, and beside them what is in them.
        options: of ``core.archive.fetch``.

    Returns:
        What was written.

    Raises:
        SourceUnavailable: if a file is missing; says which and what to do.
        NotAnArchive: if a packed file is damaged.
        DiskTooSmall: if what is in it does not fit.
    """
    names = ARCHIVES[name]
    hint = (
        "they are also fetched with network: true and lenses.images.max_gb. "
        f"The challenge's page is {PAGE}. Without them, lenses.images.source: simulated makes such images."
    )
    addresses: dict[str, list[str]] = {one: [] for one in names}
    told = archive.fetch_in_order(status, folder, addresses, names[0], hint, check=check, **options)
    for one in names:
        if one.endswith(".tar.gz"):
            unpack(Path(folder, one), folder)
    return told


def check(path: Path, name: str) -> None:
    """Raise unless a file begins as a packed tar or as the challenge's catalogue does.

    Raises:
        NotAnArchive, NotACatalogue: if it is something else, such as an error page saved under its name.
    """
    if name.endswith(".csv"):
        archive.check_start(path, b"#", "a catalogue with a comment line", NotACatalogue)
    else:
        archive.check_start(path, b"\x1f\x8b", "a gzip file", NotAnArchive)


def unpack(path: str | Path, folder: str | Path) -> int:
    """Unpack images and catalogues of a packed tar, going on where an earlier try stopped.

    What is there with the size that the archive says is kept. Nothing is written out of the folder.

    Args:
        path: the packed file.
        folder: to unpack into.

    Returns:
        How many files it holds.

    Raises:
        NotAnArchive: if it is damaged, or holds no image.
        DiskTooSmall: if there is not much more room than it takes itself.
    """
    path, folder = Path(path), Path(folder)
    size = path.stat().st_size
    there = sum(one.stat().st_size for one in folder.rglob("*") if one.suffix in UNPACKED)
    check_disk(folder, max(0, int(_EXPANDS * size) - there))
    count = 0
    try:
        with (
            open(path, "rb") as packed,
            tqdm(total=size, unit="B", unit_scale=True, desc=f"unpack {path.name}", disable=None) as bar,
            tarfile.open(fileobj=packed, mode="r|gz", bufsize=_CHUNK) as tar,
        ):
            for member in tar:
                bar.update(packed.tell() - bar.n)
                if member.isfile() and PurePosixPath(member.name).suffix in UNPACKED:
                    _extract(tar, member, folder)
                    count += 1
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the archive
        raise NotAnArchive(f"{path}: {error}; delete it and fetch it again") from None
    if not count:
        raise NotAnArchive(f"{path}: holds no file {' or '.join(UNPACKED)}; give the challenge's own archive")
    return count


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    inner = PurePosixPath(member.name)
    if inner.is_absolute() or ".." in inner.parts:
        raise tarfile.ReadError(f"{member.name} would be written out of the folder")
    target = folder / inner
    if target.is_file() and target.stat().st_size == member.size:
        return
    stream = tar.extractfile(member)
    if stream is None:
        raise tarfile.ReadError(f"{member.name} cannot be read")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as out:
        shutil.copyfileobj(stream, out, _CHUNK)
