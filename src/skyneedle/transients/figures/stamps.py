"""Figures of template, search and difference stamps; SVG, PDF and the CSV of what is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

Provenance = Mapping[str, Any] | None
CHANNELS = {"temp": "template", "srch": "search", "diff": "difference"}
WORDS = {0: "non-artifact", 1: "artifact"}
KINDS = {
    "dipole": "dipole (misaligned)",
    "psf_mismatch": "PSF mismatch",
    "cosmic_ray": "cosmic ray",
    "saturated": "saturated star",
    "bad_column": "bad column",
    "trail": "trail",
    "edge": "edge of the CCD",
    "noise_peak": "noise peak",
    "hot_pixel": "hot pixel",
    "supernova": "supernova",
    "moving": "moving object",
    "variable": "variable star",
}
SOFT, HIGH = 3.0, 150.0  # noise units: where the stretch turns logarithmic, and where it ends
MASKED = 1e-30  # what the survey writes into masked pixels


def stretched(plane: np.ndarray) -> tuple[np.ndarray, float, float]:
    """A plane from -1 to 1: inverse hyperbolic sine of the deviation from its median in units of its noise.

    The noise is 1.4826 times the median absolute deviation; masked pixels are NaN.

    Args:
        plane: shape (side, side).

    Returns:
        The stretched plane, its median and its noise.
    """
    plane = np.where((plane == np.float32(MASKED)) | ~np.isfinite(plane), np.nan, plane.astype(float))
    if np.isnan(plane).all():
        return plane, np.nan, np.nan
    middle = float(np.nanmedian(plane))
    noise = 1.4826 * float(np.nanmedian(np.abs(plane - middle)))
    noise = noise or float(np.nanstd(plane)) or 1.0
    return np.arcsinh((plane - middle) / noise / SOFT) / np.arcsinh(HIGH / SOFT), middle, noise


@plotting.style()
def fig2(tiles: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Template, search and difference of five artifacts and five non-artifacts.

    Args:
        tiles: see ``evaluate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 2.
    """
    panels = {"artifact": "given as artifacts", "non_artifact": "given as non-artifacts"}
    return _halves(tiles, panels, 5, lambda row: f"{row.id}", stem, provenance)


@plotting.style()
def fig6(tiles: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Triplets whose label the review changed, in both directions.

    Args:
        tiles: see ``evaluate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 6.
    """
    panels = {"to_artifact": "non-artifact → artifact", "to_non_artifact": "artifact → non-artifact"}
    return _halves(tiles, panels, 4, lambda row: KINDS.get(row.kind, f"{row.id}"), stem, provenance)


@plotting.style()
def extra_kinds(tiles: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Triplets of every kind of artifact and of real detection that the survey holds.

    Args:
        tiles: see ``evaluate.gallery.tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(tiles)
    found = [name for name in KINDS if (table["panel"] == f"kind_{name}").any()]
    figure = plotting.new(plotting.PAGE_IN, 0.62 * -(-len(found) // 2))
    drawn: list[dict[str, Any]] = []
    halves: Any = figure.subfigures(1, 2)
    for half, names in zip(halves, (found[0::2], found[1::2]), strict=True):
        grid = half.subplots(-(-len(found) // 2), 9, squeeze=False)
        for line, axes in enumerate(grid):
            rows = table[table["panel"] == f"kind_{names[line]}"] if line < len(names) else table[:0]
            drawn += _line(axes, list(rows.itertuples(index=False)))
            if len(rows):
                axes[4].set_title(KINDS[names[line]], fontsize=6.5, pad=2)
    return plotting.save(figure, stem, pd.DataFrame(drawn), provenance)


def _halves(
    tiles: Table, panels: Mapping[str, str], n: int, words: Any, stem: str | Path, provenance: Provenance
) -> list[Path]:
    """Two blocks side by side, one triplet a line."""
    table = plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 1.12 * n + 0.5)
    drawn: list[dict[str, Any]] = []
    halves: Any = figure.subfigures(1, 2)
    for half, (name, title) in zip(halves, panels.items(), strict=True):
        half.suptitle(title, fontsize=8)
        rows = list(table[table["panel"] == name].itertuples(index=False))
        if not rows:
            plotting.panel_without_data(half.subplots(), "no label of this kind was changed")
            continue
        grid = half.subplots(n, 3, squeeze=False)
        for axes, word in zip(grid[0], CHANNELS.values(), strict=True):
            axes.set_title(word, fontsize=7, pad=2)
        for line, axes in enumerate(grid):
            drawn += _line(axes, rows[line : line + 1])
            if line < len(rows):
                axes[0].set_ylabel(words(rows[line]), fontsize=6)
    columns = ["panel", "id", "label", "kind", "plane", "median", "noise"]
    return plotting.save(figure, stem, pd.DataFrame(drawn, columns=columns), provenance)


def _line(axes: Sequence[Axes], rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Triplets from left to right; places that are left over stay empty."""
    for one in axes:
        plotting.blank(one)
    drawn = []
    for number, row in enumerate(rows):
        for place, name in enumerate(CHANNELS):
            image, median, noise = stretched(np.asarray(getattr(row, name)).reshape(row.side, row.side))
            shown = axes[3 * number + place]
            shown.set_facecolor("#c4a35a")  # masked pixels
            shown.imshow(image, origin="lower", cmap="gray", vmin=-0.5, vmax=1)
            drawn.append(
                {"panel": row.panel, "id": row.id, "label": row.label, "kind": row.kind, "plane": name}
                | {"median": median, "noise": noise}
            )
    return drawn
