"""Goldstein's features that are measured on the stamps, for a batch at once."""

from typing import Any

import numpy as np

from skyneedle.core.errors import WrongStampSize
from skyneedle.transients.features import gaussian, medians
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.preprocess import SIZE as SIDE

MASKED = 1e-29  # bad pixels hold 1e-30; nothing real is as small and not zero
NMAD = 1.4826  # from the median absolute deviation to the standard deviation of a Gaussian
BOXES = {3: slice(10, 15), 5: slice(9, 16)}  # the names say 3 and 5, the boxes have 5 x 5 and 7 x 7 bins
SIGMAS = (2, 3)
APERTURE_PX = 5.0  # radius
SUBPIXELS = 5  # along each axis, in which the aperture's edge is resolved
PIXEL_FEATURES = (
    *("DIFFSUMRN", "NUMNEGRN"),
    *(f"N{k}SIG{box}{kind}" for kind in ("", "SHIFT") for box in BOXES for k in SIGMAS),
    *("GAUSS", "SCALE", "AMP", "COLMEDS", "MASKFRAC", "L1", "LACOSMIC", "FLUX_RATIO"),
)


def measure(stamps: np.ndarray) -> np.ndarray:
    """Pixel features of triplets.

    Args:
        stamps: shape (n, 3, 51, 51), channels ``CHANNELS``, counts; bad pixels hold 1e-30 or are not finite.

    Returns:
        Shape (n, 18), columns ``PIXEL_FEATURES``, float32. NaN where a feature is not defined: all but
        MASKFRAC for a difference without a good pixel; DIFFSUMRN, NUMNEGRN and N*SIG* if half of its bins
        have one value, so that there is no noise to count in; *SHIFT also if that is so for the template;
        GAUSS, SCALE, AMP, COLMEDS and L1 for an empty difference; LACOSMIC if nothing is left of the
        fine structure; FLUX_RATIO if the template's aperture sums to zero.

    Raises:
        WrongStampSize: if the stamps have another shape.

    Source: Goldstein et al. 2015, AJ 150, 82, Table 2, and the code published with it.
    """
    stamps = np.asarray(stamps)
    if stamps.ndim != 4 or stamps.shape[1:] != (len(CHANNELS), SIDE, SIDE):
        raise WrongStampSize(
            f"Features need triplets of shape (n, 3, {SIDE}, {SIDE}); got {stamps.shape}. "
            f"Cut the central {SIDE} x {SIDE} pixels of {', '.join(CHANNELS)}."
        )
    if not len(stamps):
        return np.empty((0, len(PIXEL_FEATURES)), np.float32)
    found: dict[str, np.ndarray] = {}
    template, difference = (stamps[:, CHANNELS.index(name)].astype(np.float64) for name in ("temp", "diff"))
    template_good, good = good_pixels(template), good_pixels(difference)
    found |= _counted(_noise_units(template, template_good), _noise_units(difference, good))
    found |= _on_scaled(difference, good)
    found["MASKFRAC"] = 1 - good.mean(axis=(1, 2))
    found["FLUX_RATIO"] = _flux_ratio(np.where(template_good, template, 0), np.where(good, difference, 0))
    return np.stack([found[name] for name in PIXEL_FEATURES], axis=1).astype(np.float32)


def good_pixels(plane: np.ndarray) -> np.ndarray:
    """Which pixels are neither masked nor not finite, in the shape of the plane."""
    size = np.abs(plane)
    return np.isfinite(plane) & ((size == 0) | (size >= MASKED))


