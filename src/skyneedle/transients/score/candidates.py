"""Candidates to score, whatever kind of file they lie in, and the cut that a network takes of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.errors import ConstantStamp, StampHasNaN, WrongStampSize
from skyneedle.transients.preprocess import CHANNELS, SIZE, bad_pixels

Tell = Callable[[str], Any]


class Candidate(NamedTuple):
    """One candidate, not yet read.

    Attributes:
        name: of it.
        file: where it lies.
        load: reads its planes by channel, shape (m, n) each; raises an error of this package for whatever is
            wrong with it.
        survey: name of the survey, where the file says it.
        label: as given, 1 artifact, 0 not; -1 unknown.
        survey_score: real/bogus score that the survey itself gave, 1 real; NaN where there is none.
    """

    name: str
    file: str
    load: Callable[[], Mapping[str, np.ndarray]]
    survey: str = ""
    label: int = -1
    survey_score: float = float("nan")


@dataclass(frozen=True)
class Source:
    """A file or folder of candidates.

    Attributes:
        kind: of file, for the reader.
        path: of it.
        is_native: whether its stamps have the form that the networks learned from; others get a warning.
        each: all candidates, always in the same order.
        n: how many, -1 where that is known only at the end.
    """

    kind: str
    path: str
    is_native: bool
    each: Callable[[], Iterator[Candidate]]
    n: int = -1


def cut(planes: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, str]:
    """The central 51 x 51 pixels of each plane; nothing is resampled.

    A network knows the point-spread function in pixels, so a stamp of other pixels is cut as it is. Of an
    even number of pixels the centre is the one after the middle.

    Args:
        planes: by channel.
        name: of the candidate, for messages.

    Returns:
        Stamp of shape (3, 51, 51) in the order of ``CHANNELS``, and the size of what it was cut from.

    Raises:
        WrongStampSize: if a plane is smaller, or planes differ in size.
        StampHasNaN: if a pixel of the cut is not finite.
        ConstantStamp: if a plane of the cut has one value only.
    """
    shapes = {planes[channel].shape for channel in CHANNELS}
    if len(shapes) > 1:
        raise WrongStampSize(f"{name}: its planes have sizes {sorted(shapes)}; expected one size.")
    (shape,) = shapes
    if len(shape) != 2 or min(shape) < SIZE:
        raise WrongStampSize(f"{name}: a plane has shape {shape}, expected at least {SIZE} x {SIZE} pixels.")
    first = [length // 2 - SIZE // 2 for length in shape]
    window = tuple(slice(start, start + SIZE) for start in first)
    stamp = np.stack([planes[channel][window] for channel in CHANNELS])
    for channel, plane in zip(CHANNELS, stamp, strict=True):
        _check(plane, f"{name}, {channel}")
    return stamp, f"{shape[1]} x {shape[0]}"


def _check(plane: np.ndarray, name: str) -> None:
    if plane.dtype.kind == "f":
        n_bad = int((~np.isfinite(plane)).sum())
        if n_bad:
            raise StampHasNaN(f"{name}: {n_bad} of {plane.size} pixels are not finite.")
    good = plane[~bad_pixels(plane)]
    if not len(good) or good.min() == good.max():
        what = f"every pixel is {good[0]}" if len(good) else "every pixel is masked"
        raise ConstantStamp(f"{name}: {what}; there is nothing to judge.")
