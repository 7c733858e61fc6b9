"""What a score owes to the division into folds, and to lenses and non-lenses of different sources."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skyneedle.core import plotting
from skyneedle.core.plotting import PALETTE, Table
from skyneedle.transfer.figures import words
from skyneedle.transfer.figures.words import Provenance

PRINTED = 0.9984  # mean ROC AUC of the abstract and of Table 5-1
PROTOCOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "thesis": ("copies divided, as in the thesis", {"color": PALETTE[3], "marker": "s"}),
    "grouped": ("objects divided", {"color": PALETTE[0], "marker": "o"}),
}
LABELS = {"true": "true labels", "shuffled": "labels shuffled by object"}
DIFFERENCE = "thesis minus grouped"
CASES = {
    "source": "source of non-lenses:\nfirst or second",
    "mixed_apparent": "mixture, judged\non the mixture",
    "mixed_first": "mixture, judged\nwithin the first source",
    "mixed_second": "mixture, judged\nwithin the second source",
    "within_first": "first source, judged\nwithin it",
    "within_second": "second source, judged\nwithin it",
}
AREA = "area under the ROC curve (AUC)"


@plotting.style()
def extra_leak(leak: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """AUC of the same copies divided as in the thesis and by object, with true and with shuffled labels.

    Args:
        leak: see ``evaluate.leak.write``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(leak)
    networks = list(dict.fromkeys(table["network"]))
    figure = plotting.new(plotting.PAGE_IN, 1.9 + 0.5 * max(len(networks), 1))
    *pair, apart = figure.subplots(1, 3, sharey=True, width_ratios=(3, 3, 2))
    if table.empty:
        for axes in (*pair, apart):
            plotting.panel_without_data(axes, "the leak was measured with no network")
        return plotting.save(figure, stem, table, provenance)
    for axes, (labels, title) in zip(pair, LABELS.items(), strict=True):
        _protocols(axes, table[table["labels"] == labels], networks)
        axes.axvline(words.CHANCE, color=plotting.INK, linestyle=":", linewidth=0.9)
        axes.set(title=title, xlabel=AREA, xlim=_reach(table))
    pair[0].axvline(PRINTED, color=plotting.REFERENCE, linestyle="--", linewidth=1.0)
    _differences(apart, table[table["protocol"] == DIFFERENCE], networks)
    pair[0].set_yticks(range(len(networks)), [words.method(name) for name in networks])
    pair[0].set_ylim(len(networks) - 0.5, -0.5)
    handles = [Line2D([], [], linestyle="none", label=text, **look) for text, look in PROTOCOLS.values()]
    handles += [
        Line2D([], [], color=plotting.REFERENCE, linestyle="--", label=f"printed in the thesis: {PRINTED}"),
        Line2D([], [], color=plotting.INK, linestyle=":", label="chance"),
    ]
    handles += apart.get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    columns = ["labels", "protocol", "network", "value", "low", "high"]
    drawn = table[columns].sort_values(["labels", "protocol"], ascending=[False, True], kind="stable")
    printed = pd.DataFrame([{"labels": "true", "protocol": "printed", "network": "", "value": PRINTED}])
    return plotting.save(figure, stem, pd.concat([drawn, printed], ignore_index=True), provenance)


def _reach(table: pd.DataFrame) -> tuple[float, float]:
    areas = table[table["protocol"].isin(list(PROTOCOLS))]
    return min(0.45, float(np.nanmin(areas["low"])) - 0.03), 1.05


def _protocols(axes: Axes, rows: pd.DataFrame, networks: list[str]) -> None:
    for offset, (protocol, (_, look)) in zip((-0.16, 0.22), PROTOCOLS.items(), strict=True):
        here = rows[rows["protocol"] == protocol].set_index("network").reindex(networks)
        at = np.arange(len(networks)) + offset
        ends = here["value"], here["low"], here["high"]
        plotting.error_bars(axes, at, *ends, horizontal=True, linestyle="none", markersize=5, **look)
        for place, value in zip(at, here["value"], strict=True):
            if np.isfinite(value):
                text: dict[str, Any] = {"fontsize": 6, "ha": "center", "textcoords": "offset points"}
                axes.annotate(f"{value:.3f}", (value, place), xytext=(0, 4), **text)


def _differences(axes: Axes, rows: pd.DataFrame, networks: list[str]) -> None:
    styles: dict[str, dict[str, Any]] = {
        "true": {"marker": "o"},
        "shuffled": {"marker": "o", "markerfacecolor": "white"},
    }
    for offset, (labels, text) in zip((-0.14, 0.14), LABELS.items(), strict=True):
        here = rows[rows["labels"] == labels].set_index("network").reindex(networks)
        at = np.arange(len(networks)) + offset
        look = {"color": plotting.INK, "linestyle": "none", "label": text, "markersize": 5, **styles[labels]}
        plotting.error_bars(axes, at, here["value"], here["low"], here["high"], horizontal=True, **look)
    axes.axvline(0, color=plotting.INK, linestyle=":", linewidth=0.9)
    axes.set(title="the leak", xlabel="difference of AUC")


@plotting.style()
def extra_provenance(cases: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """AUC where lenses are of one source and non-lenses of another, and within each source.

    Args:
        cases: see ``evaluate.provenance.write``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(cases)
    table = table[table["case"].isin(list(CASES))]
    networks = list(dict.fromkeys(table["network"]))
    figure = plotting.new(plotting.PAGE_IN * 0.75, 3.4)
    axes = figure.subplots()
    if table.empty:
        plotting.panel_without_data(axes, "two sources were compared with no network")
        return plotting.save(figure, stem, table, provenance)
    order = list(CASES)
    for i, name in enumerate(networks):
        here = table[table["network"] == name].set_index("case").reindex(order)
        at = np.arange(len(order)) + 0.16 * (i - (len(networks) - 1) / 2)
        look = words.look(name, networks, line=False) | {"label": words.method(name), "markersize": 5}
        plotting.error_bars(axes, at, here["value"], here["low"], here["high"], horizontal=True, **look)
    axes.axvline(words.CHANCE, color=plotting.INK, linestyle=":", linewidth=0.9, label="chance")
    for line in (0.5, 3.5):
        axes.axhline(line, color=plotting.PALE, linewidth=0.6)
    axes.set_yticks(range(len(order)), list(CASES.values()))
    low = float(np.nanmin(table["low"]))
    axes.set(ylim=(len(order) - 0.5, -0.5), xlim=(min(0.45, low - 0.03), 1.02), xlabel=AREA)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(networks) + 1)
    return plotting.save(figure, stem, table[["network", "case", "value", "low", "high"]], provenance)
