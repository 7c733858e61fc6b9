"""The survey's archive of stamps as files on disk: asked for by name and by size, or left alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skyneedle.core import archive
from skyneedle.core.errors import NotACatalogue, NotAnArchive

# Source: Goldstein et al. 2015, AJ 150, 82; the archive's page lists eleven files, more than 60 GB together.
PAGE = "https://portal.nersc.gov/project/dessn/autoscan/"
PORTAL = f"{PAGE}stamps"
TARS = tuple(f"stamps_{k}.tar" for k in range(11))
CATALOGUE = "autoscan_features.3.csv"
NAMES = (*TARS, CATALOGUE)


def fetch(
    status: str | Path,
    folder: str | Path,
    *,
    names: Sequence[str] = NAMES,
    portal: str = PORTAL,
    **options: Any,
) -> dict[str, Any]:
    """Bring files of the archive into a folder, see ``core.archive.fetch``.

    Args:
        status, folder: as there.
        names: out of ``NAMES``; a few tars make a smaller data set.
        portal: base address of the tars; the catalogue has none.
        options: of ``core.archive.fetch``.
    """
    return archive.fetch(status, folder, _addresses(names, portal), check=check, **options)


def fetch_all(
    status: str | Path, folder: str | Path, tars: Sequence[str], *, portal: str = PORTAL, **options: Any
) -> dict[str, Any]:
    """Bring the catalogue, and with it the tars, which are of no use without their labels.

    Args:
        status, folder: see ``fetch``; the status is also written where something is missing.
        tars: out of ``TARS``.
        portal, options: of ``fetch``.

    Returns:
        What ``fetch`` wrote.

    Raises:
        SourceUnavailable: if a file is missing; says which and what to do.
    """
    addresses = _addresses((CATALOGUE, *tars), portal)
    hint = f"tars are also fetched with network: true and transients.images.max_gb. All are listed on {PAGE}."
    return archive.fetch_in_order(status, folder, addresses, CATALOGUE, hint, check=check, **options)


def _addresses(names: Sequence[str], portal: str) -> dict[str, list[str]]:
    return {name: [f"{portal}/{name}"] if name in TARS else [] for name in names}


def check(path: Path, name: str) -> None:
    """Raise unless a file begins as a tar or as the catalogue does.

    Raises:
        NotAnArchive, NotACatalogue: if it is something else, such as an error page saved under its name.
    """
    if name in TARS:
        archive.check_start(path, b"ustar", "a tar", NotAnArchive, at=257)
    if name == CATALOGUE:
        archive.check_start(path, b"#", "a catalogue with a comment line", NotACatalogue)
