"""From a plan to background that can be drawn from: fetch its files, then list the good seconds of each."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from skyneedle.core.errors import (
    ChecksumMismatch,
    NoQuietTime,
    NotAStrainFile,
    NotHDF5,
    SourceUnavailable,
    TruncatedFile,
)
from skyneedle.strain.fetch import events
from skyneedle.strain.fetch.download import Status, download
from skyneedle.strain.fetch.gwosc_files import read
from skyneedle.strain.fetch.manifest import write_text
from skyneedle.strain.fetch.select import Settings, check_volume, intersect, plan, valid_intervals
from skyneedle.strain.fetch.stretch import nan_seconds


def fetch_planned(
    background: Mapping,
    destination: str | os.PathLike,
    mirrors: Sequence[str | os.PathLike] = (),
    *,
    network: bool = True,
    manifest: str | os.PathLike | None = None,
    timeout_s: float = 30.0,
    retries: int = 4,
    backoff_s: float = 1.0,
) -> dict[str, dict]:
    """Fetch the files of a plan; volume and free disk are checked before the first.

    Args:
        background: what `plan` returned.
        destination, mirrors, network, manifest, timeout_s, retries, backoff_s: as for `download`.

    Returns:
        By file name the fields of `Status`; a file that no place delivers is "missing", with the reason.

    Raises:
        DiskTooSmall: if the plan does not fit on the disk.
    """
    check_volume(background, destination, timeout_s, network=network)
    statuses = {}
    for file in background["files"]:
        try:
            status = download(
                file["name"],
                destination,
                mirrors,
                [file["url"]] if file["url"] else [],
                sha256=file["sha256"],
                timeout_s=timeout_s,
                retries=retries,
                network=network,
                manifest=manifest,
                backoff_s=backoff_s,
            )
        except (SourceUnavailable, ChecksumMismatch, TruncatedFile, NotHDF5, NotAStrainFile) as error:
            status = Status(file["name"], "missing", reason=str(error), mirrors=[str(m) for m in mirrors])
        statuses[file["name"]] = asdict(status)
    return statuses


def background_index(
    background: Mapping,
    statuses: Mapping[str, Mapping],
    settings: Settings,
    event_times: Iterable[float] | None = None,
) -> list[dict]:
    """List where in the fetched files windows may be drawn from, set by set.

    Args:
        background: what `plan` returned.
        statuses: what `fetch_planned` returned.
        settings: selection by the second.
        event_times: GPS times (s) to keep away from; by default all catalogued events of O1 and O2.

    Returns:
        One entry for each set and pair of files: set, gps_start, duration (s), files (detector to path),
        valid ([start, end] in GPS s: every second in them is good in every detector), left_out_s (by reason).

    Raises:
        NoQuietTime: if a set of the plan gets nothing; says what was left out, and why.
    """
    times = events.times() if event_times is None else list(event_times)
    entries: list[dict] = []
    total: Counter[str] = Counter()
    groups: dict[tuple[int, int], dict[str, str]] = {}
    for file in background["files"]:
        span = groups.setdefault((file["gps_start"], file["duration"]), {})
        status = statuses.get(file["name"], {})
        if status.get("status") == "fetched":
            span[file["detector"]] = str(status["path"])
    for (start, duration), files in sorted(groups.items()):
        if set(files) != set(settings.detectors):
            continue
        valid, left_out = _valid_in_files(files, start, duration, settings, times)
        total.update(left_out)
        for name, spans in background["sets"].items():
            inside = intersect(valid, [(a, b) for a, b in spans])
            inside = [(a, b) for a, b in inside if b - a >= settings.minimum_s]
            if inside:
                entries.append(
                    {
                        "set": name,
                        "gps_start": start,
                        "duration": duration,
                        "files": files,
                        "valid": [list(span) for span in inside],
                        "left_out_s": left_out,
                    }
                )
    _refuse_empty_sets(entries, background, groups, total, settings)
    return entries


def _valid_in_files(
    files: Mapping[str, str], start: int, duration: int, settings: Settings, times: Iterable[float]
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    quality, injections, nan = [], [], set()
    for detector in settings.detectors:
        strain = read(files[detector], allow_nan=True)
        # A file without masks says nothing about its quality, and unknown is not good.
        none = np.zeros(duration, dtype=np.uint32)
        quality.append(none if strain.quality is None else strain.quality)
        injections.append(none if strain.injections is None else strain.injections)
        nan |= set(nan_seconds(strain.values, strain.gps_start, strain.sample_rate).tolist())
    return valid_intervals(
        np.stack(quality), np.stack(injections), nan, times, gps_start=start, settings=settings
    )


def _refuse_empty_sets(
    entries: Sequence[Mapping], background: Mapping, groups: Mapping, left_out: Mapping, settings: Settings
) -> None:
    empty = sorted(set(background["sets"]) - {entry["set"] for entry in entries})
    if not empty:
        return
    complete = sum(set(files) == set(settings.detectors) for files in groups.values())
    reasons = ", ".join(f"{seconds} s {reason}" for reason, seconds in left_out.items() if seconds)
    raise NoQuietTime(
        f"background of {settings.run}: no good stretch of {settings.minimum_s} s for {', '.join(empty)}; "
        f"{complete} of {len(groups)} planned times have the files of all detectors, left out in them: "
        f"{reasons or 'nothing'}; take more files, or use simulated noise"
    )


def to_file(
    path: str | os.PathLike,
    settings: Settings,
    mirrors: Sequence[str | os.PathLike],
    destination: str | os.PathLike,
    *,
    network: bool = True,
    manifest: str | os.PathLike | None = None,
) -> None:
    """Plan, fetch, and write the list of good seconds that simulation draws from.

    Args:
        path: JSON file to write, see `background_index`.
        settings: how background is chosen.
        mirrors, destination, network, manifest: as for `download`.

    Raises:
        NoQuietTime: if a set is left without background.
        DiskTooSmall: if the files do not fit on the disk.
    """
    chosen = plan(settings, mirrors, network=network)
    statuses = fetch_planned(chosen, destination, mirrors, network=network, manifest=manifest)
    index = background_index(chosen, statuses, settings)
    write_text(Path(path), json.dumps(index, indent=1) + "\n")
