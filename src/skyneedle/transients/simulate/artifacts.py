"""What goes wrong in images: nine kinds of artifacts, each as a change of how a scene is recorded."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from skyneedle.transients.simulate import scenes
from skyneedle.transients.simulate.fields import Exposure
from skyneedle.transients.simulate.scenes import SIZE

MASKED = np.float32(1e-30)  # what the survey writes into pixels that do not count

# Kinds that sit on a source; the others land anywhere.
ON_SOURCE = ("dipole", "psf_mismatch", "saturated")
# Where a fake is lost, though its label says non-artifact: bad parts of the CCD and saturated stars
# (section 4.4).
DEFECTS = ("saturated", "bad_column", "edge")
# How far from the place of the artifact its detection may lie, pixels, where not as for all others.
REACH = {"saturated": 6}

_Y, _X = np.mgrid[:SIZE, :SIZE].astype(np.float32)


@dataclass
class Defect:
    """How one artifact changes the images.

    Attributes:
        shift: of all light in the search image, pixels.
        psf: transform of PSF and pixel that the search image has instead of its exposure's.
        pattern: light that is added to the search image after the PSF, in units to be scaled.
        snr: that the pattern is found at; None for the power law of all others.
        saturates: whether pixels are clipped and bleed.
        masked: pixels that are masked in search and difference image.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    psf: np.ndarray | None = None
    pattern: np.ndarray | None = None
    snr: float | None = None
    saturates: bool = False
    masked: np.ndarray | None = None


