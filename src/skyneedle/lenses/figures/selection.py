"""Figures of what networks find, miss and lean on, beyond those of the paper."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.lenses.figures import images

NAMES = {
    "ou66": "OU-66",
    "ou200": "OU-200",
    "ou_j": "OU-J",
    "ou_y": "OU-Y",
    "ou_h": "OU-H",
    "ou_jyh": "OU-JYH",
    "ou_vis": "OU-VIS",
    "ou_tsne": "OU-T-SNE",
    "resnet10": "ResNet-10",
    "flux_size_colour": "flux, size, colour",
}
AXES = {
    "theta_e": "Einstein radius (arcsec)",
    "mag_source": "source magnitude (VIS, unlensed)",
    "source_colour": "source VIS - H (mag)",
}
KINDS = {**images.IMPOSTORS, "failed_lens": "lens that fails the rule"}
Provenance = Mapping[str, Any] | None


def label(name: str) -> str:
    """How a network is called in figures; a user's own by its name."""
    return NAMES.get(name, name)


@plotting.style()
def extra_completeness(
    cells: Table, shown: Sequence[str], stem: str | Path, provenance: Provenance = None
) -> list[Path]:
    """Recall of lenses over each property for some networks, and over two of them for the first.

    Args:
        cells: see ``evaluate.selection.completeness``.
        shown: names of the networks.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(cells)
    table = table.assign(y=table["y"].fillna(""))
    figure = plotting.new(plotting.PAGE_IN, 4.8)
    grid = figure.subplots(2, 3)
    drawn = []
    for axes, x in zip(grid[0], AXES, strict=True):
        one = table[(table["x"] == x) & (table["y"] == "") & table["network"].isin(shown)]
        drawn.append(one)
        full = one.dropna(subset="recall")
        for i, name in enumerate(shown):
            here = full[full["network"] == name]
            middle = (here["x_low"] + here["x_high"]) / 2 + (i - (len(shown) - 1) / 2) * 0.06 * (
                here["x_high"] - here["x_low"]
            )
            if len(here):
                plotting.error_bars(
                    axes,
                    middle,
                    here["recall"],
                    here["low"],
                    here["high"],
                    label=label(name),
                    **plotting.series(i),
                )
        if not len(full):
            plotting.panel_without_data(axes, _why_blank(one, x))
            continue
        axes.set(xlabel=AXES[x], ylim=(0, 1.02))
    grid[0, 0].set_ylabel("completeness")
    if grid[0, 0].get_legend_handles_labels()[1]:
        grid[0, 0].legend(loc="lower right")
    for axes, (x, y) in zip(grid[1], itertools.combinations(AXES, 2), strict=True):
        one = table[(table["x"] == x) & (table["y"] == y) & (table["network"] == shown[0])]
        drawn.append(one)
        _map(axes, one, x, y)
    grid[1, 0].set_title(f"{label(shown[0])}: share found in each cell", loc="left")
    shown_cells = pd.concat(drawn, ignore_index=True)
    blank = shown_cells["recall"].isna()
    note = np.where(blank, "fewer than 20 lenses", "")
    return plotting.save(figure, stem, shown_cells.assign(note=note), provenance)


def _why_blank(cells: pd.DataFrame, *properties: str) -> str:
    if len(cells):
        return "no cell has 20 lenses"
    words = " and ".join(AXES[one] for one in properties)
    return f"the testing set does not tell: {words}"


def _map(axes: Axes, cells: pd.DataFrame, x: str, y: str) -> None:
    if cells["recall"].isna().all():
        plotting.panel_without_data(axes, _why_blank(cells, x, y))
        return
    x_edges = np.append(np.unique(cells["x_low"]), cells["x_high"].max())
    y_edges = np.append(np.unique(cells["y_low"]), cells["y_high"].max())
    values = cells["recall"].to_numpy().reshape(len(x_edges) - 1, len(y_edges) - 1)
    axes.pcolormesh(x_edges, y_edges, values.T, cmap="cividis", vmin=0, vmax=1)
    for row in cells.dropna(subset="recall").itertuples():
        middle = (row.x_low + row.x_high) / 2, (row.y_low + row.y_high) / 2
        colour = "white" if row.recall < 0.55 else "black"
        axes.text(*middle, f"{row.recall:.2f}", ha="center", va="center", fontsize=6, color=colour)
    axes.grid(False)
    axes.set(xlabel=AXES[x], ylabel=AXES[y])


@plotting.style()
def extra_false_positives(
    by_kind: Table, shown: Sequence[str], stem: str | Path, provenance: Provenance = None
) -> list[Path]:
    """False positive rate of each kind of impostor at the operating points.

    Args:
        by_kind: see ``evaluate.selection.impostors``.
        shown: names of the networks.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(by_kind)
    table = table[table["network"].isin(shown)]
    kinds = [kind for kind in KINDS if kind in set(table["kind"])]
    figure = plotting.new(plotting.PAGE_IN, 3.0)
    axes = figure.subplots()
    for i, name in enumerate(shown):
        one = table[table["network"] == name].set_index("kind").reindex(kinds)
        places = np.arange(len(kinds)) + (i - (len(shown) - 1) / 2) * 0.12
        plotting.error_bars(
            axes,
            places,
            one["false_positive_rate"],
            one["low"],
            one["high"],
            label=label(name),
            **plotting.series(i, line=False),
        )
    n = table.groupby("kind")["n"].max()
    axes.set_xticks(range(len(kinds)), [f"{KINDS[kind]}\n({n[kind]})" for kind in kinds], fontsize=6.5)
    axes.set(ylabel="false positive rate", ylim=(-0.05, 1.05))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shown))
    return plotting.save(figure, stem, table, provenance)


