"""Raw stamps to network input: the only place that selects bands, resizes and scales.

A set of stamps holds ``vis`` (n, 200, 200) and ``nisp`` (n, 3, 66, 66) in the order J, Y, H. What a network
gets is (n, band, size, size) in the order of the network's bands.

Source: Wilde et al. 2022, Secs. 2.1, 2.3 and 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skyneedle.core.errors import BadSetting, ConstantStamp, MissingBand, StampHasNaN, WrongStampSize

if TYPE_CHECKING:
    from skyneedle.core.store import DataSet

NISP = ("J", "Y", "H")  # the order of the array ``nisp``
BANDS = (*NISP, "VIS")
PIXELS = {"J": 66, "Y": 66, "H": 66, "VIS": 200}
PIXEL_SCALE = {"J": 0.3, "Y": 0.3, "H": 0.3, "VIS": 0.1}  # arcsec
RECIPES = ("corrected", "faithful")
# Where the scale turns from linear to logarithmic, in standard deviations of the sky. At 1, noise fills the
# input and lensed sources make 0.2 % of its variance in VIS; at 30 they make 1.5 %, and 80 times as much of
# the variance of VIS - H.
SOFTENING = 30.0
STATISTICS_FROM = 2000  # examples at most: their pixels fix mean and standard deviation to a per mille
SKY_FROM = 200  # examples at most: each gives the noise to a per cent
BLOCK = 250


# --- resizing


@cache
def resize_matrix(n_in: int, n_out: int) -> np.ndarray:
    """Linear map of one axis from ``n_in`` to ``n_out`` pixels that cover the same sky.

    First-order interpolation; before shrinking, a Gaussian of (n_in / n_out - 1) / 2 pixels against aliasing.
    Surface brightness is kept, not flux. The edges are mirrored.

    Returns:
        Weights, shape (n_out, n_in); each row sums to 1.

    Source: scikit-image, ``transform.resize`` with its defaults, which the paper used (Sec. 3.2).
    """
    rows = np.eye(n_in)
    if n_out < n_in:
        rows = ndimage.gaussian_filter1d(rows, (n_in / n_out - 1) / 2, axis=0, mode="mirror")
    matrix = ndimage.zoom(rows, (n_out / n_in, 1), order=1, mode="mirror", grid_mode=True)
    matrix.flags.writeable = False
    return matrix


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Images with another number of pixels on the same sky.

    Args:
        images: shape (..., height, width).
        size: pixels a side.

    Returns:
        Shape (..., size, size), single precision; see ``resize_matrix``.
    """
    images = np.asarray(images, np.float32)
    if images.shape[-2:] == (size, size):
        return images
    down, across = (resize_matrix(n, size).astype(np.float32) for n in images.shape[-2:])
    return down @ (images @ across.T)


def noise_gain(n_in: int, n_out: int) -> float:
    """What resizing does to the standard deviation of white noise, on average over the pixels."""
    if n_in == n_out:
        return 1.0
    return float(np.square(resize_matrix(n_in, n_out)).sum() / n_out)


# --- scaling


def unit_range(images: np.ndarray) -> np.ndarray:
    """Each image mapped linearly to 0 ... 1; an image of one value becomes zeros.

    Done band by band, this removes the colour and lets the brightest pixel set the scale.

    Args:
        images: shape (..., height, width).

    Source: Wilde et al. 2022, Sec. 2.1; the published loader gives NaN for an image of one value.
    """
    low = images.min(axis=(-2, -1), keepdims=True)
    span = images.max(axis=(-2, -1), keepdims=True) - low
    return (images - low) / np.where(span > 0, span, 1)


def sky_noise(images: np.ndarray, n_sigma: float = 3.0, n_rounds: int = 10) -> np.ndarray:
    """Standard deviation of the sky in each image, from what clipping at ``n_sigma`` leaves over.

    Args:
        images: shape (n, height, width), in any unit.
        n_sigma: pixels farther from the median are left out in the next round.
        n_rounds: of clipping at most.

    Returns:
        Shape (n,), in the unit of the images; zero for an image of one value.
    """
    # The clipped standard deviation of a Gaussian is too small by a known factor.
    from scipy.stats import norm

    inside = norm.cdf(n_sigma) - norm.cdf(-n_sigma)
    shrinks = np.sqrt(1 - 2 * n_sigma * norm.pdf(n_sigma) / inside)
    sigmas = np.empty(len(images))
    for i, image in enumerate(images):
        pixels = np.asarray(image, np.float64).ravel()
        for _ in range(n_rounds):
            centre = np.median(pixels)
            deviation = 1.4826 * np.median(np.abs(pixels - centre))
            kept = pixels[np.abs(pixels - centre) <= n_sigma * deviation]
            if len(kept) in (0, len(pixels)):
                break
            pixels = kept
        sigmas[i] = pixels.std() / shrinks
    return sigmas


