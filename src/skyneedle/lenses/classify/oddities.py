"""Stamps that are scored although their numbers look wrong: sky that was left in, or another unit.

A network of the recipe ``corrected`` takes brightness as it is, in units of the noise of the sky of a whole
group, so that either makes its answer worthless. ``faithful`` maps each band of each stamp to 0 ... 1 and
notices neither.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from skyneedle.lenses.preprocess import BANDS

MOST_SKY = 10.0  # standard deviations of the stamp's noise that its sky may lie off zero
MOST_NOISE = 10.0  # factor between the noise of a stamp and that of its group
CORNER = 4  # a corner is this part of the stamp's side: beyond 7 arcsec from the middle of one of 20
GRID = 16  # pixels along a corner that are looked at, or a few more: they fix its noise to 5 %
SKY, UNIT = "sky", "unit"
ADVICE = {SKY: "subtract the sky", UNIT: "give all stamps of one path in one unit"}


class Odd(NamedTuple):
    """What is odd about a band of a stamp.

    Attributes:
        band: its name.
        kind: ``SKY`` or ``UNIT``.
        value: the sky in standard deviations of the stamp's noise, or that noise in units of the group's.
    """

    band: str
    kind: str
    value: float


def find(planes: Mapping[str, np.ndarray], bands: Sequence[str], sky_sigma: Sequence[float]) -> list[Odd]:
    """What is odd about a stamp.

    Args:
        planes: stamp of each band, shape (n, n), in any unit.
        bands: to look at.
        sky_sigma: noise of the sky in the group of the stamp, one for each band, in the same unit.

    Returns:
        One for each oddity, in the order of the bands.
    """
    odd = []
    for band, of_group in zip(bands, sky_sigma, strict=True):
        level, sigma = sky_of(planes[band])
        relative = level / (sigma or of_group)
        if abs(relative) > MOST_SKY:
            odd.append(Odd(band, SKY, relative))
        if not of_group / MOST_NOISE <= sigma <= of_group * MOST_NOISE:
            odd.append(Odd(band, UNIT, sigma / of_group))
    return odd


def sky_of(image: np.ndarray) -> tuple[float, float]:
    """Level and noise of the sky in one stamp, from its corners.

    A galaxy may fill the middle and light up some corners: the level is that of the corner nearest to zero,
    the noise that of the quietest. Corners without noise (cut off at the edge of an image) do not count.

    Args:
        image: shape (n, n).

    Returns:
        Median, and standard deviation by the median absolute deviation, in the unit of the image; the latter
        is zero if no corner has noise.
    """
    n = len(image) // CORNER
    step = max(1, n // GRID)
    ends = (slice(None, n, step), slice(-n, None, step))
    corners = np.stack([image[rows, columns].ravel() for rows in ends for columns in ends]).astype(np.float64)
    levels = np.median(corners, axis=1)
    sigmas = 1.4826 * np.median(np.abs(corners - levels[:, None]), axis=1)
    if sigmas.any():
        levels, sigmas = levels[sigmas > 0], sigmas[sigmas > 0]
    return float(levels[np.abs(levels).argmin()]), float(sigmas.min())


def in_words(odd: Sequence[Odd]) -> str:
    """A warning for the table of scores; empty where nothing is odd."""
    words = {
        SKY: "{0.band} has a sky of {0.value:.3g} sigma",
        UNIT: "{0.band} has {0.value:.3g} times the noise of its group",
    }
    return "; ".join(words[one.kind].format(one) for one in odd)


def summary(odd: Sequence[Sequence[Odd]]) -> str:
    """One line about all stamps that have a warning: how many, which bands, what to do; empty if none has.

    Args:
        odd: of each stamp.
    """
    n = sum(map(bool, odd))
    if not n:
        return ""
    parts = []
    for kind, about in ((SKY, "sky not subtracted"), (UNIT, "noise unlike the others'")):
        times = Counter(one.band for each in odd for one in each if one.kind == kind)
        if times:
            bands = ", ".join(f"{band} {times[band]}" for band in BANDS if band in times)
            parts.append(f"{about} in {bands} ({ADVICE[kind]})")
    return (
        f"{n} of these objects {'has' if n == 1 else 'have'} a warning, and a score not to "
        f"be trusted: {'; '.join(parts)}."
    )
