"""Compound lenses: a galaxy behind a galaxy, and a source behind both.

The corrected recipe bends the light of both background galaxies on two lens planes, with Einstein radii for
the source's redshift, and keeps systems of which both show as strongly lensed. The faithful recipe makes the
published notebook's images with their faults (spec A4): the middle galaxy is drawn in front of the lens,
Einstein radii belong to other redshifts than the ray tracing takes them for, and colours are broken.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.lenses import labels
from skyneedle.lenses.simulate import colours, cosmology, lensing, populations, render
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.lensing import Lens
from skyneedle.lenses.simulate.populations import POPULATIONS, Galaxy, Population
from skyneedle.lenses.simulate.profiles import Sersic
from skyneedle.lenses.simulate.render import Blur, Light, Scene
from skyneedle.lenses.simulate.settings import Settings

RING_OFFSET = 0.25  # arcsec, Table 1
SHARE_HEAVIER_IN_FRONT = 2 / 3  # Sec. 2.2
MOST_ATTEMPTS = 400
_LEAST_Z_STEP = 0.15

# The notebook's own ranges, where they differ from those printed in Table 1 (spec A4.6).
FAITHFUL_RADIUS = (0.2, 7.0)  # arcsec
FAITHFUL_N = (1.5, 4.0)
FAITHFUL_Q = (0.3, 1.0)
FAITHFUL_SHEAR = 0.05
FAITHFUL_Z_CONVENTION = 5.0  # the redshift that the ray tracing takes Einstein radii for
FAITHFUL_BRIGHTER = -0.9  # an input of magnitude 19 came out as 18.1 in VIS


class Compound(NamedTuple):
    """A compound lens.

    Attributes:
        scene: to render; lights 0 to 2 are the foreground, the middle galaxy and the source.
        truth: columns of the table.
        attempts: how many draws it took.
    """

    scene: Scene
    truth: dict[str, Any]
    attempts: int


def compound(example_id: int, content: str, settings: Settings, blur: Blur, seed: int) -> Compound:
    """Make one compound lens.

    Args:
        example_id: global id; everything is drawn from it.
        content: "arcs" or "rings".
        settings: how.
        blur: point-spread function, which decides with the noise what shows.
        seed: root seed.

    Raises:
        BadSetting: if the corrected recipe finds no system in ``MOST_ATTEMPTS`` draws.
    """
    instrument = settings.seen_with(content)
    population = POPULATIONS[settings.population]
    for attempt in range(MOST_ATTEMPTS):
        random = generator(seed, example_id, "compound", attempt)
        if settings.recipe == "faithful":
            scene, truth = _faithful(content, population, instrument, random)
            return Compound(scene, truth | _image_truth(scene, instrument, blur), 1)
        scene, truth = _corrected(content, population, instrument, random)
        truth |= _image_truth(scene, instrument, blur)
        if truth["two_sets"]:
            return Compound(scene, truth, attempt + 1)
    raise BadSetting(
        f"Example {example_id}: in {MOST_ATTEMPTS} draws of population '{settings.population}' with "
        f"instrument '{instrument.name}' source and middle galaxy never both showed as lensed; choose a "
        "brighter population or a deeper instrument for compound lenses."
    )


# --- corrected


def _corrected(
    content: str, population: Population, instrument: Instrument, random: np.random.Generator
) -> tuple[Scene, dict[str, Any]]:
    (z_near, sigma_near), (z_middle, sigma_middle) = _two_deflectors(population, random)
    z_source = populations.truncated(random, *population.z_source, z_middle + 0.3, 7.0)
    theta = cosmology.einstein_radius(sigma_near, z_near, z_source)
    theta_middle = cosmology.einstein_radius(sigma_middle, z_middle, z_source)
    half = population.lens_place * populations.half_stamp(instrument)
    x, y = random.uniform(-half, half, 2)
    reach = RING_OFFSET if content == "rings" else theta / 2
    offsets = random.uniform(-reach, reach, (2, 2))
    near = populations.mass(z_near, theta, float(x + offsets[0, 0]), float(y + offsets[0, 1]), random)
    middle = populations.mass(
        z_middle, theta_middle, float(x + offsets[1, 0]), float(y + offsets[1, 1]), random
    )
    magnitude = float(random.uniform(*population.source_mag))
    galaxies = (
        populations.elliptical(near, sigma_near, instrument, random),
        populations.elliptical(middle, sigma_middle, instrument, random),
        populations.background((float(x), float(y)), z_source, magnitude, instrument, random),
    )
    beside = populations.companions(population, instrument, random)
    lights = (
        Light(galaxies[0].profile, galaxies[0].flux, "lens"),
        Light(galaxies[1].profile, galaxies[1].flux, "source", plane=1),
        Light(galaxies[2].profile, galaxies[2].flux, "source", plane=2),
        *(Light(one.profile, one.flux, "rest") for one in beside),
    )
    scene = Scene(lights, (near, middle), z_source)
    return scene, _truth(scene, galaxies, (sigma_near, sigma_middle))


def _two_deflectors(
    population: Population, random: np.random.Generator
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Redshift and velocity dispersion of two deflectors, the nearer first and mostly the heavier."""
    while True:
        first, second = sorted(populations.draw_deflector(population, random) for _ in range(2))
        if second[0] - first[0] >= _LEAST_Z_STEP:
            break
    light, heavy = sorted((first[1], second[1]))
    in_front = random.uniform() < SHARE_HEAVIER_IN_FRONT
    return (first[0], heavy if in_front else light), (second[0], light if in_front else heavy)


