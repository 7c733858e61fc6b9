"""What there is to search: files of one detector, the good time in them, and what detectors have in common.

Times are whole numbers of raw samples since GPS 0: exact, and the same for all detectors.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from skyneedle.core.errors import (
    ConstantStrain,
    DetectorMismatch,
    GridMismatch,
    NotAStrainFile,
    SkyneedleError,
    StrainHasNaN,
    StrainTooShort,
    WrongSampleRate,
)
from skyneedle.strain import preprocess
from skyneedle.strain.fetch.gwosc_files import Strain, check_signature, read
from skyneedle.strain.fetch.names import StrainFileName, in_folders
from skyneedle.strain.fetch.select import CBC_BITS, intersect

RATE = preprocess.RAW_SAMPLE_RATE
TEXT_ENDINGS = (".txt", ".txt.gz")
ENDINGS = (".hdf5", ".h5", *TEXT_ENDINGS)
CHECKED_S = 256  # read at once when a file is looked through
NO_MERGER_INJECTION = 0b1  # bit of the injection mask: no merger was injected in hardware
Span = tuple[int, int]
Tell = Callable[[str], Any]


class Part(NamedTuple):
    """One file's share of a detector's strain: samples first to last (exclusive)."""

    path: str
    first: int
    last: int


@dataclass
class Track:
    """Strain of one detector.

    Attributes:
        detector: "H1", ...
        parts: in order of time, without overlap.
        good: half-open spans of samples that can be searched, in order.
        seconds: how many are missing (NaN), constant, and so on; also those that are only told.
    """

    detector: str
    parts: list[Part] = field(default_factory=list)
    good: list[Span] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    def read(self, first: int, last: int) -> np.ndarray:
        """Raw strain of a good span, float64, shape (last - first,)."""
        pieces = [
            _read(part.path, max(first, part.first), min(last, part.last)).values
            for part in self.parts
            if part.first < last and part.last > first
        ]
        return np.concatenate(pieces)


# --- files


def files_of(detector: str, paths: Iterable[str | os.PathLike], span: Span | None, tell: Tell) -> list[str]:
    """The files to read for one detector.

    Args:
        detector: whose files to take out of folders.
        paths: files and folders; of a folder those named as the archive names this detector's 4-kHz files or,
            where there is none, all that end like strain files.
        span: only files that touch it are taken out of folders.
        tell: gets a sentence about what a folder holds besides.

    Raises:
        NotAStrainFile: if a path does not exist, or a folder holds nothing to read.
    """
    found: list[str] = []
    for path in map(Path, paths):
        if path.is_file():
            found.append(str(path))
            continue
        if not path.is_dir():
            raise NotAStrainFile(
                f"{path}: no such file or folder; {detector} needs a strain file or a folder of them."
            )
        named = [file for file in in_folders([path]) if file.detector == detector]
        every = [str(file) for file in sorted(path.iterdir()) if file.name.endswith(ENDINGS)]
        chosen = [file.source for file in cover(named, span)[0]] if named else every
        if not chosen:
            when = f" between GPS {span[0] / RATE:.0f} and {span[1] / RATE:.0f}" if span else ""
            raise NotAStrainFile(
                f"{path}: no strain file of {detector}{when}; files end in {', '.join(ENDINGS)} and the "
                f"archive names them like {detector[0]}-{detector}_GWOSC_4KHZ_R1-1126259447-32.hdf5."
            )
        tell(f"{detector}: {len(chosen)} of {len(set(every) | set(chosen))} files of {path} are read.")
        found += chosen
    return found


def cover(files: Iterable[StrainFileName], span: Span | None) -> tuple[list[StrainFileName], list[Span]]:
    """As few files as needed, longer and newer ones first, and the parts of the span that none covers."""
    files = sorted(files, key=lambda file: file.rank, reverse=True)
    if span is None and files:
        span = (min(file.gps_start for file in files) * RATE, max(file.gps_end for file in files) * RATE)
    open_spans: list[Span] = [span] if span else []
    chosen = []
    for file in files:
        first, last = file.gps_start * RATE, file.gps_end * RATE
        rest = [
            piece
            for a, b in open_spans
            for piece in ((a, min(b, first)), (max(a, last), b))
            if piece[0] < piece[1]
        ]
        if rest != open_spans:
            chosen.append(file)
            open_spans = rest
    return chosen, open_spans


# --- what a file holds


def track(detector: str, paths: Iterable[str], span: Span | None = None) -> Track:
    """Look through a detector's files: which samples can be searched.

    Args:
        detector: that the files must be of.
        paths: in any order; where two overlap, the later one is cut.
        span: only this is looked at.

    Raises:
        WrongSampleRate, DetectorMismatch, GridMismatch: if a file does not fit.
        NotHDF5, TruncatedFile, NotAStrainFile: see ``fetch.gwosc_files.read``.
    """
    out = Track(detector)
    found = sorted(
        (_part(detector, path) for path in dict.fromkeys(paths)), key=lambda part: (part.first, -part.last)
    )
    for part in found:
        first = max([part.first, *([span[0]] if span else []), *(before.last for before in out.parts)])
        last = min([part.last, *([span[1]] if span else [])])
        if out.parts and part.first < out.parts[-1].last:
            out.seconds["in two files"] += -(-(min(out.parts[-1].last, part.last) - part.first) // RATE)
        if first < last:
            part = part._replace(first=first, last=last)
            out.parts.append(part)
            _look_through(part, out)
    return out


def _part(detector: str, path: str) -> Part:
    """Begin and end of a file, which must be this detector's, at 4096 Hz and on the grid of samples."""
    start, n, rate = _header(path)
    if rate != RATE:
        raise WrongSampleRate(
            f"{path}: strain at {rate:g} Hz, the networks take {RATE} Hz; resample it to {RATE} Hz, or fetch "
            f"the archive's 4-kHz file."
        )
    first = round(start * RATE)
    if abs(start * RATE - first) > 0.05:  # float64 holds a GPS time to a thousandth of a sample
        raise GridMismatch(
            f"{path}: begins at GPS {start!r}, between two samples of the {RATE}-Hz grid; resample it "
            "onto whole samples."
        )
    if n == 0:
        raise StrainTooShort(f"{path}: no samples; give at least {preprocess.WINDOW_S} s of strain.")
    strain = _read(path, first, first + min(n, RATE))
    if strain.detector != detector:
        raise DetectorMismatch(
            f"{path}: this is strain of {strain.detector}, given as {detector}; "
            f"write {strain.detector}={path}."
        )
    return Part(path, first, first + n)


