"""Which real images there are: their collections, and how the files of each are found and read."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from skyneedle.core.errors import NotACatalogue, SkyneedleError
from skyneedle.transfer.fetch import stamps

ENDINGS = (".fits", ".fit", ".npz")
CATALOGUE = "real_galaxy_catalog_23.5.fits"
MOST_GALAXIES = 100  # of a catalogue, the first ones; the full one has tens of thousands


class Collection(NamedTuple):
    """Images of one origin.

    Attributes:
        name: of its folder.
        words: what it is, for messages and figures.
        label: 1 lens, 0 none, -1 not known.
        kind: of its objects.
        files: names that are looked for anywhere in the folders of ``mirrors``; without them all images in
            folders of the collection's name are taken.
        home: page of the collection as the thesis prints it; no address of a file is known.
    """

    name: str
    words: str
    label: int
    kind: str
    files: tuple[str, ...] = ()
    home: str = ""


class Found(NamedTuple):
    """One image of a collection."""

    name: str
    file: str
    image: np.ndarray


# Five lensed quasars in F814W, by file.
QUASARS = MappingProxyType(
    {
        "h1413_HST814W.npz": "H1413+117",
        "he0435_814w.npz": "HE 0435-1223",
        "psj1606_814w.npz": "PS J1606-2333",
        "rxj1131_f814W.npz": "RXJ 1131-1231",
        "wfi2033_814w.npz": "WFI 2033-4723",
    }
)
COLLECTIONS = (
    Collection("lensed_quasars", "lensed quasars, HST F814W", 1, "lensed_quasar", tuple(QUASARS)),
    Collection("cosmos_galaxies", "galaxies of COSMOS, HST F814W", 0, "galaxy", (CATALOGUE,)),
    Collection("castles", "CASTLES, I band", 1, "known_lens", (), "https://www.cfa.harvard.edu/castles/"),
    Collection(
        "hubble_legacy_archive", "Hubble Legacy Archive, I band", 0, "field", (), "https://hla.stsci.edu/"
    ),
    Collection("lensflow", "LensFlow candidates", -1, "candidate"),
)


def images(collection: Collection, folder: Path) -> Iterator[Found | SkyneedleError]:
    """Images of a collection whose files lie in a folder, in order of their names.

    Args:
        collection: one of ``COLLECTIONS``.
        folder: with its files.

    Yields:
        An image; or in its place what is wrong with its file.
    """
    if collection.name == "cosmos_galaxies":
        yield from _galaxies(folder)
        return
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in ENDINGS:
            try:
                yield Found(QUASARS.get(path.name, path.stem), path.name, stamps.read(path))
            except SkyneedleError as error:
                yield error


def listed(catalogue: Path) -> list[tuple[int, str, int]]:
    """Identifier, file and extension of the first galaxies in a catalogue of real galaxies (GalSim's format).

    Raises:
        NotACatalogue: if it is not one.
    """
    try:
        with fits.open(catalogue, memmap=False) as file:
            table = file[1].data[:MOST_GALAXIES]
            columns = (table["IDENT"], table["GAL_FILENAME"], table["GAL_HDU"])
            return [
                (int(ident), str(name).strip(), int(unit)) for ident, name, unit in zip(*columns, strict=True)
            ]
    except (OSError, IndexError, KeyError, TypeError) as error:
        raise NotACatalogue(
            f"{catalogue}: expected a catalogue with columns IDENT, GAL_FILENAME and GAL_HDU ({error}); "
            "fetch it again."
        ) from None


def _galaxies(folder: Path) -> Iterator[Found | SkyneedleError]:
    if not (folder / CATALOGUE).is_file():
        return
    try:
        rows = listed(folder / CATALOGUE)
    except SkyneedleError as error:
        yield error
        return
    for ident, name, unit in rows:
        try:
            yield Found(f"COSMOS {ident}", name, stamps.read(folder / name, unit))
        except SkyneedleError as error:
            yield error
