"""Figures of what networks of wilde2022 look at: occlusion maps, guided Grad-CAM, and their scores."""

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from skyneedle.core import plotting
from skyneedle.lenses.figures.images import log_stretched

NETWORKS = ("ou66", "ou200")  # rows of the occlusion maps, as in the paper
GUIDED_NETWORK = "ou200"  # whose guided Grad-CAM the paper shows
FEWEST_COLUMNS, MOST_COLUMNS = 3, 6
# Blue is darker than red, so that the sign survives a print in grey.
SIGNED = LinearSegmentedColormap.from_list(
    "signed", ["#08306b", "#6baed6", "#ffffff", "#fcae91", "#de5a3c"], 257
)
INKED = 0.55  # of the light that the brightest pixels of the image under a map take away
HIDDEN = (0.88, 0.88, 0.80)  # of pixels that guided Grad-CAM does not show
ENDS = ("", "_low", "_high")
LONGEST = 60  # letters of a reason in a panel
TILE_COLUMNS = [
    *("panel", "network", "row", "column", "element", "id", "name", "label", "score"),
    *("low", "high", "note"),
]
SET_WORDS = {
    "lens": "lenses",
    "non-lens": "non-lenses",
    "arcs": "compound arcs",
    "rings": "double rings",
    "known": "known compound lenses",
}


# --- tables


class Tiles:
    """Tiles of several networks.

    Args:
        paths: parquet tables of ``interpret.audit.attribute``, one a network.

    Attributes:
        table: all of them, with a column network.
        known_names: of the known compound lenses, in the paper's order.
        missing: reason for each of them without data.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self.missing: dict[str, str] = {}
        tables = []
        for path in [paths] if isinstance(paths, (str, Path)) else paths:
            table = pd.read_parquet(path)
            self.known_names: list[str] = table.attrs["known"]
            self.missing |= table.attrs["missing"]
            tables.append(table.assign(network=table.attrs["network"]))
        self.table = pd.concat(tables, ignore_index=True)

    def of(self, panel: str, network: str) -> list[Any]:
        """The tiles of a panel."""
        chosen = (self.table["panel"] == panel) & (self.table["network"] == network)
        return list(self.table[chosen].itertuples(index=False))

    def n_columns(self, panels: Iterable[str]) -> int:
        """As many as the panel with most tiles needs, within limits."""
        counts = self.table[self.table["panel"].isin(panels)].groupby(["panel", "network"]).size()
        return min(max(counts.max() if len(counts) else 0, FEWEST_COLUMNS), MOST_COLUMNS)

    def why_not(self, network: str) -> str:
        """Why a network has no tiles; empty if it has."""
        there = network in set(self.table["network"])
        return "" if there else f"{network} is not among the networks to interpret"

    def known(self, network: str) -> list[Any]:
        """The known compound lenses in the paper's order: tiles, or the reason why there is none."""
        there = {row.name: row for row in self.of("known", network)}
        default = self.why_not(network) or "its images were not fetched"
        return [
            there.get(name, Missing(name, self.missing.get(name) or default)) for name in self.known_names
        ]


class Missing:
    """A place without an image."""

    def __init__(self, name: str, reason: str):
        self.name, self.reason = name, reason


# --- tiles


def _caption(axes: Axes, row: Any, more: str = "") -> None:
    word = row.name if row.panel == "known" else f"{row.id}: {'lens' if row.label else 'no lens'}"
    axes.set_title(f"{word}, {row.score:.3f}{more}", fontsize=5.5, pad=1.5)


def _occlusion_tile(axes: Axes, row: Any) -> dict[str, Any]:
    """Change of the probability, white at zero, on the image: bright pixels darken it."""
    values = np.asarray(row.occlusion, float)
    side = round(len(values) ** 0.5)
    scale = np.abs(values).max() or 1.0
    nearest = (np.arange(row.n) + 0.5) * side / row.n
    on_image = (values / scale).reshape(side, side)[np.ix_(nearest.astype(int), nearest.astype(int))]
    image, _, _ = log_stretched(row)
    axes.imshow(SIGNED((on_image + 1) / 2)[..., :3] * (1 - INKED * image[..., None]), origin="lower")
    _caption(axes, row, f"\n{_number(values.min())} to {_number(values.max())}")
    return {"element": "occlusion", "low": values.min(), "high": values.max(), "n_masks": len(values)}


def _number(value: float) -> str:
    return f"{value:+.2g}" if value else "0"


def _image_tile(axes: Axes, row: Any) -> dict[str, Any]:
    image, low, high = log_stretched(row)
    axes.imshow(image, origin="lower", cmap="gray", vmin=0, vmax=1)
    _caption(axes, row)
    return {"element": "image", "low": low, "high": high}