def _header(path: str) -> tuple[float, int, float]:
    """GPS start in s, number of samples and rate in Hz, without the values where the format allows it."""
    if path.endswith(TEXT_ENDINGS):
        strain = _whole_text(path)
        return strain.gps_start, len(strain.values), strain.sample_rate
    check_signature(path)
    try:
        with h5py.File(path, "r") as file:
            data = file["strain/Strain"]
            start = data.attrs["Xstart"] if "Xstart" in data.attrs else file["meta/GPSstart"][()]
            rate = 1.0 / float(data.attrs["Xspacing"])
            # Written spacings are rounded; see the reader.
            rate = float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate
            return float(start), len(data), rate
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError, ZeroDivisionError):
        read(path, allow_nan=True)  # has a sentence for each way in which a file can be wrong
        raise NotAStrainFile(f"{path}: cannot be read as a GWOSC strain file; fetch it again.") from None


def _whole_text(path: str) -> Strain:
    return _cached_text(path, os.stat(path).st_mtime_ns)


@lru_cache(maxsize=3)  # one a detector: text cannot be read in parts
def _cached_text(path: str, changed: int) -> Strain:
    return read(path, allow_nan=True)


def _read(path: str, first: int, last: int) -> Strain:
    if not path.endswith(TEXT_ENDINGS):
        return read(path, allow_nan=True, span=(first / RATE, last / RATE))
    whole = _whole_text(path)
    offset = round(whole.gps_start * RATE)
    return Strain(whole.values[first - offset : last - offset], first / RATE, RATE, whole.detector, path=path)


