"""Blocks of the survey: nights and hosts that belong together, and the exposures of each night.

A block is a patch of sky with hosts of its own that is seen in nights of its own, so that what shares a
host or a night stays within one block.
"""

import datetime
import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from skyneedle.core.seeds import generator
from skyneedle.transients.simulate import scenes, subtraction
from skyneedle.transients.simulate.scenes import GRID, SIZE, Source
from skyneedle.transients.simulate.settings import Settings

SHARE_STARS = 0.3  # stars for each host galaxy in a block
N_BRIGHT = 10  # stars of a block that may saturate
_N_KERNEL_STARS = 16  # on the patch that the kernel of an exposure is fitted on
_PATCH = 72  # its side, pixels
_MARGIN = 12.0  # how far outside the work image light may come from, pixels


class Exposure(NamedTuple):
    """A search image of one night and band, and its template; fluxes are electrons of the search exposure.

    Attributes:
        expid: number of the exposure.
        night: YYYYMMDD.
        band: name.
        fwhm: seeing of the search image, pixels; ``fwhm_template`` likewise.
        e1: reduced shear of the PSF along the axes; ``e2``, ``e1_template``, ``e2_template`` likewise.
        n_epochs: exposures in the template.
        psf: transform of PSF and pixel of the search image; ``psf_template`` likewise.
        stamp: image of the PSF in the middle of (21, 21) pixels, sum close to 1.
        kernel: fitted on stars of the exposure.
        kernel_transform: its Fourier transform.
        sky: electrons of the sky in one pixel.
        zero_point: magnitude of one electron.
    """

    expid: int
    night: int
    band: str
    fwhm: float
    fwhm_template: float
    e1: float
    e2: float
    e1_template: float
    e2_template: float
    n_epochs: int
    psf: np.ndarray
    psf_template: np.ndarray
    stamp: np.ndarray
    kernel: subtraction.Kernel
    kernel_transform: np.ndarray
    sky: float
    zero_point: float

    def flux(self, magnitude: float) -> float:
        """Electrons of a source of this magnitude."""
        return 10 ** (-0.4 * (magnitude - self.zero_point))

    def magnitude(self, flux: float) -> float:
        """AB magnitude of a source of this many electrons; NaN if there are none."""
        return self.zero_point - 2.5 * math.log10(flux) if flux > 0 else math.nan


class Host(NamedTuple):
    """A galaxy or a star of a block.

    Attributes:
        host_id: unique over the survey.
        mags: AB magnitude by band.
        n: Sersic index, 0 for a star; ``radius_arcsec``, ``q``, ``phi``: its shape.
        neighbours: its surroundings: dx, dy in arcsec, r magnitude, index, radius in arcsec, q, phi of each.
    """

    host_id: int
    mags: dict[str, float]
    n: float
    radius_arcsec: float
    q: float
    phi: float
    neighbours: tuple[tuple[float, ...], ...]

    def sources(self, x: float, y: float, exposure: Exposure, scale: float) -> list[Source]:
        """The host at (x, y), then its neighbours; pixels of ``scale`` arcsec."""
        flux = exposure.flux(self.mags[exposure.band])
        made = [Source(x, y, flux, self.n, self.radius_arcsec / scale, self.q, self.phi)]
        for dx, dy, mag, n, radius, q, phi in self.neighbours:
            colour = self.mags[exposure.band] - self.mags["r"]
            light = exposure.flux(mag + colour)
            made.append(Source(x + dx / scale, y + dy / scale, light, n, radius / scale, q, phi))
        return [made[0], *(one for one in made[1:] if near(one))]


def near(source: Source) -> bool:
    """Whether a source is close enough to the work image to put light into it."""
    low, high = -_MARGIN, SIZE - 1 + _MARGIN
    return low < source.x < high and low < source.y < high


