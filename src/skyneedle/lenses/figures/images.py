"""Figures of the data of wilde2022; each takes tables and writes SVG, PDF and the CSV of what is drawn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

COLUMNS = 6
IMPOSTORS = {
    "elliptical": "elliptical",
    "companions": "companions on a ring",
    "spiral": "spiral",
    "ring_galaxy": "ring galaxy",
    "merger": "merger",
    "edge_on": "edge-on disc",
}
FLOOR = 0.5  # of the logarithmic stretch, standard deviations of the sky
TILE_COLUMNS = ["panel", "row", "column", "id", "label", "kind", "score", "low", "high"]
Scores = str | Path | Sequence[str | Path] | None


# --- tiles


def vis_image(row: Any) -> np.ndarray:
    """The image of a tile in VIS, shape (n, n)."""
    return np.asarray(row.vis, dtype=float).reshape(row.n, row.n)


def _composite(row: Any) -> np.ndarray:
    pixels = np.asarray(row.composite, dtype=float)
    side = round((len(pixels) / 3) ** 0.5)
    return pixels.reshape(side, side, 3)


def log_stretched(row: Any) -> tuple[np.ndarray, float, float]:
    """VIS from 0 at half the sky noise to 1 at the peak, logarithmic; and these two ends."""
    image, low = vis_image(row), FLOOR * row.sky_sigma
    high = max(float(image.max()), 2 * low)
    return np.log(np.maximum(image, low) / low) / np.log(high / low), low, high


def _caption(axes: Axes, row: Any) -> None:
    word = "lens" if row.label else "no lens"
    score = getattr(row, "score", np.nan)
    said = "" if np.isnan(score) else f", {score:.2f}"
    axes.set_title(f"{row.id}: {word}{said}", fontsize=5.5, pad=1.5)


def _log_tile(axes: Axes, row: Any) -> dict[str, float]:
    """VIS on a logarithmic scale from half the sky noise to the peak."""
    shown, low, high = log_stretched(row)
    axes.imshow(shown, origin="lower", cmap="gray", vmin=0, vmax=1)
    _caption(axes, row)
    return {"low": low, "high": high}


def _linear_tile(axes: Axes, row: Any) -> dict[str, float]:
    """Values as they are saved, from the least to the 99.5th percentile."""
    image = vis_image(row)
    low, high = float(image.min()), float(np.percentile(image, 99.5))
    axes.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high)
    _caption(axes, row)
    return {"low": low, "high": high}


def _colour_tile(axes: Axes, row: Any) -> dict[str, float]:
    if not len(row.composite):
        plotting.panel_without_data(axes, "one band has no colour")
    else:
        axes.imshow(_composite(row), origin="lower")
        _caption(axes, row)
    return {"low": 0.0, "high": 1.0}


def _fill(
    grid: np.ndarray, rows: Sequence[Any], draw_tile: Callable[[Axes, Any], dict[str, float]], reason: str
) -> list[dict[str, Any]]:
    """Draw tiles in reading order; places without an image say why."""

    def one(axes: Axes, row: Any) -> dict[str, Any]:
        said = {name: getattr(row, name) for name in ("panel", "id", "label", "kind")}
        return said | {"score": getattr(row, "score", np.nan)} | draw_tile(axes, row)

    return plotting.tiles(grid, rows, one, reason)


def _scored(tiles: Table, scores: Scores) -> tuple[pd.DataFrame, str]:
    """Tiles with what a network says to each (NaN where it was not asked), and words that name it."""
    table = plotting.read(tiles)
    paths = [scores] if isinstance(scores, (str, Path)) else list(scores or ())
    if not paths:
        return table.assign(score=np.nan), ""
    answers = [pd.read_parquet(path) for path in paths]
    by_id = pd.concat(answers).drop_duplicates("id").set_index("id")["score"]
    return table.assign(score=table["id"].map(by_id)), f", score of {answers[0].attrs['network']}"


def _panels(table: pd.DataFrame, names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: list(table[table["panel"] == name].itertuples(index=False)) for name in names}


def _stacked(
    tiles: Table, words: Mapping[str, str], scores: Scores, stem: str | Path, provenance: Any
) -> list[Path]:
    """Two rows of logarithmic tiles for each panel, one panel above the other."""
    names = tuple(words)
    table, by_whom = _scored(tiles, scores)
    panels = _panels(table, names)
    figure = plotting.new(plotting.PAGE_IN, 2.5 * len(names))
    drawn = []
    for part, (name, rows) in zip(
        figure.subfigures(len(names), 1, squeeze=False)[:, 0], panels.items(), strict=True
    ):
        part.suptitle(f"{words[name]}{by_whom}", fontsize=8)
        grid = part.subplots(2, COLUMNS, squeeze=False)
        drawn += _fill(grid, rows[: 2 * COLUMNS], _log_tile, f"this set has {len(rows)}")
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=TILE_COLUMNS), provenance)


# --- figures of the paper


@plotting.style()
def fig1(
    tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None, scores: Scores = None
) -> list[Path]:
    """Images of the training set: lenses above, non-lenses below.

    Args:
        tiles: see ``simulate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.
        scores: what one network says to the images, parquet with columns id and score; None for none.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 1.
    """
    words = {"lens": "lenses", "non_lens": "non-lenses"}
    return _stacked(tiles, words, scores, stem, provenance)


@plotting.style()
def fig2(
    tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None, scores: Scores = None
) -> list[Path]:
    """Images of compound lenses: arcs above, double rings below.

    Args:
        tiles: see ``simulate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.
        scores: as of ``fig1``.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 2.
    """
    words = {"arcs": "compound arcs", "rings": "double rings"}
    return _stacked(tiles, words, scores, stem, provenance)


# --- ours


@plotting.style()
def extra_impostors(
    tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None, scores: Scores = None
) -> list[Path]:
    """Each kind of impostor: VIS, and in colour.

    Args:
        tiles: see ``simulate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.
        scores: as of ``fig1``.

    Returns:
        The paths written.
    """
    table, by_whom = _scored(tiles, scores)
    panels = _panels(table, tuple(IMPOSTORS))
    figure = plotting.new(plotting.PAGE_IN, 1.15 * len(panels))
    if by_whom:
        figure.suptitle(f"impostors{by_whom}", fontsize=8)
    grid = figure.subplots(len(panels), 8, squeeze=False)
    drawn = []
    for line, (name, rows) in enumerate(panels.items()):
        reason = f"this set has {len(rows)}"
        for first, draw_tile in ((0, _log_tile), (4, _colour_tile)):
            part = _fill(grid[line : line + 1, first : first + 4], rows, draw_tile, reason)
            drawn += [tile | {"row": line, "column": first + tile["column"]} for tile in part]
        grid[line, 0].set_ylabel(IMPOSTORS[name], fontsize=7)
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=TILE_COLUMNS), provenance)


@plotting.style()
def extra_compound_recipes(
    tiles: Table, table: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Compound lenses of both recipes: images as saved, in colour, and the colours of lenses and sources.

    Args:
        tiles: see ``simulate.recipes.compared``.
        table: likewise, the truth.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: spec A4; Wilde et al. 2022, Sec. 2.2 and 4.
    """
    names = [f"{recipe} {content}" for content in ("arcs", "rings") for recipe in ("corrected", "faithful")]
    panels = _panels(plotting.read(tiles), names)
    figure = plotting.new(plotting.PAGE_IN, 6.6)
    above, below = figure.subfigures(2, 1, height_ratios=(4.4, 2.2), squeeze=False)[:, 0]
    grid = above.subplots(len(names), 8, squeeze=False)
    drawn = []
    for line, (name, rows) in enumerate(panels.items()):
        for first, draw_tile in ((0, _linear_tile), (4, _colour_tile)):
            part = _fill(grid[line : line + 1, first : first + 4], rows, draw_tile, "none was made")
            drawn += [
                {**tile, "row": line, "column": first + tile["column"], "element": "tile"} for tile in part
            ]
        grid[line, 0].set_ylabel(name.replace(" ", "\n"), fontsize=7)
    truth = plotting.read(table)
    drawn += _colour_panels(below.subplots(1, 2), truth)
    columns = ["element", *(name for name in TILE_COLUMNS if name != "score")]  # no network was asked
    columns += ["theta_e", "lens_colour", "source_colour"]
    return plotting.save(figure, stem, pd.DataFrame(drawn).reindex(columns=columns), provenance)


