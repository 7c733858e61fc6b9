"""How light is spread over the sky: Sersic ellipses, and what only impostors have (arms, rings, tails)."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import gammainccinv, gammaincinv, gammaln


class Sersic(NamedTuple):
    """An elliptical Sersic profile.

    Attributes:
        x: centre, arcsec.
        y: likewise.
        radius: half-light radius along the geometric mean of the axes, arcsec.
        n: Sersic index.
        q: axis ratio.
        phi: position angle of the major axis, rad.
    """

    x: float
    y: float
    radius: float
    n: float
    q: float = 1.0
    phi: float = 0.0

    def holds(self, lost: float) -> float:
        """Radius along the major axis, arcsec, that holds all but a share of the light."""
        b, _ = _shape(self.n)
        return self.radius * (float(gammainccinv(2 * self.n, lost)) / b) ** self.n / math.sqrt(self.q)

    def reach(self, share_of_total: float) -> float:
        """Radius where the surface brightness falls below a limit.

        Args:
            share_of_total: the limit over the total flux, 1 / arcsec^2.

        Returns:
            Along the major axis, arcsec.
        """
        b, peak = _shape(self.n)
        excess = math.log(max(peak / self.radius**2 / share_of_total, 1.0)) / b
        return self.radius * excess**self.n / math.sqrt(self.q)

    def density(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Surface brightness over total flux, 1 / arcsec^2, at positions in arcsec."""
        b, peak = _shape(self.n)
        dx, dy = x - self.x, y - self.y
        cos, sin = math.cos(self.phi), math.sin(self.phi)
        # The quadratic form q u^2 + v^2 / q of the rotated coordinates, in units of the half-light radius.
        along, across = self.q / self.radius**2, 1 / self.q / self.radius**2
        xx = along * cos * cos + across * sin * sin
        yy = along * sin * sin + across * cos * cos
        xy = 2 * (along - across) * cos * sin
        radius2 = xx * dx * dx + yy * dy * dy + xy * dx * dy
        radius2 = np.maximum(radius2, np.asarray(1e-12, dtype=radius2.dtype))
        np.log(radius2, out=radius2)
        radius2 *= 0.5 / self.n
        np.exp(radius2, out=radius2)
        radius2 *= -b
        np.exp(radius2, out=radius2)
        radius2 *= peak / self.radius**2
        return radius2


@lru_cache(maxsize=4096)
def _shape(n: float) -> tuple[float, float]:
    """Exponent b and central surface brightness of a profile of total flux 1 and half-light radius 1."""
    b = float(gammaincinv(2 * n, 0.5))
    return b, math.exp(2 * n * math.log(b) - gammaln(2 * n)) / (2 * math.pi * n)


class Spiral(NamedTuple):
    """An exponential disc with logarithmic arms; its total is normalised on the grid it is drawn on.

    Attributes:
        disc: the disc without arms.
        contrast: of the arms, 0 to 1.
        arms: how many.
        pitch: angle of the arms, rad.
        phase: of the arms at the half-light radius, rad.
    """

    disc: Sersic
    contrast: float
    arms: int
    pitch: float
    phase: float

    def reach(self, share_of_total: float) -> float:
        """See ``Sersic.reach``."""
        return self.disc.reach(share_of_total / (1 + self.contrast))

    def density(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """See ``Sersic.density``; arms lie in the plane of the disc."""
        u, v = _in_plane(self.disc, x, y)
        radius = np.sqrt(u * u + v * v) + 1e-6
        turn = np.log(radius / self.disc.radius) / math.tan(self.pitch)
        arms = 1 + self.contrast * np.cos(self.arms * (np.arctan2(v, u) - turn - self.phase))
        # The innermost turns are finer than any pixel: they fade into the disc.
        fade = np.exp(-((0.3 * self.disc.radius / radius) ** 2))
        return self.disc.density(x, y) * (1 + fade * (arms - 1))


class Ring(NamedTuple):
    """A Gaussian annulus.

    Attributes:
        x: centre, arcsec.
        y: likewise.
        radius: of the brightest circle, along the geometric mean of the axes, arcsec.
        width: standard deviation across it, arcsec.
        q: axis ratio.
        phi: position angle, rad.
        clumps: amplitude of the variation along the ring, 0 to 1.
        phase: of that variation, rad.
    """

    x: float
    y: float
    radius: float
    width: float
    q: float
    phi: float
    clumps: float
    phase: float

    def reach(self, share_of_total: float) -> float:
        """See ``Sersic.reach``; a fixed number of widths, as a Gaussian ends soon."""
        return (self.radius + 4 * self.width) / math.sqrt(self.q)

    def density(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """See ``Sersic.density``."""
        u, v = _in_plane(self, x, y)
        radius = np.sqrt(u * u + v * v)
        along = 1 + self.clumps * np.cos(3 * np.arctan2(v, u) - self.phase)
        norm = 2 * math.pi * self.radius * self.width * math.sqrt(2 * math.pi)
        return along * np.exp(-(((radius - self.radius) / self.width) ** 2) / 2) / norm


class Tail(NamedTuple):
    """A tidal tail: a bright stretch of one logarithmic spiral.

    Attributes:
        x: centre of the spiral, arcsec.
        y: likewise.
        radius: where the tail is brightest, arcsec.
        width: standard deviation across it, arcsec.
        pitch: angle of the spiral, rad.
        phi: direction of the brightest place, rad.
        length: standard deviation of the angle along the tail, rad.
    """

    x: float
    y: float
    radius: float
    width: float
    pitch: float
    phi: float
    length: float

    def reach(self, share_of_total: float) -> float:
        """See ``Sersic.reach``."""
        return self.radius * math.exp(math.pi * math.tan(abs(self.pitch))) + 4 * self.width

    def density(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """See ``Sersic.density``."""
        dx, dy = x - self.x, y - self.y
        angle = np.remainder(np.arctan2(dy, dx) - self.phi + math.pi, 2 * math.pi) - math.pi
        radius = self.radius * np.exp(angle * math.tan(self.pitch))
        across = (np.hypot(dx, dy) - radius) / self.width
        norm = 2 * math.pi * self.width * self.length * self.radius
        return np.exp(-(across**2) / 2 - (angle / self.length) ** 2 / 2) / norm


Profile = Sersic | Spiral | Ring | Tail


def centre(profile: Profile) -> tuple[float, float]:
    """Centre of a profile, arcsec."""
    where = profile.disc if isinstance(profile, Spiral) else profile
    return where.x, where.y


def _in_plane(shape: Sersic | Ring, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in which ellipses of this shape are circles of the same area."""
    dx, dy = x - shape.x, y - shape.y
    cos, sin = math.cos(shape.phi), math.sin(shape.phi)
    root = math.sqrt(shape.q)
    return root * (cos * dx + sin * dy), (cos * dy - sin * dx) / root
