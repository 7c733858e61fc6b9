"""Which background may be used: quality by the second, files in coincidence, sets apart in time."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

from skyneedle.core.download import check_disk, is_address
from skyneedle.core.errors import BadSetting, NoQuietTime, SourceUnavailable
from skyneedle.strain.fetch import archive
from skyneedle.strain.fetch.names import StrainFileName, in_folders, parse_name

# GPS start and end of the runs, as the archive's client documents them for `run_segment`.
RUNS = {"O1": (1126051217, 1137254417)}
OBSERVED = {"O1": ("H1", "L1")}  # detectors that took part
CBC_BITS = 0b1111  # DATA, CBC_CAT1, CBC_CAT2, CBC_CAT3
# A set bit means "none of this kind": 0 CBC, 1 burst, 2 detector characterisation, 3 CW, 4 stochastic.
NO_INJECTION_BITS = 0b11111
NO_INJECTION_BUT_CW_BITS = 0b10111
BYTES_A_FILE = 125_000_000  # A 4096-s file at 4 kHz; an estimate, used where no server tells.
Interval = tuple[int, int]


@dataclass(frozen=True)
class Settings:
    """How background is chosen.

    Attributes:
        run: observing run of the archive.
        detectors: all must have data.
        n_files: files a detector.
        shares: part of the time for each set, in time order; the testing set comes last.
        recipe: "corrected" or "faithful"; the published code compared quality masks as numbers.
        allow_cw_injections: whether continuous-wave hardware injections are let in; None follows the
            recipe (the published settings let them in, `corrected` does not).
        event_margin_s: background keeps this far from catalogued events, in s.
        window_s: length of one example with its whitening support, in s.
        psd_context_s: further seconds that must be good beside a window, for its PSD.
        guard_s: time between two sets, in s; at least window_s + psd_context_s.
        minimum_coincidence: part of a file's time in which all detectors must be good (archive's segments).
    """

    run: str = "O1"
    detectors: tuple[str, ...] = ("H1", "L1")
    n_files: int = 8
    shares: Mapping[str, float] = field(
        default_factory=lambda: {"training": 0.6, "validation": 0.1, "testing": 0.3}
    )
    recipe: str = "corrected"
    allow_cw_injections: bool | None = None
    event_margin_s: float = 16.0
    window_s: int = 16
    psd_context_s: int = 0
    guard_s: int = 32
    minimum_coincidence: float = 0.25

    def __post_init__(self) -> None:
        if self.recipe not in ("corrected", "faithful"):
            raise BadSetting(f"recipe: {self.recipe!r}; choose corrected or faithful")
        if self.guard_s < self.window_s + self.psd_context_s:
            raise BadSetting(
                f"guard_s: {self.guard_s} s between the sets is less than a window and its PSD context "
                f"({self.window_s} + {self.psd_context_s} s); raise it"
            )
        if self.run not in RUNS:
            raise BadSetting(f"run: {self.run!r} is unknown; choose among {', '.join(RUNS)}")
        absent = [detector for detector in self.detectors if detector not in OBSERVED[self.run]]
        if absent:
            raise BadSetting(
                f"detectors: {absent[0]} did not observe in {self.run}; set strain.simulate.detectors to "
                f"{list(OBSERVED[self.run])} and leave out networks that need {absent[0]}"
            )

    @property
    def minimum_s(self) -> int:
        """Shortest stretch in which a window has room, in s."""
        return self.window_s + self.psd_context_s


def quality_passes(quality: np.ndarray, recipe: str) -> np.ndarray:
    """Seconds whose data-quality mask is at least CBC_CAT3.

    Args:
        quality: DQmask, any shape.
        recipe: "corrected" asks for each of the bits DATA, CBC_CAT1, CBC_CAT2, CBC_CAT3. "faithful" compares
            the mask as a number, as the published code did (mask > 15): that throws away seconds with the CBC
            bits alone (15) and lets in seconds without them, for instance 113 (DATA and the burst bits).

    Returns:
        Booleans of the same shape.
    """
    quality = np.asarray(quality)
    return quality > CBC_BITS if recipe == "faithful" else (quality & CBC_BITS) == CBC_BITS


def injections_pass(injections: np.ndarray, allow_cw_injections: bool) -> np.ndarray:
    """Seconds without hardware injections; continuous-wave ones are let in on demand.

    Args:
        injections: Injmask, any shape.
        allow_cw_injections: whether bit 3 (NO_CW_HW_INJ) may be unset.

    Returns:
        Booleans of the same shape.
    """
    bits = NO_INJECTION_BUT_CW_BITS if allow_cw_injections else NO_INJECTION_BITS
    return (np.asarray(injections) & bits) == bits


def seconds_near(event_times: Iterable[float], gps_start: int, n_seconds: int, margin_s: float) -> np.ndarray:
    """Seconds [t, t + 1) of a stretch that lie within a margin of an event, shape (n_seconds,)."""
    near = np.zeros(n_seconds, dtype=bool)
    for time in event_times:
        first = int(np.floor(time - margin_s - gps_start))
        last = int(np.floor(time + margin_s - gps_start)) + 1
        near[max(first, 0) : max(last, 0)] = True
    return near


def valid_intervals(
    quality: np.ndarray,
    injections: np.ndarray,
    nan: Iterable[int],
    event_times: Iterable[float],
    *,
    gps_start: int,
    settings: Settings,
    constant: Iterable[int] = (),
) -> tuple[list[Interval], dict[str, int]]:
    """Stretches in which windows may lie: every second in them is good in every detector.

    Args:
        quality: DQmask, shape (detector, n_seconds) or (n_seconds,).
        injections: Injmask, same shape.
        nan: GPS seconds in which a detector has missing samples.
        event_times: GPS times (s) to keep away from.
        gps_start: GPS second of the first mask.
        settings: recipe, margin, injection policy, and the shortest useful stretch.
        constant: GPS seconds in which a detector's strain does not vary, and so cannot be whitened.

    Returns:
        Half-open GPS intervals of at least `settings.minimum_s`, and the seconds left out by reason (a second
        may have several): quality, injections, nan, constant, events, short.
    """
    quality, injections = np.atleast_2d(quality), np.atleast_2d(injections)
    n_seconds = quality.shape[1]
    cw = (
        settings.recipe == "faithful"
        if settings.allow_cw_injections is None
        else settings.allow_cw_injections
    )
    bad = {
        "quality": ~quality_passes(quality, settings.recipe).all(axis=0),
        "injections": ~injections_pass(injections, cw).all(axis=0),
        "nan": _flagged(nan, gps_start, n_seconds),
        "constant": _flagged(constant, gps_start, n_seconds),
        "events": seconds_near(event_times, gps_start, n_seconds, settings.event_margin_s),
    }
    good = ~np.logical_or.reduce(list(bad.values()))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    runs = [(int(a) + gps_start, int(b) + gps_start) for a, b in edges.reshape(-1, 2)]
    valid = [(a, b) for a, b in runs if b - a >= settings.minimum_s]
    left_out = {reason: int(mask.sum()) for reason, mask in bad.items()}
    left_out["short"] = int(good.sum()) - sum(b - a for a, b in valid)
    return valid, left_out


def _flagged(seconds: Iterable[int], gps_start: int, n_seconds: int) -> np.ndarray:
    """Which of the seconds of a stretch are among some GPS seconds."""
    flags = np.zeros(n_seconds, dtype=bool)
    inside = np.array([second - gps_start for second in seconds], dtype=int)
    flags[inside[(inside >= 0) & (inside < n_seconds)]] = True
    return flags


def intersect(first: Sequence[Interval], second: Sequence[Interval]) -> list[Interval]:
    """Intersection of two lists of half-open intervals, each sorted and without overlaps."""
    found, i, j = [], 0, 0
    while i < len(first) and j < len(second):
        start, end = max(first[i][0], second[j][0]), min(first[i][1], second[j][1])
        if start < end:
            found.append((start, end))
        if first[i][1] < second[j][1]:
            i += 1
        else:
            j += 1
    return found


def split(
    spans: Sequence[Interval], shares: Mapping[str, float], guard_s: float
) -> dict[str, list[Interval]]:
    """Cut time into consecutive blocks, one a set, with a guard around every cut.

    Args:
        spans: half-open GPS intervals, any order, without overlaps.
        shares: part of the summed time for each set, in time order; any positive numbers.
        guard_s: the last second of a set and the first of the next are at least so far apart.

    Returns:
        Intervals of each set; all of one set lie before all of the next.
    """
    spans = sorted(spans)
    lengths = np.array([b - a for a, b in spans], dtype=float)
    ends = np.cumsum(lengths)
    fractions = np.cumsum(list(shares.values())) / sum(shares.values())
    cuts = []
    for fraction in fractions[:-1]:
        # A cut that falls (but for rounding) on the end of a span belongs there, not a second into the next.
        k = min(int(np.searchsorted(ends, fraction * ends[-1] - 0.5)), len(spans) - 1)
        cuts.append(spans[k][1] - (ends[k] - fraction * ends[-1]))
    sets: dict[str, list[Interval]] = {}
    bounds = [-np.inf, *cuts, np.inf]
    for name, low, high in zip(shares, bounds[:-1], bounds[1:], strict=True):
        inner = [(max(a, low + guard_s / 2), min(b, high - guard_s / 2)) for a, b in spans]
        sets[name] = [(int(np.ceil(a)), int(np.floor(b))) for a, b in inner if np.floor(b) > np.ceil(a)]
    return sets


def _coincident_files(
    by_detector: Mapping[str, Sequence[StrainFileName]], good: Sequence[Interval] | None, minimum: float
) -> list[tuple[int, int]]:
    """(GPS start, duration) of the files that every detector has and whose time is good often enough."""
    spans = [{(f.gps_start, f.duration) for f in files} for files in by_detector.values()]
    common = sorted(set.intersection(*spans)) if spans else []
    if good is None:
        return common
    return [
        (start, duration)
        for start, duration in common
        if sum(b - a for a, b in intersect([(start, start + duration)], good)) >= minimum * duration
    ]


def plan(
    settings: Settings,
    mirrors: Sequence[str | os.PathLike] = (),
    *,
    network: bool = False,
    host: str = archive.ARCHIVE,
    timeout_s: float = 30.0,
) -> dict:
    """Choose files, evenly over the run and in coincidence, and cut their time into sets.

    Folders that hold enough files are chosen from alone. Else the archive is asked, where that is allowed;
    what the folders hold is the choice when it does not answer.

    Args:
        settings: how to choose.
        mirrors: local folders; addresses among them cannot be listed.
        network: whether the archive may be asked for its segments and files.
        host: address of the archive.
        timeout_s: longest silence of the archive, in s.

    Returns:
        files: list of detector, gps_start, duration, name, url, sha256 (empty where unknown), bytes (0
        where unknown); sets: name to list of [start, end] in GPS s; n_candidates: times that could have been
        chosen; segments: the flags that chose them, or why none did.

    Raises:
        NoQuietTime: if no file is usable.
        SourceUnavailable: if the archive has to be asked and does not answer.
    """
    good: list[Interval] | None = None
    note = "not asked for: the files' own masks decide"
    by_detector = _by_detector(in_folders(m for m in mirrors if not is_address(str(m))), settings)
    candidates = _coincident_files(by_detector, None, settings.minimum_coincidence)
    if network and len(candidates) < settings.n_files:
        try:
            by_detector = _by_detector(_listed(settings, host, timeout_s), settings)
            good, note = _coincident_segments(settings, host, timeout_s)
            candidates = _coincident_files(by_detector, good, settings.minimum_coincidence)
        except SourceUnavailable as error:
            if not candidates:
                raise
            note = f"unavailable ({error}): the files' own masks decide"
    if not candidates:
        places = ", ".join([*map(str, mirrors), *([host] if network else [])]) or "any mirror (none given)"
        raise NoQuietTime(
            f"background of {settings.run}: no file of {' and '.join(settings.detectors)} at the same time "
            f"in {places}; name a mirror that holds files of all detectors, allow the network, or use "
            "simulated noise"
        )
    n = min(settings.n_files, len(candidates))
    chosen = [candidates[i] for i in np.linspace(0, len(candidates) - 1, n).round().astype(int)]
    sets = split([(a, a + d) for a, d in chosen], settings.shares, settings.guard_s)
    return {
        "files": [_planned(_best(by_detector[d], span)) for span in chosen for d in settings.detectors],
        "sets": {name: [list(span) for span in spans] for name, spans in sets.items()},
        "n_candidates": len(candidates),
        "segments": note,
    }


def _by_detector(files: Sequence[StrainFileName], settings: Settings) -> dict[str, list[StrainFileName]]:
    """Files of the run in which a window has room, by detector."""
    start, end = RUNS[settings.run]
    inside = [
        file
        for file in files
        if file.gps_end > start and file.gps_start < end and file.duration >= settings.minimum_s
    ]
    return {d: [file for file in inside if file.detector == d] for d in settings.detectors}


def _listed(settings: Settings, host: str, timeout_s: float) -> list[StrainFileName]:
    start, end = RUNS[settings.run]
    return [
        name
        for detector in settings.detectors
        for url in archive.run_urls(settings.run, detector, start, end, host, timeout_s)
        if (name := parse_name(url))
    ]


def _planned(file: StrainFileName) -> dict:
    remote = is_address(file.source)
    return {
        "detector": file.detector,
        "gps_start": file.gps_start,
        "duration": file.duration,
        "name": file.name,
        "url": file.source if remote else "",
        "sha256": "",
        "bytes": 0 if remote else Path(file.source).stat().st_size,
    }


def _coincident_segments(
    settings: Settings, host: str, timeout_s: float
) -> tuple[list[Interval] | None, str]:
    """Time in which all detectors pass CBC_CAT3; None, with the reason, if the archive does not say.

    The plan works without: it then takes files of little use, which the masks inside them show.
    """
    start, end = RUNS[settings.run]
    flags = [f"{detector}_CBC_CAT3" for detector in settings.detectors]
    good = [(start, end)]
    try:
        for flag in flags:
            good = intersect(good, archive.segments(flag, start, end, host, timeout_s))
    except SourceUnavailable as error:
        return None, f"unavailable ({error}): the files' own masks decide"
    return good, " and ".join(flags)


def _best(files: Sequence[StrainFileName], span: tuple[int, int]) -> StrainFileName:
    return max((f for f in files if (f.gps_start, f.duration) == span), key=lambda f: f.rank)


def volume(
    background: Mapping, destination: str | os.PathLike, timeout_s: float = 30.0, *, network: bool = True
) -> int:
    """Bytes that a plan will add to the disk; asks one server once for the size of a file of each duration.

    Args:
        background: what `plan` returned.
        destination: folder of the files; what is there already is not counted.
        timeout_s: longest silence of a server, in s.
        network: whether a server may be asked.

    Returns:
        Bytes; BYTES_A_FILE per 4096 s where neither the plan nor a server tells.
    """
    sizes: dict[int, int] = {}
    total = 0
    for file in background["files"]:
        if (Path(destination) / file["name"]).exists():
            continue
        if file["bytes"]:
            total += file["bytes"]
            continue
        duration = file["duration"]
        if duration not in sizes:
            sizes[duration] = (network and _size(file["url"], timeout_s)) or round(
                BYTES_A_FILE * duration / 4096
            )
        total += sizes[duration]
    return total


def _size(url: str, timeout_s: float) -> int:
    if not url:
        return 0
    try:
        answer = requests.head(url, timeout=timeout_s, allow_redirects=True)
        return int(answer.headers.get("Content-Length", 0)) if answer.ok else 0
    except (requests.RequestException, ValueError):
        return 0


def check_volume(
    background: Mapping, destination: str | os.PathLike, timeout_s: float = 30.0, *, network: bool = True
) -> int:
    """Bytes still to fetch for a plan, checked against the free disk before the first of them.

    Raises:
        DiskTooSmall: if they do not fit.
    """
    n_bytes = volume(background, destination, timeout_s, network=network)
    check_disk(destination, n_bytes)
    return n_bytes