def _colour_panels(axes: Sequence[Axes], truth: pd.DataFrame) -> list[dict[str, Any]]:
    drawn = []
    for index, (recipe, rows) in enumerate(truth.groupby("recipe")):
        look = plotting.series(index, line=False) | {"markersize": 2.5, "alpha": 0.6}
        axes[0].plot(rows["source_colour"], rows["lens_colour"], label=recipe, **look)
        ordered = np.sort(rows["theta_e"])
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        axes[1].step(ordered, share, where="post", color=plotting.PALETTE[index], label=recipe)
        drawn += [
            {"element": "point", "panel": f"{recipe} {row.content}", "id": row.id, "label": 1}
            | {name: getattr(row, name) for name in ("theta_e", "lens_colour", "source_colour")}
            for row in rows.itertuples()
        ]
    ends = np.array([*axes[0].get_xlim(), *axes[0].get_ylim()])
    line = [ends.min(), ends.max()]
    axes[0].plot(line, line, color=plotting.PALE, linewidth=0.8, label="equal")
    axes[0].set(xlabel="source VIS - H (mag)", ylabel="foreground lens VIS - H (mag)")
    axes[1].set(xlabel="Einstein radius of the foreground (arcsec)", ylabel="share below", ylim=(0, 1.02))
    for one in axes:
        one.legend(loc="lower right")
    return drawn