@dataclass(frozen=True)
class Scaling:
    """How raw stamps become the input of one network.

    ``faithful`` maps each band of each image to 0 ... 1. ``corrected`` takes the inverse hyperbolic sine of
    the image in units of ``softening`` times the sky noise, the same for all images of a set, and
    standardises it with mean and standard deviation of the training set: colour, brightness and noise level
    stay.

    Attributes:
        bands: names, in the order of the network's channels.
        size: pixels a side of the network's input.
        recipe: "corrected" or "faithful".
        sky_sigma: standard deviation of the sky in the raw stamps, one for each band, in their unit; belongs
            to the survey (replace it for stamps of another one). Empty for ``faithful``.
        mean: of the training set's pixels after the inverse hyperbolic sine, one for each band.
        std: likewise.
        softening: brightness from which the scale is logarithmic, in standard deviations of the sky.
    """

    bands: tuple[str, ...]
    size: int
    recipe: str = "corrected"
    sky_sigma: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    softening: float = SOFTENING

    def __post_init__(self) -> None:
        for name in ("bands", "sky_sigma", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        unknown = [band for band in self.bands if band not in BANDS]
        if unknown or not self.bands:
            raise MissingBand(f"There is no band '{(unknown or [''])[0]}'; known are {', '.join(BANDS)}.")
        if self.recipe not in RECIPES:
            raise BadSetting(f"recipe is '{self.recipe}', expected one of {', '.join(RECIPES)}.")
        if self.recipe == "corrected":
            for name in ("sky_sigma", "mean", "std"):
                values = getattr(self, name)
                if len(values) != len(self.bands) or not np.all(np.isfinite(values)):
                    raise BadSetting(
                        f"{name} is {values}, expected one finite number for each of {self.bands}."
                    )
            if min(*self.sky_sigma, *self.std) <= 0:
                raise BadSetting(f"sky_sigma {self.sky_sigma} and std {self.std} must be positive.")
            if not self.softening > 0:
                raise BadSetting(f"softening is {self.softening}, expected a positive number.")

    def __call__(self, vis: np.ndarray | None = None, nisp: np.ndarray | None = None) -> np.ndarray:
        """Network input of a batch.

        Args:
            vis: raw VIS stamps, shape (n, 200, 200); needed if VIS is among the bands.
            nisp: raw NISP stamps, shape (n, 3, 66, 66) in the order J, Y, H; needed for any of these.

        Returns:
            Shape (n, band, size, size), single precision.

        Raises:
            MissingBand: if an array is not given, or NISP does not have three bands.
            WrongStampSize: if the stamps have another size.
            StampHasNaN: if a pixel is not finite.
        """
        channels = []
        for i, band in enumerate(self.bands):
            raw = select(band, vis, nisp)
            resized = resize(raw, self.size)
            if self.recipe == "faithful":
                # An image of one value comes out of resizing with rounding errors, not to be stretched.
                varies = raw.min(axis=(1, 2)) < raw.max(axis=(1, 2))
                channels.append(unit_range(resized) * varies[:, None, None])
                continue
            unit = self.softening * self.sky_sigma[i] * noise_gain(PIXELS[band], self.size)
            channels.append((np.arcsinh(resized / np.float32(unit)) - self.mean[i]) / self.std[i])
        return np.stack(channels, axis=1).astype(np.float32, copy=False)


def select(band: str, vis: np.ndarray | None, nisp: np.ndarray | None) -> np.ndarray:
    """The checked stamps of one band, shape (n, height, width); errors as of ``Scaling.__call__``."""
    stamps = vis if band == "VIS" else nisp
    if stamps is None:
        raise MissingBand(f"The network needs {band}, but the data have no array '{_array_of(band)}'.")
    stamps = np.asarray(stamps)
    if band != "VIS":
        if stamps.ndim != 4 or stamps.shape[1] != len(NISP):
            raise MissingBand(
                f"NISP stamps have shape {stamps.shape}, expected (n, 3, 66, 66) with the bands J, Y, H."
            )
        stamps = stamps[:, NISP.index(band)]
    n = PIXELS[band]
    if stamps.ndim != 3 or stamps.shape[1:] != (n, n):
        raise WrongStampSize(
            f"{band} stamps have shape {stamps.shape}, expected (n, {n}, {n}): {n * PIXEL_SCALE[band]:.1f} "
            f"arcsec at {PIXEL_SCALE[band]} arcsec a pixel; cut stamps of 20 arcsec."
        )
    finite = np.isfinite(stamps).all(axis=(1, 2))
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise StampHasNaN(
            f"Stamp {bad[0]} of the batch has {band} pixels that are not finite ({len(bad)} such stamps); "
            "leave it out or fill the pixels with sky."
        )
    return stamps


def _array_of(band: str) -> str:
    return "vis" if band == "VIS" else "nisp"


# --- statistics of a training set


def measure(
    data: "DataSet",
    bands: Sequence[str],
    size: int,
    rows: np.ndarray | None = None,
    sky_sigma: Sequence[float] | None = None,
    softening: float = SOFTENING,
) -> Scaling:
    """The ``corrected`` scaling of a training set.

    Args:
        data: set with the arrays ``vis`` and ``nisp``, as far as the bands need them.
        bands: of the network, in its order.
        size: pixels a side of the network's input.
        rows: indices of the training examples; all if left out. At most 2,000 of them, evenly spread, are
            read, and at most 200 for the sky noise.
        sky_sigma: standard deviation of the sky in the raw stamps, one for each band; ``survey_sky`` if left
            out.
        softening: of the scaling.

    Raises:
        ConstantStamp: if a band does not vary in most images, so that it has no sky noise.
        MissingBand, WrongStampSize, StampHasNaN: as of ``Scaling.__call__``.
    """
    rows = np.arange(len(data)) if rows is None else np.asarray(rows)
    rows = _spread(rows, STATISTICS_FROM)
    if sky_sigma is None:
        sky_sigma = survey_sky(data, bands, rows)
    ones = (1.0,) * len(bands)
    plain = Scaling(tuple(bands), size, "corrected", tuple(sky_sigma), (0.0,) * len(bands), ones, softening)
    sums = np.zeros((2, len(bands)))
    for block in _blocks(rows):
        images = plain(**read(data, bands, block)).astype(np.float64)
        sums += images.sum(axis=(0, 2, 3)), np.square(images).sum(axis=(0, 2, 3))
    mean, square = sums / (len(rows) * size**2)
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return replace(plain, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def survey_sky(data: "DataSet", bands: Sequence[str], rows: np.ndarray | None = None) -> tuple[float, ...]:
    """Standard deviation of the sky in the raw stamps of a set, one for each band, in their unit.

    What the set's attributes ``bands`` and ``sky_sigma`` say, as those of simulated sets do; where they do
    not, or the images are stretched, the median of ``sky_noise`` over the rows (all if left out).

    Raises:
        ConstantStamp: if a band does not vary in most images.
    """
    known = dict(zip(data.attributes.get("bands", ()), data.attributes.get("sky_sigma", ()), strict=False))
    if set(bands) <= set(known) and data.attributes.get("stretch", "linear") == "linear":
        return tuple(float(known[band]) for band in bands)
    return sky_of(data, bands, np.arange(len(data)) if rows is None else rows)


def sky_of(data: "DataSet", bands: Sequence[str], rows: np.ndarray) -> tuple[float, ...]:
    """Median of the sky noise of each band over at most 200 examples, in the unit of the raw stamps.

    Raises:
        ConstantStamp: if a band does not vary in most images.
    """
    rows = _spread(rows, SKY_FROM)
    noise = {band: np.empty(len(rows)) for band in bands}
    for i, block in enumerate(_blocks(rows)):
        arrays = read(data, bands, block)
        for band in bands:
            stamps = select(band, arrays.get("vis"), arrays.get("nisp"))
            noise[band][i * BLOCK : i * BLOCK + len(block)] = sky_noise(stamps)
    medians = {band: float(np.median(values)) for band, values in noise.items()}
    for band, value in medians.items():
        if not value > 0:
            raise ConstantStamp(
                f"{data.shards[0].parent}: {band} does not vary in most of {len(rows)} images, so it has no "
                "sky noise; give sky_sigma, or a network without this band."
            )
    return tuple(medians[band] for band in bands)


def _spread(rows: np.ndarray, n: int) -> np.ndarray:
    return np.sort(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).round().astype(int)])


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]


def read(data: "DataSet", bands: Sequence[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Raw stamps of some examples, the arguments of a ``Scaling``: ``vis``, ``nisp`` or both.

    Raises:
        MissingBand: if the set lacks an array that the bands need.
    """
    arrays = {}
    for name in sorted({_array_of(band) for band in bands}):
        try:
            arrays[name] = data.read(name, rows)
        except KeyError:
            raise MissingBand(
                f"{data.shards[0].parent}: no array '{name}', which the bands {', '.join(bands)} need; take "
                "a network without these, or a set that has them."
            ) from None
    return arrays
