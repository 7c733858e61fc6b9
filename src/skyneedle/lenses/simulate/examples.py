"""Examples of one data set: single lenses and impostors, compound lenses, or galaxies by morphology."""

import importlib.metadata
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from skyneedle.core import store
from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.core.workers import in_order
from skyneedle.lenses import labels
from skyneedle.lenses.simulate import cosmology, morphology, noise, populations, render, truth
from skyneedle.lenses.simulate.compound import compound, faithful_stretch
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.populations import POPULATIONS, System
from skyneedle.lenses.simulate.render import LAYERS, Blur, Images, Light, Scene
from skyneedle.lenses.simulate.settings import COMPOUNDS, CONTENTS, NEGATIVE_KINDS, Settings

_CHUNK = 8  # examples that a worker makes at a time
_MOST_BYTES = 1 << 30  # of one shard in memory

# Columns of every set, in this order; magnitudes are of the first band, colours of it minus the last, areas
# in arcsec^2. Names of the challenge's catalogue where it has the quantity: x_crit and y_crit (arcsec from
# the middle), mag_source (unlensed), color_diff (lens minus source); those of ``truth`` are explained there.
# Its source_ID and star_mass are not here: sources come from no catalogue, and no stars are counted.
COLUMNS = (
    *("id", "label", "kind", "parent_id", "z_lens", "z_middle", "z_source", "theta_e", "theta_e_middle"),
    *("ein_area", "n_crit", "crit_area", "halo_mass", "sigma_km_s", "sigma_middle_km_s"),
    *("x_crit", "y_crit", "mag_lens", "mag_middle"),
    *("mag_source", "r_source", "n_pix_source", "n_source_im", "mag_eff", "source_flux"),
    *("n_pix_source_middle", "n_source_im_middle", "mag_eff_middle", "source_flux_middle", "two_sets"),
    *("n_pix_lens", "lens_flux", "sb_contrast", "lens_colour", "source_colour", "color_diff"),
    *("n_gal_3", "n_gal_5", "n_gal_10", "n_sources", "roll_rad", "attempts"),
)
_COUNTS = (
    "n_crit",
    "n_pix_source",
    "n_source_im",
    "n_pix_source_middle",
    "n_source_im_middle",
    "two_sets",
    "n_sources",
)


class Example(NamedTuple):
    """One example.

    Attributes:
        images: what the instrument records, electrons/s (see ``render.Images``).
        row: its line in the table of the data set.
        layers: noise-free images by layer, which add up to what was recorded; empty unless asked for.
    """

    images: Images
    row: dict[str, Any]
    layers: dict[str, Images]


def example(
    example_id: int, content: str, settings: Settings, seed: int, with_layers: bool = False
) -> Example:
    """Make one example; depends on nothing but its id, what it is, the settings and the seed.

    Args:
        example_id: global id, unique over all sets.
        content: one of ``settings.CONTENTS``; the label is 1 for a lens and 0 for an impostor, in
            "morphology" the place in ``morphology.KINDS``.
        settings: how.
        seed: root seed.
        with_layers: also the noise-free layers.

    Raises:
        BadSetting: if the content is unknown.
    """
    if content not in CONTENTS:
        raise BadSetting(f"content is {content!r}; expected one of {', '.join(CONTENTS)}.")
    instrument = settings.seen_with(content)
    blur = _blur(example_id, settings, seed)
    row: dict[str, Any]
    if content in COMPOUNDS:
        made = compound(example_id, content, settings, blur, seed)
        scene = made.scene
        row = {"kind": content, "parent_id": example_id, **made.truth, "attempts": made.attempts}
    else:
        drawn_as = _morphology if content == "morphology" else role
        scene, row = _single(example_id, *drawn_as(example_id, settings, seed), settings, instrument, seed)
    layers, patches = render.render(scene, instrument, blur, separate=with_layers)
    if content == "singles":
        row |= _source_truth(scene, layers, patches, instrument)
        row["kind"] = "failed_lens" if row["kind"] == "lens" and not row["label"] else row["kind"]
    elif content == "morphology":
        row["label"] = morphology.KINDS.index(row["kind"])
    else:
        row["label"] = 1 if settings.recipe == "faithful" else row["two_sets"]
    images = noise.observe(noise.total(layers), instrument, generator(seed, example_id, "noise"))
    if content in COMPOUNDS and settings.recipe == "faithful":
        images = Images(*map(faithful_stretch, images))
    row |= {"id": example_id, "roll_rad": blur.roll_rad}
    row |= truth.of_middle(scene, patches, layers["source"].vis, instrument)
    row |= truth.of_mass(scene, instrument) | truth.of_surroundings(scene)
    row["halo_mass"] = cosmology.halo_mass(row["sigma_km_s"], row["z_lens"])
    row["color_diff"] = row["lens_colour"] - row.get("source_colour", math.nan)
    return Example(images, _completed(row), layers if with_layers else {})


