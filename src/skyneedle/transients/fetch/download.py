"""The survey's archive of stamps as files on disk: asked for by name and by size, or left alone."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from skyneedle.core.download import Status, check_disk, download, find_in_folder, is_address, write_status
from skyneedle.core.errors import NotACatalogue, NotAnArchive, SkyneedleError, SourceUnavailable
from skyneedle.core.manifest import read_manifest

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
    mirrors: Sequence[str] = (),
    network: bool = False,
    max_gb: float = 0.0,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
    portal: str = PORTAL,
) -> dict[str, Any]:
    """Bring files of the archive into a folder and write what became of them; never raises for their absence.

    A download that was cut off goes on where it stopped. Hashes are written into the manifest when a file
    comes for the first time, and checked from then on.

    Args:
        status: JSON to write: ``status`` ("fetched" if all are there, else "missing"), ``reason``,
            ``bytes_to_fetch`` (null where a server does not tell), ``folder``, and ``files``, from the name
            to the fields of ``core.download.Status``.
        folder: where the files go.
        names: out of ``NAMES``; a few tars make a smaller data set.
        mirrors: folders that are searched for the names, and base addresses, tried in order.
        network: whether addresses may be used at all.
        max_gb: the most that may be fetched from addresses; the download is as large as tens of GB, so it has
            to be asked for with a number.
        manifest: table of what was fetched before.
        datasets: table of what is published; a file whose address stands there needs no portal.
        portal: base address of the tars.

    Returns:
        What was written.
    """
    folder = Path(folder)
    listed = read_manifest(datasets)
    addresses = {name: _addresses(name, listed, mirrors, portal) for name in names}
    wanted = [name for name in names if not (folder / name).is_file() and not _in_mirror(name, mirrors)]
    sizes = {name: size_of(addresses[name]) if network else None for name in wanted}
    refusal = _refusal(folder, sizes, max_gb, network)
    files: dict[str, Any] = {}
    for name in names:
        options: dict[str, Any] = {"mirrors": mirrors, "manifest": manifest, "datasets": datasets}
        if name in wanted and refusal:
            files[name] = asdict(Status(name, "missing", refusal, list(addresses[name])))
            continue
        try:
            urls = [one for one in addresses[name] if one not in _mirror_addresses(name, mirrors)]
            found = download(name, folder, urls=urls, network=network and not refusal, check=check, **options)
        except SkyneedleError as error:
            found = Status(name, "missing", str(error), [*map(str, mirrors), *addresses[name]])
        files[name] = asdict(found)
    missing = [name for name, one in files.items() if one["status"] != "fetched"]
    known = [size for size in sizes.values() if size is not None]
    return write_status(
        status,
        {
            "status": "missing" if missing else "fetched",
            "reason": "; ".join(dict.fromkeys(files[name]["reason"] for name in missing)),
            "bytes_to_fetch": sum(known) if len(known) == len(sizes) else None,
            "folder": str(folder),
            "files": files,
        },
    )


def fetch_all(status: str | Path, folder: str | Path, tars: Sequence[str], **options: Any) -> dict[str, Any]:
    """Bring the catalogue, and with it the tars, which are of no use without their labels.

    Args:
        status: see ``fetch``; also written where something is missing.
        folder: likewise.
        tars: out of ``TARS``.
        options: of ``fetch``.

    Returns:
        What ``fetch`` wrote.

    Raises:
        SourceUnavailable: if a file is missing; says which and what to do.
    """
    for names in ((CATALOGUE,), (CATALOGUE, *tars)):
        told = fetch(status, folder, names=names, **options)
        missing = [name for name, one in told["files"].items() if one["status"] != "fetched"]
        if missing:
            raise SourceUnavailable(
                f"{', '.join(missing)}: {told['reason']}. Put what is missing into {folder} or a folder of "
                f"`mirrors`; tars are also fetched with network: true and transients.images.max_gb. "
                f"All are listed on {PAGE}."
            )
    return told


def _addresses(
    name: str, listed: dict[str, dict[str, str]], mirrors: Sequence[str], portal: str
) -> list[str]:
    """Addresses of a file: those of mirrors, the published one, and the portal's, which has the tars."""
    published = listed.get(name, {}).get("url", "")
    fixed = [published] if published else [f"{portal}/{name}"] if name in TARS else []
    return [*_mirror_addresses(name, mirrors), *fixed]


def _mirror_addresses(name: str, mirrors: Sequence[str]) -> list[str]:
    return [f"{one.rstrip('/')}/{name}" for one in map(str, mirrors) if is_address(one)]


def _in_mirror(name: str, mirrors: Sequence[str]) -> bool:
    folders = [Path(one) for one in map(str, mirrors) if not is_address(one)]
    return any(one.is_dir() and find_in_folder(one, name) for one in folders)


def size_of(addresses: Sequence[str], timeout_s: float = 30.0) -> int | None:
    """Bytes of a file as the first server that answers says, without fetching it; None if none does."""
    for address in addresses:
        try:
            answer = requests.head(address, timeout=timeout_s, allow_redirects=True)
        except requests.RequestException:
            continue
        length = answer.headers.get("Content-Length", "")
        if answer.ok and length.isdigit():
            return int(length)
    return None


def _refusal(folder: Path, sizes: dict[str, int | None], max_gb: float, network: bool) -> str:
    """Why nothing is fetched from addresses; empty if it may be. Tells the size either way."""
    if not sizes:
        return ""
    if not network:
        return "not fetched: no mirror has it, and network is false"
    total = sum(size or 0 for size in sizes.values())
    unknown = sum(size is None for size in sizes.values())
    told = f"{total / 1e9:.1f} GB" + (f" and {unknown} files of unknown size" if unknown else "")
    print(f"{folder}: {len(sizes)} files of the archive are to be fetched, {told}.", flush=True)
    if total > max_gb * 1e9 or max_gb <= 0:
        return f"not fetched: {told} are to be fetched, max_gb allows {max_gb:g}"
    try:
        check_disk(folder, total)
    except SkyneedleError as error:
        return f"not fetched: {error}"
    return ""


def check(path: Path, name: str) -> None:
    """Raise unless a file begins as a tar or as the catalogue does.

    Raises:
        NotAnArchive, NotACatalogue: if it is something else, such as an error page saved under its name.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if name in TARS and head[257:262] != b"ustar":
        raise NotAnArchive(
            f"{path}: begins with {head[:12]!r}, a tar was expected; delete it and fetch it again"
        )
    if name == CATALOGUE and not head.startswith(b"#"):
        raise NotACatalogue(
            f"{path}: begins with {head[:12]!r}, expected a comment line as of the catalogue; fetch it again"
        )
