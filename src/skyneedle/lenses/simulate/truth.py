"""What is true of a scene, beside what decides its label: columns of the challenge's catalogue.

The catalogue's own definitions are not at hand beyond their names; what a column means here stands with the
function that gives it.
"""

import math
from typing import Any

import numpy as np

from skyneedle.lenses.simulate import lensing, populations, render
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.profiles import centre
from skyneedle.lenses.simulate.render import Light, Patch, Scene


def of_light(light: Light, instrument: Instrument) -> dict[str, float]:
    """Magnitude and flux (electrons/s) in the first band, and the colour: first band minus last, mag."""
    first = instrument.bands[0].magnitude(float(light.flux[0]))
    last = instrument.bands[-1].magnitude(float(light.flux[-1]))
    return {"mag_lens": first, "lens_flux": float(light.flux[0]), "lens_colour": first - last}


def of_middle(
    scene: Scene, patches: list[Patch], lensed: np.ndarray, instrument: Instrument
) -> dict[str, Any]:
    """The galaxy in the middle: a deflector, or what takes its place in an impostor.

    Args:
        scene: whose first light it is.
        patches: of its lights.
        lensed: noise-free image of all lensed light in the first band, electrons/s, shape (n, n).
        instrument: that it is seen with.

    Returns:
        mag_lens, lens_flux, lens_colour, see ``of_light``; n_pix_lens, pixels in which its light, before the
        point-spread function spreads it, is above one standard deviation of the sky in the first band; and
        sb_contrast, the highest surface brightness of the lensed light over that of this galaxy in the same
        pixel, missing where there is no lensed light or this galaxy does not reach.
    """
    light, patch, band = scene.lights[0], patches[0], instrument.bands[0]
    seen = np.zeros((band.n_pixels, band.n_pixels), np.float32)
    if patch.light.size:
        seen[tuple(map(render.coarse, patch[:2]))] = np.float32(light.flux[0]) * render.binned(
            patch.light, render.FACTOR
        )
    brightest = np.unravel_index(lensed.argmax(), lensed.shape)
    there = seen[brightest] > 0 and lensed[brightest] > 0
    return {
        **of_light(light, instrument),
        "n_pix_lens": int((seen > band.sky_sigma).sum()),
        "sb_contrast": float(lensed[brightest] / seen[brightest]) if there else math.nan,
    }


def of_mass(scene: Scene, instrument: Instrument) -> dict[str, Any]:
    """Critical curves for the source (``lensing.critical_curves``) as n_crit and crit_area; ein_area.

    ein_area, arcsec^2, is that of a circle with the Einstein radius of the foreground deflector.
    """
    if not scene.lenses:
        return {}
    half = populations.half_stamp(instrument)
    n_crit, crit_area = lensing.critical_curves(scene.lenses, scene.z_source, half)
    return {"n_crit": n_crit, "crit_area": crit_area, "ein_area": math.pi * scene.lenses[0].theta_e ** 2}


def of_surroundings(scene: Scene) -> dict[str, int]:
    """Companions within 3, 5 and 10 arcsec of the galaxy in the middle; galaxies that shine through a lens.

    Arms, rings and tails of the galaxy itself are no companions.
    """
    x, y = centre(scene.lights[0].profile)
    beside = [centre(light.profile) for light in scene.lights if light.layer == "rest" and not light.part]
    distances = np.array([math.hypot(one[0] - x, one[1] - y) for one in beside])
    within = {f"n_gal_{radius}": int((distances < radius).sum()) for radius in (3, 5, 10)}
    return within | {"n_sources": sum(light.plane > 0 for light in scene.lights)}