def _blur(example_id: int, settings: Settings, seed: int) -> Blur:
    if settings.psf["shape"] == "gaussian":
        return Blur()
    turned = settings.psf["roll"] == "random"
    roll = generator(seed, example_id, "roll").uniform(0, 2 * math.pi / 3) if turned else 0.0
    return Blur(float(settings.psf["amplitude"]), float(roll))


# --- single lenses and impostors


def role(example_id: int, settings: Settings, seed: int) -> tuple[str, int]:
    """What an example is drawn as, and whose scene it has.

    Args:
        example_id: global id; ids 2k and 2k + 1 may be a pair of a lens and an impostor of one scene.
        settings: shares and kinds.
        seed: root seed.

    Returns:
        "lens" or a kind of impostor; and the parent id, which members of a pair share.
    """
    block, place = divmod(example_id, 2)
    random = generator(seed, block, "role")
    paired, lens_place = random.uniform() < settings.share_pairs, random.integers(2)
    if paired:
        parent, negative = 2 * block, place != lens_place
    else:
        share = (settings.share_negatives - settings.share_pairs / 2) / (1 - settings.share_pairs)
        parent, negative = example_id, generator(seed, example_id, "role").uniform() < share
    if not negative:
        return "lens", parent
    # In an order of their own: settings that are equal, as those a shard records, must draw the same.
    kinds = [kind for kind in NEGATIVE_KINDS if kind in settings.negatives]
    weights = np.array([settings.negatives[kind] for kind in kinds], dtype=float)
    picked = generator(seed, example_id, "kind").choice(len(kinds), p=weights / weights.sum())
    return kinds[picked], parent


def _morphology(example_id: int, settings: Settings, seed: int) -> tuple[str, int]:
    """As ``role``: the kinds in turn, so that each is as frequent; every object has a scene of its own."""
    return morphology.KINDS[example_id % len(morphology.KINDS)], example_id


def _single(
    example_id: int, kind: str, parent: int, settings: Settings, instrument: Instrument, seed: int
) -> tuple[Scene, dict[str, Any]]:
    drawn = populations.system(POPULATIONS[settings.population], instrument, generator(seed, parent, "scene"))
    scene = _lensing_scene(drawn)
    row: dict[str, Any] = {
        "kind": kind,
        "parent_id": parent,
        "attempts": 1,
        "z_lens": drawn.lens.z,
        "sigma_km_s": drawn.sigma_km_s,
        "x_crit": drawn.lens.x,
        "y_crit": drawn.lens.y,
    }
    if kind != "lens":
        lensed = render.draw(scene.lights[1], scene, render.grid(instrument)).light.sum(dtype=float)
        random = generator(seed, example_id, "impostor")
        lights = morphology.lights(kind, drawn, lensed * drawn.source.flux, instrument, random)
        return Scene(lights + scene.lights[2:]), row
    return scene, row | {
        "z_source": drawn.source.z,
        "theta_e": drawn.lens.theta_e,
        "mag_source": drawn.source.magnitude,
        "r_source": drawn.source.profile.radius,
        "source_colour": 0.0 - float(drawn.source.colours[-1]),
    }


def _lensing_scene(drawn: System) -> Scene:
    lights = (
        Light(drawn.deflector.profile, drawn.deflector.flux, "lens"),
        Light(drawn.source.profile, drawn.source.flux, "source", plane=1),
        *(Light(one.profile, one.flux, "rest") for one in drawn.companions),
    )
    return Scene(lights, (drawn.lens,), drawn.source.z)