@plotting.style()
def extra_unseen_impostors(without: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """False positives of a kind of impostor, for a network that was trained with it and one without.

    Args:
        without: see ``evaluate.selection.compared``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(without)
    figure = plotting.new(plotting.PAGE_IN, 2.8)
    axes = figure.subplots()
    if not len(table):
        reason = "lenses.evaluate.without names no networks, or the training set tells no kinds"
        plotting.panel_without_data(axes, reason)
        return plotting.save(figure, stem, table, provenance)
    kinds = list(dict.fromkeys(table["kind"]))
    for i, training in enumerate(("with", "without")):
        one = table[table["training"] == training]
        places = np.array([kinds.index(kind) for kind in one["kind"]]) + (i - 0.5) * 0.2
        plotting.error_bars(
            axes,
            places,
            one["false_positive_rate"],
            one["low"],
            one["high"],
            label=f"trained {training} them",
            **plotting.series(i, line=False),
        )
    axes.set_xticks(range(len(kinds)), [KINDS.get(kind, kind) for kind in kinds], fontsize=6.5)
    axes.set(ylabel="false positive rate of the kind", ylim=(-0.05, 1.05), xlim=(-0.6, len(kinds) - 0.4))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return plotting.save(figure, stem, table, provenance)


@plotting.style()
def extra_matched_compounds(table: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Recall of compound lenses beside that of single lenses matched to them, and the difference.

    Args:
        table: see ``evaluate.matching.write``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    found = plotting.read(table)
    methods = list(dict.fromkeys(found["network"]))
    figure = plotting.new(plotting.PAGE_IN, 1.1 + 0.26 * len(methods))
    words = {"arcs": "compound arcs", "rings": "double rings"}
    looks = {"compounds": (0, "compound lenses"), "singles": (1, "matched single lenses")}
    grid = figure.subplots(1, 4, sharey=True, width_ratios=(1.3, 1, 1.3, 1))
    places, looked = np.arange(len(methods))[::-1], []
    for pair, (which, word) in zip((grid[:2], grid[2:]), words.items(), strict=True):
        one = found[found["set"] == which]
        if one["value"].isna().all():
            for axes in pair:
                plotting.panel_without_data(axes, one["note"].iloc[0], word)
            continue
        for quantity, (i, text) in looks.items():
            _dots(pair[0], one[one["quantity"] == quantity], methods, places + 0.12 - 0.24 * i, i, text)
        _dots(pair[1], one[one["quantity"] == "difference"], methods, places, 2, "difference")
        matched, n = one[["n_matched", "n_compounds"]].iloc[0]
        pair[0].set(xlabel="recall", title=f"{word} ({matched} of {n} matched)", xlim=(-0.02, 1.02))
        pair[1].set(xlabel="compound - single", xlim=(-1, 1))
        pair[1].axvline(0, color=plotting.PALE, linewidth=0.8)
        pair[1].axvline(-0.15, color=plotting.REFERENCE, linewidth=0.8, linestyle="--", label="gate: -0.15")
        looked = [one for axes in pair for one in axes.get_legend_handles_labels()[0]]
    if looked:
        figure.legend(handles=looked, loc="outside lower center", ncols=len(looked))
    rates = found.groupby("network")["false_positive_rate"].first()
    said = [f", FPR {rates[name]:.2f}" if name in rates.dropna() else "" for name in methods]
    grid[0].set_yticks(places, [label(name) + rate for name, rate in zip(methods, said, strict=True)])
    return plotting.save(figure, stem, found, provenance)


def _dots(
    axes: Axes, rows: pd.DataFrame, methods: Sequence[str], places: np.ndarray, i: int, text: str
) -> None:
    ordered = rows.set_index("network").reindex(methods)
    look = plotting.series(i, line=False)
    plotting.error_bars(
        axes, places, ordered["value"], ordered["low"], ordered["high"], horizontal=True, label=text, **look
    )


@plotting.style()
def extra_colour_stress(table: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Recall of the same lenses while their sources are reddened.

    Args:
        table: see ``evaluate.colour_stress.curves``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: spec F14; Wilde et al. 2022, Secs. 4 and 6, where redder compound lenses are missed.
    """
    found = plotting.read(table)
    figure = plotting.new(plotting.PAGE_IN, 3.0)
    pair = figure.subplots(1, 2)
    methods = list(dict.fromkeys(found["network"]))
    for axes, quantity, word in zip(
        pair, ("recall", "change"), ("recall", "recall minus that without a shift"), strict=True
    ):
        one = found[found["quantity"] == quantity]
        for i, name in enumerate(methods):
            here = one[one["network"] == name]
            shifted = here["shift_mag"] + (i - (len(methods) - 1) / 2) * 0.015
            plotting.error_bars(
                axes,
                shifted,
                here["value"],
                here["low"],
                here["high"],
                label=label(name),
                **plotting.series(i),
            )
        axes.set(xlabel="source VIS - H reddened by (mag)", ylabel=word)
    pair[0].set_ylim(-0.02, 1.02)
    pair[1].axhline(0, color=plotting.PALE, linewidth=0.8)
    figure.legend(*pair[0].get_legend_handles_labels(), loc="outside right center")
    return plotting.save(figure, stem, found, provenance)


@plotting.style()
def extra_psf_orientation(
    table: Table, tiles: Table, stem: str | Path, provenance: Provenance = None
) -> list[Path]:
    """What a network learns from the orientation of the PSF alone, by which images are turned.

    Args:
        table: see ``evaluate.orientation.experiment``.
        tiles: two images of the experiment.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Wilde et al. 2022, Secs. 3.2 and 6; spec F1.
    """
    found, shown = plotting.read(table), plotting.read(tiles)
    figure = plotting.new(plotting.PAGE_IN, 2.5)
    axes, *pictures = figure.subplots(1, 1 + len(shown), width_ratios=(2.2, *[1] * len(shown)))
    places = np.arange(len(found))[::-1]
    plotting.error_bars(
        axes,
        places,
        found["auroc"],
        found["low"],
        found["high"],
        horizontal=True,
        **plotting.series(0, line=False),
    )
    axes.axvline(0.5, color=plotting.PALE, linewidth=0.8)
    axes.set_yticks(places, found["words"])
    axes.set(xlabel="AUROC where only non-lenses are turned", xlim=(0.3, 1.02), ylim=(-0.6, len(found) - 0.4))
    for one, row in zip(pictures, shown.itertuples(index=False), strict=True):
        plotting.blank(one)
        pixels = np.asarray(row.pixels, float).reshape(row.n, row.n)
        one.imshow(np.arcsinh(pixels / row.noise), origin="lower", cmap="gray")
        one.set_title(row.words, fontsize=7)
    return plotting.save(figure, stem, found, provenance)
