"""Files of a large archive as they are published: asked for by name and by size, or left alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from skyneedle.core.download import Status, check_disk, download, find_in_folder, is_address, write_status
from skyneedle.core.errors import SkyneedleError, SourceUnavailable
from skyneedle.core.manifest import read_manifest


def fetch(
    status: str | Path,
    folder: str | Path,
    addresses: Mapping[str, Sequence[str]],
    *,
    mirrors: Sequence[str] = (),
    network: bool = False,
    max_gb: float = 0.0,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
    check: Callable[[Path, str], None] | None = None,
) -> dict[str, Any]:
    """Bring files into a folder and write what became of them; never raises for their absence.

    A download that was cut off goes on where it stopped. Hashes are written into the manifest when a file
    comes for the first time, and checked from then on.

    Args:
        status: JSON to write: ``status`` ("fetched" if all are there, else "missing"), ``reason``,
            ``bytes_to_fetch`` (null where a server does not tell), ``folder``, and ``files``, from the name
            to the fields of ``core.download.Status``.
        folder: where the files go.
        addresses: of each file, tried after the mirrors where ``datasets`` has none.
        mirrors: folders that are searched for the names, and base addresses, tried in order.
        network: whether addresses may be used at all.
        max_gb: the most that may be fetched from addresses; as archives have tens of GB, it has to be asked
            for with a number.
        manifest: table of what was fetched before.
        datasets: table of what is published; the address of a file that stands there holds.
        check: opens a file, given with its name, and raises if it is not what it should be.

    Returns:
        What was written.
    """
    folder = Path(folder)
    listed = read_manifest(datasets)
    fixed = {name: _fixed(listed.get(name, {}), given) for name, given in addresses.items()}
    all_of = {name: [*_mirror_addresses(name, mirrors), *urls] for name, urls in fixed.items()}
    wanted = [name for name in fixed if not (folder / name).is_file() and not _in_mirror(name, mirrors)]
    sizes = {name: size_of(all_of[name]) if network else None for name in wanted}
    refusal = _refusal(folder, sizes, max_gb, network)
    options: dict[str, Any] = {"mirrors": mirrors, "manifest": manifest, "datasets": datasets, "check": check}
    files: dict[str, Any] = {}
    for name, urls in fixed.items():
        if name in wanted and refusal:
            files[name] = asdict(Status(name, "missing", refusal, all_of[name]))
            continue
        try:
            found = download(name, folder, urls=urls, network=network and not refusal, **options)
        except SkyneedleError as error:
            found = Status(name, "missing", str(error), [*map(str, mirrors), *all_of[name]])
        files[name] = asdict(found)
    missing = _missing(files)
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


def fetch_in_order(
    status: str | Path,
    folder: str | Path,
    addresses: Mapping[str, Sequence[str]],
    first: str,
    hint: str,
    **options: Any,
) -> dict[str, Any]:
    """As ``fetch``, but one file before all others, which are of no use without it; and all must come.

    Args:
        status, folder, addresses: as of ``fetch``.
        first: name of the file that comes first.
        hint: where the rest of what can be done is said, a sentence.
        options: of ``fetch``.

    Raises:
        SourceUnavailable: if a file is missing; says which and what to do.
    """
    # A file that is alone would be read twice for its hash.
    for names in dict.fromkeys(((first,), tuple(addresses))):
        told = fetch(status, folder, {name: addresses[name] for name in names}, **options)
        missing = _missing(told["files"])
        if missing:
            raise SourceUnavailable(
                f"{', '.join(missing)}: {told['reason']}. Put what is missing into {folder} or a folder of "
                f"`mirrors`; {hint}"
            )
    return told


def check_start(path: Path, start: bytes, what: str, error: type[SkyneedleError], at: int = 0) -> None:
    """Raise unless a file has what files of its kind begin with: error pages are saved under their names too.

    Args:
        path: of the file.
        start: expected bytes.
        what: such a file is, for the message.
        error: to raise.
        at: place of the bytes.
    """
    with open(path, "rb") as file:
        head = file.read(at + len(start))
    if head[at:] != start:
        raise error(f"{path}: begins with {head[:12]!r}, {what} was expected; delete it and fetch it again")


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


def _missing(files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name, one in files.items() if one["status"] != "fetched"]


def _fixed(row: Mapping[str, str], given: Sequence[str]) -> list[str]:
    return [row["url"]] if row.get("url") else list(given)


def _mirror_addresses(name: str, mirrors: Sequence[str]) -> list[str]:
    return [f"{one.rstrip('/')}/{name}" for one in map(str, mirrors) if is_address(one)]


def _in_mirror(name: str, mirrors: Sequence[str]) -> bool:
    folders = [Path(one) for one in map(str, mirrors) if not is_address(one)]
    return any(one.is_dir() and find_in_folder(one, name) for one in folders)


def _refusal(folder: Path, sizes: Mapping[str, int | None], max_gb: float, network: bool) -> str:
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
