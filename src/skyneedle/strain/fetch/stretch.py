"""One stretch of strain of one detector: what it is, where samples are missing, and how stretches join."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skyneedle.core.errors import (
    DetectorMismatch,
    NotAStrainFile,
    StrainHasGap,
    StrainHasNaN,
    WrongSampleRate,
)

DETECTORS = ("H1", "L1", "V1", "G1", "K1")


@dataclass(frozen=True, eq=False)
class Strain:
    """One stretch of calibrated strain of one detector.

    Attributes:
        values: strain, float64, shape (n,); dimensionless.
        gps_start: GPS time of the first sample, in s.
        sample_rate: in Hz.
        detector: "H1", "L1", "V1", ...
        quality: one mask of QUALITY_BITS a second, uint32, shape (n_seconds,); None where the file has none.
        injections: likewise of INJECTION_BITS (a set bit means "none"), uint32, shape (n_seconds,), or None.
        path: where it was read from.
    """

    values: np.ndarray
    gps_start: float
    sample_rate: float
    detector: str
    quality: np.ndarray | None = None
    injections: np.ndarray | None = None
    path: str = ""

    @property
    def duration(self) -> float:
        """Length in s."""
        return len(self.values) / self.sample_rate

    @property
    def gps_end(self) -> float:
        """GPS time of the end (exclusive), in s."""
        return self.gps_start + self.duration


def seconds_as_spans(seconds: Iterable[int]) -> list[tuple[int, int]]:
    """Merge whole seconds into half-open intervals: [3, 4, 5, 9] gives [(3, 6), (9, 10)]."""
    spans: list[tuple[int, int]] = []
    for second in sorted(set(seconds)):
        if spans and spans[-1][1] == second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return spans


def nan_seconds(values: np.ndarray, gps_start: float, sample_rate: float) -> np.ndarray:
    """GPS seconds (int64, sorted, unique) in which at least one sample is not a finite number."""
    bad = np.flatnonzero(~np.isfinite(values))
    return np.unique(np.floor(gps_start + bad / sample_rate).astype(np.int64))


def constant_seconds(values: np.ndarray, gps_start: float, sample_rate: float) -> np.ndarray:
    """GPS seconds (int64) of a stretch of whole seconds in which the strain does not vary at all."""
    rate = int(sample_rate)
    blocks = values[: len(values) // rate * rate].reshape(-1, rate)
    return int(gps_start) + np.flatnonzero((blocks == blocks[:, :1]).all(axis=1))


def detector_name(text: str) -> str:
    """The detector that a text names ("H1", "for H1 (see", "H-H1_LOSC", or the site letter "H"), or ""."""
    match = re.search(rf"(?<![A-Za-z0-9])({'|'.join(DETECTORS)})(?![A-Za-z0-9])", text.replace("_", " "))
    if match:
        return match.group(1)
    by_site = {name[0]: name for name in DETECTORS}
    return by_site.get(text.strip(), "")


def sample_range(
    span: tuple[float, float] | None, start: float, sample_rate: float, n: int, path: str
) -> tuple[int, int]:
    if span is None:
        return 0, n
    first, last = (round((t - start) * sample_rate) for t in span)
    if not 0 <= first < last <= n:
        raise NotAStrainFile(
            f"{path}: GPS {span[0]:.6f} to {span[1]:.6f} was asked for, the file holds {start:.6f} to "
            f"{start + n / sample_rate:.6f}; ask for a time inside it"
        )
    return first, last


def refuse_nan(strain: Strain) -> Strain:
    seconds = nan_seconds(strain.values, strain.gps_start, strain.sample_rate)
    if seconds.size:
        spans = seconds_as_spans(seconds.tolist())
        shown = ", ".join(f"{a}-{b}" for a, b in spans[:5]) + (", ..." if len(spans) > 5 else "")
        raise StrainHasNaN(
            f"{strain.path}: {seconds.size} s of {strain.detector} strain hold missing samples (NaN), at GPS "
            f"{shown}; every sample must be a number: choose a time without them"
        )
    return strain


def join(strains: Sequence[Strain]) -> Strain:
    """Join consecutive stretches of one detector, given in any order.

    Args:
        strains: at least one.

    Returns:
        One stretch; masks are kept when every part has them and begins on a whole second.

    Raises:
        DetectorMismatch, WrongSampleRate: if the parts are not of one detector and one rate.
        StrainHasGap: if one does not begin where the one before ends.
    """
    parts = sorted(strains, key=lambda s: s.gps_start)
    first = parts[0]
    for before, after in pairwise(parts):
        if after.detector != first.detector:
            raise DetectorMismatch(
                f"{after.path}: strain of {after.detector}, the file before ({before.path}) is of "
                f"{first.detector}; join files of one detector only"
            )
        if after.sample_rate != first.sample_rate:
            raise WrongSampleRate(
                f"{after.path}: {after.sample_rate:g} Hz, the file before has {first.sample_rate:g} Hz; "
                "join files of one rate only"
            )
        if abs(after.gps_start - before.gps_end) > 0.5 / first.sample_rate:
            raise StrainHasGap(
                f"{after.path}: begins at GPS {after.gps_start:.6f}, but {before.path} ends at "
                f"{before.gps_end:.6f}; give files that follow each other without gap or overlap, or run "
                "each piece by itself"
            )
    if len(parts) == 1:
        return first
    whole = all(float(p.gps_start).is_integer() and float(p.duration).is_integer() for p in parts[:-1])

    def masks(name: str) -> np.ndarray | None:
        each = [getattr(p, name) for p in parts]
        return np.concatenate(each) if whole and all(m is not None for m in each) else None

    return Strain(
        np.concatenate([p.values for p in parts]),
        first.gps_start,
        first.sample_rate,
        first.detector,
        masks("quality"),
        masks("injections"),
        first.path,
    )
