"""What there is to score in files and folders; the ending of a name tells the kind of file."""

import os
from collections.abc import Sequence
from pathlib import Path

from skyneedle.core.errors import NotAnArchive, WrongPixelMode
from skyneedle.transients.score import from_alerts, from_archive
from skyneedle.transients.score.candidates import Source

HDF5 = (".h5", ".hdf5")
KINDS = ".tar, .h5, .avro, .parquet, or a folder of them or of files (temp|srch|diff)<id>.(fits|gif)"


def find(paths: Sequence[str | os.PathLike], pixel_mode: str) -> list[Source]:
    """Everything to score.

    Args:
        paths: files, and folders that are searched at any depth.
        pixel_mode: of the stamps that the network learned from, "gif" or "fits".

    Raises:
        NotAnArchive: if a path does not exist or has nothing to score.
        WrongPixelMode: if alerts are to be scored by a network that learned from 8-bit pictures.
    """
    found: list[Source] = []
    for path in map(Path, paths):
        if path.is_file():
            found.append(_file(path, pixel_mode))
        elif path.is_dir():
            found += _folder(path, pixel_mode)
        else:
            raise NotAnArchive(f"{path}: no such file or folder; give {KINDS}.")
    return found


def _file(path: Path, pixel_mode: str) -> Source:
    ending = path.suffix.lower()
    if ending == ".tar":
        return from_archive.tar(path, pixel_mode)
    if ending in HDF5:
        return from_archive.data_set(path, pixel_mode)
    if ending in from_alerts.ENDINGS:
        if pixel_mode != "fits":
            raise WrongPixelMode(
                f"{path}: alerts hold fluxes, but the network learned from 8-bit pictures; give --network "
                "one that learned from FITS stamps (recipe corrected)."
            )
        return from_alerts.source(path)
    raise NotAnArchive(f"{path}: nothing to score in a file of this kind; give {KINDS}.")


def _folder(path: Path, pixel_mode: str) -> list[Source]:
    files = []
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent).relative_to(path)
        files += [str(here / name) for name in sorted(names) if not name.startswith(".")]
    stamps = from_archive.folder(path, files, pixel_mode)
    endings = (".tar", *HDF5, *from_alerts.ENDINGS)
    found = [_file(path / file, pixel_mode) for file in files if file.lower().endswith(endings)]
    found = ([stamps] if stamps else []) + found
    if not found:
        raise NotAnArchive(
            f"{path}: nothing to score with a network for '{pixel_mode}' stamps among {len(files)} files; "
            f"give {KINDS}."
        )
    return found
