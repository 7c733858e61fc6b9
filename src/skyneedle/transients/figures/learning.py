"""How networks learn, how they were found, and what the forest goes by."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from skyneedle.core import plotting
from skyneedle.core.plotting import PALETTE, Table
from skyneedle.transients.features.table import CATALOGUE_FEATURES, PIXEL_FEATURES
from skyneedle.transients.figures import words
from skyneedle.transients.figures.words import Provenance

SPLITS = {"train": "training", "validation": "validation"}
QUANTITIES = ("accuracy", "loss")
N_FEATURES = 20
KINDS: dict[str, tuple[str, str]] = {  # colour and hatch
    "pixels": (PALETTE[0], ""),
    "catalogue": (PALETTE[1], "////"),
    "missing flag": (PALETTE[7], "...."),
}


@plotting.style()
def fig10(
    curves: Table, stem: str | Path, provenance: Provenance = None, network: str = "cnn1"
) -> list[Path]:
    """Accuracy and loss of Model 1 on training and validation data, one line a seed.

    Args:
        curves: see ``printed.learning_curves``.
        stem: of the files to write.
        provenance: for their metadata.
        network: name of it.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 10.
    """
    table = plotting.read(curves)
    table = table[(table["network"] == network) & table["split"].isin(list(SPLITS))]
    table = table[table["quantity"].isin(QUANTITIES)].sort_values(["quantity", "seed", "split", "epoch"])
    table = table.assign(is_best=_best(table))
    figure = plotting.new(plotting.COLUMN_IN, 3.8)
    for axes, quantity in zip(figure.subplots(2, 1, sharex=True), QUANTITIES, strict=True):
        one = table[table["quantity"] == quantity]
        if one.empty:
            plotting.panel_without_data(axes, f"no {quantity} of {words.method(network)} was recorded")
            continue
        for (split, _), rows in one.groupby(["split", "seed"]):
            look = _look(str(split))
            # One epoch makes no line: a small marker shows it all the same.
            axes.plot(rows["epoch"], rows["value"], marker="." if len(rows) == 1 else "", **look)
            best = rows[rows["is_best"]]
            axes.plot(best["epoch"], best["value"], "o", color=look["color"], markersize=3.5)
        axes.set_ylabel(quantity)
        axes.set_xlim(0.5, table["epoch"].max() + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    handles = [Line2D([], [], **_look(split), label=text) for split, text in SPLITS.items()]
    dot: dict[str, Any] = {"color": plotting.INK, "marker": "o", "linestyle": "none", "markersize": 3.5}
    handles.append(Line2D([], [], **dot, label="lowest validation loss"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    columns = ["quantity", "split", "seed", "epoch", "value", "is_best"]
    return plotting.save(figure, stem, table[columns], provenance)


def _look(split: str) -> dict[str, Any]:
    i = list(SPLITS).index(split)
    return {"color": PALETTE[(3, 0)[i]], "linestyle": ("--", "-")[i], "linewidth": 0.9}


def _best(table: pd.DataFrame) -> np.ndarray:
    """Rows of the epoch of the lowest validation loss of their seed."""
    losses = table[(table["split"] == "validation") & (table["quantity"] == "loss")]
    if losses.empty:
        return np.zeros(len(table), bool)
    epochs = losses.loc[losses.groupby("seed")["value"].idxmin()].set_index("seed")["epoch"]
    return (table["epoch"] == table["seed"].map(epochs)).to_numpy()


@plotting.style()
def extra_importances(importances: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """What the forest goes by: the features that lower the entropy most.

    Args:
        importances: see ``forest.train``; of several forests, the mean with the lowest and the highest.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Goldstein et al. 2015, Table 3.
    """
    found = plotting.read(importances).groupby("feature")["importance"]
    table = found.agg(importance="mean", low="min", high="max", n_forests="size").reset_index()
    table = table.sort_values(["importance", "feature"], ascending=[False, True]).head(N_FEATURES)
    table["kind"] = [_kind(name) for name in table["feature"]]
    figure = plotting.new(plotting.COLUMN_IN, 0.9 + 0.15 * max(len(table), 5))
    axes = figure.subplots()
    columns = ["feature", "kind", "importance", "low", "high"]
    if table.empty:
        plotting.panel_without_data(axes, "no forest was trained")
        return plotting.save(figure, stem, table[columns], provenance)
    places = np.arange(len(table))[::-1]
    for place, row in zip(places, table.itertuples(), strict=True):
        colour, hatch = KINDS[row.kind]
        axes.barh(place, row.importance, 0.75, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    if table["n_forests"].max() > 1:
        look = {"fmt": "none", "ecolor": plotting.INK}
        plotting.error_bars(
            axes, places, table["importance"], table["low"], table["high"], horizontal=True, **look
        )
    axes.set_yticks(places, table["feature"], fontsize=6)
    axes.set(xlabel="share of the decrease in entropy", ylim=(-0.7, len(table) - 0.3))
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    used = [kind for kind in KINDS if kind in set(table["kind"])]
    looks: list[dict[str, Any]] = [
        {"facecolor": KINDS[kind][0], "hatch": KINDS[kind][1], "edgecolor": "white"} for kind in used
    ]
    handles = [Patch(**look, label=kind) for look, kind in zip(looks, used, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(used))
    return plotting.save(figure, stem, table[columns], provenance)


def _kind(feature: str) -> str:
    if feature in PIXEL_FEATURES:
        return "pixels"
    return "catalogue" if feature in CATALOGUE_FEATURES else "missing flag"


@plotting.style()
def extra_search(trials: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """What networks of other shapes achieve for their size and cost, and where the published ones stand.

    Args:
        trials: see ``search.run``; trials without a loss are not drawn.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Sec. 4.1.
    """
    columns = ["trial", "network", "state", "n_parameters", "multiply_adds", "loss"]
    table = plotting.read(trials).reindex(columns=columns).dropna(subset=["loss"])
    figure = plotting.new(plotting.PAGE_IN, 3.0)
    pair = figure.subplots(1, 2, sharey=True)
    if table.empty:
        for axes in pair:
            plotting.panel_without_data(axes, "no trial of the search was trained")
        return plotting.save(figure, stem, table, provenance)
    sizes = {
        "n_parameters": ("trainable parameters", 1e3, "k"),
        "multiply_adds": ("multiply-adds a stamp", 1e6, "M"),
    }
    for axes, (column, (text, unit, letter)) in zip(pair, sizes.items(), strict=True):
        _trials(axes, table, column)
        plotting.log_axis(axes.xaxis)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _, u=unit, k=letter: f"{n / u:g}{k}"))
        axes.yaxis.set_tick_params(labelleft=True)
        axes.set(xlabel=text, ylabel="least validation loss")
    handles = pair[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(handles[0]))
    return plotting.save(figure, stem, table, provenance)


def _trials(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """Searched networks, then the published ones on top of them."""
    is_searched, is_complete = table["network"] == "searched", table["state"] == "complete"
    groups: dict[str, tuple[pd.Series, dict[str, Any]]] = {
        "ended early": (is_searched & ~is_complete, {"color": plotting.PALE, "marker": "x"}),
        "searched": (
            is_searched & is_complete,
            {"color": PALETTE[9], "marker": "o", "markeredgecolor": PALETTE[0]},
        ),
    }
    for text, (chosen, look) in groups.items():
        if chosen.any():
            rows = table[chosen]
            axes.plot(rows[column], rows["loss"], linestyle="none", label=f"{text} ({len(rows)})", **look)
    published = table[~is_searched]
    for row in published.itertuples():
        look = words.look(row.network, list(published["network"]), line=False)
        look |= {"markersize": 6, "markeredgecolor": "black", "zorder": 4}
        axes.plot(getattr(row, column), row.loss, label=words.method(row.network), **look)
