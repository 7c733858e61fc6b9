"""The contact sheet: the objects with the highest scores in colour, each with its name and score."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.lenses.figures.attribution import SIGNED
from skyneedle.lenses.preprocess import BANDS, NISP, sky_noise
from skyneedle.lenses.simulate.gallery import composite

COLUMNS = 6
LETTERS = 26  # of a name that fit above a tile
LABELS = {0: "no lens", 1: "lens"}
SKY, WHITE = 10, 1500  # of the grey stretch, as of the colours: standard deviations of the sky


class Tile(NamedTuple):
    """One object on the sheet.

    Attributes:
        name: of the object.
        score: between 0 and 1.
        logit: log odds of being a lens.
        label: 1 lens, 0 no lens, -1 unknown.
        planes: stamp of each band at hand.
        attribution: map of the network's reasons, shape (size, size), or None.
    """

    name: str
    score: float
    logit: float
    label: int
    planes: dict[str, np.ndarray]
    attribution: np.ndarray | None = None


def draw(path: Path, tiles: Sequence[Tile], title: str, method: str = "") -> None:
    """Write the sheet, whole or not at all.

    Args:
        path: PNG file.
        tiles: in the order to show.
        title: above it.
        method: of the maps, for the caption.
    """
    is_colour = all(set(BANDS) <= set(tile.planes) for tile in tiles)
    widths = 2 if method else 1
    rows = -(-len(tiles) * widths // COLUMNS)
    with plotting.style():
        caption = textwrap.fill(_caption(is_colour, tiles, method), 150)
        head = 0.35 + 0.14 * (caption.count("\n") + 1)
        figure = plotting.new(plotting.PAGE_IN, 1.36 * rows + head)
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.ravel():
            axes.axis("off")
        for place, tile in enumerate(tiles):
            axes = grid.ravel()[widths * place]
            _show(axes, tile, is_colour)
            if tile.attribution is not None:
                _show_map(grid.ravel()[widths * place + 1], tile.attribution)
        figure.suptitle(title, fontsize=8)
        figure.supxlabel(caption, fontsize=6)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
    plotting.write_bytes(path, buffer.getvalue())


def short(name: str) -> str:
    """A name that fits above a tile: its last part, the middle left out if need be."""
    name = name.rsplit("/", 1)[-1]
    half = LETTERS // 2 - 1
    return name if len(name) <= LETTERS else f"{name[:half]}…{name[-half:]}"


def picture(planes: dict[str, np.ndarray], is_colour: bool) -> np.ndarray:
    """What a tile shows: red, green and blue, shape (m, m, 3), or grey, shape (n, n); 0 to 1."""
    sigma = {band: _noise(plane) for band, plane in planes.items()}
    if is_colour:
        nisp = np.stack([planes[band] for band in NISP])
        return composite(planes["VIS"], nisp, [sigma[band] for band in ("VIS", *NISP)])
    band = _grey_band(planes)
    return np.clip(np.arcsinh(planes[band] / sigma[band] / SKY) / np.arcsinh(WHITE / SKY), 0, 1)


def _noise(plane: np.ndarray) -> float:
    noise = float(sky_noise(plane[None])[0])
    return noise or float(np.ptp(plane)) / WHITE or 1.0


def _grey_band(planes: dict[str, np.ndarray]) -> str:
    return next(band for band in ("VIS", "H", "J", "Y") if band in planes)


def _caption(is_colour: bool, tiles: Sequence[Tile], method: str) -> str:
    shown = (
        "red, green, blue: H, J and VIS in units of the stamp's own sky noise, blue times 0.7"
        if is_colour
        else f"grey: {', '.join(dict.fromkeys(_grey_band(tile.planes) for tile in tiles))} in units of the "
        "stamp's own sky noise"
    )
    text = f"Stamps of 20 arcsec, {shown}; inverse hyperbolic sine over {SKY}, white at {WHITE} of them."
    if method:
        text += f" Beside each: {method}; blue speaks for a lens, red against, to the 99.9th percentile."
    return text


def _show(axes: Axes, tile: Tile, is_colour: bool) -> None:
    axes.imshow(picture(tile.planes, is_colour), origin="lower", cmap="gray", vmin=0, vmax=1)
    label = f", {LABELS[tile.label]}" if tile.label in LABELS else ""
    score = f"{tile.score:.4f} (log odds {tile.logit:+.1f}){label}"
    axes.set_title(f"{short(tile.name)}\n{score}", fontsize=5, pad=1.5)


def _show_map(axes: Axes, attribution: np.ndarray) -> None:
    most = float(np.percentile(np.abs(attribution), 99.9)) or 1.0
    axes.imshow(attribution, origin="lower", cmap=SIGNED.reversed(), vmin=-most, vmax=most)
    axes.set_title("network's reasons", fontsize=5, pad=1.5)