def _look_through(part: Part, out: Track) -> None:
    """Note the good spans of a file, to the second from its beginning, and count the seconds that are not."""
    for first in range(part.first, part.last, CHECKED_S * RATE):
        strain = _read(part.path, first, min(first + CHECKED_S * RATE, part.last))
        n = -(-len(strain.values) // RATE)
        # What is missing in the last second does not make it bad: it is filled with its own last sample.
        blocks = np.pad(strain.values, (0, n * RATE - len(strain.values)), mode="edge").reshape(n, RATE)
        missing = ~np.isfinite(blocks).all(axis=1)
        constant = ~missing & (blocks == blocks[:, :1]).all(axis=1)
        constant[-1] &= len(strain.values) % RATE != 1
        out.seconds["missing (NaN)"] += int(missing.sum())
        out.seconds["constant"] += int(constant.sum())
        if strain.quality is not None:
            bad = (strain.quality[:n] & CBC_BITS) != CBC_BITS
            out.seconds["below CBC_CAT3"] += int((bad & ~missing[: len(bad)]).sum())
        if strain.injections is not None:
            out.seconds["with an injected merger"] += int(
                ((strain.injections & NO_MERGER_INJECTION) == 0).sum()
            )
        for second in np.flatnonzero(~missing & ~constant):
            a, b = first + int(second) * RATE, min(first + (int(second) + 1) * RATE, part.last)
            if out.good and out.good[-1][1] == a:
                a = out.good.pop()[0]
            out.good.append((a, b))


# --- all detectors


def common(tracks: Mapping[str, Track], tell: Tell) -> list[Span]:
    """Stretches that all detectors have without a gap, each of at least one window; what is left out is told.

    Raises:
        DetectorMismatch: if the files are of different times.
        StrainHasNaN, ConstantStrain, StrainTooShort: if nothing can be searched, by its main reason.
    """
    shared: list[Span] | None = None
    for one in tracks.values():
        shared = one.good if shared is None else intersect(shared, one.good)
        _tell_seconds(one, tell)
    stretches = [(a, b) for a, b in shared or [] if b - a >= preprocess.N_RAW]
    if not stretches:
        raise _nothing(tracks, shared or [])
    used = sum(b - a for a, b in stretches)
    short = sum(b - a for a, b in shared or []) - used
    for one in tracks.values():
        alone = sum(b - a for a, b in one.good) - used - short
        if alone:
            tell(f"{one.detector}: {alone / RATE:.3f} s are left out, the other detectors lack them.")
    if short:
        n = len(shared or []) - len(stretches)
        tell(f"{n} pieces shorter than {preprocess.WINDOW_S} s are left out, {short / RATE:.3f} s in all.")
    gaps = len(stretches) - 1
    text = f"{len(stretches)} stretches with gaps between them" if gaps else "1 stretch without a gap"
    tell(
        f"{text}, {used / RATE:.3f} s from GPS {stretches[0][0] / RATE:.3f} to {stretches[-1][1] / RATE:.3f}."
    )
    return stretches


def _tell_seconds(one: Track, tell: Tell) -> None:
    left_out = {
        key: one.seconds[key] for key in ("missing (NaN)", "constant", "in two files") if one.seconds[key]
    }
    if left_out:
        text = ", ".join(f"{n} s {key}" for key, n in left_out.items())
        tell(f"{one.detector}: left out {text}.")
    for key in ("below CBC_CAT3", "with an injected merger"):
        if one.seconds[key]:
            tell(f"{one.detector}: {one.seconds[key]} s {key} are searched all the same.")


def _nothing(tracks: Mapping[str, Track], shared: Sequence[Span]) -> SkyneedleError:
    """Why there is no stretch to search."""
    times = {
        one.detector: (one.parts[0].first, max(part.last for part in one.parts)) if one.parts else None
        for one in tracks.values()
    }
    text = ", ".join(
        f"{name} GPS {time[0] / RATE:.3f} to {time[1] / RATE:.3f}" if time else f"{name} nothing"
        for name, time in times.items()
    )
    paths = ", ".join(one.parts[0].path for one in tracks.values() if one.parts)
    known = [time for time in times.values() if time]
    if len(known) < len(times) or max(a for a, _ in known) >= min(b for _, b in known):
        return DetectorMismatch(
            f"{paths or 'strain'}: the detectors' files are of different times or outside the interval "
            f"asked for ({text}); give files of one time."
        )
    for key, error, advice in (
        ("missing (NaN)", StrainHasNaN, "hold missing samples (NaN)"),
        ("constant", ConstantStrain, "are constant and cannot be whitened"),
    ):
        for one in tracks.values():
            if one.seconds[key]:
                return error(
                    f"{one.parts[0].path}: {one.seconds[key]} s of {one.detector} strain {advice}, and no "
                    f"{preprocess.WINDOW_S} s without gap are left; choose another time."
                )
    longest = max((b - a for a, b in shared), default=0)
    return StrainTooShort(
        f"{paths}: the longest stretch that all detectors have without a gap is {longest / RATE:.3f} s "
        f"({text}); at least {preprocess.WINDOW_S} s are needed."
    )
