"""The survey's detector: a matched filter on difference images, the same for all classes."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skyneedle.transients.simulate import scenes
from skyneedle.transients.simulate.fields import Exposure
from skyneedle.transients.simulate.scenes import SIZE


class Detection(NamedTuple):
    """A peak of the filtered difference image.

    Attributes:
        x: column of the peak in the work image; ``y``: its row.
        snr: flux over its error, negative for what has faded.
        flux: of a point source at this pixel, electrons.
        error: its standard deviation.
    """

    x: int
    y: int
    snr: float
    flux: float
    error: float


def flux_map(picture: np.ndarray, exposure: Exposure) -> np.ndarray:
    """Flux of a point source on each pixel, fitted with the PSF and equal weights: electrons (size, size)."""
    norm = float((exposure.stamp**2).sum())
    return scenes.image(scenes.transform(picture) * exposure.psf) / np.float32(norm)


def flux_error(variance: np.ndarray, exposure: Exposure, x: int, y: int, radius: int) -> np.ndarray:
    """Standard deviation of ``flux_map`` for noise that is independent from pixel to pixel.

    Args:
        variance: of the pixels, electrons^2 (size, size).
        exposure: whose PSF is used.
        x: middle of the square; ``y``, ``radius``: likewise, pixels.

    Returns:
        Electrons, (2 radius + 1, 2 radius + 1).
    """
    half = 7
    weight = exposure.stamp[10 - half : 11 + half, 10 - half : 11 + half] ** 2
    reach = radius + half
    square = np.pad(variance, reach, mode="edge")[y : y + 2 * reach + 1, x : x + 2 * reach + 1]
    windows = sliding_window_view(square, weight.shape)
    total = float((exposure.stamp**2).sum())
    return np.sqrt(np.tensordot(windows, weight, axes=2) / weight.sum() / total)


def noise_scale(fluxes: np.ndarray, expected: float) -> float:
    """Actual over expected noise of a flux map away from sources: the template's noise is correlated."""
    sample = fluxes[12:-12:2, 12:-12:2]  # nearer to the border the template was cut off
    deviation = 1.4826 * float(np.median(np.abs(sample - np.median(sample))))
    return max(deviation / expected, 0.1)


def strongest(
    picture: np.ndarray,
    variance: np.ndarray,
    exposure: Exposure,
    place: tuple[float, float],
    radius: float,
    both_signs: bool = False,
) -> Detection:
    """The highest peak within a circle; whether it is high enough is for the caller.

    Args:
        picture: difference image, electrons (size, size), 0 where masked.
        variance: of its pixels, electrons^2 (size, size).
        exposure: whose PSF is the filter.
        place: x and y that the circle is around.
        radius: of the circle, pixels.
        both_signs: whether peaks of negative flux count.
    """
    fluxes = flux_map(picture, exposure)
    quiet = np.sqrt(np.median(variance[::5, ::5]) / (exposure.stamp**2).sum())
    scale = noise_scale(fluxes, float(quiet))
    reach = int(np.ceil(radius))
    x, y = (min(max(round(one), reach), SIZE - 1 - reach) for one in place)
    error = scale * flux_error(variance, exposure, x, y, reach)
    square = fluxes[y - reach : y + reach + 1, x - reach : x + reach + 1]
    snr = square / error
    offsets = np.arange(-reach, reach + 1)
    outside = np.hypot(x + offsets - place[0], (y + offsets - place[1])[:, None]) > radius
    ranked = np.where(outside, -np.inf, np.abs(snr) if both_signs else snr)
    row, column = np.unravel_index(np.argmax(ranked), ranked.shape)
    return Detection(
        int(x - reach + column),
        int(y - reach + row),
        float(snr[row, column]),
        float(square[row, column]),
        float(error[row, column]),
    )
