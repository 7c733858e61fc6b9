"""Image subtraction with a kernel of three Gaussians times polynomials, fitted by linear least squares.

Source: Alard & Lupton 1998, ApJ 503, 325, Eqs. 3 to 5 (constant kernel and background). Widths and
degrees are those in common use.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.fft

SIGMAS = (0.7, 1.5, 3.0)  # pixels
DEGREES = (6, 4, 2)
HALF = 10  # of the kernel: 21 x 21 pixels


class Kernel(NamedTuple):
    """A fitted kernel.

    Attributes:
        pixels: what the template is convolved with, (21, 21); their sum is the photometric scale.
        background: constant to add.
    """

    pixels: np.ndarray
    background: float


@cache
def basis() -> np.ndarray:
    """Functions that a kernel is a sum of, (function, 21, 21): polynomials times Gaussians."""
    place = np.arange(-HALF, HALF + 1, dtype=float)
    made = []
    for sigma, degree in zip(SIGMAS, DEGREES, strict=True):
        gauss = np.exp(-0.5 * (place / sigma) ** 2)
        for i in range(degree + 1):
            for j in range(degree + 1 - i):
                one = np.outer(gauss * (place / sigma) ** j, gauss * (place / sigma) ** i)
                made.append(one / np.abs(one).sum())
    return np.stack(made)


@cache
def _basis_transforms(size: int) -> np.ndarray:
    return transform_of(basis(), size)


def transform_of(kernels: np.ndarray, size: int) -> np.ndarray:
    """Fourier transform of kernels (..., 21, 21), middle at the origin of a (size, size) grid, complex64."""
    padded = np.zeros((*kernels.shape[:-2], size, size), np.float32)
    padded[..., : 2 * HALF + 1, : 2 * HALF + 1] = kernels
    return scipy.fft.rfft2(np.roll(padded, (-HALF, -HALF), axis=(-2, -1)))


def fit(template: np.ndarray, search: np.ndarray, variance: np.ndarray) -> Kernel:
    """The kernel that turns a template into a search image.

    Args:
        template: (size, size).
        search: likewise.
        variance: of the search image, likewise; infinite for pixels that do not count.

    Returns:
        The kernel with the least chi^2 over all pixels that are further from the border than its half width.
    """
    size = len(template)
    blurred = scipy.fft.irfft2(
        _basis_transforms(size) * scipy.fft.rfft2(template.astype(np.float32)), s=(size, size)
    )
    inner = (..., slice(HALF, -HALF), slice(HALF, -HALF))
    columns = blurred[inner].reshape(len(blurred), -1).astype(float)
    columns = np.concatenate([columns, np.ones((1, columns.shape[1]))])
    weighted = columns / variance[inner].ravel()
    normal = weighted @ columns.T
    # A share of 1e-9 of the trace keeps directions that the data do not tell from blowing up.
    normal[np.diag_indices_from(normal)] += 1e-9 * np.diag(normal)
    found = np.linalg.solve(normal, weighted @ search[inner].ravel())
    return Kernel(np.tensordot(found[:-1], basis(), axes=1), float(found[-1]))


def difference(template: np.ndarray, search: np.ndarray, kernel: Kernel) -> np.ndarray:
    """The search image minus the convolved template, float32; a template's noise is convolved with it.

    Args:
        template: (n, n); beyond its border it counts as zero.
        search: likewise.
        kernel: fitted.
    """
    size = scipy.fft.next_fast_len(len(template) + HALF, real=True)
    blurred = scipy.fft.irfft2(
        scipy.fft.rfft2(template.astype(np.float32), s=(size, size)) * transform_of(kernel.pixels, size),
        s=(size, size),
    )
    return search - blurred[: len(template), : len(template)] - np.float32(kernel.background)
