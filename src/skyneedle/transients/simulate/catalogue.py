"""What a data base says about a detection: columns of Goldstein's table that are no sums over pixels.

Definitions: Goldstein et al. 2015, Table 2, and the archive's column names (spec B).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import convolve

from skyneedle.transients.simulate import scenes
from skyneedle.transients.simulate.detect import Detection
from skyneedle.transients.simulate.fields import Exposure
from skyneedle.transients.simulate.scenes import SIZE, Source
from skyneedle.transients.simulate.settings import BAND_NUMBERS

# The 38 columns after ID and OBJECT_TYPE, in the archive's order.
COLUMNS = (
    *("AMP", "A_IMAGE", "A_REF", "BAND", "B_IMAGE", "B_REF", "CCDID", "COLMEDS", "DIFFSUMRN", "ELLIPTICITY"),
    *(
        "FLAGS",
        "FLUX_RATIO",
        "GAUSS",
        "GFLUX",
        "L1",
        "LACOSMIC",
        "MAG",
        "MAGDIFF",
        "MAGLIM",
        "MAG_FROM_LIMIT",
    ),
    *("MAG_REF", "MAG_REF_ERR", "MASKFRAC", "MIN_DISTANCE_TO_EDGE_IN_NEW", "N2SIG3", "N2SIG3SHIFT", "N2SIG5"),
    *("N2SIG5SHIFT", "N3SIG3", "N3SIG3SHIFT", "N3SIG5", "N3SIG5SHIFT", "NN_DIST_RENORM", "NUMNEGRN", "SCALE"),
    *("SNR", "SPREADERR_MODEL", "SPREAD_MODEL"),
)
REFERENCE_COLUMNS = ("A_REF", "B_REF", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM")
REFERENCE_RADIUS_ARCSEC = 5.0
CCD_PIXELS = (2048, 4096)
N_CCDS = 62
_SMOOTHING = np.outer((1, 2, 1), (1, 2, 1)) / 16  # as detection programs do before they measure shapes


def features(
    found: Detection,
    picture: np.ndarray,
    reference: np.ndarray,
    variance: np.ndarray,
    sources: Sequence[Source],
    hosted: bool,
    exposure: Exposure,
    scale: float,
    random: np.random.Generator,
) -> dict[str, float]:
    """Catalogue columns of a detection.

    Args:
        found: the detection.
        picture: difference image, electrons, 0 where masked (size, size).
        reference: the template, electrons, likewise.
        variance: of the search image, likewise.
        sources: of the scene; the template's catalogue has those that it is deep enough for.
        hosted: whether the first of them is a host, which the catalogue always has.
        exposure: of the search image.
        scale: arcsec of a pixel.
        random: for errors of the template's catalogue.

    Returns:
        Values by name; a detection without a source within 5 arcsec has NaN in ``REFERENCE_COLUMNS``.
    """
    sign = 1.0 if found.snr > 0 else -1.0
    flux = abs(found.flux)
    magnitude = exposure.magnitude(flux)
    limit = exposure.magnitude(
        5 * math.sqrt(float(np.median(variance[::5, ::5])) / (exposure.stamp**2).sum())
    )
    near = _cut(picture, found.x, found.y, 10) * sign
    smooth = convolve(_cut(picture, found.x, found.y, 7) * sign, _SMOOTHING)[1:-1, 1:-1]
    a, b = _axes(smooth, exposure.fwhm)
    spread, spread_error = _spread_model(near, _cut(variance, found.x, found.y, 10), exposure)
    nearby = _reference(found, sources, hosted, exposure, limit, scale, random)
    galaxy = float((_cut(reference, found.x, found.y, 3)).sum())
    return nearby | {
        "A_IMAGE": a,
        "B_IMAGE": b,
        "ELLIPTICITY": 1 - b / a,
        "BAND": float(BAND_NUMBERS[exposure.band]),
        "GFLUX": (galaxy + flux) / flux,
        "MAG": magnitude,
        "MAG_FROM_LIMIT": limit - magnitude,
        "MAGDIFF": (limit if nearby["MAGLIM"] else nearby["MAG_REF"]) - magnitude,
        "SNR": abs(found.snr),
        "SPREAD_MODEL": spread,
        "SPREADERR_MODEL": spread_error,
    }


def _cut(picture: np.ndarray, x: int, y: int, half: int) -> np.ndarray:
    return picture[y - half : y + half + 1, x - half : x + half + 1]


def _axes(near: np.ndarray, fwhm: float) -> tuple[float, float]:
    """Semi-axes from second moments within an isophote of three tenths of the peak, in pixels."""
    half = len(near) // 2
    place = np.arange(-half, half + 1)
    inside = np.hypot(place, place[:, None]) < 1.2 * fwhm
    floor = 0.3 * near[half - 1 : half + 2, half - 1 : half + 2].max()
    weight = np.where(inside & (near > floor), near, 0.0)
    total = weight.sum()
    if total <= 0:
        return 0.3, 0.3
    x, y = (weight * place).sum() / total, (weight * place[:, None]).sum() / total
    xx = (weight * (place - x) ** 2).sum() / total
    yy = (weight * (place[:, None] - y) ** 2).sum() / total
    xy = (weight * (place - x) * (place[:, None] - y)).sum() / total
    middle, split = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return max(math.sqrt(middle + split), 0.3), max(math.sqrt(max(middle - split, 0.0)), 0.3)


def _spread_model(near: np.ndarray, variance: np.ndarray, exposure: Exposure) -> tuple[float, float]:
    """How much a detection looks like a slightly extended source, and its error.

    The PSF against itself convolved with an exponential disc of scale length FWHM / 16, weighted by the
    inverse
    variance: Desai et al. 2012, ApJ 757, 83, Sec. 3.
    """
    psf = exposure.stamp
    disc = _disc_stamp(exposure)
    weight = 1 / variance
    disc_disc, disc_psf = (disc * weight * disc).sum(), (disc * weight * psf).sum()
    psf_psf, psf_near = (psf * weight * psf).sum(), (psf * weight * near).sum()
    disc_near = (disc * weight * near).sum()
    if psf_near <= 0:
        return 0.0, 1.0
    value = disc_near / psf_near - disc_psf / psf_psf
    spread = disc_disc * psf_near**2 + psf_psf * disc_near**2 - 2 * disc_psf * psf_near * disc_near
    return float(value), float(math.sqrt(max(spread, 0.0)) / psf_near**2)


def _disc_stamp(exposure: Exposure) -> np.ndarray:
    disc = scenes.shape_transform(Source(0, 0, 1, 1.0, 1.678 * exposure.fwhm / 16))
    return scenes.image(exposure.psf * disc * scenes.shift_transform(10, 10), 21)


def _reference(
    found: Detection,
    sources: Sequence[Source],
    hosted: bool,
    exposure: Exposure,
    limit: float,
    scale: float,
    random: np.random.Generator,
) -> dict[str, float]:
    """Columns of the nearest source that the template's catalogue has."""
    deep = limit + 1.25 * math.log10(exposure.n_epochs)
    first, others = (sources[:1], sources[1:]) if hosted else ([], sources)
    catalogued = [*first, *(one for one in others if exposure.magnitude(one.flux) < deep)]
    distances = [scale * math.hypot(one.x - found.x, one.y - found.y) for one in catalogued]
    if min(distances, default=math.inf) > REFERENCE_RADIUS_ARCSEC:
        return dict.fromkeys(REFERENCE_COLUMNS, math.nan) | {"MAGLIM": 1.0}
    nearest = catalogued[int(np.argmin(distances))]
    magnitude = exposure.magnitude(nearest.flux)
    error = 0.005 + 0.2 * 10 ** (0.4 * (magnitude - deep))
    sigma2 = (exposure.fwhm_template / 2.355) ** 2
    size2 = (nearest.radius * 0.85) ** 2
    a, b = math.sqrt(sigma2 + size2 / nearest.q), math.sqrt(sigma2 + size2 * nearest.q)
    uneven = 1 + random.normal(0, min(error, 0.2), 2)
    return {
        "A_REF": a * max(uneven),
        "B_REF": b * min(uneven),
        "MAG_REF": magnitude + random.normal(0, error),
        "MAG_REF_ERR": error,
        "NN_DIST_RENORM": min(distances),
        "MAGLIM": 0.0,
    }


def place_on_ccd(kind: str, random: np.random.Generator) -> dict[str, Any]:
    """Number of the CCD and distance to its border: a few pixels for an artifact of the border."""
    x, y = (random.uniform(SIZE // 2, size - SIZE // 2) for size in CCD_PIXELS)
    distance = min(x, y, CCD_PIXELS[0] - x, CCD_PIXELS[1] - y)
    if kind == "edge":
        distance = random.uniform(1.0, 6.0)
    return {"CCDID": float(random.integers(1, N_CCDS + 1)), "MIN_DISTANCE_TO_EDGE_IN_NEW": float(distance)}
