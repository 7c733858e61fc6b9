"""From stamps to the input of a network: planes by name, scaling plane by plane or as published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyneedle.core.errors import BadSetting, MissingChannel, WrongPixelMode, WrongStampSize
from skyneedle.core.store import DataSet

CHANNELS = ("temp", "srch", "diff")  # template, search and difference image; the order on disk
SIZE = 51
PIXEL_MODES = {"gif": np.uint8, "fits": np.float32}
MASKED = 1e-30  # what the survey's masked pixels hold
NMAD = 1.4826  # of a normal distribution, its standard deviation over its median absolute deviation
MEAN_DEVIATION = 1.2533  # the same over its mean absolute deviation
LARGEST = 1e6  # of scaled pixels in units of their plane's noise; keeps single precision finite
N_MEASURED = 4096  # stamps that mean and standard deviation are measured on
BLOCK = 256


@dataclass(frozen=True)
class Scaling:
    """From stamps to the input of a network.

    "faithful" hands on the 8-bit values 0 to 255 as floats. "corrected" subtracts the median of each plane,
    divides by its noise, takes asinh(x / softening) * softening, which is linear near zero, and then brings
    each channel to mean 0 and standard deviation 1 over the training set.

    Attributes:
        channels: in the order of the network's input, names out of ``CHANNELS``.
        recipe: "corrected" or "faithful".
        pixel_mode: "gif" (8-bit pictures) or "fits" (fluxes) of the stamps that it is for.
        softening: where the stretch turns from linear to logarithmic, in units of the noise.
        mean, std: of each channel after the stretch, over the training set.

    Source: Ayyar et al. 2022, Sec. 2.3, for the 8-bit stamps; spec A2.
    """

    channels: tuple[str, ...]
    recipe: str
    pixel_mode: str
    softening: float = 5.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("channels", "mean", "std"):  # lists, when they come from a card
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.channels or not set(self.channels) <= set(CHANNELS):
            raise MissingChannel(
                f"Channels are {self.channels}, expected names out of {', '.join(CHANNELS)}."
            )
        if self.recipe not in ("corrected", "faithful") or self.pixel_mode not in PIXEL_MODES:
            raise BadSetting(
                f"Scaling of recipe '{self.recipe}' and pixel mode '{self.pixel_mode}': expected corrected "
                f"or faithful, and one of {', '.join(PIXEL_MODES)}."
            )
        if self.recipe == "faithful" and self.pixel_mode != "gif":
            raise WrongPixelMode(
                "The recipe 'faithful' takes the values 0 to 255 of 8-bit stamps; these are fluxes. Pack "
                "with pixel mode 'gif', or take the recipe 'corrected'."
            )

    def __call__(self, stamps: np.ndarray) -> np.ndarray:
        """Network input of stamps.

        Args:
            stamps: shape (n, 3, 51, 51), planes in the order of ``CHANNELS``, uint8 ("gif") or float32.

        Returns:
            Shape (n, channel, 51, 51), float32, finite.

        Raises:
            WrongStampSize: if the shape is another one.
            WrongPixelMode: if the type of the values is.
        """
        check(stamps, self.pixel_mode)
        picked = stamps[:, [CHANNELS.index(name) for name in self.channels]]
        if self.recipe == "faithful":
            return picked.astype(np.float32)
        planes = stretched(picked, self.softening)
        if self.mean:
            planes -= np.array(self.mean, np.float32)[:, None, None]
            planes /= np.array(self.std, np.float32)[:, None, None]
        return planes


def check(stamps: np.ndarray, pixel_mode: str) -> None:
    """Raise unless stamps have shape (n, 3, 51, 51) and the type of their pixel mode."""
    if stamps.ndim != 4 or stamps.shape[1:] != (len(CHANNELS), SIZE, SIZE):
        raise WrongStampSize(
            f"Stamps have shape {stamps.shape}, expected (n, {len(CHANNELS)}, {SIZE}, {SIZE}): "
            f"{', '.join(CHANNELS)}; cut the centre of larger ones."
        )
    if stamps.dtype != PIXEL_MODES[pixel_mode]:
        raise WrongPixelMode(
            f"Stamps hold {stamps.dtype}, pixel mode '{pixel_mode}' has {np.dtype(PIXEL_MODES[pixel_mode])}; "
            "a network that learned from one does not know the other."
        )


def bad_pixels(stamps: np.ndarray) -> np.ndarray:
    """Which pixels are masked (1e-30) or not finite; 8-bit pixels cannot tell and are all good."""
    if stamps.dtype.kind != "f":
        return np.zeros(stamps.shape, bool)
    return ~np.isfinite(stamps) | (stamps == np.float32(MASKED))


def stretched(planes: np.ndarray, softening: float) -> np.ndarray:
    """Planes in units of their noise about their median, with bright pixels compressed.

    A plane's noise is 1.4826 times its median absolute deviation; where more than half of its pixels are the
    same, that is zero and 1.2533 times the mean absolute deviation takes its place; a constant plane, or one
    without a good pixel, is zero everywhere. Bad pixels are zero, the median of their plane.

    Args:
        planes: shape (..., size, size), of any numbers.
        softening: see ``Scaling``.

    Returns:
        Same shape, float32, finite; within a plane it never falls where the pixels rise.
    """
    # Integers go to floats first: in 8 bits a difference would wrap around.
    values = planes.astype(np.float32).reshape(-1, planes.shape[-2] * planes.shape[-1])
    bad = bad_pixels(planes).reshape(values.shape)
    out = _in_noise(values, _median(values))
    for k in np.flatnonzero(bad.any(1)):  # few; the median of those that are good
        good = ~bad[k]
        out[k] = 0
        if good.any():
            kept = values[k, good][None]
            out[k, good] = _in_noise(kept, _median(kept))[0]
    np.clip(out, -LARGEST, LARGEST, out=out)
    out /= softening
    np.arcsinh(out, out=out)
    out *= softening
    return out.reshape(planes.shape)


def _median(values: np.ndarray) -> np.ndarray:
    """Median of each row, shape (n, 1); of an even number the lower one, which is a pixel of the row."""
    middle = (values.shape[1] - 1) // 2
    return np.partition(values, middle, axis=1)[:, middle : middle + 1]


def _in_noise(values: np.ndarray, median: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        # In double precision: the difference of two large fluxes may be more than a float can hold.
        centred = values.astype(np.float64) - median
        deviation = np.abs(centred)
        noise = NMAD * _median(deviation)
        for k in np.flatnonzero(noise[:, 0] == 0):
            noise[k] = MEAN_DEVIATION * deviation[k].mean() or 1.0
        return np.clip(centred / noise, -LARGEST, LARGEST).astype(np.float32)


def measure(
    data: DataSet,
    rows: np.ndarray,
    channels: Sequence[str],
    recipe: str,
    softening: float = Scaling.softening,
) -> Scaling:
    """The scaling for a training set.

    Args:
        data: set of stamps with the attribute ``pixel_mode``.
        rows: of the training set; at most ``N_MEASURED`` of them, evenly spaced, are looked at.
        channels: in the order of the network's input.
        recipe: see ``Scaling``.
        softening: see ``Scaling``.
    """
    plain = Scaling(tuple(channels), recipe, mode_of(data), softening)
    if recipe == "faithful":
        return plain
    some = rows[np.linspace(0, len(rows) - 1, min(N_MEASURED, len(rows))).round().astype(int)]
    n, total, squares = 0, np.zeros(len(channels)), np.zeros(len(channels))
    for start in range(0, len(some), BLOCK):
        planes = plain(data.read("stamps", some[start : start + BLOCK])).astype(np.float64)
        n += planes.shape[0] * SIZE**2
        total += planes.sum((0, 2, 3))
        squares += (planes**2).sum((0, 2, 3))
    mean = total / n
    std = np.sqrt(np.maximum(squares / n - mean**2, 0))
    std[std == 0] = 1.0
    return Scaling(
        plain.channels,
        recipe,
        plain.pixel_mode,
        softening,
        tuple(float(value) for value in mean),
        tuple(float(value) for value in std),
    )


def mode_of(data: DataSet) -> str:
    """Pixel mode of a set of stamps, whose planes must be in the order of ``CHANNELS``.

    Raises:
        MissingChannel: if they are in another order, or not named.
        WrongPixelMode: if the set does not say it.
    """
    attributes: dict[str, Any] = data.attributes
    if tuple(attributes.get("channels", ())) != CHANNELS:
        raise MissingChannel(
            f"{data.shards[0].parent}: planes are {attributes.get('channels')}, expected "
            f"{', '.join(CHANNELS)} in this order; pack the archive again."
        )
    if attributes.get("pixel_mode") not in PIXEL_MODES:
        raise WrongPixelMode(
            f"{data.shards[0].parent}: pixel mode is {attributes.get('pixel_mode')!r}, expected one of "
            f"{', '.join(PIXEL_MODES)}; pack the archive again."
        )
    return attributes["pixel_mode"]


def count_bad(stamps: np.ndarray) -> dict[str, int]:
    """How many planes and pixels need special care: for the log.

    Args:
        stamps: shape (n, 3, 51, 51).

    Returns:
        ``bad_pixels`` (masked or not finite), ``planes_with_bad_pixels``, ``constant_planes`` (all good
        pixels the same, or none), and ``planes_without_nmad`` (more than half the same, not constant).
    """
    flat = stamps.reshape(-1, SIZE * SIZE)
    bad = bad_pixels(flat)
    constant, without = 0, 0
    for plane, wrong in zip(flat, bad, strict=True):
        good = plane[~wrong].astype(np.float64)
        if not len(good) or good.min() == good.max():
            constant += 1
        else:
            without += not np.median(np.abs(good - np.median(good)))
    return {
        "bad_pixels": int(bad.sum()),
        "planes_with_bad_pixels": int(bad.any(1).sum()),
        "constant_planes": constant,
        "planes_without_nmad": int(without),
    }