def _source_truth(
    scene: Scene, layers: Mapping[str, Images], patches: list[render.Patch], instrument: Instrument
) -> dict[str, Any]:
    if not scene.lenses:
        return {"label": 0, "n_pix_source": 0, "n_source_im": 0, "source_flux": 0.0}
    magnification = float(patches[1].light.sum(dtype=float))
    found = labels.image_truth(layers["source"].vis, magnification, instrument.bands[0].sky_sigma)
    return found | {"label": int(labels.passes(found))}


def _completed(row: Mapping[str, Any]) -> dict[str, Any]:
    """All columns in order; what an example does not have is 0 for counts and missing for quantities."""
    return {name: row.get(name, 0 if name in _COUNTS else math.nan) for name in COLUMNS}


# --- shards


def write_shard(
    path: str | Path,
    set_name: str,
    content: str,
    ids: range,
    settings: Settings,
    seed: int,
    workers: int = 1,
    with_layers: bool = False,
) -> None:
    """Make the examples of one shard and write them; the bytes do not depend on the number of workers.

    Args:
        path: file to write.
        set_name: of the set, written into the attributes.
        content: what its examples are, one of ``settings.CONTENTS``.
        ids: global ids of the shard's examples.
        settings: how.
        seed: root seed.
        workers: processes; each uses one core.
        with_layers: also the noise-free layers, as arrays ``vis_source``, ``nisp_source`` and so on.

    Raises:
        BadSetting: if the shard would not fit in memory, or the content is unknown.
    """
    instrument = settings.seen_with(content)
    arrays = _empty(len(ids), instrument, with_layers)
    if sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
        raise BadSetting(
            f"{path}: {len(ids)} examples in one shard do not fit in 1 GiB; raise the number of shards."
        )
    rows: list[dict[str, Any]] = []
    chunks = [ids[first : first + _CHUNK] for first in range(0, len(ids), _CHUNK)]
    # A bar on a terminal; in a log, a line now and then.
    with tqdm(
        total=len(ids), desc=f"simulate {set_name}", mininterval=0.5 if sys.stderr.isatty() else 30
    ) as progress:
        for block, more in in_order(_make, chunks, workers, content, settings, seed, with_layers):
            for name, array in block.items():
                arrays[name][len(rows) : len(rows) + len(more)] = array
            rows += more
            progress.update(len(more))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    store.write(path, arrays, table, attributes(set_name, content, settings, seed))


def _empty(n: int, instrument: Instrument, with_layers: bool) -> dict[str, np.ndarray]:
    bands = instrument.bands
    shapes = {"vis": (n, bands[0].n_pixels, bands[0].n_pixels)}
    if len(bands) > 1:
        shapes["nisp"] = (n, len(bands) - 1, bands[1].n_pixels, bands[1].n_pixels)  # type: ignore[assignment]
    names = [(name, name) for name in shapes]
    if with_layers:
        names += [(f"{name}_{layer}", name) for layer in LAYERS for name in shapes]
    return {name: np.empty(shapes[like], np.float32) for name, like in names}


def _make(
    ids: range, content: str, settings: Settings, seed: int, with_layers: bool
) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    made = [example(number, content, settings, seed, with_layers) for number in ids]
    arrays = {name: [getattr(one.images, name) for one in made] for name in Images._fields}
    for layer in LAYERS if with_layers else ():
        arrays |= {
            f"{name}_{layer}": [getattr(one.layers[layer], name) for one in made] for name in Images._fields
        }
    stacked = {name: np.stack(images) for name, images in arrays.items()}
    return {name: array for name, array in stacked.items() if array.size}, [one.row for one in made]


def attributes(set_name: str, content: str, settings: Settings, seed: int) -> dict[str, Any]:
    """What a data set says about itself."""
    instrument = settings.seen_with(content)
    faithful = settings.recipe == "faithful" and content in COMPOUNDS
    return {
        "set": set_name,
        "content": content,
        "seed": seed,
        "recipe": settings.recipe,
        "instrument": instrument.name,
        "bands": list(instrument.names),
        "pixel_scale_arcsec": [band.pixel_scale_arcsec for band in instrument.bands],
        "sky_sigma": [band.sky_sigma for band in instrument.bands],
        "unit": "electrons/s",
        "stretch": "sqrt" if faithful else "linear",
        "settings": {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in asdict(settings).items()
        },
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "scipy")},
    }
