"""Which galaxies there are: deflectors, what lies behind them, and what stands beside them."""

import math
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.simulate import colours, cosmology
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.lensing import Lens
from skyneedle.lenses.simulate.profiles import Sersic

Range = tuple[float, float]
_STAMP_ARCSEC2 = 400.0  # area that the mean number of companions belongs to
_MOST_REDRAWS = 1000
_Z_OF_RADIUS = 0.6
DEFLECTOR_RADIUS = (0.9, 0.2, 2.5)  # spec G


class Population(NamedTuple):
    """Distributions of lens systems; magnitudes are in the first band (VIS), AB.

    Attributes:
        z_lens: mean and standard deviation of a normal distribution, cut to ``z_lens_range``.
        z_lens_range: least and greatest redshift of deflectors.
        sigma_km_s: mean and standard deviation of velocity dispersions, cut to ``sigma_range``.
        sigma_range: least and greatest velocity dispersion, km/s.
        theta_e_range: Einstein radii that are kept, arcsec.
        lens_place: where deflectors are, as a share of half a stamp on either side of its middle.
        z_source: mean and standard deviation of source redshifts; at least 0.2 behind the deflector.
        source_disc: radius around the deflector in which sources lie, Einstein radii.
        source_mag: unlensed magnitudes, uniform.
        n_companions: mean number in 20 x 20 arcsec.
        companion_mag: magnitudes of companions, uniform.
        deflector_radius: half-light radii of deflectors, arcsec: median at redshift 0.6, least and greatest.
    """

    z_lens: Range
    z_lens_range: Range
    sigma_km_s: Range
    sigma_range: Range
    theta_e_range: Range
    lens_place: float
    z_source: Range
    source_disc: float
    source_mag: Range
    n_companions: float
    companion_mag: Range
    deflector_radius: tuple[float, float, float] = DEFLECTOR_RADIUS


# Galaxies and small groups as in stamps of 5 arcsec; sets differ in how faint sources are and in neighbours.
_GALAXY_SCALE = Population(
    z_lens=(0.5, 0.2),
    z_lens_range=(0.2, 1.0),
    sigma_km_s=(220.0, 35.0),
    sigma_range=(150.0, 320.0),
    theta_e_range=(0.5, 1.6),
    lens_place=0.08,
    z_source=(1.8, 0.7),
    source_disc=0.8,
    source_mag=(20.5, 22.8),
    n_companions=10.0,
    companion_mag=(22.0, 26.0),
    deflector_radius=(0.45, 0.15, 1.0),
)

# Source of `challenge`: spec G; with its sources in 1.6 Einstein radii 71 % of the draws would be lenses, so
# they lie closer here, to leave room for the impostors that are 10 % of a set.
POPULATIONS = MappingProxyType(
    {
        "challenge": Population(
            z_lens=(0.6, 0.25),
            z_lens_range=(0.15, 1.4),
            sigma_km_s=(230.0, 50.0),
            sigma_range=(120.0, 400.0),
            theta_e_range=(0.2, 5.0),
            lens_place=0.7,  # Einstein rings of up to 3 arcsec are whole
            z_source=(2.0, 0.8),
            source_disc=1.1,
            source_mag=(22.5, 27.5),
            n_companions=6.0,
            companion_mag=(22.0, 26.5),
        ),
        "bright": Population(
            z_lens=(0.6, 0.25),
            z_lens_range=(0.15, 1.4),
            sigma_km_s=(250.0, 40.0),
            sigma_range=(160.0, 400.0),
            theta_e_range=(1.0, 3.0),
            # Networks learn each place by itself: on 4,000 images OU-66 reaches an AUROC of 0.96 here,
            # and 0.90 where deflectors lie anywhere.
            lens_place=0.5,
            z_source=(2.0, 0.8),
            source_disc=0.9,
            source_mag=(21.0, 24.0),
            n_companions=2.5,
            companion_mag=(22.0, 26.5),
        ),
        "galaxy_scale": _GALAXY_SCALE,
        "galaxy_scale_hard": _GALAXY_SCALE._replace(
            source_mag=(22.0, 24.5), n_companions=40.0, companion_mag=(21.5, 25.5)
        ),
        # Candidates as surveys grade them: the fainter the arcs, the less they stand out from the deflector.
        "galaxy_scale_a": _GALAXY_SCALE._replace(source_mag=(20.5, 22.5)),
        "galaxy_scale_b": _GALAXY_SCALE._replace(source_mag=(22.5, 24.0)),
        "galaxy_scale_c": _GALAXY_SCALE._replace(source_mag=(24.0, 25.5)),
    }
)


