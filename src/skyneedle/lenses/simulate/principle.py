"""How a galaxy lenses, by the ray-tracer: light paths in cross-section, and what an observer sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from skyneedle.core import tables
from skyneedle.core.seeds import generator
from skyneedle.lenses.simulate import cosmology, lensing, noise, render
from skyneedle.lenses.simulate.instruments import Instrument, instrument
from skyneedle.lenses.simulate.lensing import Lens
from skyneedle.lenses.simulate.profiles import Sersic
from skyneedle.lenses.simulate.render import Blur, Light, Scene

Z_LENS, Z_SOURCE, SIGMA_KM_S = 0.5, 1.8, 270.0
DEFLECTOR_MAG, SOURCE_MAG = 19.2, 22.0
OTHER_RAYS = (-2.2, -1.6, -0.5, 0.5, 1.6, 2.2)  # directions in Einstein radii, beside those of the images
RAY_COLUMNS = ("ray", "kind", "theta_arcsec", "place", "distance_mpc", "height_kpc")
_STEPS = 40  # intervals in which images are looked for; none is at the centre of the lens


def lens() -> Lens:
    """A round galaxy right in front of the source."""
    return Lens(Z_LENS, cosmology.einstein_radius(SIGMA_KM_S, Z_LENS, Z_SOURCE), 1.0, 0.0, 0.0, 0.0)


def light_paths(one: Lens, z_source: float, offset_arcsec: float = 0.0) -> pd.DataFrame:
    """Rays in the plane of observer, lens and source, traced back from the observer.

    Args:
        one: what deflects.
        z_source: redshift of the source.
        offset_arcsec: of the source from the axis.

    Returns:
        One row a corner of a path: ray (number), kind ("image": ends at the source; "other"; "apparent": the
        straight line on which an image seems to lie), theta_arcsec (direction at the observer), place, and
        comoving distance (Mpc) and height (kpc), in which free light is straight.
    """
    distances = {"observer": 0.0, "lens": cosmology.comoving(one.z), "source": cosmology.comoving(z_source)}
    images = _images(one, z_source, offset_arcsec)
    others = [direction * one.theta_e for direction in OTHER_RAYS]
    rows: list[dict[str, Any]] = []
    rays = [("image", theta) for theta in images] + [("other", theta) for theta in others]
    rays += [("apparent", theta) for theta in images]
    for number, (kind, theta) in enumerate(rays):
        at_source = theta if kind == "apparent" else _source_plane(one, z_source, theta)
        angles = {"observer": 0.0, "lens": theta, "source": at_source}
        rows += [
            {"ray": number, "kind": kind, "theta_arcsec": theta, "place": place}
            | {"distance_mpc": far, "height_kpc": np.radians(angles[place] / 3600) * far * 1000}
            for place, far in distances.items()
        ]
    return pd.DataFrame(rows, columns=list(RAY_COLUMNS))


def _source_plane(one: Lens, z_source: float, theta: float) -> float:
    """Where the ray seen in direction theta (arcsec) meets the source plane, arcsec."""
    x, y = np.array([theta]), np.zeros(1)
    return float(lensing.trace([one], z_source, x, y)[1][0][0])


def _images(one: Lens, z_source: float, offset: float) -> list[float]:
    """Directions in which the source is seen, arcsec."""
    ends = np.linspace(-3, 3, _STEPS) * one.theta_e
    misses = [_source_plane(one, z_source, end) - offset for end in ends]
    return [
        brentq(lambda theta: _source_plane(one, z_source, theta) - offset, ends[i], ends[i + 1])
        for i in range(len(ends) - 1)
        # The deflection jumps at the centre, where no image is.
        if misses[i] * misses[i + 1] < 0 and ends[i] * ends[i + 1] > 0
    ]


def einstein_ring(one: Lens, seen_with: Instrument, seed: int) -> np.ndarray:
    """What the observer sees: the source as a ring around the deflector, electrons/s, shape (n, n)."""
    band = seen_with.bands[0]
    deflector = Sersic(one.x, one.y, 0.5, 4.0)
    source = Sersic(one.x, one.y, 0.15, 1.0)
    lights = (
        Light(deflector, np.array([band.flux(DEFLECTOR_MAG)]), "lens"),
        Light(source, np.array([band.flux(SOURCE_MAG)]), "source", plane=1),
    )
    layers, _ = render.render(Scene(lights, (one,), Z_SOURCE), seen_with, Blur())
    return noise.observe(noise.total(layers), seen_with, generator(seed, "principle")).vis


def write(rays: str | Path, ring: str | Path, seed: int) -> None:
    """Write both tables.

    Args:
        rays: CSV to write, see ``light_paths``.
        ring: parquet to write: one row with the image as ``vis`` row by row, n (pixels along a side),
            pixel_scale_arcsec, sky_sigma, theta_e (arcsec), z_lens, z_source.
        seed: root seed, of the noise.
    """
    one, seen_with = lens(), instrument("hst_f814w")
    band = seen_with.bands[0]
    tables.write_csv(light_paths(one, Z_SOURCE), rays)
    row = {
        "vis": einstein_ring(one, seen_with, seed).ravel(),
        "n": band.n_pixels,
        "pixel_scale_arcsec": band.pixel_scale_arcsec,
        "sky_sigma": band.sky_sigma,
        "theta_e": one.theta_e,
        "z_lens": one.z,
        "z_source": Z_SOURCE,
    }
    tables.write_parquet(pd.DataFrame([row]), ring)
