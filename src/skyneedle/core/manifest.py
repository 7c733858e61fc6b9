"""What was fetched before: checksums on first use, locks between processes, whole files or none."""

import contextlib
import csv
import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from skyneedle.core.files import appearing

COLUMNS = ("name", "url", "sha256", "bytes")


def sha256_of(path: str | os.PathLike) -> str:
    """Hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock `.<name>.lock` beside a file, waiting for another process; it is gone afterwards."""
    lock = path.with_name(f".{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # The holder before us may have removed the file that we hold; then the lock means nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.stat(lock).st_ino == os.fstat(handle).st_ino:
                break
        os.close(handle)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def read_manifest(path: str | os.PathLike | None) -> dict[str, dict[str, str]]:
    """Rows of a manifest by file name; empty when there is none yet."""
    if path is None or not Path(path).is_file():
        return {}
    with open(path, newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}


def record(manifest: str | os.PathLike | None, name: str, url: str, sha256: str, n_bytes: int) -> None:
    """Write down the checksum of a file seen for the first time; later downloads are held to it."""
    if manifest is None:
        return
    path = Path(manifest)
    with locked(path):
        rows = read_manifest(path)
        rows[name] = dict(zip(COLUMNS, (name, url, sha256, str(n_bytes)), strict=True))
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows))
        write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    with appearing(path) as partial:
        partial.write_text(text)
