"""From light profiles and lenses to noise-free images in all bands.

Light is drawn once, on a grid of half the finest pixels, and weighted for each band. Where a profile bends
within a pixel, and only there, the pixel is divided further. Each band is blurred on a grid finer than its
pixels, and then summed into them; flux is conserved at each step.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

from skyneedle.lenses.simulate import lensing, psf
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.lensing import Lens
from skyneedle.lenses.simulate.profiles import Profile, Sersic, centre

LAYERS = ("lens", "source", "rest")
FACTOR = 2  # fine pixels along one pixel of the first band
_FAINT = 0.01  # light is drawn down to this share of the sky noise of a pixel
_LOST = 0.005  # and at least all but this share of what is lensed
_CORE = 6  # half width of the part around a centre that is divided, fine pixels
_STEEP = 2e-3  # bend of the light in a pixel, over its peak, from which it is divided
_DIVISIONS = 5
_BLOCK = 32  # sizes of transforms are rounded up, so that those of kernels are used again


class Light(NamedTuple):
    """Something that shines.

    Attributes:
        profile: how its light is spread, on its own plane.
        flux: electrons/s in each band.
        layer: one of ``LAYERS``.
        plane: 0 is seen directly; k through the first k lenses.
        part: whether it belongs to the object in the middle, as arms and tails do; no galaxy beside it.
    """

    profile: Profile
    flux: np.ndarray
    layer: str
    plane: int = 0
    part: bool = False


class Scene(NamedTuple):
    """All that shines and all that deflects.

    Attributes:
        lights: in any order.
        lenses: of increasing redshift, with Einstein radii for ``z_source``.
        z_source: redshift of the last plane.
    """

    lights: tuple[Light, ...]
    lenses: tuple[Lens, ...] = ()
    z_source: float = 0.0


class Patch(NamedTuple):
    """Part of the fine grid with the light of one thing, of total flux 1 where nothing magnifies it.

    Attributes:
        rows: slice of the fine grid, even at both ends.
        columns: likewise.
        light: flux in each fine pixel.
    """

    rows: slice
    columns: slice
    light: np.ndarray


class Images(NamedTuple):
    """What a scene looks like without noise, electrons/s a pixel.

    Attributes:
        vis: first band, shape (n, n).
        nisp: the other bands, shape (band - 1, m, m).
    """

    vis: np.ndarray
    nisp: np.ndarray


class Grid:
    """The fine grid of an instrument; its middle is (0, 0), x grows with columns and y with rows.

    Args:
        instrument: whose stamp.
    """

    def __init__(self, instrument: Instrument):
        first = instrument.bands[0]
        self.instrument = instrument
        self.scale = first.pixel_scale_arcsec / FACTOR
        self.n = first.n_pixels * FACTOR
        self.axis = ((np.arange(self.n) - (self.n - 1) / 2) * self.scale).astype(np.float32)

    def span(self, middle: float, half: float) -> slice:
        """Fine pixels within ``half`` arcsec of ``middle``, widened to whole pixels of the first band."""
        first = math.floor((middle - half) / self.scale + self.n / 2)
        last = math.ceil((middle + half) / self.scale + self.n / 2)
        first, last = max(0, first // FACTOR * FACTOR), min(self.n, -(-last // FACTOR) * FACTOR)
        return slice(first, max(first, last))

    def faint(self, flux: np.ndarray) -> float:
        """Surface brightness over total flux, 1 / arcsec^2, below which light does not show in any band."""
        limits = [
            _FAINT * band.sky_sigma / band.pixel_scale_arcsec**2 / value
            for band, value in zip(self.instrument.bands, flux, strict=True)
            if value > 0
        ]
        return min(limits) if limits else math.inf


# --- drawing


def draw(light: Light, scene: Scene, grid: Grid) -> Patch:
    """Flux of one thing in each fine pixel, for a total flux of 1 without lensing.

    Args:
        light: what.
        scene: with the lenses in front of it.
        grid: where.
    """
    return _draw_lensed(light, scene, grid) if light.plane else _draw_direct(light, grid)


def _draw_direct(light: Light, grid: Grid) -> Patch:
    profile, (x0, y0) = light.profile, centre(light.profile)
    half = profile.reach(grid.faint(light.flux)) + 4 * grid.scale
    rows, columns = grid.span(y0, half), grid.span(x0, half)
    x, y = grid.axis[columns][None, :], grid.axis[rows][:, None]
    area = np.float32(grid.scale**2)
    values = profile.density(x, y) * area
    if isinstance(profile, Sersic) and values.size:
        _divide_core(values, profile, x[0], y[:, 0], grid.scale)
    return Patch(rows, columns, values)


def _divide_core(values: np.ndarray, profile: Sersic, x: np.ndarray, y: np.ndarray, scale: float) -> None:
    """Replace pixels around a centre by the mean over their parts, the innermost by that of finer ones."""
    for half, divisions in ((_CORE, _DIVISIONS), (1, _DIVISIONS**2)):
        near_x = np.flatnonzero(np.abs(x - profile.x) < (half + 0.5) * scale)
        near_y = np.flatnonzero(np.abs(y - profile.y) < (half + 0.5) * scale)
        if not near_x.size or not near_y.size:
            return
        parts = ((np.arange(divisions) + 0.5) / divisions - 0.5) * scale
        fine_x = (x[near_x, None].astype(float) + parts).ravel()
        fine_y = (y[near_y, None].astype(float) + parts).ravel()
        fine = profile.density(fine_x[None, :], fine_y[:, None])
        mean = fine.reshape(near_y.size, divisions, near_x.size, divisions).mean(axis=(1, 3))
        values[np.ix_(near_y, near_x)] = mean * scale**2


def _draw_lensed(light: Light, scene: Scene, grid: Grid) -> Patch:
    profile, first = light.profile, scene.lenses[0]
    reach = profile.reach(grid.faint(light.flux))
    if isinstance(profile, Sersic):
        reach = max(reach, profile.holds(_LOST))
    half = _farthest(profile, reach, scene.lenses[: light.plane])
    rows, columns = grid.span(first.y, half), grid.span(first.x, half)
    x, y = np.meshgrid(grid.axis[columns], grid.axis[rows])
    values = _through(profile, scene, light.plane, x, y) * np.float32(grid.scale**2)
    if values.size:
        _divide_steep(values, profile, scene, light.plane, x, y, grid.scale)
    return Patch(rows, columns, values)


def _farthest(profile: Profile, reach: float, lenses: Sequence[Lens]) -> float:
    """Distance from the first lens, arcsec, beyond which no ray meets the profile."""
    x, y = centre(profile)
    first = lenses[0]
    bend = sum(lensing.greatest_deflection(lens) for lens in lenses)
    shear = sum(math.hypot(lens.gamma1, lens.gamma2) for lens in lenses)
    apart = max(math.hypot(lens.x - first.x, lens.y - first.y) for lens in lenses)
    offset = math.hypot(x - first.x, y - first.y) + shear * (apart + bend)
    return (offset + reach + bend) / max(1 - shear, 0.2)


def _through(profile: Profile, scene: Scene, plane: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return profile.density(*lensing.trace(scene.lenses, scene.z_source, x, y)[plane])


def _divide_steep(
    values: np.ndarray, profile: Profile, scene: Scene, plane: int, x: np.ndarray, y: np.ndarray, scale: float
) -> None:
    """Replace pixels in which the light bends by the mean over their parts."""
    padded = np.pad(values, 1, mode="edge")
    bend = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * values
    steep = np.flatnonzero(np.abs(bend) > 24 * _STEEP * values.max())
    if not steep.size:
        return
    parts = (((np.arange(_DIVISIONS) + 0.5) / _DIVISIONS - 0.5) * scale).astype(np.float32)
    inner_x, inner_y = (part.ravel() for part in np.meshgrid(parts, parts))
    fine_x, fine_y = x.ravel()[steep, None] + inner_x, y.ravel()[steep, None] + inner_y
    fine = _through(profile, scene, plane, fine_x, fine_y)
    values.ravel()[steep] = fine.mean(axis=1) * scale**2


# --- images


class Blur(NamedTuple):
    """Which point-spread functions: amplitude of the three-fold term and its position angle in rad."""

    amplitude: float = 0.0
    roll_rad: float = 0.0


def render(
    scene: Scene, instrument: Instrument, blur: Blur, separate: bool = False
) -> tuple[dict[str, Images], list[Patch]]:
    """Noise-free images of a scene.

    Args:
        scene: what there is.
        instrument: what it is seen with.
        blur: its point-spread functions.
        separate: images of each layer; otherwise lens and rest come together as "rest".

    Returns:
        Images by layer, which add up to the whole; and the patch of each light, in the order of
        ``scene.lights``.
    """
    painted = grid(instrument)
    groups: dict[str, list[tuple[Light, Patch]]] = {}
    patches = [draw(light, scene, painted) for light in scene.lights]
    for light, patch in zip(scene.lights, patches, strict=True):
        layer = "rest" if light.layer == "lens" and not separate else light.layer
        groups.setdefault(layer, []).append((light, patch))
    layers = LAYERS if separate else LAYERS[1:]
    return {layer: expose(groups.get(layer, []), painted, blur) for layer in layers}, patches


@lru_cache(maxsize=8)
def grid(instrument: Instrument) -> Grid:
    """The fine grid of an instrument, made once."""
    return Grid(instrument)


def expose(lights: Sequence[tuple[Light, Patch]], grid: Grid, blur: Blur) -> Images:
    """Sum lights, blur each band and bin it into its pixels.

    Args:
        lights: with their patches.
        grid: of the patches.
        blur: point-spread functions.
    """
    return Images(first_band(lights, grid, blur), _other_bands(lights, grid, blur))


def first_band(lights: Sequence[tuple[Light, Patch]], grid: Grid, blur: Blur) -> np.ndarray:
    """See ``expose``; the first band alone."""
    band = grid.instrument.bands[0]
    lights = [(light, patch) for light, patch in lights if patch.light.size]
    if not lights:
        return np.zeros((band.n_pixels, band.n_pixels), np.float32)
    rows, columns = _frame(lights)
    fine = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for light, patch in lights:
        fine[_shifted(patch.rows, rows), _shifted(patch.columns, columns)] += (
            np.float32(light.flux[0]) * patch.light
        )
    blurred = _blurred(fine, band.fwhm_arcsec, grid.scale, blur, (rows.start, columns.start), grid.n)
    return binned(blurred, FACTOR)


def _other_bands(lights: Sequence[tuple[Light, Patch]], grid: Grid, blur: Blur) -> np.ndarray:
    first, *bands = grid.instrument.bands
    size = bands[0].n_pixels if bands else 0
    nisp = np.zeros((len(bands), size, size), np.float32)
    lights = [(light, patch) for light, patch in lights if patch.light.size]
    if not lights or not bands:
        return nisp
    rows, columns = map(coarse, _frame(lights))
    summed = np.zeros((len(bands), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for light, patch in lights:
        y, x = map(coarse, patch[:2])
        weighted = np.multiply.outer(light.flux[1:].astype(np.float32), binned(patch.light, FACTOR))
        summed[:, _shifted(y, rows), _shifted(x, columns)] += weighted
    for place, band in enumerate(bands):
        start = rows.start, columns.start
        whole = _blurred(summed[place], band.fwhm_arcsec, FACTOR * grid.scale, blur, start, first.n_pixels)
        ratio, margin = grid.instrument.multiple(place + 1)
        inner = slice(margin, first.n_pixels - margin)
        nisp[place] = binned(whole[inner, inner], ratio)
    return nisp


def _frame(lights: Sequence[tuple[Light, Patch]]) -> tuple[slice, slice]:
    """Smallest part of the fine grid that holds all patches."""
    return (
        _union([patch.rows for _, patch in lights]),
        _union([patch.columns for _, patch in lights]),
    )


def _union(slices: Sequence[slice]) -> slice:
    return slice(min(one.start for one in slices), max(one.stop for one in slices))


def coarse(one: slice) -> slice:
    """A slice of the fine grid as one of pixels of the first band."""
    return slice(one.start // FACTOR, one.stop // FACTOR)


def _shifted(one: slice, whole: slice) -> slice:
    return slice(one.start - whole.start, one.stop - whole.start)


def binned(image: np.ndarray, factor: int) -> np.ndarray:
    """Sums over squares of ``factor`` pixels; slices are faster than a mean over axes of length two."""
    rows = sum(image[part::factor] for part in range(1, factor)) + image[::factor]
    return sum(rows[:, part::factor] for part in range(1, factor)) + rows[:, ::factor]


def _blurred(
    image: np.ndarray, fwhm: float, scale: float, blur: Blur, start: tuple[int, int], n: int
) -> np.ndarray:
    """An image of n x n with the blurred part at its place; what is blurred over the edge is lost."""
    half = psf.kernel_size(fwhm, scale) // 2
    # Zeros all around would blur into the part as well: transforms are as long as part and kernel together.
    sizes = tuple(
        fft.next_fast_len(-(-size // _BLOCK) * _BLOCK + 2 * half, real=True) for size in image.shape
    )
    transformed = fft.rfft2(image, sizes)
    transformed *= _kernel_transform(fwhm, scale, blur, sizes)
    whole = fft.irfft2(transformed, sizes)
    out = np.zeros((n, n), np.float32)
    cut, put = [], []
    for begin, size in zip(start, image.shape, strict=True):
        first, last = max(0, begin - half), min(n, begin + size + half)
        put.append(slice(first, last))
        cut.append(slice(first - begin + half, last - begin + half))
    out[tuple(put)] = whole[tuple(cut)]
    return out


@lru_cache(maxsize=128)
def _kernel_transform(fwhm: float, scale: float, blur: Blur, sizes: tuple[int, int]) -> np.ndarray:
    kernel = psf.kernel(fwhm, scale, blur.amplitude, blur.roll_rad)
    return fft.rfft2(kernel.astype(np.float32), sizes)