class Galaxy(NamedTuple):
    """A galaxy as it would look without a lens in front of it.

    Attributes:
        profile: its light.
        flux: electrons/s in each band.
        magnitude: of the first band.
        colours: magnitude of each band minus that of the first.
        z: redshift.
    """

    profile: Sersic
    flux: np.ndarray
    magnitude: float
    colours: np.ndarray
    z: float


class System(NamedTuple):
    """A scene that a lens, or an impostor, is made of.

    Attributes:
        lens: the mass of the deflector.
        deflector: its light.
        source: behind it.
        companions: beside it, neither lensing nor lensed.
        sigma_km_s: velocity dispersion of the deflector.
    """

    lens: Lens
    deflector: Galaxy
    source: Galaxy
    companions: tuple[Galaxy, ...]
    sigma_km_s: float


def system(population: Population, instrument: Instrument, random: np.random.Generator) -> System:
    """Draw one system.

    Args:
        population: from which.
        instrument: that fixes bands and size of the stamp.
        random: stream of this system.

    Raises:
        BadSetting: if none of many draws has an Einstein radius that the population keeps.
    """
    low, high = population.theta_e_range
    for _ in range(_MOST_REDRAWS):
        z_lens, sigma = draw_deflector(population, random)
        z_source = truncated(random, *population.z_source, z_lens + 0.2, 7.0)
        theta_e = cosmology.einstein_radius(sigma, z_lens, z_source)
        if low <= theta_e <= high:
            break
    else:
        raise BadSetting(
            f"theta_e_range is {population.theta_e_range}: none of {_MOST_REDRAWS} deflectors with these "
            "redshifts and velocity dispersions has such an Einstein radius, arcsec; widen it."
        )
    half = half_stamp(instrument)
    x, y = random.uniform(-population.lens_place * half, population.lens_place * half, 2)
    lens = mass(z_lens, theta_e, float(x), float(y), random)
    deflector = elliptical(lens, sigma, instrument, random, population.deflector_radius)
    radius = population.source_disc * theta_e * math.sqrt(random.uniform())
    angle = random.uniform(0, 2 * math.pi)
    place = lens.x + radius * math.cos(angle), lens.y + radius * math.sin(angle)
    source = background(place, z_source, float(random.uniform(*population.source_mag)), instrument, random)
    return System(lens, deflector, source, companions(population, instrument, random), sigma)


def draw_deflector(population: Population, random: np.random.Generator) -> tuple[float, float]:
    """Redshift and velocity dispersion (km/s) of a deflector."""
    z = truncated(random, *population.z_lens, *population.z_lens_range)
    return z, truncated(random, *population.sigma_km_s, *population.sigma_range)


def mass(z: float, theta_e: float, x: float, y: float, random: np.random.Generator) -> Lens:
    """An isothermal ellipsoid with drawn shape and shear."""
    q, phi = random.uniform(0.55, 1.0), random.uniform(0, math.pi)
    gamma1, gamma2 = random.normal(0, 0.03, 2)
    return Lens(z, theta_e, float(q), float(phi), x, y, float(gamma1), float(gamma2))


def deflector_magnitude(z: float, sigma_km_s: float, random: np.random.Generator) -> float:
    """Magnitude of an elliptical: brighter with velocity dispersion, fainter with redshift (spec G)."""
    return float(19.2 - 10 * math.log10(sigma_km_s / 230) + 2 * (z - 0.5) + random.normal(0, 0.3))


