"""Figures of the data of akhazhanov2018: how lensing works, what is learned from, what is judged on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.transfer.figures.words import Provenance

LENSES, OTHERS = plotting.PALETTE[2], plotting.REFERENCE  # boxes of Fig. 5-1; dashes tell them apart in grey
COLUMNS = ["panel", "row", "column", "id", "label", "kind", "copy", "peak_sigma"]
SETS = {
    "hard": "harder\nconditions",
    "grade_a": "candidates,\ngrade A",
    "grade_b": "candidates,\ngrade B",
    "grade_c": "candidates,\ngrade C",
    "real": "real,\nHST F814W",
}
RAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("light that reaches the observer", {"color": plotting.INK, "linewidth": 1.4, "zorder": 3}),
    "other": ("where other directions lead", {"color": plotting.PALETTE[9], "linewidth": 0.9}),
    "apparent": ("where the source seems to be", {"color": plotting.REFERENCE, "linestyle": "--"}),
}


# --- tiles


def _image(row: Any) -> np.ndarray:
    return np.asarray(row.seen, dtype=float).reshape(row.n, row.n)


def _draw(axes: Axes, row: Any, words: str) -> None:
    """A stamp as networks see it, from 0, the sky, to 1."""
    axes.imshow(_image(row), origin="lower", cmap="gray", vmin=0, vmax=1)
    axes.set_title(words, fontsize=5.5, pad=1.5)


def _fill(grid: np.ndarray, rows: Sequence[Any], reason: str, words: Any) -> list[dict[str, Any]]:
    """Draw stamps in reading order; places without one say why. Returns a row for each stamp."""

    def one(axes: Axes, row: Any) -> dict[str, Any]:
        _draw(axes, row, words(row))
        told = [name for name in COLUMNS if name not in ("row", "column")]
        return {name: getattr(row, name, None) for name in told}

    return plotting.tiles(grid, rows, one, reason)


def _panel(tiles: pd.DataFrame, name: str) -> list[Any]:
    return list(tiles[tiles["panel"] == name].itertuples(index=False))


def _word(row: Any) -> str:
    return {1: "lens", 0: "no lens"}.get(row.label, "not known")


def _save(
    figure: Figure, stem: str | Path, drawn: list[dict[str, Any]], provenance: Provenance
) -> list[Path]:
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=COLUMNS), provenance)


# --- figures of the thesis


@plotting.style()
def fig2_1(
    rays: Table, ring: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Light paths past a galaxy in cross-section, and the Einstein ring that the observer sees.

    Args:
        rays: corners of light paths: ray, kind, theta_arcsec, place, distance_mpc, height_kpc.
        ring: one row: image ``vis`` (electrons/s, row by row), n, pixel_scale_arcsec, sky_sigma, theta_e.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Akhazhanov 2018, Fig. 2-1.
    """
    paths, image = plotting.read(rays), next(plotting.read(ring).itertuples(index=False))
    figure = plotting.new(plotting.PAGE_IN, 2.9)
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1))
    _paths(left, paths)
    _ring(right, image)
    return plotting.save(figure, stem, paths.assign(theta_e_arcsec=image.theta_e), provenance)


def _paths(axes: Axes, paths: pd.DataFrame) -> None:
    named = set()
    for (_, kind), ray in paths.groupby(["ray", "kind"]):
        words, look = RAYS[kind]
        axes.plot(ray["distance_mpc"], ray["height_kpc"], label=None if kind in named else words, **look)
        named.add(kind)
    places = paths.groupby("place")["distance_mpc"].first()
    at_source = paths[(paths["kind"] == "image") & (paths["place"] == "source")]["height_kpc"].mean()
    for place, height, marker, size in (
        ("observer", 0, "D", 6),
        ("lens", 0, "o", 11),
        ("source", at_source, "*", 9),
    ):
        axes.plot(places[place], height, marker, color=plotting.INK, markersize=size, zorder=4)
        words = "galaxy (lens)" if place == "lens" else place
        look = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        at = axes.get_xaxis_transform()
        axes.text(places[place], 0.03, words, transform=at, ha="center", fontsize=7, bbox=look)
    axes.axvline(places["lens"], color=plotting.PALE, linewidth=0.6, zorder=0)
    axes.axvline(places["source"], color=plotting.PALE, linewidth=0.6, zorder=0)
    axes.margins(x=0.09)
    axes.set(xlabel="comoving distance (Mpc)", ylabel="comoving height (kpc)", title="A  light paths")
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.12 * (high - low), high + 0.38 * (high - low))
    axes.legend(loc="upper left")