class Survey:
    """Hosts and exposures of all blocks, made when they are first asked for."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self.settings = settings
        self.seed = seed
        self.scale = settings.instrument["pixel_scale_arcsec"]
        self._exposures: dict[tuple[int, int, str], Exposure] = {}
        self._hosts: dict[tuple[int, int], Host] = {}
        self._weights: dict[int, np.ndarray] = {}

    @cached_property
    def saturation(self) -> float:
        """Electrons that a pixel holds."""
        return self.settings.instrument["saturation_adu"] * self.settings.instrument["gain"]

    # --- hosts

    @property
    def n_stars(self) -> int:
        """Stars of a block that do not saturate."""
        return max(1, round(SHARE_STARS * self.settings.hosts_per_block))

    def _magnitudes(self, block: int) -> np.ndarray:
        """r magnitudes of the galaxies, stars and bright stars of a block."""
        low, high = self.settings.host_mag
        slope = self.settings.host_slope * math.log(10)
        random = generator(self.seed, block, "magnitudes")
        n_galaxies = self.settings.hosts_per_block
        u = random.random(n_galaxies)
        galaxies = low + np.log1p(u * math.expm1(slope * (high - low))) / slope
        stars = random.uniform(17.5, 21.5, self.n_stars)
        return np.concatenate([galaxies, stars, random.uniform(12.5, 15.5, N_BRIGHT)])

    def host(self, block: int, among: str, random: np.random.Generator) -> Host:
        """One of a block's "galaxies", "stars" or "bright" stars."""
        n_galaxies = self.settings.hosts_per_block
        first, last = {
            "galaxies": (0, n_galaxies),
            "stars": (n_galaxies, n_galaxies + self.n_stars),
            "bright": (n_galaxies + self.n_stars, n_galaxies + self.n_stars + N_BRIGHT),
        }[among]
        if block not in self._weights:
            weights = 10 ** (-0.4 * self.settings.host_weight * self._magnitudes(block))
            self._weights[block] = np.cumsum(weights)
        total = self._weights[block]
        start = total[first - 1] if first else 0.0
        number = int(np.searchsorted(total, random.uniform(start, total[last - 1]), side="right"))
        return self._host(block, min(max(number, first), last - 1))

    def _host(self, block: int, number: int) -> Host:
        if (block, number) not in self._hosts:
            n_galaxies = self.settings.hosts_per_block
            per_block = n_galaxies + self.n_stars + N_BRIGHT
            host_id = block * per_block + number
            random = generator(self.seed, host_id, "host")
            mag = float(self._magnitudes(block)[number])
            shape = _galaxy(mag, random) if number < n_galaxies else (0.0, 0.0, 1.0, 0.0)
            colours = random.normal((0.6, 0.0, -0.3, -0.5), (0.25, 0.0, 0.1, 0.15))
            mags = {band: mag + float(c) for band, c in zip("griz", colours, strict=True)}
            self._hosts[block, number] = Host(host_id, mags, *shape, neighbours(random))
        return self._hosts[block, number]

    # --- exposures

    def exposure(self, block: int, night: int, band: str) -> Exposure:
        """The exposure of a block in one of its nights, counted from 0, and a band."""
        if (block, night, band) not in self._exposures:
            self._exposures[block, night, band] = self._exposure(block, night, band)
        return self._exposures[block, night, band]

    def _exposure(self, block: int, night: int, band: str) -> Exposure:
        settings, band_settings = self.settings, self.settings.bands[band]
        number = block * settings.nights_per_block + night
        random = generator(self.seed, number, "exposure", band)
        fwhm = _between(settings.fwhm_arcsec, random) / self.scale
        ratio = _between(settings.template_fwhm_ratio, random)
        e1, e2 = random.normal(0, 0.015, 2)
        time = band_settings["exposure_s"]
        zero_point = band_settings["zero_point"] + 2.5 * math.log10(time)
        sky = 10 ** (-0.4 * (band_settings["sky_mag"] - zero_point)) * self.scale**2
        sky *= float(np.exp(random.normal(0, 0.1)))
        n_epochs = int(random.integers(settings.n_epochs[0], settings.n_epochs[1] + 1))
        psf = scenes.psf_transform(fwhm, e1, e2)
        # The mean of many exposures is rounder than one of them.
        e1_template, e2_template = random.normal(0, 0.007, 2)
        psf_template = scenes.psf_transform(fwhm * ratio, e1_template, e2_template)
        noise = sky + settings.instrument["read_noise"] ** 2
        kernel = _fitted(psf, psf_template, noise, n_epochs, random)
        first = datetime.datetime.strptime(str(settings.first_night), "%Y%m%d").date()
        date = first + datetime.timedelta(days=number)
        return Exposure(
            expid=200000 + 10 * number + list(settings.bands).index(band),
            night=int(date.strftime("%Y%m%d")),
            band=band,
            fwhm=float(fwhm),
            fwhm_template=float(fwhm * ratio),
            e1=float(e1),
            e2=float(e2),
            e1_template=float(e1_template),
            e2_template=float(e2_template),
            n_epochs=n_epochs,
            psf=psf,
            psf_template=psf_template,
            stamp=scenes.image(psf * scenes.shift_transform(10, 10), 21),
            kernel=kernel,
            kernel_transform=subtraction.transform_of(kernel.pixels, GRID),
            sky=sky,
            zero_point=zero_point,
        )


