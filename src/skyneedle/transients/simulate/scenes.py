"""Galaxies and stars through the atmosphere: images by one Fourier transform, from profiles of GalSim.

A scene is a sum of profiles whose Fourier transforms are known functions of one variable (Sersic: Hankel
transform, tabulated from GalSim; Moffat: in closed form). They are added up in Fourier space, multiplied
by the PSF and the pixel, and transformed once. All lengths are in pixels, positions (x, y) are columns and
rows of the work image.
"""

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import galsim
import numpy as np
import scipy.fft
from scipy.special import kv

SIZE = 101  # of the work image; stamps are cut from it after the detection
GRID = 128  # of the Fourier transform: wraps around far outside the work image
STAMP = 51
MOFFAT_BETA = 3.0
SERSIC_INDICES = tuple(float(n) for n in np.arange(1.0, 4.01, 0.25))  # each costs a table

_KY = (2 * np.pi * np.fft.fftfreq(GRID)).astype(np.float32)[:, None]
_KX = (2 * np.pi * np.fft.rfftfreq(GRID)).astype(np.float32)[None, :]
_PIXEL = (np.sinc(_KX / (2 * np.pi)) * np.sinc(_KY / (2 * np.pi))).astype(np.float32)
_STEP = 0.02  # of the tables of Fourier transforms, in units of 1 / radius
_LAST = 120.0


class Source(NamedTuple):
    """A point, or an elliptical Sersic profile.

    Attributes:
        x: centre, pixels.
        y: likewise.
        flux: electrons in a search exposure.
        n: Sersic index, one of ``SERSIC_INDICES``; 0 for a point.
        radius: half-light radius along the geometric mean of the axes, pixels.
        q: axis ratio.
        phi: position angle of the major axis from x to y, rad.
    """

    x: float
    y: float
    flux: float
    n: float = 0.0
    radius: float = 0.0
    q: float = 1.0
    phi: float = 0.0


@cache
def _sersic_table(n: float) -> np.ndarray:
    """Fourier transform of a round profile of flux 1 and half-light radius 1 at multiples of ``_STEP``."""
    profile = galsim.Sersic(n, half_light_radius=1.0)
    waves = np.arange(0, _LAST + _STEP, _STEP)
    return np.array([profile.kValue(k, 0).real for k in waves], np.float32)


def _radial(table: np.ndarray, kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
    """Linear interpolation of a table at the lengths of wave vectors, far quicker than ``numpy.interp``."""
    place = np.sqrt(kx * kx + ky * ky)
    place *= np.float32(1 / _STEP)
    np.minimum(place, np.float32(len(table) - 2), out=place)
    whole = place.astype(np.int32)
    place -= whole
    low = table.take(whole)
    high = table.take(whole + 1)
    high -= low
    high *= place
    low += high
    return low


def shape_transform(source: Source) -> np.ndarray | float:
    """Fourier transform of a source of flux 1 at the origin, (GRID, GRID / 2 + 1); 1 for a point."""
    if source.n == 0:
        return 1.0
    cos, sin = np.float32(math.cos(source.phi)), np.float32(math.sin(source.phi))
    long = np.float32(source.radius / math.sqrt(source.q))
    short = np.float32(source.radius * math.sqrt(source.q))
    return _radial(_sersic_table(source.n), long * (cos * _KX + sin * _KY), short * (cos * _KY - sin * _KX))


def shift_transform(x: float, y: float) -> np.ndarray:
    """Factor in Fourier space that moves an image by (x, y) pixels."""
    return np.exp(-1j * np.float32(x) * _KX) * np.exp(-1j * np.float32(y) * _KY)


def smear_transform(length: float, angle: float) -> np.ndarray:
    """Factor in Fourier space that draws a point out into a line of a length, pixels, and angle, rad."""
    along = np.float32(length * math.cos(angle)) * _KX + np.float32(length * math.sin(angle)) * _KY
    return np.sinc(along / (2 * np.pi)).astype(np.float32)


def light(sources: Sequence[Source]) -> np.ndarray:
    """Fourier transform of a scene above the atmosphere, complex64 (GRID, GRID / 2 + 1)."""
    total = np.zeros((GRID, GRID // 2 + 1), np.complex64)
    for one in sources:
        # One large factor times a small vector: numpy multiplies the outer product without a temporary for
        # each.
        rows = np.exp(-1j * np.float32(one.y) * _KY) * np.float32(one.flux)
        total += rows * np.exp(-1j * np.float32(one.x) * _KX) * shape_transform(one)
    return total


@lru_cache(maxsize=1)
def _moffat_table() -> np.ndarray:
    """Fourier transform of a Moffat profile of flux 1 and scale radius 1, by a Bessel function."""
    k = np.arange(0, _LAST + _STEP, _STEP)
    order = MOFFAT_BETA - 1
    with np.errstate(invalid="ignore"):
        table = 2 * (k / 2) ** order * kv(order, k) / math.gamma(order)
    table[0] = 1.0
    return table.astype(np.float32)


def psf_transform(fwhm: float, e1: float = 0.0, e2: float = 0.0) -> np.ndarray:
    """Fourier transform of a Moffat PSF and the pixel, float32 (GRID, GRID / 2 + 1); symmetric, so real.

    Args:
        fwhm: pixels.
        e1: reduced shear along the axes.
        e2: reduced shear along the diagonals.
    """
    scale = fwhm / (2 * math.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    norm = scale / math.sqrt(1 - e1 * e1 - e2 * e2)
    kx = np.float32(norm * (1 + e1)) * _KX + np.float32(norm * e2) * _KY
    ky = np.float32(norm * e2) * _KX + np.float32(norm * (1 - e1)) * _KY
    return _radial(_moffat_table(), kx, ky) * _PIXEL


def image(transform: np.ndarray, size: int = SIZE) -> np.ndarray:
    """The image of a Fourier transform on the half grid, float32 (size, size)."""
    return scipy.fft.irfft2(transform, s=(GRID, GRID))[:size, :size].astype(np.float32, copy=False)


def transform(picture: np.ndarray) -> np.ndarray:
    """Fourier transform of an image, padded with zeros: complex64 (GRID, GRID / 2 + 1)."""
    return scipy.fft.rfft2(picture, s=(GRID, GRID))


def photon(source: Source, random: np.random.Generator) -> tuple[float, float]:
    """Where on a source one photon comes from, relative to its centre in pixels."""
    if source.n == 0:
        return 0.0, 0.0
    profile = galsim.Sersic(source.n, half_light_radius=source.radius)
    turned = profile.shear(q=source.q, beta=source.phi * galsim.radians)
    shot = turned.shoot(1, galsim.BaseDeviate(int(random.integers(1, 2**31))))
    return float(shot.x[0]), float(shot.y[0])
