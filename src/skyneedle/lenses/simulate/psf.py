"""Point-spread functions: Gaussian, or with the three-fold symmetry of Euclid's telescope."""

import math

import numpy as np

from skyneedle.core.errors import BadSetting

_REACH = 5.0  # half width of a kernel, in standard deviations
_FWHM = math.sqrt(8 * math.log(2))


def kernel_size(fwhm_arcsec: float, scale_arcsec: float) -> int:
    """Odd number of pixels along one side of a kernel that holds five standard deviations each way."""
    return 2 * math.ceil(_REACH * fwhm_arcsec / _FWHM / scale_arcsec) + 1


def kernel(
    fwhm_arcsec: float, scale_arcsec: float, amplitude: float = 0.0, roll_rad: float = 0.0
) -> np.ndarray:
    """A kernel of odd size and sum 1.

    Args:
        fwhm_arcsec: of the Gaussian.
        scale_arcsec: side of a pixel of the kernel.
        amplitude: of a term cos(3 phi) that multiplies the Gaussian; 0 is round.
        roll_rad: position angle of one of the three lobes.

    Returns:
        Shape (k, k), k odd, non-negative.

    Raises:
        BadSetting: if the amplitude would make the kernel negative.

    Source: Schmitz et al. 2020 for the symmetry; Wilde et al. 2022, Sec. 2.1 and 6.
    """
    if not 0 <= amplitude <= 1:
        raise BadSetting(f"psf amplitude is {amplitude}; expected a number from 0 to 1.")
    sigma = fwhm_arcsec / _FWHM / scale_arcsec
    half = kernel_size(fwhm_arcsec, scale_arcsec) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    radius2 = x**2 + y**2
    values = np.exp(-radius2 / (2 * sigma**2))
    if amplitude:
        lobes = np.cos(3 * (np.arctan2(y, x) - roll_rad))
        lobes[half, half] = 0.0  # no direction at the centre
        values *= 1 + amplitude * lobes
    return values / values.sum()
