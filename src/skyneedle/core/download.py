"""Files in: mirrors and addresses in order, resumed downloads, checksums, status files."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import requests
import urllib3

from skyneedle.core.errors import (
    ChecksumMismatch,
    DiskTooSmall,
    NotAStamp,
    NotAStrainFile,
    NotHDF5,
    SkyneedleError,
    SourceUnavailable,
    TruncatedFile,
    WrongSampleRate,
)
from skyneedle.core.manifest import locked, read_manifest, record, sha256_of, write_text

CHUNK = 1 << 20
# Servers that are busy or restarting: worth another try. Anything else above 400 is an answer.
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
# Ways in which a file can fail to arrive; whoever can do without it catches these.
NOT_DELIVERED = (
    SourceUnavailable,
    ChecksumMismatch,
    TruncatedFile,
    NotHDF5,
    NotAStrainFile,
    NotAStamp,
    WrongSampleRate,
)


@dataclass(frozen=True)
class Status:
    """What became of one file.

    Attributes:
        name: file name.
        status: "fetched" or "missing".
        reason: why it is missing; empty when fetched.
        mirrors: places tried in order, each with what it answered.
        path: where the file lies now; empty when missing.
        sha256: of the file; empty when missing.
        bytes: size of the file; 0 when missing.
        url: address it came from; empty for a local mirror or a file that was there already.
    """

    name: str
    status: str
    reason: str = ""
    mirrors: list[str] = field(default_factory=list)
    path: str = ""
    sha256: str = ""
    bytes: int = 0
    url: str = ""


def is_address(source: str) -> bool:
    """Whether a mirror is a network address rather than a folder."""
    return source.startswith(("http://", "https://"))


def find_in_folder(folder: str | os.PathLike, name: str) -> Path | None:
    """The first file of that name anywhere under a folder, in sorted order; None if there is none."""
    return next((path for path in sorted(Path(folder).rglob(name)) if path.is_file()), None)


def check_disk(folder: str | os.PathLike, n_bytes: int, reserve: int = 1 << 30) -> None:
    """Raise unless a folder's disk holds `n_bytes` more and `reserve` bytes besides.

    Raises:
        DiskTooSmall: with both numbers in GB.
    """
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < n_bytes + reserve:
        raise DiskTooSmall(
            f"{folder}: {n_bytes / 1e9:.1f} GB are to be fetched and {reserve / 1e9:.1f} GB kept free, but "
            f"the disk has {free / 1e9:.1f} GB left; free some, use another disk, or ask for fewer files"
        )


@dataclass(frozen=True)
class Expected:
    """What a file must be: name, sha256 and size where known, and a check that opens it."""

    name: str
    sha256: str = ""
    n_bytes: int | None = None
    check: Callable[[Path, str], None] | None = None

    def verify(self, path: Path) -> tuple[str, int]:
        """Sha256 and size of a file that passes; raises what is wrong with it."""
        size = path.stat().st_size
        if self.check is not None:
            self.check(path, self.name)
        if self.n_bytes is not None and size != self.n_bytes:
            raise TruncatedFile(f"{path}: {size} bytes, {self.n_bytes} were expected; fetch it again")
        found = sha256_of(path)
        if self.sha256 and found != self.sha256.lower():
            raise ChecksumMismatch(
                f"{path}: sha256 {found}, but {self.sha256} is recorded for {self.name}; delete the file and "
                "fetch it again, and if the archive really changed it, remove its row from the manifest"
            )
        return found, size


def download(
    name: str,
    destination: str | os.PathLike,
    mirrors: Sequence[str | os.PathLike] = (),
    urls: Sequence[str] = (),
    sha256: str = "",
    n_bytes: int | None = None,
    timeout_s: float = 30.0,
    retries: int = 4,
    *,
    network: bool = True,
    manifest: str | os.PathLike | None = None,
    datasets: str | os.PathLike | None = None,
    check: Callable[[Path, str], None] | None = None,
    backoff_s: float = 1.0,
) -> Status:
    """Bring one file into a folder from the first place that delivers it whole.

    Args:
        name: file name.
        destination: folder to put it in; one that is there already is checked and kept.
        mirrors: folders (searched recursively) and base addresses (the name is appended), tried in order.
        urls: full addresses, tried after the mirrors.
        sha256: known checksum; else the row of `datasets` holds, then the manifest's, else the file is
            trusted this once.
        n_bytes: known size; else that of `datasets`.
        timeout_s: longest silence of a server, in s.
        retries: further tries of an address without progress, each after twice the wait of the last.
        network: whether addresses may be used at all.
        manifest: table of what was fetched before (name, url, sha256, bytes).
        datasets: table of what is published (config/datasets.tsv), with the same columns.
        check: opens the file, given with its name, and raises if it is not what it should be.
        backoff_s: first wait between two tries, in s.

    Returns:
        Status "fetched".

    Raises:
        ChecksumMismatch: if the file on disk, or all that any place delivers, is not what was recorded.
        SourceUnavailable: if no place delivers it; names each place and its answer.
    """
    path = Path(destination) / name
    known = read_manifest(manifest).get(name, {})
    published = read_manifest(datasets).get(name, {})
    sha256 = sha256 or published.get("sha256", "") or known.get("sha256", "")
    expected = Expected(name, sha256, n_bytes or int(published.get("bytes") or 0) or None, check)
    with locked(path):
        if path.exists():
            found, size = expected.verify(path)
            status = Status(name, "fetched", path=str(path), sha256=found, bytes=size)
        else:
            status = _from_first(
                path, [*map(str, mirrors)], urls, expected, network, (timeout_s, retries, backoff_s)
            )
    if known.get("sha256") != status.sha256:
        record(manifest, name, status.url, status.sha256, status.bytes)
    return status


def _from_first(
    path: Path,
    mirrors: Sequence[str],
    urls: Sequence[str],
    expected: Expected,
    network: bool,
    patience: tuple[float, int, float],
) -> Status:
    tried: list[str] = []
    mismatch: ChecksumMismatch | None = None
    sources = [f"{m.rstrip('/')}/{path.name}" if is_address(m) else m for m in mirrors] + list(urls)
    for source in sources:
        try:
            if not is_address(source):
                found, size = _copy(source, path, expected)
            elif network:
                found, size = _fetch(source, path, expected, *patience)
            else:
                raise SourceUnavailable("network is switched off")
        except SkyneedleError as error:
            tried.append(f"{source}: {error}")
            mismatch = error if isinstance(error, ChecksumMismatch) else mismatch
            continue
        url = source if is_address(source) else ""
        return Status(path.name, "fetched", "", [*tried, source], str(path), found, size, url)
    if mismatch:
        raise mismatch
    raise SourceUnavailable(
        f"{path.name}: none of {len(sources)} places delivers it ({'; '.join(tried) or 'none was given'}); "
        "add a folder that holds it to `mirrors`, or allow the network"
    )


def _copy(folder: str, path: Path, expected: Expected) -> tuple[str, int]:
    if not Path(folder).is_dir():
        raise SourceUnavailable("no such folder")
    found = find_in_folder(folder, path.name)
    if found is None:
        raise SourceUnavailable("not in this folder")
    # One name for all runs (we hold the lock), so that what a killed run left is overwritten.
    temporary = path.with_name(f".{path.name}.copy")
    try:
        shutil.copyfile(found, temporary)
        result = expected.verify(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return result


def _fetch(
    url: str, path: Path, expected: Expected, timeout_s: float, retries: int, backoff_s: float
) -> tuple[str, int]:
    """Fetch one address into `<name>.partial`, going on where the last try stopped; move it when whole."""
    partial = path.with_name(f"{path.name}.partial")
    failures, fresh = 0, not partial.exists()
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        fresh = fresh or before == 0
        whole = False
        try:
            _receive(url, partial, timeout_s, expected)
            whole = True
            result = expected.verify(partial)
            os.replace(partial, path)
            return result
        except (requests.RequestException, urllib3.exceptions.HTTPError, TruncatedFile) as error:
            if whole and not fresh:  # All arrived, and yet damaged: so is what an earlier run left.
                partial.unlink()
                fresh = True
                continue
            grown = partial.exists() and partial.stat().st_size > before
            failures = 0 if grown else failures + 1
            if failures > retries:
                if whole:  # All that the server has, and yet too short: nothing to go on from.
                    partial.unlink()
                _give_up(error, retries)
            time.sleep(backoff_s * 2 ** max(failures - 1, 0))
        except SourceUnavailable:
            raise
        except SkyneedleError:  # something else than was expected
            partial.unlink(missing_ok=True)
            if fresh:
                raise
            fresh = True  # The first part came from elsewhere or from an older version: once more from zero.


def _give_up(error: Exception, retries: int) -> None:
    if isinstance(error, TruncatedFile):
        raise error
    reason = "time-out" if isinstance(error, requests.Timeout) or "timed out" in str(error) else str(error)
    raise SourceUnavailable(f"{reason} after {retries + 1} tries") from None


def _receive(url: str, partial: Path, timeout_s: float, expected: Expected) -> None:
    """One request: append to the partial file, or begin anew if the server does not know ranges."""
    from tqdm import tqdm

    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=timeout_s) as response:
        if response.status_code == 416:
            _out_of_range(response, partial, have)
            return
        if response.status_code in TRANSIENT:
            raise requests.HTTPError(f"HTTP {response.status_code}")
        if response.status_code >= 400:
            raise SourceUnavailable(f"HTTP {response.status_code} {response.reason}")
        total = _length(response, have)
        if expected.n_bytes is not None and total is not None and total != expected.n_bytes:
            raise SourceUnavailable(f"offers {total} bytes, {expected.n_bytes} were expected")
        if "html" in response.headers.get("Content-Type", "") and not expected.name.endswith("html"):
            raise NotHDF5("answers with an HTML page instead of the file")
        append = response.status_code == 206
        start = have if append else 0
        with (
            open(partial, "ab" if append else "wb") as file,
            tqdm(
                total=total, initial=start, unit="B", unit_scale=True, desc=expected.name, disable=None
            ) as bar,
        ):
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                file.write(chunk)
                bar.update(len(chunk))
    size = partial.stat().st_size
    if total is not None and size != total:
        raise TruncatedFile(f"{partial}: {size} of {total} bytes arrived")


def _out_of_range(response: requests.Response, partial: Path, have: int) -> None:
    """The server has nothing after what is here: it is whole, or it is something else."""
    total = re.search(r"/(\d+)", response.headers.get("Content-Range", ""))
    if total and int(total.group(1)) == have:
        return
    partial.unlink()
    raise TruncatedFile(
        f"{partial}: {have} bytes were kept, but the server's file ends before; starting again"
    )


def _length(response: requests.Response, have: int) -> int | None:
    """Size of the whole file as the server says, None where it does not."""
    if response.status_code == 206:
        match = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        if not match or int(match.group(1)) != have:
            got = response.headers.get("Content-Range")
            raise requests.HTTPError(f"asked for bytes from {have}, got {got}")
        return int(match.group(2))
    length = response.headers.get("Content-Length")
    return int(length) if length else None


def write_status(path: str | os.PathLike, status: dict) -> dict:
    """Write a status file; returns what was written."""
    write_text(Path(path), json.dumps(status, indent=1, sort_keys=True) + "\n")
    return status


def fetch_optional(
    status_path: str | os.PathLike, name: str, destination: str | os.PathLike, **options
) -> dict:
    """Fetch a file that the run can do without, and write what became of it; never raises for its absence.

    Args:
        status_path: the JSON file to write.
        name, destination, options: as for `download`.

    Returns:
        The fields of `Status`.
    """
    try:
        status = download(name, destination, **options)
    except NOT_DELIVERED as error:
        places = [str(m) for m in options.get("mirrors", ())] + list(options.get("urls", ()))
        status = Status(name, "missing", reason=str(error), mirrors=places)
    return write_status(status_path, asdict(status))