def _kept_tile(axes: Axes, row: Any) -> dict[str, Any]:
    """The pixels of the image that guided Grad-CAM shows."""
    kept = np.asarray(row.kept, bool)
    side = round(len(kept) ** 0.5)
    nearest = ((np.arange(row.n) + 0.5) * side / row.n).astype(int)
    on_image = kept.reshape(side, side)[np.ix_(nearest, nearest)]
    image, _, _ = log_stretched(row)
    axes.imshow(np.where(on_image[..., None], image[..., None], HIDDEN), origin="lower")
    axes.set_title(f"{100 * kept.mean():.1f} % of the pixels", fontsize=5.5, pad=1.5)
    ends = {"low": row.product_low, "high": row.product_high, "cut": row.cut}
    return {"element": "kept", "share_kept": kept.mean(), **ends}


def _row_of_tiles(
    axes: Sequence[Axes], rows: Sequence[Any], tile: Callable[[Axes, Any], dict[str, Any]], reason: str
) -> list[dict[str, Any]]:
    """Draw one row; places without an image say why."""
    drawn = []
    for column, one in enumerate(axes):
        plotting.blank(one)
        row = rows[column] if column < len(rows) else Missing("", reason)
        if isinstance(row, Missing):
            # What is missing is in the csv at length; the panel has room for why, less what is in brackets.
            why = re.sub(r" \([^)]*\)", "", row.reason).split(": ")[-1]
            why = textwrap.shorten(why, LONGEST, placeholder=" ...")
            plotting.panel_without_data(one, why, row.name)
            if row.name:
                drawn.append({"column": column, "element": "missing", "name": row.name, "note": row.reason})
            continue
        who = {name: getattr(row, name) for name in ("id", "name", "label", "score")}
        drawn.append({"column": column} | who | tile(one, row))
    return drawn


def _reason(tiles: Tiles, network: str, rows: Sequence[Any]) -> str:
    return tiles.why_not(network) or f"{len(rows)} such images were asked for"


# --- figures of the paper


def _occlusion_figure(
    tiles: Tiles, panels: Mapping[str, str], stem: str | Path, provenance: Any, known: bool = False
) -> list[Path]:
    """One part for each panel, in it one row for each network."""
    n_columns = len(tiles.known_names) if known else tiles.n_columns(panels)
    height = len(panels) * len(NETWORKS) * (plotting.PAGE_IN / n_columns * 1.1) + 0.3 * len(panels)
    figure = plotting.new(plotting.PAGE_IN, height)
    drawn = []
    parts = figure.subfigures(len(panels), 1, squeeze=False)[:, 0]
    for part, (panel, words) in zip(parts, panels.items(), strict=True):
        part.suptitle(words, fontsize=8)
        grid = part.subplots(len(NETWORKS), n_columns, squeeze=False)
        for line, network in enumerate(NETWORKS):
            rows = tiles.known(network) if known else tiles.of(panel, network)
            row = _row_of_tiles(grid[line], rows, _occlusion_tile, _reason(tiles, network, rows))
            grid[line, 0].set_ylabel(network, fontsize=7)
            drawn += [{"panel": panel, "network": network, "row": line} | tile for tile in row]
    return plotting.save(figure, stem, _table(drawn, "n_masks"), provenance)


def _table(drawn: Sequence[Mapping[str, Any]], *more: str) -> pd.DataFrame:
    """What is drawn, with the columns of all such figures and these."""
    return pd.DataFrame(drawn).reindex(columns=[*TILE_COLUMNS, *more])