_KEPT: dict[tuple[int, str], Survey] = {}


def survey_of(settings: Settings, seed: int) -> Survey:
    """The survey with these settings and this seed; the last one is kept, as its exposures are worth it."""
    key = seed, repr(settings)
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = Survey(settings, seed)
    return _KEPT[key]


def _fitted(
    psf: np.ndarray, psf_template: np.ndarray, noise: float, n_epochs: int, random: np.random.Generator
) -> subtraction.Kernel:
    """The kernel of an exposure, fitted on a patch of noisy stars as a pipeline does it."""
    places = random.uniform(0, _PATCH, (_N_KERNEL_STARS, 2))
    fluxes = math.sqrt(noise) * 10 ** random.uniform(3.3, 4.5, _N_KERNEL_STARS)
    above = scenes.light([Source(x, y, f) for (x, y), f in zip(places, fluxes, strict=True)])
    expected, template = scenes.image(above * psf, _PATCH), scenes.image(above * psf_template, _PATCH)
    variance = noise + np.maximum(expected, 0)
    search = expected + random.normal(0, np.sqrt(variance))
    template = template + random.normal(0, np.sqrt((noise + np.maximum(template, 0)) / n_epochs))
    return subtraction.fit(template, search, variance)


def _between(limits: Sequence[float], random: np.random.Generator) -> float:
    return float(random.uniform(limits[0], limits[1]))


def _galaxy(mag: float, random: np.random.Generator) -> tuple[float, float, float, float]:
    """Sersic index, half-light radius in arcsec, axis ratio and position angle for an r magnitude."""
    n = float(random.choice(scenes.SERSIC_INDICES))
    radius = 10 ** random.normal(-0.25 - 0.1 * (mag - 20.0), 0.2)
    q = random.uniform(0.3, 1.0)
    return n, float(np.clip(radius, 0.15, 4.0)), float(q), float(random.uniform(0, math.pi))


def neighbours(random: np.random.Generator, free_arcsec: float = 2.5) -> tuple[tuple[float, ...], ...]:
    """Galaxies and stars around a place: about 1 in a stamp, none closer than ``free_arcsec``."""
    half = 15.0
    made = []
    for _ in range(random.poisson(4.0)):
        x, y = random.uniform(-half, half, 2)
        mag = 24.5 - random.exponential(1.3)
        star = random.uniform() < 0.25
        shape = (0.0, 0.0, 1.0, 0.0) if star else _galaxy(mag, random)
        if math.hypot(x, y) > free_arcsec and mag > 17:
            made.append((float(x), float(y), float(mag), *shape))
    return tuple(made)
