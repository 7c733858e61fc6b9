"""Figures 14 to 16 of wilde2022: what kernels respond to, and what networks dream of."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

WHITE = 99.8  # percentile of the brightest band that is drawn white
RGB = ("H", "J", "Y")


# --- tiles of network input


def _images(pixels: Any, bands: str, size: int) -> dict[str, np.ndarray]:
    names = bands.split(",")
    cube = np.asarray(pixels, dtype=float).reshape(len(names), size, size)
    return dict(zip(names, cube, strict=True))


def _nisp(images: Mapping[str, np.ndarray]) -> np.ndarray:
    """H, J and Y as red, green and blue, shape (size, size, 3); the first band where one is missing."""
    first = next(iter(images.values()))
    return np.stack([images[band] if set(RGB) <= set(images) else first for band in RGB], axis=-1)


def _white(*images: np.ndarray) -> float:
    """Brightness that is drawn white in all of these."""
    return float(max(np.percentile(np.stack([image.ravel() for image in images]), WHITE), 1e-6))


def _tile(axes: Axes, image: np.ndarray, white: float, title: str) -> None:
    """From black at the level of the sky to white."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.set_box_aspect(1)
    for spine in axes.spines.values():
        spine.set_visible(False)
    shown = np.clip(image / white, 0, 1)
    axes.imshow(shown, origin="lower", cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title, fontsize=6, pad=1.5)


def _said(label: int) -> str:
    return {0: "no lens", 1: "lens"}.get(int(label), "noise")


# --- kernels


@plotting.style()
def fig14(kernels: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """Kernels of OU-66: an image grown for each, and the image that activates it most.

    Args:
        kernels: see ``interpret.pictures.kernel_table``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 14.
    """
    return _kernels(kernels, stem, provenance)


@plotting.style()
def fig15(kernels: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """Kernels of OU-200, as Fig. 14.

    Args:
        kernels: see ``interpret.pictures.kernel_table``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 15.
    """
    return _kernels(kernels, stem, provenance)


def _kernels(kernels: Table, stem: str | Path, provenance: Any) -> list[Path]:
    table = plotting.read(kernels)
    n_rows = -(-len(table) // 2)
    figure = plotting.new(plotting.PAGE_IN * 0.75, 1.56 * n_rows)
    grid = figure.subplots(n_rows, 4, squeeze=False)
    drawn = []
    for i, row in enumerate(table.itertuples(index=False)):
        left, right = grid[i % n_rows, 2 * (i // n_rows) :][:2]
        made = _nisp(_images(row.generated, row.bands, row.size))
        top = _nisp(_images(row.top, row.bands, row.top_size))
        whites = [_white(made), _white(top)]
        _tile(left, made, whites[0], f"[{row.layer}, {row.kernel}]\n{row.sigma_generated:+.1f} σ")
        words = f"{row.id}: {_said(row.label)}\nP {row.score:.2f}, {row.sigma_top:+.1f} σ"
        _tile(right, top, whites[1], words)
        drawn.append(
            {name: getattr(row, name) for name in ("network", "layer", "kernel", "id", "label", "score")}
            | {"auroc": row.auroc, "sigma_generated": row.sigma_generated, "sigma_top": row.sigma_top}
            | {"white_generated": whites[0], "white_top": whites[1]}
        )
    for axes in grid[len(table) - n_rows :, 2:].ravel():  # of an odd number, the last place is empty
        axes.set_visible(False)
    return plotting.save(figure, stem, pd.DataFrame(drawn), provenance)


# --- dreams

DREAM_ROWS = {  # method, label of what was started from, target
    ("class image", -1, 0): "grown from\nnoise",
    ("class image", -1, 1): "grown from\nnoise",
    ("deep dream", 0, 0): "dreamt from\na non-lens",
    ("deep dream", 0, 1): "dreamt from\na non-lens",
    ("deep dream", 1, 0): "dreamt from\na lens",
    ("deep dream", 1, 1): "dreamt from\na lens",
}
DREAM_COLUMNS = ["network", "method", "target", "id", "label", "steps", "change"]


@plotting.style()
def fig16(
    dreams: Sequence[str | Path] | Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Images grown from noise for either class, and Deep Dreams of a non-lens and a lens.

    Args:
        dreams: see ``interpret.pictures.dream_table``; of one network or several.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 16.
    """
    table = plotting.read(dreams)
    networks = list(dict.fromkeys(table["network"]))
    across = min(max(len(networks), 1), 2)
    down = max(-(-len(networks) // across), 1)
    height = 1.02 * len(DREAM_ROWS) + 0.3
    figure = plotting.new(plotting.PAGE_IN * across / 2, height * down)
    parts = figure.subfigures(down, across, squeeze=False).ravel()
    drawn = []
    for index, (part, network) in enumerate(zip(parts, networks, strict=False)):
        part.suptitle(network, fontsize=8)
        grid = part.subplots(len(DREAM_ROWS), 4, squeeze=False)
        for axes, word in zip(grid[0], ("NISP", "dreamt", "VIS", "dreamt"), strict=True):
            axes.annotate(word, (0.5, 1.2), xycoords="axes fraction", ha="center", fontsize=6.5)
        for axes, (key, words) in zip(grid, DREAM_ROWS.items(), strict=True):
            if index % across == 0:
                axes[0].set_ylabel(words, fontsize=6.5)
            drawn += _dream_row(axes, table[table["network"] == network], key)
    return plotting.save(figure, stem, pd.DataFrame(drawn), provenance)


def _dream_row(axes: Sequence[Axes], table: pd.DataFrame, key: tuple[str, int, int]) -> list[dict[str, Any]]:
    method, label, target = key
    here = table[(table["method"] == method) & (table["label"] == label) & (table["target"] == target)]
    if here.empty:
        for one in axes:
            plotting.panel_without_data(one, f"no {_said(label)} in this set")
        return []
    row = here.iloc[0]
    before, after = (_images(row[name], row["bands"], row["size"]) for name in ("before", "after"))
    titles = f"{_said(label)}, P {row.score_before:.2f}", f"→ {_said(target)}, P {row.score_after:.2f}"
    drawn = {name: row[name] for name in (*DREAM_COLUMNS, "score_before", "score_after")}
    drawn |= {name: row[name] for name in ("logit_before", "logit_after")}
    pair = _nisp(before), _nisp(after)
    drawn["white_nisp"] = _white(*pair)
    for one, image, title in zip(axes[:2], pair, titles, strict=True):
        _tile(one, image, drawn["white_nisp"], title)
    if "VIS" not in before:
        for one in axes[2:]:
            plotting.panel_without_data(one, "this network does not see VIS")
        return [drawn]
    pair = before["VIS"], after["VIS"]
    drawn["white_vis"] = _white(*pair)
    for one, image, title in zip(axes[2:], pair, ("", f"change {row.change:.2f}"), strict=True):
        _tile(one, image, drawn["white_vis"], title)
    return [drawn]
