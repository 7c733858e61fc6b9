"""What there is to classify in files and folders.

- HDF5 (.h5, .hdf5, .hdf): arrays ``vis`` (n, 200, 200) and ``nisp`` (n, 3, 66, 66) in the order J, Y, H, as
  far as the network needs them; the data sets of this package are such files.
- FITS (.fits, .fit, also packed: .fits.gz) with VIS, Y, J or H as a word of its name: one band. Files whose
  paths differ in nothing but this word are one object, as in the second Euclid challenge.
- any other FITS: one object, its bands in extensions named VIS, Y, J, H, or a Euclid Q1 cutout; also where
  such a word belongs to the name of the object (H-ATLAS).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skyneedle.core import fits_images
from skyneedle.core.errors import NotAStamp
from skyneedle.lenses.classify import from_fits, from_hdf5
from skyneedle.lenses.classify.objects import Group, LeftOut


@dataclass
class Found:
    """All that lies below the paths given.

    Attributes:
        groups: of objects.
        refused: files that no object can be read from.
        n_others: files that are neither FITS nor HDF5.
    """

    groups: list[Group] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)
    n_others: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.groups))


def find(paths: Sequence[str | os.PathLike], bands: Sequence[str]) -> Found:
    """Everything to classify.

    Args:
        paths: files, and folders that are searched at any depth. What lies below one of them in the same kind
            of file is one survey.
        bands: that the network needs.

    Raises:
        NotAStamp: if a path does not exist or is a file of another kind, or a folder has nothing to read.
    """
    found = Found()
    for path in map(Path, paths):
        root, files = _files(path)
        before = f"{path.resolve().name}/" if len(paths) > 1 and path.is_dir() else ""
        fits = [file for file in files if file.lower().endswith(from_fits.ENDINGS)]
        hdf5 = [file for file in files if file.lower().endswith(from_hdf5.ENDINGS)]
        found.n_others += len(files) - len(fits) - len(hdf5)
        if not fits and not hdf5:
            raise NotAStamp(
                f"{path}: no file to classify here or below among {len(files)}; they end in "
                f"{', '.join(from_fits.ENDINGS + from_hdf5.ENDINGS)}."
            )
        found.groups += from_fits.groups(fits, root, before, found.refused)
        found.groups += from_hdf5.groups(hdf5, root, before, bands, found.refused)
    return found


def _files(path: Path) -> tuple[Path, list[str]]:
    """A folder and the files in it, or those of one file, in a fixed order."""
    if path.is_file():
        if not path.name.lower().endswith(from_fits.ENDINGS + from_hdf5.ENDINGS):
            fits_images.check_signature(path)  # has a sentence for pictures and pages
            raise NotAStamp(
                f"{path}: a FITS file whose name does not end in {' or '.join(from_fits.ENDINGS)}; rename it."
            )
        return path.parent, [path.name]
    if not path.is_dir():
        raise NotAStamp(f"{path}: no such file or folder; give stamps as FITS or HDF5.")
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder).relative_to(path)
        found += [str(here / name) for name in sorted(names) if not name.startswith(".")]
    return path, found