def _ring(axes: Axes, image: Any) -> None:
    half = image.n * image.pixel_scale_arcsec / 2
    shown = np.asarray(image.vis, dtype=float).reshape(image.n, image.n) / image.sky_sigma
    stretched = np.arcsinh(shown / 3) / np.arcsinh(1000 / 3)
    extent = (-half, half, -half, half)
    axes.imshow(stretched, origin="lower", cmap="gray", vmin=0, vmax=1, extent=extent)
    angle = np.linspace(0, 2 * np.pi, 100)
    axes.plot(
        image.theta_e * np.cos(angle),
        image.theta_e * np.sin(angle),
        linestyle=(0, (2, 3)),
        color="white",
        linewidth=0.8,
        label=f"Einstein radius {image.theta_e:.2f} arcsec",
    )
    axes.grid(False)
    axes.legend(loc="lower center", facecolor=plotting.INK, labelcolor="white")
    axes.set(xlabel="x (arcsec)", ylabel="y (arcsec)", title="B  what the observer sees")


@plotting.style()
def fig5_1(tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """The training set: lenses in a green box to the left, non-lenses in a red one to the right.

    Args:
        tiles: see ``transfer.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Akhazhanov 2018, Fig. 5-1.
    """
    table = plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 4.6)
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)  # room for the boxes
    drawn = []
    for part, (name, title, colour, dashes) in zip(
        figure.subfigures(1, 2, squeeze=False, wspace=0.03)[0],
        (("lens", "lenses", LENSES, "solid"), ("non_lens", "non-lenses", OTHERS, "dashed")),
        strict=True,
    ):
        _boxed(part, colour, dashes)
        part.suptitle(title, fontsize=8)
        rows = _panel(table, name)
        grid = part.subplots(5, 4, squeeze=False)
        drawn += _fill(grid, rows, f"this set has {len(rows)}", _of_training)
    return _save(figure, stem, drawn, provenance)


def _of_training(row: Any) -> str:
    return str(row.id) if row.label else row.kind.replace("_", " ")


def _boxed(part: SubFigure, colour: str, dashes: str) -> None:
    look: dict[str, Any] = {"fill": False, "linewidth": 1.6, "color": colour, "linestyle": dashes}
    part.add_artist(Rectangle((0.008, 0.008), 0.984, 0.984, transform=part.transSubfigure, **look))


@plotting.style()
def fig5_2(tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """A random sample of the augmented training set with labels.

    Args:
        tiles: see ``transfer.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Akhazhanov 2018, Fig. 5-2.
    """
    rows = _panel(plotting.read(tiles), "augmented")
    figure = plotting.new(plotting.PAGE_IN, 4.4)
    grid = figure.subplots(4, 7, squeeze=False)
    drawn = _fill(grid, rows, f"there are {len(rows)}", lambda row: f"[{row.label == 1}]")
    return _save(figure, stem, drawn, provenance)


# --- ours


@plotting.style()
def extra_sets(tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """What networks are judged on beside the folds: harder conditions, graded candidates, real stamps.

    Args:
        tiles: see ``transfer.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 1.2 * len(SETS))
    grid = figure.subplots(len(SETS), 7, squeeze=False)
    drawn = []
    for line, (name, words) in enumerate(SETS.items()):
        rows = _panel(table, name)
        reason = f"this set has {len(rows)}" if rows else "no file in the folders of mirrors"
        part = _fill(grid[line : line + 1], rows, reason, lambda row: f"{row.name or row.id}\n{_word(row)}")
        drawn += [tile | {"row": line} for tile in part]
        grid[line, 0].set_ylabel(words, fontsize=7)
    return _save(figure, stem, drawn, provenance)


@plotting.style()
def extra_morphology(
    tiles: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """The ten kinds of objects that trunks are pretrained on, four of each.

    Args:
        tiles: see ``transfer.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    rows = _panel(plotting.read(tiles), "morphology")
    kinds = list(dict.fromkeys(row.kind for row in rows))
    lines = -(-len(kinds) // 2)
    figure = plotting.new(plotting.PAGE_IN, 1.0 * lines)
    grid = figure.subplots(lines, 8, squeeze=False)
    drawn = []
    for place, kind in enumerate(kinds):
        line, first = place // 2, 4 * (place % 2)
        of_kind = [row for row in rows if row.kind == kind]
        part = _fill(
            grid[line : line + 1, first : first + 4], of_kind, f"there are {len(of_kind)}", lambda row: ""
        )
        drawn += [tile | {"row": line, "column": first + tile["column"]} for tile in part]
        grid[line, first].set_ylabel(kind.replace("_", "\n"), fontsize=7)
    return _save(figure, stem, drawn, provenance)