def defect(kind: str, x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """Draw an artifact at a place of the work image, in pixels."""
    return _KINDS[kind](x, y, exposure, random)


def _dipole(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """Search and template are not registered: by 0.08 to 0.6 pixels."""
    length = random.uniform(0.08, 0.6)
    angle = random.uniform(0, 2 * math.pi)
    return Defect(shift=(length * math.cos(angle), length * math.sin(angle)))


def _psf_mismatch(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """The PSF here is not that of the kernel: rings and clover leaves."""
    # A broader PSF leaves a hole with a ring, of which less passes the detection: it is tried more often.
    sign = 1 if random.uniform() < 0.75 else -1
    change = math.exp(sign * math.exp(random.uniform(math.log(0.02), math.log(0.25))))
    e1, e2 = random.normal(0, 0.05, 2)
    return Defect(psf=scenes.psf_transform(exposure.fwhm * change, exposure.e1 + e1, exposure.e2 + e2))


def _cosmic_ray(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """A straight track of 1 to 7 pixels, not blurred by the atmosphere."""
    length = random.uniform(1.0, 7.0)
    angle = random.uniform(0, math.pi)
    along = (np.arange(40) / 39 - 0.5) * length
    loss = random.uniform(-0.6, 0.6)  # a track deposits more towards one end
    pattern = np.zeros((SIZE, SIZE), np.float32)
    rows = np.rint(y + along * math.sin(angle)).astype(int)
    columns = np.rint(x + along * math.cos(angle)).astype(int)
    np.add.at(pattern, (rows, columns), 1 + loss * along / length * 2)
    return Defect(pattern=pattern)


def _hot_pixel(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """One pixel, sometimes with a fainter neighbour in its column."""
    pattern = np.zeros((SIZE, SIZE), np.float32)
    row, column = round(y), round(x)
    pattern[row, column] = 1.0
    if random.uniform() < 0.3:
        pattern[row + 1, column] = random.uniform(0.1, 0.7)
    return Defect(pattern=pattern)


def _saturated(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """A star too bright for the CCD; what happens to it is in ``bleed``."""
    return Defect(saturates=True)


def _bad_column(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """One or two columns with charge that is not from the sky, noisy along the column, starting somewhere."""
    pattern = np.zeros((SIZE, SIZE), np.float32)
    width = int(random.choice((1, 1, 2)))
    column = round(x)
    level = 1 + random.normal(0, random.uniform(0.1, 0.6), (SIZE, width))
    pattern[:, column : column + width] = level
    if random.uniform() < 0.4:  # charge is lost from one row on
        row = int(np.clip(round(y) + random.integers(-20, 21), 0, SIZE - 1))
        pattern[slice(0, row) if row > y else slice(row, None)] *= random.uniform(1.0, 1.5)
        pattern[slice(row, None) if row > y else slice(0, row)] = 0
    return Defect(pattern=pattern)


def _trail(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """A satellite: a straight line as wide as the PSF across the whole image."""
    angle = random.uniform(0, math.pi)
    across = (_X - x) * math.sin(angle) - (_Y - y) * math.cos(angle)
    sigma = exposure.fwhm / 2.355 * random.uniform(1.0, 1.3)
    pattern = np.exp(-0.5 * (across / sigma) ** 2)
    if random.uniform() < 0.5:  # tumbling: it flashes
        along = (_X - x) * math.cos(angle) + (_Y - y) * math.sin(angle)
        pattern *= 1 + random.uniform(0.1, 0.8) * np.cos(2 * math.pi * along / random.uniform(15, 60))
    return Defect(pattern=pattern.astype(np.float32))


def _edge(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """The border of the CCD: nothing beyond, and charge that glows along it."""
    distance = random.uniform(0.5, 4.0)
    side = int(random.integers(4))
    inward = (_X - x, x - _X, _Y - y, y - _Y)[side] + distance
    masked = inward < 0
    fall = random.uniform(1.0, 3.0)
    # Glow of uneven strength along the edge, so that one place stands out.
    along = (_Y - y) if side < 2 else (_X - x)
    uneven = np.exp(-0.5 * (along / random.uniform(2.0, 15.0)) ** 2)
    pattern = np.where(masked, 0, np.exp(-np.maximum(inward, 0) / fall) * (0.3 + uneven))
    return Defect(pattern=pattern.astype(np.float32), masked=masked)


def _noise_peak(x: float, y: float, exposure: Exposure, random: np.random.Generator) -> Defect:
    """A lump of noise that resampling has correlated: some pixels, not shaped as the PSF, barely found."""
    half = 4
    place = np.arange(-half, half + 1)
    lump = gaussian_filter(random.normal(0, 1, (2 * half + 1, 2 * half + 1)), random.uniform(0.5, 0.9))
    lump *= np.exp(-0.5 * (place**2 + place[:, None] ** 2) / random.uniform(1.2, 2.2) ** 2)
    pattern = np.zeros((SIZE, SIZE), np.float32)
    row, column = round(y), round(x)
    square = slice(row - half, row + half + 1), slice(column - half, column + half + 1)
    pattern[square] = lump if lump[2:-2, 2:-2].sum() > 0 else -lump
    return Defect(pattern=pattern, snr=5 + random.exponential(1.0))


_KINDS: dict[str, Callable[[float, float, Exposure, np.random.Generator], Defect]] = {
    "dipole": _dipole,
    "psf_mismatch": _psf_mismatch,
    "cosmic_ray": _cosmic_ray,
    "saturated": _saturated,
    "bad_column": _bad_column,
    "trail": _trail,
    "edge": _edge,
    "noise_peak": _noise_peak,
    "hot_pixel": _hot_pixel,
}


def bleed(image: np.ndarray, limit: float, length: float, random: np.random.Generator) -> np.ndarray:
    """Clip pixels at what they hold, and let the charge above it flow up and down its column.

    Args:
        image: electrons (size, size), changed in place.
        limit: electrons that a pixel holds.
        length: factor on how far charge flows; with 1, all that is above the limit fills pixels up to it.
        random: for how uneven columns are.

    Returns:
        Which pixels are full.
    """
    upwards = random.uniform(0.3, 0.7)
    for column in np.flatnonzero((image > limit).any(axis=0)):
        values = image[:, column]
        over = np.maximum(values - limit, 0)
        full = np.flatnonzero(over)
        reach = length * over.sum() / limit * random.uniform(0.7, 1.3)
        np.minimum(values, limit, out=values)
        first, last = full[0] - round(reach * (1 - upwards)), full[-1] + round(reach * upwards)
        values[max(first, 0) : last + 1] = limit
    return image >= limit
