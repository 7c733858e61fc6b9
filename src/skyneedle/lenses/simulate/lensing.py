"""Deflection of light by galaxies: isothermal ellipsoids with external shear, on one plane or on several."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.simulate import cosmology

_ROUND = 1 - 1e-4  # above this axis ratio a lens is taken as round


class Lens(NamedTuple):
    """A singular isothermal ellipsoid with external shear.

    Attributes:
        z: redshift.
        theta_e: Einstein radius in arcsec for the source plane of the system: the convergence is
            theta_e / (2 sqrt(q x^2 + y^2 / q)) along its axes.
        q: axis ratio.
        phi: position angle of the major axis from the x axis, rad.
        x: position of its centre, arcsec.
        y: likewise.
        gamma1: shear along the axes, around the centre.
        gamma2: shear along the diagonals.
    """

    z: float
    theta_e: float
    q: float
    phi: float
    x: float
    y: float
    gamma1: float = 0.0
    gamma2: float = 0.0


def deflection(lens: Lens, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduced deflection on the source plane.

    Args:
        lens: what deflects.
        x: positions in arcsec.
        y: likewise.

    Returns:
        Both components in arcsec, of the shape and type of the positions.

    Source: Kormann, Schneider & Bartelmann 1994; Keeton 2001, Sec. 3.3.
    """
    dx, dy = x - lens.x, y - lens.y
    cos, sin = math.cos(lens.phi), math.sin(lens.phi)
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    q = min(lens.q, _ROUND)
    f = math.sqrt(1 - q * q)
    scale = lens.theta_e * math.sqrt(q) / f
    # The tiny number only matters at the very centre, where the deflection jumps.
    over_psi = f / (np.sqrt(q * q * along * along + across * across) + 1e-12)
    a = scale * np.arctan(along * over_psi)
    b = scale * np.arctanh(across * over_psi)
    ax = cos * a - sin * b + lens.gamma1 * dx + lens.gamma2 * dy
    ay = sin * a + cos * b + lens.gamma2 * dx - lens.gamma1 * dy
    return ax, ay


def greatest_deflection(lens: Lens) -> float:
    """Upper limit of the deflection without its shear, arcsec."""
    q = min(lens.q, _ROUND)
    f = math.sqrt(1 - q * q)
    return lens.theta_e * math.sqrt(q) / f * max(math.atan(f / q), math.atanh(f))


def trace(
    lenses: Sequence[Lens], z_source: float, x: np.ndarray, y: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Follow light rays back through all planes.

    Args:
        lenses: with Einstein radii that belong to the source plane, of increasing redshift.
        z_source: redshift of the source plane.
        x: where rays arrive, arcsec.
        y: likewise.

    Returns:
        Positions on the plane of each lens, in order, and on the source plane, in arcsec.

    Raises:
        BadSetting: if redshifts do not increase.

    Source: Schneider, Ehlers & Falco 1992, Sec. 9.1.
    """
    redshifts = [*(lens.z for lens in lenses), z_source]
    if any(near >= far for near, far in pairwise(redshifts)):
        raise BadSetting(f"Redshifts of lenses and source are {redshifts}; expected increasing ones.")
    positions = [(x, y)] if lenses else []
    deflections: list[tuple[np.ndarray, np.ndarray]] = []
    for place, lens in enumerate(lenses):
        deflections.append(deflection(lens, *positions[place]))
        z_next = redshifts[place + 1]
        on_x, on_y = x, y
        for nearer, (ax, ay) in zip(lenses, deflections, strict=False):
            part = 1.0 if place + 1 == len(lenses) else cosmology.coupling(nearer.z, z_next, z_source)
            on_x, on_y = on_x - part * ax, on_y - part * ay
        positions.append((on_x, on_y))
    return positions or [(x, y)]


def critical_curves(
    lenses: Sequence[Lens], z_source: float, half_arcsec: float, step_arcsec: float = 0.1
) -> tuple[int, float]:
    """How many critical curves there are around deflectors for the source plane, and the area in them.

    Curves at the very centre of a singular deflector have no extent and are not counted, nor is what lies in
    another curve.

    Args:
        lenses: as of ``trace``.
        z_source: likewise.
        half_arcsec: several deflectors are looked at on a square grid of this half width, whose middle is
            that of the field.
        step_arcsec: of the grid; curves that enclose less than a cell may be missed. One deflector needs no
            grid: its curve is known in closed form.

    Returns:
        Number of outermost curves, and the area in them, arcsec^2.
    """
    if len(lenses) == 1:
        return 1, _critical_area(lenses[0])
    n = 2 * math.ceil(half_arcsec / step_arcsec) + 1
    axis = (np.arange(n) - n // 2) * step_arcsec
    on_x, on_y = trace(lenses, z_source, *np.meshgrid(axis, axis))[-1]
    (xy, xx), (yy, yx) = np.gradient(on_x, step_arcsec), np.gradient(on_y, step_arcsec)
    inside = ndimage.binary_fill_holes(xx * yy - xy * yx < 0)
    return int(ndimage.label(inside, structure=np.ones((3, 3)))[1]), float(inside.sum() * step_arcsec**2)


def _critical_area(lens: Lens) -> float:
    """Area in the critical curve of one deflector, arcsec^2.

    With convergence kappa at position angle a, the determinant of the magnification matrix is
    1 - |g|^2 - 2 kappa (1 - Re(g exp(-2 i a))), g the shear: isothermal shear is as large as kappa. As kappa
    falls with 1 / r along each angle, its zero gives r in closed form. Without shear the area is that of the
    ellipse, pi theta_e^2.
    """
    angle = (np.arange(720) + 0.5) * math.pi / 360
    cos, sin = np.cos(angle - lens.phi), np.sin(angle - lens.phi)
    along_shear = lens.gamma1 * np.cos(2 * angle) + lens.gamma2 * np.sin(2 * angle)
    rest = 1 - lens.gamma1**2 - lens.gamma2**2
    radius = lens.theta_e * (1 - along_shear) / (rest * np.sqrt(lens.q * cos**2 + sin**2 / lens.q))
    return float(math.pi * np.mean(radius**2))


def rescaled(lens: Lens, z_given: float, z_source: float) -> Lens:
    """A lens whose deflection is given for one source redshift, as it acts on a source at another.

    Args:
        lens: with Einstein radius and shear for sources at ``z_given``.
        z_given: redshift that they belong to.
        z_source: redshift of the source.

    Returns:
        The same mass with Einstein radius and shear for ``z_source``.
    """
    part = cosmology.coupling(lens.z, z_source, z_given)
    return lens._replace(theta_e=part * lens.theta_e, gamma1=part * lens.gamma1, gamma2=part * lens.gamma2)