def _noise_units(plane: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of 2 x 2 pixels in standard deviations from their median, (n, 25, 25), and which of them count.

    The last row and column are left out. Bad pixels add nothing to their bin, as in the published code; a bin
    that comes to nothing does not count.
    """
    half = SIDE // 2
    filled = np.where(good, plane, 0)[:, : 2 * half, : 2 * half]
    bins = 0.25 * (filled[:, ::2, ::2] + filled[:, 1::2, ::2] + filled[:, ::2, 1::2] + filled[:, 1::2, 1::2])
    counts = np.abs(bins) >= MASKED
    flat, flat_counts = bins.reshape(len(bins), -1), counts.reshape(len(bins), -1)
    centred = flat - medians.of_good(flat, flat_counts)[:, None]
    sigma = NMAD * medians.of_good(np.abs(centred), flat_counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(sigma[:, None] > 0, centred / sigma[:, None], np.nan)
    return scaled.reshape(bins.shape), counts


def _counted(
    template: tuple[np.ndarray, np.ndarray], difference: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Sums and counts of bins around the middle."""
    (temp, temp_counts), (diff, diff_counts) = template, difference
    defined = ~np.isnan(diff).any(axis=(1, 2))
    both = defined & ~np.isnan(temp).any(axis=(1, 2))
    five = (slice(None), BOXES[3], BOXES[3])
    seven = (slice(None), BOXES[5], BOXES[5])
    inner = np.where(diff_counts[five], diff[five], 0).sum(axis=(1, 2))
    negative = (diff_counts[seven] & (diff[seven] < 0)).sum(axis=(1, 2))
    found = {
        "DIFFSUMRN": np.where(defined, inner, np.nan),
        "NUMNEGRN": np.where(defined, negative, np.nan),
    }
    for box, bounds in BOXES.items():
        here = (slice(None), bounds, bounds)
        for k in SIGMAS:
            low = (diff_counts[here] & (diff[here] <= -k)).sum(axis=(1, 2))
            rise = (diff_counts[here] & (diff[here] >= k)).sum(axis=(1, 2))
            was = (temp_counts[here] & (temp[here] >= k)).sum(axis=(1, 2))
            found[f"N{k}SIG{box}"] = np.where(defined, low, np.nan)
            found[f"N{k}SIG{box}SHIFT"] = np.where(both, rise - was, np.nan)
    return found


def _on_scaled(difference: np.ndarray, good: np.ndarray) -> dict[str, np.ndarray]:
    """Features of the full difference image, its median at zero and in units of its greatest pixel."""
    n = len(difference)
    flat = difference.astype(np.float32).reshape(n, -1)  # as stored, so that nothing is lost
    clean = np.asarray(good.all(axis=(1, 2)))
    median = np.full(n, np.nan)
    if clean.any():
        median[clean] = medians.of_good(flat[clean])
    if not clean.all():
        median[~clean] = medians.of_good(flat[~clean], good.reshape(n, -1)[~clean])
    greatest = np.abs(np.where(good, difference, 0)).max(axis=(1, 2))
    defined = greatest > 0
    unit = np.where(defined, greatest, 1)
    scaled = np.where(good, (difference - np.where(defined, median, 0)[:, None, None]), 0)
    scaled /= unit[:, None, None]
    found = _gaussians(scaled, good, clean) | {"L1": _l1(scaled), "LACOSMIC": _lacosmic(scaled)}
    columns, column_good = (
        np.ascontiguousarray(part.transpose(0, 2, 1)) for part in (scaled.astype(np.float32), good)
    )
    of_columns = np.full((n, SIDE), np.nan)
    if clean.any():
        of_columns[clean] = medians.of_good(columns[clean])
    if not clean.all():
        of_columns[~clean] = medians.of_good(columns[~clean], column_good[~clean])
    found["COLMEDS"] = np.where(np.isnan(of_columns), -np.inf, of_columns).max(axis=1)
    return {name: np.where(defined, values, np.nan) for name, values in found.items()}


def _gaussians(scaled: np.ndarray, good: np.ndarray, clean: np.ndarray) -> dict[str, np.ndarray]:
    """GAUSS, SCALE and AMP; the fit is cheaper where no pixel is bad."""
    found = {name: np.full(len(scaled), np.nan) for name in ("GAUSS", "SCALE", "AMP")}
    for chosen, masks in ((clean, None), (~clean, good)):
        if chosen.any():
            fitted = gaussian.fit(scaled[chosen], None if masks is None else masks[chosen])
            for name, values in zip(found, (fitted.chi2, fitted.sigma, fitted.amplitude), strict=True):
                found[name][chosen] = values
    return found


def _l1(scaled: np.ndarray) -> np.ndarray:
    """Sum of absolute values over the root of that of the sum, with the sum's sign."""
    total, absolute = scaled.sum(axis=(1, 2)), np.abs(scaled).sum(axis=(1, 2))
    return _over(np.sign(total) * absolute, np.sqrt(np.abs(total)))


def _lacosmic(scaled: np.ndarray) -> np.ndarray:
    """Greatest pixel over the greatest value of the fine structure."""
    small = scaled.astype(np.float32)
    return _over(small.max(axis=(1, 2)), medians.fine_structure_peak(small))


def _flux_ratio(template: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Aperture flux of the difference over that of the template, minus one in the template's sign."""
    weights = aperture(APERTURE_PX)
    of_difference, of_template = (np.einsum("nij,ij->n", plane, weights) for plane in (difference, template))
    return _over(of_difference - of_template, np.abs(of_template))


def aperture(radius_px: float) -> np.ndarray:
    """Share of each pixel within a circle around the middle pixel, shape (51, 51), from 5 x 5 points each."""
    places = (np.arange(SIDE * SUBPIXELS) + 0.5) / SUBPIXELS - SIDE / 2
    inside = places[:, None] ** 2 + places**2 < radius_px**2
    return inside.reshape(SIDE, SUBPIXELS, SIDE, SUBPIXELS).mean(axis=(1, 3))


def _over(top: Any, bottom: Any) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=np.asarray(bottom) != 0)
