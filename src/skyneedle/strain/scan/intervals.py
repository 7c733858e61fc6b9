"""Strain of a GPS interval: from mirrors, and then from the archive."""

import os
from collections.abc import Sequence
from pathlib import Path

from skyneedle.core.download import check_disk, is_address
from skyneedle.core.errors import SourceUnavailable
from skyneedle.strain.fetch import archive
from skyneedle.strain.fetch.download import download
from skyneedle.strain.fetch.names import StrainFileName, in_folders, parse_name
from skyneedle.strain.fetch.select import BYTES_A_FILE
from skyneedle.strain.scan.sources import RATE, Span, Tell, cover


def fetch(
    detectors: Sequence[str],
    span: Span,
    mirrors: Sequence[str | os.PathLike],
    folder: str | os.PathLike,
    tell: Tell,
    *,
    host: str = archive.ARCHIVE,
    timeout_s: float = 30.0,
) -> dict[str, list[str]]:
    """Files that cover a GPS interval, from mirrors (folders are read in place) and then the archive.

    Args:
        detectors: whose strain.
        span: interval.
        mirrors: folders and base addresses.
        folder: where downloads go.
        tell: gets a sentence where only part of the interval is there.
        host: address of the archive.
        timeout_s: longest silence of a server.

    Returns:
        Paths by detector.

    Raises:
        SourceUnavailable: if a detector has nothing of the interval; says who was asked.
        DiskTooSmall: if the files do not fit on the disk; checked before the first download.
    """
    local = in_folders(mirror for mirror in mirrors if not is_address(str(mirror)))
    addresses = [mirror for mirror in mirrors if is_address(str(mirror))]
    text = f"GPS {span[0] / RATE:.3f} to {span[1] / RATE:.3f}"
    found: dict[str, list[str]] = {}
    lacking: dict[str, list[Span]] = {}
    listed: dict[str, list[StrainFileName]] = {}
    refused: dict[str, SourceUnavailable] = {}
    for detector in detectors:
        chosen, lacking[detector] = cover([file for file in local if file.detector == detector], span)
        found[detector] = [file.source for file in chosen]
        try:
            listed[detector] = _listed(detector, lacking[detector], host, timeout_s)
        except SourceUnavailable as error:
            refused[detector] = error
    _check_volume([file for files in listed.values() for file in files], folder, tell)
    for detector, files in listed.items():
        try:
            for file in files:
                found[detector].append(
                    download(file.name, folder, addresses, [file.source], timeout_s=timeout_s).path
                )
        except SourceUnavailable as error:
            refused[detector] = error
    for detector, why in refused.items():
        if not found[detector]:
            raise SourceUnavailable(
                f"{detector}: {text} is not available: {len(mirrors)} mirrors have no file of it, and "
                f"{why}; name a folder that holds it with --mirror, or give files as {detector}=PATH."
            )
        seconds = sum(b - a for a, b in lacking[detector]) / RATE
        tell(f"{detector}: {seconds:.3f} s of {text} are not available ({why}).")
    return found


def _check_volume(files: Sequence[StrainFileName], folder: str | os.PathLike, tell: Tell) -> None:
    """Tell what is about to be fetched, and refuse it where the disk is too small."""
    wanted = [file for file in files if not (Path(folder) / file.name).exists()]
    if wanted:
        n_bytes = round(sum(file.duration for file in wanted) / 4096 * BYTES_A_FILE)
        check_disk(folder, n_bytes)
        tell(f"{len(wanted)} files, about {n_bytes / 1e9:.2f} GB, are fetched into {folder}.")


def _listed(detector: str, spans: Sequence[Span], host: str, timeout_s: float) -> list[StrainFileName]:
    """The archive's files for some spans; it knows by itself which run or event they belong to."""
    from gwosc.locate import get_urls

    urls: dict[str, None] = {}
    for first, last in spans:
        start, end = first // RATE, -(-last // RATE)
        answer = archive._ask(get_urls, detector, start, end, host=host, timeout_s=timeout_s)
        urls |= dict.fromkeys(answer)
    return [name for url in urls if (name := parse_name(url))]