@plotting.style()
def fig11(
    tiles: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Occlusion maps of single lenses and non-lenses.

    Args:
        tiles: see ``Tiles``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Fig. 11.
    """
    panels = {name: SET_WORDS[name] for name in ("lens", "non-lens")}
    return _occlusion_figure(Tiles(tiles), panels, stem, provenance)


@plotting.style()
def fig12(
    tiles: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Occlusion maps of compound arcs and double rings; arguments as of ``fig11``.

    Source: Wilde et al. 2022, Fig. 12.
    """
    panels = {name: SET_WORDS[name] for name in ("arcs", "rings")}
    return _occlusion_figure(Tiles(tiles), panels, stem, provenance)


@plotting.style()
def fig13(
    tiles: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Occlusion maps of the known compound lenses whose images are there; arguments as of ``fig11``.

    Source: Wilde et al. 2022, Fig. 13.
    """
    panels = {"known": SET_WORDS["known"]}
    return _occlusion_figure(Tiles(tiles), panels, stem, provenance, known=True)


@plotting.style()
def fig17(
    tiles: Sequence[str | Path], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Images, and below each the pixels that guided Grad-CAM shows; arguments as of ``fig11``.

    Source: Wilde et al. 2022, Fig. 17.
    """
    read = Tiles(tiles)
    panels = {name: SET_WORDS[name] for name in ("lens", "arcs", "rings")} | {
        "known": "known compound lenses"
    }
    n_columns = read.n_columns(("lens", "arcs", "rings"))
    figure = plotting.new(plotting.PAGE_IN, 2.75 * len(panels))
    parts, drawn = figure.subfigures(len(panels), 1, squeeze=False)[:, 0], []
    for part, (panel, words) in zip(parts, panels.items(), strict=True):
        part.suptitle(words, fontsize=8)
        is_known = panel == "known"
        rows = read.known(GUIDED_NETWORK) if is_known else read.of(panel, GUIDED_NETWORK)
        grid = part.subplots(2, len(read.known_names) if is_known else n_columns, squeeze=False)
        for line, tile in enumerate((_image_tile, _kept_tile)):
            row = _row_of_tiles(grid[line], rows, tile, _reason(read, GUIDED_NETWORK, rows))
            drawn += [{"panel": panel, "network": GUIDED_NETWORK, "row": line} | one for one in row]
    return plotting.save(figure, stem, _table(drawn, "share_kept", "cut"), provenance)


# --- ours


@plotting.style()
def extra_scores(
    table: plotting.Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Hit rate and intersection over union of each method, beside references and random weights.

    Args:
        table: see ``interpret.scores.summarise``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    summary = plotting.read(table)
    networks = [name for name in summary["network"].unique() if name != "no network"]
    references = summary[summary["network"] == "no network"]
    figure = plotting.new(plotting.PAGE_IN, 0.6 + 1.25 * len(networks))
    grid, drawn = figure.subplots(len(networks), 2, squeeze=False, sharex="col"), []
    measures = {"hit_rate": "hit rate", "iou": "intersection over union"}
    for line, network in enumerate(networks):
        rows = summary[summary["network"] == network]
        for axes, (measure, words) in zip(grid[line], measures.items(), strict=True):
            drawn += _score_panel(axes, rows, references, measure)
            if line == len(networks) - 1:
                axes.set_xlabel(words)
            axes.set_xlim(
                -0.02, 1.04 * summary[[f"{measure}_high", f"{measure}_of_random_weights_high"]].max(None)
            )
        grid[line, 0].set_ylabel(network)
        grid[line, 1].set_yticklabels([])
    handles = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    names = sorted(handles, key=lambda name: name != "trained network")
    figure.legend([handles[name] for name in names], names, loc="outside upper center", ncols=len(names))
    return plotting.save(figure, stem, pd.DataFrame(drawn), provenance)


def _score_panel(
    axes: Axes, rows: pd.DataFrame, references: pd.DataFrame, measure: str
) -> list[dict[str, Any]]:
    place, names = np.arange(len(rows))[::-1], (measure, f"{measure}_of_random_weights")
    looks: dict[str, tuple[float, dict[str, Any]]] = {
        "trained network": (0.13, {"fmt": "o", "color": plotting.PALETTE[0]}),
        "random weights": (-0.13, {"fmt": "s", "color": plotting.PALETTE[3], "markerfacecolor": "none"}),
    }
    for (words, (shift, look)), name in zip(looks.items(), names, strict=True):
        ends = [rows[f"{name}{end}"] for end in ENDS]
        plotting.error_bars(axes, place + shift, *ends, horizontal=True, label=words, **look)
    for index, reference in enumerate(references.itertuples()):
        value = getattr(reference, measure)
        style: Any = {"color": plotting.INK, "linestyle": plotting.LINES[index], "linewidth": 0.9}
        axes.axvline(value, label=reference.method, **style)
        if reference.method == "brightness":
            low, high = getattr(reference, f"{measure}_low"), getattr(reference, f"{measure}_high")
            axes.axvspan(low, high, color=plotting.PALE, alpha=0.3, linewidth=0)
    axes.set(yticks=place, yticklabels=rows["method"], ylim=(-0.6, len(rows) - 0.4))
    both = pd.concat([rows, references])
    drawn = both[["network", "method", "n"]].assign(measure=measure)
    for words, name in zip(("value", "random_weights"), names, strict=True):
        drawn = drawn.assign(**{f"{words}{end}": both[f"{name}{end}"] for end in ENDS})
    return drawn.to_dict("records")
