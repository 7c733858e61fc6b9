"""What the two recipes make of compound lenses: images, colours and Einstein radii."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core.files import appearing
from skyneedle.core.workers import in_order
from skyneedle.lenses.simulate import compound, gallery
from skyneedle.lenses.simulate.examples import example
from skyneedle.lenses.simulate.settings import RECIPES, Settings

FIRST_ID = 900_000  # apart from the ids of all sets
N_TILES = 4
_COLUMNS = ("id", "theta_e", "mag_eff", "mag_eff_middle", "lens_colour", "source_colour", "two_sets")


def compared(
    settings: Mapping[str, Any], n_examples: int, seed: int, workers: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compound lenses of both recipes.

    Args:
        settings: of the simulation; the recipe is set here.
        n_examples: of each kind and recipe.
        seed: root seed.
        workers: processes.

    Returns:
        The truth, columns recipe, content and what ``examples`` says of each; and images of the first ones,
        see ``gallery.tiles``.

    Source: spec A4.
    """
    pieces = [(recipe, content) for recipe in RECIPES for content in ("arcs", "rings")]
    made = list(in_order(_piece, pieces, workers, dict(settings), n_examples, seed))
    truth = pd.DataFrame([row for rows, _ in made for row in rows])
    return truth, pd.DataFrame([row for _, rows in made for row in rows])


def _piece(
    piece: tuple[str, str], settings: dict[str, Any], n_examples: int, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    recipe, content = piece
    chosen = Settings(**{**settings, "recipe": recipe})
    sigma = [band.sky_sigma for band in chosen.seen_with(content).bands]
    rows, tiles = [], []
    for number in range(n_examples):
        # Arcs and rings of one id would be drawn alike.
        one = example(FIRST_ID + number + (content == "rings") * 10_000, content, chosen, seed)
        rows.append({"recipe": recipe, "content": content, **{name: one.row[name] for name in _COLUMNS}})
        if number < N_TILES:
            tile = gallery.tile(f"{recipe} {content}", one.row, *one.images, sigma)
            if recipe == "faithful":  # colours of the light, not of its square root
                vis, nisp = map(compound.unstretched, one.images)
                tile["composite"] = gallery.composite(vis, nisp, sigma).ravel()
            tiles.append(tile)
    return rows, tiles


def write(
    settings: Mapping[str, Any],
    n_examples: int,
    seed: int,
    table: str | Path,
    tiles: str | Path,
    workers: int = 1,
) -> None:
    """Write both tables of ``compared``, as CSV and as parquet."""
    truth, images = compared(settings, n_examples, seed, workers)
    with appearing(table) as partial:
        truth.to_csv(partial, index=False, float_format="%.6g")
    with appearing(tiles) as partial:
        images.to_parquet(partial, index=False)


def priors() -> pd.DataFrame:
    """What compound lenses are drawn from: as printed, as the notebook had it, and here.

    Returns:
        Columns parameter, unit, printed_low, printed_high, notebook_low, notebook_high, corrected.

    Source: Wilde et al. 2022, Table 1; spec A4.6.
    """
    singles = "as in single lenses"
    ring, half = compound.RING_OFFSET, "θ_E / 2"
    shear = compound.FAITHFUL_SHEAR
    radius, index, ratio = compound.FAITHFUL_RADIUS, compound.FAITHFUL_N, compound.FAITHFUL_Q
    rows = [
        ("R sersic", "arcsec", "0.2", "7", *map(str, radius), singles),
        ("n sersic", "", "1.5", "20", *map(str, index), singles),
        ("X and Y position of source", "arcsec", "-5", "5", "0", "0", singles),
        ("Angle", "rad", "0", "π", "0", "π", "0 to π"),
        ("Axis ratio", "", "0.3", "1", *map(str, ratio), "0.55 to 1"),
        (
            "X and Y position of compound arc lens galaxy",
            "arcsec",
            "source - 5",
            "source + 5",
            f"-{half}",
            half,
            f"source ± {half} of the foreground",
        ),
        (
            "X and Y position of double ring lens galaxy",
            "arcsec",
            "source - 0.25",
            "source + 0.25",
            str(-ring),
            str(ring),
            f"source ± {ring}",
        ),
        ("Gamma", "", "-0.5", "0.5", str(-shear), str(shear), "normal, standard deviation 0.03"),
    ]
    names = ["parameter", "unit", "printed_low", "printed_high", "notebook_low", "notebook_high", "corrected"]
    return pd.DataFrame(rows, columns=names)
