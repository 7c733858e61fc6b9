"""From a plan to background that can be drawn from: fetch its files, then list the good seconds of each."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from skyneedle.core.download import NOT_DELIVERED, Status
from skyneedle.core.errors import NoQuietTime, SourceUnavailable
from skyneedle.core.manifest import write_text
from skyneedle.strain.fetch import archive, events
from skyneedle.strain.fetch.download import download
from skyneedle.strain.fetch.gwosc_files import read
from skyneedle.strain.fetch.select import Settings, check_volume, intersect, plan, valid_intervals
from skyneedle.strain.fetch.stretch import constant_seconds, nan_seconds

# Of the planned files; with fewer, the examples would not be those that were asked for.
LEAST_DELIVERED = 0.75


def fetch_planned(
    background: Mapping,
    destination: str | os.PathLike,
    mirrors: Sequence[str | os.PathLike] = (),
    *,
    network: bool = True,
    manifest: str | os.PathLike | None = None,
    datasets: str | os.PathLike | None = None,
    timeout_s: float = 30.0,
    retries: int = 4,
    backoff_s: float = 1.0,
) -> dict[str, dict]:
    """Fetch the files of a plan; volume and free disk are checked before the first.

    Args:
        background: what `plan` returned.
        destination, mirrors, network, manifest, datasets, timeout_s, retries, backoff_s: as for `download`.

    Returns:
        By file name the fields of `Status`; a file that no place delivers is "missing", with the reason.

    Raises:
        DiskTooSmall: if the plan does not fit on the disk.
    """
    n_bytes = check_volume(background, destination, timeout_s, network=network)
    n = len(background["files"])
    print(f"Background: {n} files, {n_bytes / 1e9:.1f} GB of them to fetch into {destination}.", flush=True)
    statuses = {}
    for number, file in enumerate(background["files"], 1):
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
                datasets=datasets,
                backoff_s=backoff_s,
            )
        except NOT_DELIVERED as error:
            status = Status(file["name"], "missing", reason=str(error), mirrors=[str(m) for m in mirrors])
        print(f"{number} of {n}: {file['name']}: {status.reason or 'is here'}", flush=True)
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
    _refuse_empty_sets(entries, background, groups, total, settings, statuses)
    return entries


def _valid_in_files(
    files: Mapping[str, str], start: int, duration: int, settings: Settings, times: Iterable[float]
) -> tuple[list[tuple[int, int]], dict[str, int]]:
    quality, injections = [], []
    nan: set[int] = set()
    constant: set[int] = set()
    for detector in settings.detectors:
        strain = read(files[detector], allow_nan=True)
        # A file without masks says nothing about its quality, and unknown is not good.
        none = np.zeros(duration, dtype=np.uint32)
        quality.append(none if strain.quality is None else strain.quality)
        injections.append(none if strain.injections is None else strain.injections)
        nan |= set(nan_seconds(strain.values, strain.gps_start, strain.sample_rate).tolist())
        constant |= set(constant_seconds(strain.values, strain.gps_start, strain.sample_rate).tolist())
    return valid_intervals(
        np.stack(quality),
        np.stack(injections),
        nan,
        times,
        gps_start=start,
        settings=settings,
        constant=constant,
    )


def _refuse_too_few(statuses: Mapping[str, Mapping]) -> None:
    missing = [status for status in statuses.values() if status["status"] == "missing"]
    if len(missing) > (1 - LEAST_DELIVERED) * len(statuses):
        raise SourceUnavailable(
            f"background: {len(missing)} of {len(statuses)} planned files did not arrive, the first because: "
            f"{missing[0]['reason']}; what did is kept, and the same command goes on from there"
        )


def _summary(index: Sequence[Mapping], chosen: Mapping) -> str:
    """One line a set, and what was left out of the files."""
    lines = []
    for name in chosen["sets"]:
        spans = [span for entry in index if entry["set"] == name for span in entry["valid"]]
        seconds = sum(end - start for start, end in spans)
        lines.append(
            f"{name}: {seconds} good s in {len(spans)} stretches, GPS {spans[0][0]} to {spans[-1][1]}"
        )
    left_out: Counter[str] = Counter()
    for reasons in {entry["gps_start"]: entry["left_out_s"] for entry in index}.values():
        left_out.update(reasons)
    text = ", ".join(f"{seconds} s {reason}" for reason, seconds in left_out.items())
    return "\n".join([*lines, f"left out of their files: {text} (a second may have several reasons)"])


def _refuse_empty_sets(
    entries: Sequence[Mapping],
    background: Mapping,
    groups: Mapping,
    left_out: Mapping,
    settings: Settings,
    statuses: Mapping[str, Mapping],
) -> None:
    empty = sorted(set(background["sets"]) - {entry["set"] for entry in entries})
    if not empty:
        return
    complete = sum(set(files) == set(settings.detectors) for files in groups.values())
    reasons = ", ".join(f"{seconds} s {reason}" for reason, seconds in left_out.items() if seconds)
    missing = [status["reason"] for status in statuses.values() if status["status"] == "missing"]
    absent = f"{len(missing)} files are missing, the first because: {missing[0]}; " if missing else ""
    raise NoQuietTime(
        f"background of {settings.run}: no good stretch of {settings.minimum_s} s for {', '.join(empty)}; "
        f"{complete} of {len(groups)} planned times have the files of all detectors, left out in them: "
        f"{reasons or 'nothing'}; {absent}take more files, or use simulated noise"
    )


def to_file(
    path: str | os.PathLike,
    settings: Settings,
    mirrors: Sequence[str | os.PathLike],
    destination: str | os.PathLike,
    *,
    network: bool = True,
    host: str = archive.ARCHIVE,
    timeout_s: float = 30.0,
    **options,
) -> None:
    """Plan, fetch, and write the list of good seconds that simulation draws from.

    Args:
        path: JSON file to write, see `background_index`.
        settings: how background is chosen.
        mirrors, destination, network, timeout_s: as for `download`.
        host: address of the archive.
        options: manifest, datasets, retries, backoff_s, as for `download`.

    Raises:
        NoQuietTime: if a set is left without background.
        SourceUnavailable: if the archive does not answer and no folder can stand in, or if more than a
            quarter of the files do not arrive.
        DiskTooSmall: if the files do not fit on the disk.
    """
    chosen = plan(settings, mirrors, network=network, host=host, timeout_s=timeout_s)
    n = len(chosen["files"]) // len(settings.detectors)
    of = f"{settings.n_files} asked for, {chosen['n_candidates']} to choose from"
    print(f"{settings.run}: {n} files a detector ({of}); segments: {chosen['segments']}.", flush=True)
    statuses = fetch_planned(chosen, destination, mirrors, network=network, timeout_s=timeout_s, **options)
    _refuse_too_few(statuses)
    index = background_index(chosen, statuses, settings)
    print(_summary(index, chosen), flush=True)
    write_text(Path(path), json.dumps(index, indent=1) + "\n")