# --- faithful


def _faithful(
    content: str, population: Population, instrument: Instrument, random: np.random.Generator
) -> tuple[Scene, dict[str, Any]]:
    z_lens, sigma = populations.draw_deflector(population, random)
    rows = [
        (z_lens, populations.deflector_magnitude(z_lens, sigma, random)),
        # The other deflector is taken from the sources of the catalogue, those in front of redshift 3.
        (
            populations.truncated(random, *population.z_source, 0.2, 3.0),
            float(random.uniform(*population.source_mag)),
        ),
    ]
    (z_near, mag_near), (z_middle, mag_middle) = sorted(rows)
    z_source = populations.truncated(random, *population.z_source, 3.0, FAITHFUL_Z_CONVENTION - 0.1)
    sigmas = faber_jackson(mag_near, z_near), faber_jackson(mag_middle, z_middle)
    given = (
        cosmology.einstein_radius(sigmas[0], z_near, z_middle),
        cosmology.einstein_radius(sigmas[1], z_middle, z_source),
    )
    lenses, galaxies = [], []
    for z, theta, magnitude in zip((z_near, z_middle), given, (mag_near, mag_middle), strict=True):
        reach = RING_OFFSET if content == "rings" else theta / 2
        x, y = random.uniform(-reach, reach, 2)
        q, phi = random.uniform(*FAITHFUL_Q), random.uniform(0, math.pi)
        shear = random.uniform(-FAITHFUL_SHEAR, FAITHFUL_SHEAR, 2)
        lens = Lens(z, theta, float(q), float(phi), float(x), float(y), *map(float, shear))
        lenses.append(lensing.rescaled(lens, FAITHFUL_Z_CONVENTION, z_source))
        profile = _faithful_profile(lens.x, lens.y, lens.q, lens.phi, random)
        galaxies.append(_faithful_galaxy(profile, magnitude, z, instrument))
    magnitude = float(random.uniform(*population.source_mag))
    source = _faithful_profile(0.0, 0.0, 1.0, 0.0, random)
    galaxies.append(_faithful_galaxy(source, magnitude, z_source, instrument))
    lights = (
        Light(galaxies[0].profile, galaxies[0].flux, "lens"),
        Light(galaxies[1].profile, galaxies[1].flux, "lens"),  # seen directly, as if nothing were in front
        Light(galaxies[2].profile, galaxies[2].flux, "source", plane=2),
    )
    scene = Scene(lights, tuple(lenses), z_source)
    return scene, _truth(scene, tuple(galaxies), sigmas)


def faber_jackson(magnitude: float, z: float) -> float:
    """Velocity dispersion in km/s from an apparent magnitude, without K-correction (spec A4.5)."""
    absolute = magnitude - cosmology.distance_modulus(z)
    return 10 ** (-0.0886 * absolute + 0.547)


def _faithful_profile(x: float, y: float, q: float, phi: float, random: np.random.Generator) -> Sersic:
    return Sersic(x, y, float(random.uniform(*FAITHFUL_RADIUS)), float(random.uniform(*FAITHFUL_N)), q, phi)


def _faithful_galaxy(profile: Sersic, magnitude: float, z: float, instrument: Instrument) -> Galaxy:
    differences = colours.faithful_colours(z, instrument)
    return populations.coloured(profile, magnitude + FAITHFUL_BRIGHTER, differences, z, instrument)


def faithful_stretch(image: np.ndarray) -> np.ndarray:
    """The notebook saved square roots of what lies between 0 and 10,000, over 100 (spec A4.9)."""
    return np.sqrt(np.clip(image, 0, 10_000)) / np.float32(100)


def unstretched(image: np.ndarray) -> np.ndarray:
    """Undo ``faithful_stretch``; what it cut off stays cut off."""
    return (100 * image) ** 2


# --- truth


def _truth(scene: Scene, galaxies: tuple[Galaxy, ...], sigmas: tuple[float, float]) -> dict[str, Any]:
    near, middle = scene.lenses
    return {
        "z_lens": near.z,
        "z_middle": middle.z,
        "z_source": scene.z_source,
        "theta_e": near.theta_e,
        "theta_e_middle": middle.theta_e,
        "sigma_km_s": sigmas[0],
        "sigma_middle_km_s": sigmas[1],
        "x_crit": near.x,
        "y_crit": near.y,
        "mag_middle": galaxies[1].magnitude,
        "mag_source": galaxies[2].magnitude,
        "r_source": galaxies[2].profile.radius,
        "source_colour": 0.0 - float(galaxies[2].colours[-1]),
    }


def _image_truth(scene: Scene, instrument: Instrument, blur: Blur) -> dict[str, Any]:
    """What the labelling rule says of the source and of the middle galaxy, each by itself."""
    band, grid = instrument.bands[0], render.grid(instrument)
    truth: dict[str, Any] = {}
    verdicts = []
    for place, suffix in ((2, ""), (1, "_middle")):
        light = scene.lights[place]
        patch = render.draw(light, scene, grid)
        if light.plane:
            blurred = render.first_band([(light, patch)], grid, blur)
            found = labels.image_truth(blurred, float(patch.light.sum(dtype=float)), band.sky_sigma)
        else:  # not lensed at all: one image, not magnified
            found = {"n_pix_source": 0, "n_source_im": 0, "mag_eff": 1.0, "source_flux": 0.0}
        verdicts.append(labels.passes(found))
        truth |= {name + suffix: value for name, value in found.items()}
    return truth | {"two_sets": int(all(verdicts))}
