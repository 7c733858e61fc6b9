"""Distances in the flat universe of the paper: H0 = 70 km/s/Mpc, matter density 0.3 (Wilde et al. 2022)."""

import math
from functools import cache

import numpy as np

HUBBLE = 70.0  # km / s / Mpc
MATTER = 0.3
LIGHT_KM_S = 299792.458
ARCSEC = math.pi / 180 / 3600
GRAVITY = 4.30091e-9  # Mpc km^2 / s^2 / M_sun

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def expansion(z: float | np.ndarray) -> float | np.ndarray:
    """Rate of expansion at redshift z over that of today."""
    return np.sqrt(MATTER * (1 + z) ** 3 + 1 - MATTER)


@cache
def comoving(z: float) -> float:
    """Comoving distance to redshift z, Mpc."""
    at = 0.5 * z * (_NODES + 1)
    return float(LIGHT_KM_S / HUBBLE * 0.5 * z * (_WEIGHTS @ (1 / expansion(at))))


def angular_diameter(z_near: float, z_far: float) -> float:
    """Angular diameter distance from one redshift to a higher one, Mpc."""
    return (comoving(z_far) - comoving(z_near)) / (1 + z_far)


def distance_modulus(z: float) -> float:
    """Apparent minus absolute magnitude without K-correction."""
    return 5 * math.log10(comoving(z) * (1 + z)) + 25


def einstein_radius(sigma_km_s: float, z_lens: float, z_source: float) -> float:
    """Einstein radius of a singular isothermal sphere, arcsec.

    Args:
        sigma_km_s: velocity dispersion.
        z_lens: redshift of the lens.
        z_source: redshift of the source, above that of the lens.

    Source: Wilde et al. 2022, Eq. 1.
    """
    ratio = angular_diameter(z_lens, z_source) / angular_diameter(0.0, z_source)
    return 4 * math.pi * (sigma_km_s / LIGHT_KM_S) ** 2 * ratio / ARCSEC


def halo_mass(sigma_km_s: float, z: float) -> float:
    """Mass of an isothermal sphere within the radius in which it is 200 times as dense as critical, M_sun.

    Args:
        sigma_km_s: velocity dispersion; the circular velocity is sqrt(2) times as large.
        z: redshift of the halo.

    Source: Mo, Mao & White 1998, Eq. 2.
    """
    return float((math.sqrt(2) * sigma_km_s) ** 3 / (10 * GRAVITY * (HUBBLE * expansion(z))))


def coupling(z_lens: float, z_plane: float, z_source: float) -> float:
    """Deflection that a lens causes on an intermediate plane, over that on the source plane."""
    to_plane = angular_diameter(z_lens, z_plane) / angular_diameter(0.0, z_plane)
    to_source = angular_diameter(z_lens, z_source) / angular_diameter(0.0, z_source)
    return to_plane / to_source