def elliptical(
    lens: Lens,
    sigma_km_s: float,
    instrument: Instrument,
    random: np.random.Generator,
    radii: tuple[float, float, float] = DEFLECTOR_RADIUS,
) -> Galaxy:
    """The light of a deflector: red, and about as flat and aligned as its mass.

    Half-light radii have the given median at redshift 0.6, and the same physical size times 1 / (1 + z)
    elsewhere; the other two of ``radii`` are the least and the greatest.
    """
    near = cosmology.angular_diameter(0.0, _Z_OF_RADIUS) / cosmology.angular_diameter(0.0, lens.z)
    median = radii[0] * near * (1 + _Z_OF_RADIUS) / (1 + lens.z)
    radius = float(np.clip(median * math.exp(random.normal(0, 0.3)), *radii[1:]))
    q = float(np.clip(lens.q + random.normal(0, 0.05), 0.4, 1.0))
    phi = lens.phi + float(random.normal(0, 0.15))
    n = float(random.uniform(2.5, 5.0))
    kind = abs(float(random.normal(0, 0.05)))
    magnitude = deflector_magnitude(lens.z, sigma_km_s, random)
    return galaxy(Sersic(lens.x, lens.y, radius, n, q, phi), magnitude, kind, lens.z, instrument)


def background(
    place: tuple[float, float],
    z: float,
    magnitude: float,
    instrument: Instrument,
    random: np.random.Generator,
) -> Galaxy:
    """A source: small, disc-like and blue."""
    radius = float(np.clip(0.28 * math.exp(random.normal(0, 0.3)), 0.1, 0.8))
    n, q, phi = random.uniform(0.8, 2.0), random.uniform(0.4, 1.0), random.uniform(0, math.pi)
    kind = float(np.clip(random.normal(1.0, 0.08), 0.7, 1.15))
    profile = Sersic(float(place[0]), float(place[1]), radius, float(n), float(q), float(phi))
    return galaxy(profile, magnitude, kind, z, instrument)


def companions(
    population: Population, instrument: Instrument, random: np.random.Generator
) -> tuple[Galaxy, ...]:
    """Galaxies of all kinds anywhere in the stamp."""
    half = half_stamp(instrument)
    found = []
    for _ in range(random.poisson(population.n_companions * 4 * half**2 / _STAMP_ARCSEC2)):
        x, y = random.uniform(-half, half, 2)
        magnitude = float(random.uniform(*population.companion_mag))
        radius = 0.4 * 10 ** (-0.08 * (magnitude - 23)) * math.exp(random.normal(0, 0.3))
        n, q, phi = random.uniform(0.8, 3.0), random.uniform(0.3, 1.0), random.uniform(0, math.pi)
        profile = Sersic(float(x), float(y), max(radius, 0.1), float(n), float(q), float(phi))
        kind, z = float(random.uniform(0, 1)), float(random.uniform(0.2, 1.5))
        found.append(galaxy(profile, magnitude, kind, z, instrument))
    return tuple(found)


def galaxy(profile: Sersic, magnitude: float, kind: float, z: float, instrument: Instrument) -> Galaxy:
    """A galaxy of a kind (see ``colours.rest_frame``) and of a magnitude in the first band."""
    return coloured(profile, magnitude, colours.colours(kind, z, instrument), z, instrument)


def coloured(
    profile: Sersic, magnitude: float, differences: np.ndarray, z: float, instrument: Instrument
) -> Galaxy:
    """A galaxy of given colours."""
    flux = np.array(
        [band.flux(magnitude + colour) for band, colour in zip(instrument.bands, differences, strict=True)]
    )
    return Galaxy(profile, flux, magnitude, differences, z)


def half_stamp(instrument: Instrument) -> float:
    """Half the side of a stamp, arcsec."""
    return instrument.bands[0].n_pixels * instrument.bands[0].pixel_scale_arcsec / 2


def truncated(random: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal distribution cut to an interval, from one uniform number."""
    below, above = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return float(np.clip(mean + sd * ndtri(random.uniform(below, above)), low, high))
