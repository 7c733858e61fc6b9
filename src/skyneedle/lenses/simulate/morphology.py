"""Galaxies and stars by their morphology, none of them a lens: what networks can be pretrained on.

Six kinds are the impostors of the lens sets. All are made of drawn lens systems and have their light, so that
neither brightness nor place tells a kind.
"""

import math
from collections.abc import Callable

import numpy as np

from skyneedle.lenses.simulate import negatives
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.populations import System
from skyneedle.lenses.simulate.profiles import Sersic
from skyneedle.lenses.simulate.render import Light
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS

_POINT_ARCSEC = 0.004  # half-light radius of a star, far below any point-spread function


def lights(
    kind: str, system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """What takes the place of deflector and source.

    Args:
        kind: one of ``KINDS``.
        system: the scene that it is made of.
        lensed_flux: electrons/s in each band that the source would have with the lens in front of it.
        instrument: whose bands.
        random: stream of this example.
    """
    draw = _KINDS.get(kind)
    if draw is None:
        return negatives.impostor(kind, system, lensed_flux, instrument, random)
    return draw(system, lensed_flux, instrument, random)


def _star(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """A point."""
    flux = negatives.total(system, lensed_flux) * negatives.ratios(system.deflector.colours, instrument)
    return (Light(_point(system.lens.x, system.lens.y), flux, "lens"),)


def _double_star(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """Two points."""
    flux = negatives.total(system, lensed_flux) * negatives.ratios(system.deflector.colours, instrument)
    share, distance = random.uniform(0.15, 0.5), random.uniform(0.25, 1.5)
    angle = random.uniform(0, 2 * math.pi)
    second = _point(
        system.lens.x + distance * math.cos(angle),
        system.lens.y + distance * math.sin(angle),
    )
    return (
        Light(_point(system.lens.x, system.lens.y), (1 - share) * flux, "lens"),
        Light(second, share * flux, "rest", part=True),
    )


def _disc(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """An exponential disc without bulge and arms."""
    whole = system.deflector.profile
    radius = whole.radius * float(random.uniform(1.0, 1.5))
    disc = whole._replace(radius=radius, n=1.0, q=float(random.uniform(0.4, 1.0)))
    flux = negatives.total(system, lensed_flux) * negatives.disc_ratios(system, instrument, random)
    return (Light(disc, flux, "lens"),)


def _irregular(
    system: System, lensed_flux: np.ndarray, instrument: Instrument, random: np.random.Generator
) -> tuple[Light, ...]:
    """Clumps without order in a faint disc."""
    whole = system.deflector.profile
    flux = negatives.total(system, lensed_flux) * negatives.disc_ratios(system, instrument, random)
    disc = whole._replace(radius=1.2 * whole.radius, n=0.6, q=float(random.uniform(0.5, 1.0)))
    share = float(random.uniform(0.4, 0.7))
    found = [Light(disc, (1 - share) * flux, "lens")]
    for part in random.dirichlet(np.full(random.integers(5, 11), 2.0)):
        distance = 1.8 * whole.radius * math.sqrt(random.uniform())
        angle, phi = random.uniform(0, 2 * math.pi), random.uniform(0, math.pi)
        clump = Sersic(
            whole.x + distance * math.cos(angle),
            whole.y + distance * math.sin(angle),
            whole.radius * float(random.uniform(0.15, 0.4)),
            float(random.uniform(0.6, 1.2)),
            float(random.uniform(0.4, 1.0)),
            float(phi),
        )
        found.append(Light(clump, part * share * flux, "rest", part=True))
    return tuple(found)


def _point(x: float, y: float) -> Sersic:
    return Sersic(float(x), float(y), _POINT_ARCSEC, 0.5)


_KINDS: dict[str, Callable[..., tuple[Light, ...]]] = {
    "star": _star,
    "double_star": _double_star,
    "disc": _disc,
    "irregular": _irregular,
}
KINDS = (*NEGATIVE_KINDS, *_KINDS)  # class 0, 1, ...
