"""Stamps to the input of networks: a fixed stretch, and seeded random changes of training images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample

from skyneedle.core.errors import BadSetting, StampHasNaN
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet

SOFT = 3.0  # standard deviations of the sky up to which the stretch is about linear
WHITE = 1000.0  # standard deviations of the sky that become 1
_BLOCK = 64  # stamps that are resampled at a time, so that grids stay small


def sky_sigma(data: DataSet) -> float:
    """Standard deviation of a pixel without light in the one band of a set, electrons/s."""
    return float(data.attributes["sky_sigma"][0])


def scaled(stamps: np.ndarray, sky_sigma: float) -> np.ndarray:
    """Stamps as networks see them; nothing is measured on the data, so no fold can leak into another.

    Args:
        stamps: shape (n, height, width), in any unit of flux.
        sky_sigma: standard deviation of the sky in the same unit.

    Returns:
        asinh(flux / sky_sigma / ``SOFT``) / asinh(``WHITE`` / ``SOFT``): 0 is the sky and 1 a bright core.
        Shape (n, 1, height, width), float32.

    Raises:
        BadSetting: if the sky noise is not positive.
        StampHasNaN: if a pixel is not finite.
    """
    if not (sky_sigma > 0 and math.isfinite(sky_sigma)):
        raise BadSetting(f"sky_sigma is {sky_sigma}; expected the positive standard deviation of the sky.")
    stamps = np.asarray(stamps, dtype=np.float32)
    if not np.isfinite(stamps).all():
        bad = int((~np.isfinite(stamps)).any(axis=(1, 2)).argmax())
        raise StampHasNaN(f"Stamp {bad} of {len(stamps)} has pixels that are not finite; leave it out.")
    stretched = np.arcsinh(stamps / np.float32(SOFT * sky_sigma))
    return (stretched / np.float32(math.asinh(WHITE / SOFT)))[:, None]


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes.

    Attributes:
        rotation_deg: largest angle of rotation either way.
        zoom: least and greatest share of the side that is kept and enlarged to the whole stamp.
        shear_deg: largest angle of shear either way.

    Source: Akhazhanov 2018, Sec. 5.1.
    """

    rotation_deg: float
    zoom: Sequence[float]
    shear_deg: float

    def __post_init__(self) -> None:
        if not (0 <= self.rotation_deg <= 180 and 0 <= self.shear_deg <= 45):
            raise BadSetting(
                f"rotation_deg is {self.rotation_deg} and shear_deg {self.shear_deg}; expected 0 to 180 and "
                "0 to 45."
            )
        if len(self.zoom) != 2 or not 0 < self.zoom[0] <= self.zoom[1] <= 1:
            raise BadSetting(f"zoom is {list(self.zoom)}; expected two rising shares above 0 and at most 1.")


def augmented(
    stamps: np.ndarray,
    ids: Sequence[int] | np.ndarray,
    draw: int,
    augmentation: Augmentation,
    seed: int,
    sky_sigma: float,
) -> np.ndarray:
    """Rotated, sheared, zoomed and flipped stamps; each depends on its id, the draw and the seed alone.

    All four changes are one affine map, so that pixels are interpolated once (bilinear); beyond the edge the
    stamp is mirrored. Interpolation averages the noise of neighbours away, by half between four pixels; a
    network that learns from such copies takes stamps as they are for something else. So each pixel gets the
    variance of the sky that it lost as new noise.

    Args:
        stamps: shape (n, height, width), as recorded.
        ids: of the examples, shape (n,).
        draw: number of the copy, or the epoch.
        augmentation: ranges of the changes.
        seed: root seed.
        sky_sigma: standard deviation of the sky in the unit of the stamps; 0 adds no noise.

    Returns:
        The same shape, float32.

    Source: Akhazhanov 2018, Sec. 5.1: rotation, shear, zoom and flips; how pixels are interpolated and empty
        places filled is not said.
    """
    stamps = np.ascontiguousarray(stamps, dtype=np.float32)
    out = np.empty_like(stamps)
    for first in range(0, len(stamps), _BLOCK):
        part = slice(first, first + _BLOCK)
        maps = np.stack([affine(int(one), draw, augmentation, seed) for one in ids[part]])
        grid = _grid(stamps.shape[1:], maps)
        out[part] = _resampled(stamps[part], grid)
        if sky_sigma > 0:
            lost = np.sqrt(1 - _kept_variance(grid, stamps.shape[1:]))
            new = [
                generator(seed, "noise", int(one), draw).standard_normal(lost.shape[1:]) for one in ids[part]
            ]
            out[part] += sky_sigma * lost * np.stack(new)
    return out


def affine(example_id: int, draw: int, augmentation: Augmentation, seed: int) -> np.ndarray:
    """The map from (column, row) in the new stamp to those in the old, from its middle; shape (2, 2)."""
    random = generator(seed, "augmentation", example_id, draw)
    turn = math.radians(random.uniform(-augmentation.rotation_deg, augmentation.rotation_deg))
    shear = math.radians(random.uniform(-augmentation.shear_deg, augmentation.shear_deg))
    zoom = random.uniform(augmentation.zoom[0], augmentation.zoom[1])
    flips = 1 - 2 * random.integers(2, size=2)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    # Rows are moved along each other, and shortened so that slanted lines keep their length.
    shearing = np.array([[1.0, -math.sin(shear)], [0.0, math.cos(shear)]])
    return zoom * rotation @ shearing * flips


def _grid(shape: Sequence[int], maps: np.ndarray) -> torch.Tensor:
    """Old places (column, row) of all pixels under maps (n, 2, 2), shape (n, height, width, 2).

    They run from -1 to 1 between the outer edges of the stamp, which is what torch calls unaligned corners.
    """
    height, width = shape
    columns = (2 * torch.arange(width, dtype=torch.float64) + 1) / width - 1
    rows = (2 * torch.arange(height, dtype=torch.float64) + 1) / height - 1
    sides = torch.tensor([width, height], dtype=torch.float64)
    ratios = sides[None, :] / sides[:, None]  # of a stamp that is wider than high
    matrix = torch.from_numpy(maps) * ratios
    across = columns[:, None] * matrix[:, None, :, 0]
    along = rows[:, None] * matrix[:, None, :, 1]
    return (across[:, None] + along[:, :, None]).float()


def _resampled(stamps: np.ndarray, grid: torch.Tensor) -> np.ndarray:
    """Stamps (n, height, width) at places (n, height, width, 2)."""
    whole = torch.from_numpy(stamps)[:, None]
    moved = grid_sample(whole, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return moved[:, 0].numpy()


def _kept_variance(grid: torch.Tensor, shape: Sequence[int]) -> np.ndarray:
    """Sum of the squared weights of the four pixels around each place, shape (n, height, width), 1/4 to 1."""
    kept = np.ones(grid.shape[:3])
    for axis, n in enumerate((shape[1], shape[0])):
        # Pixels from the outer edge, mirrored at both ends; half a pixel from them there is one pixel alone.
        place = (grid[..., axis].numpy().astype(np.float64) + 1) * n / 2 % (2 * n)
        place = np.minimum(place, 2 * n - place).clip(0.5, n - 0.5) - 0.5
        share = place - np.floor(place)
        kept *= share**2 + (1 - share) ** 2
    return kept
