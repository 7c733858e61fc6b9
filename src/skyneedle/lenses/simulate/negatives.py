"""Impostors: what looks like a lens and is none.

Each is made of a drawn lens system and has its light: the flux of the deflector and of the lensed source go
into the parts of the impostor, so that neither brightness nor size gives it away.

Source: spec G; clusters of companions follow the idea of slsim's false positives.
"""

import math
from collections.abc import Callable

import numpy as np

from skyneedle.lenses.simulate import colours
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.populations import System
from skyneedle.lenses.simulate.profiles import Ring, Sersic, Spiral, Tail
from skyneedle.lenses.simulate.render import Light


def impostor(
    kind: str, system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """What takes the place of deflector and source.

    Args:
        kind: one of ``settings.NEGATIVE_KINDS``.
        system: the scene that it is made of.
        lensed_flux: electrons/s in each band that the source would have with the lens in front of it.
        instrument: whose bands.
        random: stream of this example.
    """
    return _KINDS[kind](system, lensed_flux, instrument, random)


def _elliptical(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """Nothing but a galaxy, as bright in each band as deflector and lensed source together."""
    return (Light(system.deflector.profile, system.deflector.flux + lensed_flux, "lens"),)


def _companions(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """Blue galaxies around a red one, about where images would be."""
    lens, source = system.lens, system.source
    lights = [Light(system.deflector.profile, system.deflector.flux, "lens")]
    shares = random.dirichlet(np.full(random.integers(2, 5), 4.0))
    for share in shares:
        distance = lens.theta_e * random.uniform(0.5, 2.5)
        angle, phi = random.uniform(0, 2 * math.pi), random.uniform(0, math.pi)
        profile = Sersic(
            lens.x + distance * math.cos(angle),
            lens.y + distance * math.sin(angle),
            source.profile.radius * float(random.uniform(0.8, 1.6)),
            source.profile.n,
            float(random.uniform(0.3, 1.0)),
            float(phi),
        )
        lights.append(Light(profile, share * lensed_flux, "rest"))
    return tuple(lights)


def _spiral(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """A bulge in a disc with arms."""
    share, flux = random.uniform(0.4, 0.8), total(system, lensed_flux)
    whole = system.deflector.profile
    q = float(random.uniform(0.4, 1.0))
    disc = whole._replace(radius=1.5 * whole.radius, n=1.0, q=q)
    bulge = whole._replace(radius=0.35 * whole.radius, q=max(q, 0.6))
    arms = Spiral(
        disc,
        contrast=float(random.uniform(0.4, 0.9)),
        arms=int(random.integers(2, 5)),
        pitch=math.radians(random.uniform(10, 30)),
        phase=float(random.uniform(0, 2 * math.pi)),
    )
    return (
        Light(bulge, (1 - share) * flux * ratios(system.deflector.colours, instrument), "lens"),
        Light(arms, share * flux * disc_ratios(system, instrument, random), "rest", part=True),
    )


def _ring_galaxy(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """A core in a smooth ring as blue and bright as the lensed source."""
    lens = system.lens
    radius = lens.theta_e * float(random.uniform(0.8, 1.4))
    ring = Ring(
        lens.x + float(random.normal(0, 0.1 * radius)),
        lens.y + float(random.normal(0, 0.1 * radius)),
        radius,
        width=radius * float(random.uniform(0.12, 0.25)),
        q=float(random.uniform(0.45, 1.0)),
        phi=float(random.uniform(0, math.pi)),
        clumps=float(random.uniform(0, 0.6)),
        phase=float(random.uniform(0, 2 * math.pi)),
    )
    return (
        Light(system.deflector.profile, system.deflector.flux, "lens"),
        Light(ring, lensed_flux, "rest", part=True),
    )


def _merger(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """Two galaxies close to one another, and the tail that they draw out."""
    flux, first = total(system, lensed_flux), system.deflector.profile
    second_share, tail_share = random.uniform(0.08, 0.35), random.uniform(0.03, 0.1)
    distance, angle = random.uniform(0.7, 2.2), random.uniform(0, 2 * math.pi)
    second = Sersic(
        first.x + distance * math.cos(angle),
        first.y + distance * math.sin(angle),
        first.radius * float(random.uniform(0.4, 0.8)),
        float(random.uniform(1.0, 4.0)),
        float(random.uniform(0.4, 1.0)),
        float(random.uniform(0, math.pi)),
    )
    tail = Tail(
        first.x,
        first.y,
        distance * float(random.uniform(1.0, 1.6)),
        width=float(random.uniform(0.15, 0.35)),
        pitch=math.radians(random.uniform(5, 25)) * float(random.choice((-1, 1))),
        phi=float(angle + random.uniform(0.5, 1.5)),
        length=float(random.uniform(0.5, 1.0)),
    )
    red = ratios(system.deflector.colours, instrument)
    return (
        Light(first, (1 - second_share - tail_share) * flux * red, "lens"),
        Light(second, second_share * flux * red, "rest"),
        Light(tail, tail_share * flux * disc_ratios(system, instrument, random), "rest", part=True),
    )


def _edge_on(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """A disc from its side with a bulge."""
    flux, whole = total(system, lensed_flux), system.deflector.profile
    share = random.uniform(0.5, 0.8)
    disc = whole._replace(radius=whole.radius, n=1.0, q=float(random.uniform(0.12, 0.25)))
    bulge = whole._replace(radius=0.35 * whole.radius, q=0.7, phi=disc.phi)
    return (
        Light(bulge, (1 - share) * flux * ratios(system.deflector.colours, instrument), "lens"),
        Light(disc, share * flux * disc_ratios(system, instrument, random), "rest", part=True),
    )


_KINDS: dict[str, Callable[..., tuple[Light, ...]]] = {
    "elliptical": _elliptical,
    "companions": _companions,
    "spiral": _spiral,
    "ring_galaxy": _ring_galaxy,
    "merger": _merger,
    "edge_on": _edge_on,
}


def total(system: System, lensed_flux: np.ndarray) -> float:
    """Electrons/s of deflector and lensed source in the first band."""
    return float(system.deflector.flux[0] + lensed_flux[0])


def ratios(differences: np.ndarray, instrument: Instrument) -> np.ndarray:
    """Flux in each band over that of the first, from colours in magnitudes."""
    zero_points = np.array([band.zero_point for band in instrument.bands])
    return 10 ** (-0.4 * (differences - (zero_points - zero_points[0])))


def disc_ratios(system: System, instrument: Instrument, random: np.random.Generator) -> np.ndarray:
    """Flux ratios of a disc at the redshift of the deflector, a little bluer than it."""
    kind = float(random.uniform(0.1, 0.45))
    return ratios(colours.colours(kind, system.deflector.z, instrument), instrument)
