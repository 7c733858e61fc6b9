"""How scores are spread, and the study of the ongoing survey."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import PALETTE, Table
from skyneedle.transients.evaluate.survey import REAL_BOGUS
from skyneedle.transients.figures import words
from skyneedle.transients.figures.words import Provenance
from skyneedle.transients.labels.suspects import HIGH, LOW

FLOOR = 0.5  # of logarithmic counts: an empty bin lies below one
NETWORKS = {"as_is": "trained on the first survey", "retrained": "retrained on this survey"}
CUT: dict[str, Any] = {"color": plotting.REFERENCE, "linestyle": "--", "linewidth": 1.0}


@plotting.style()
def fig5(
    histogram: Table, stem: str | Path, provenance: Provenance = None, method: str = "cnn1"
) -> list[Path]:
    """Scores of Model 1 by given label.

    Args:
        histogram: see ``categories.histogram``, with a column method.
        stem: of the files to write.
        provenance: for their metadata.
        method: whose scores.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 5.
    """
    table = plotting.read(histogram)
    table = table[table["method"] == method][["label", "low", "high", "n"]]
    figure = plotting.new(plotting.COLUMN_IN, 3.0)
    axes = figure.subplots()
    if table.empty:
        plotting.panel_without_data(axes, f"no scores of {words.method(method)}")
        return plotting.save(figure, stem, table, provenance)
    looks: dict[int, Any] = {
        0: {"facecolor": "#bcd9ec", "edgecolor": PALETTE[0], "fill": True},
        1: {"edgecolor": PALETTE[3], "linestyle": "--"},
    }
    for label, name in enumerate(("non-artifact", "artifact")):
        text = f"given as {name} ({table.loc[table['label'] == label, 'n'].sum():,})"
        _bars(axes, table[table["label"] == label], label=text, **looks[label])
    for edge, text, side in ((LOW, "category 1", "right"), (HIGH, "category 6", "left")):
        axes.axvline(edge, color=plotting.INK, linestyle=":", linewidth=0.9)
        place = (edge / 2 if side == "right" else (1 + edge) / 2, 1.01)
        axes.annotate(text, place, xycoords=("data", "axes fraction"), ha="center", fontsize=5.5)
    axes.set(xlabel="score: P(artifact)", ylabel="candidates a bin", xlim=(0, 1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return plotting.save(figure, stem, table, provenance)


@plotting.style()
def fig12(curves: Table, histogram: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The network on the ongoing survey: ROC curve, rates over the cut, and how clean the stream is.

    Args:
        curves: see ``survey.curves``, with a column network.
        histogram: see ``survey.histogram``, likewise: how many are real and how many bogus.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written. The CSV names for each panel what runs along x and y.

    Source: Ayyar et al. 2022, Sec. 4.6 and Fig. 12.
    """
    table, bars = plotting.read(curves), plotting.read(histogram)
    figure = plotting.new(plotting.PAGE_IN, 2.9)
    roc, rates, clean = figure.subplots(1, 3)
    found = [name for name in NETWORKS if name in set(table.get("network", []))]
    if not found:
        for axes in (roc, rates, clean):
            plotting.panel_without_data(axes, "no candidate of the ongoing survey was rated clearly")
        return plotting.save(figure, stem, table, provenance)
    drawn = []
    for name in found:
        one = table[table["network"] == name].assign(tpr=lambda rows: 1 - rows["mdr"])
        look: dict[str, Any] = {"color": PALETTE[0 if name == "retrained" else 7]}
        look["linewidth"] = 1.3 if name == "retrained" else 0.9
        dashes = "-" if name == "retrained" else "-."
        drawn += [
            _line(roc, one, ("fpr", "tpr"), name, linestyle=dashes, label=NETWORKS[name], **look),
            _line(clean, one, ("mdr", "cleanliness"), name, linestyle=dashes, **look),
        ]
    last = table[table["network"] == found[-1]]
    for i, quantity in enumerate(("fpr", "mdr")):
        look = {"color": PALETTE[3 - i], "linestyle": ("-", "--")[i], "label": quantity.upper()}
        drawn.append(_line(rates, last, ("real_bogus", quantity), found[-1], **look))
    rates.axvline(REAL_BOGUS, **CUT)
    real, bogus = (
        bars.loc[(bars["network"] == found[-1]) & (bars["tagged"] == tag), "n"].sum()
        for tag in ("real", "bogus")
    )
    ratio = f"{bogus / real:.1f} bogus to 1 real" if real else "no real ones"
    roc.set(xlabel="false positive rate", ylabel="true positive rate")
    rates.set(xlabel="real/bogus score, from which on kept", ylabel="rate", title=NETWORKS[found[-1]])
    clean.set(xlabel="missed detection rate", ylabel="stream cleanliness", title=ratio)
    for axes in (roc, rates, clean):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_box_aspect(1)
    handles = [*roc.get_legend_handles_labels()[0], *rates.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return plotting.save(figure, stem, pd.concat(drawn, ignore_index=True), provenance)


def _line(axes: Axes, rows: pd.DataFrame, pair: tuple[str, str], network: str, **look: Any) -> pd.DataFrame:
    """One curve, with a dot where the cut is; columns network, quantity_x, quantity_y, x, y, is_cut."""
    rows = rows.dropna(subset=list(pair))
    x, y = pair
    axes.plot(rows[x], rows[y], **look)
    kept = rows["real_bogus"] >= REAL_BOGUS
    is_cut = np.zeros(len(rows), bool)
    if kept.any() and x != "real_bogus":
        is_cut[np.flatnonzero(kept)[-1]] = True
        axes.plot(rows[x][is_cut], rows[y][is_cut], "o", color=plotting.REFERENCE, markersize=4.5, zorder=5)
    named = {"network": network, "quantity_x": x, "quantity_y": y}
    return pd.DataFrame({"x": rows[x], "y": rows[y], "is_cut": is_cut}).assign(**named)[
        ["network", "quantity_x", "quantity_y", "x", "y", "is_cut"]
    ]


@plotting.style()
def fig13(histogram: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Real/bogus scores of what observers tagged as real and as bogus, before and after retraining.

    Args:
        histogram: see ``survey.histogram``, with a column network.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 13, which shows the retrained network.
    """
    table = plotting.read(histogram)
    figure = plotting.new(plotting.PAGE_IN, 2.8)
    looks: dict[str, Any] = {
        "real": {"facecolor": "#bcd9ec", "edgecolor": PALETTE[0], "fill": True},
        "bogus": {"edgecolor": PALETTE[3], "linestyle": "--"},
    }
    handles: Sequence[Any] = []
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), NETWORKS.items(), strict=True):
        one = table[table["network"] == name] if len(table) else table
        if one.empty or not one["n"].sum():
            plotting.panel_without_data(axes, "no candidate was rated clearly", title)
            continue
        for tag, look in looks.items():
            _bars(axes, one[one["tagged"] == tag], label=f"tagged {tag}", **look)
        axes.axvline(REAL_BOGUS, label=f"cut at {REAL_BOGUS:g}", **CUT)
        axes.set(xlabel="real/bogus score: 1 - P(artifact)", xlim=(0, 1), title=title)
        axes.yaxis.set_tick_params(labelleft=True)
        axes.set_ylabel("candidates a bin")
        handles = axes.get_legend_handles_labels()[0]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3)
    columns = ["network", "tagged", "low", "high", "n"]
    return plotting.save(figure, stem, table.reindex(columns=columns), provenance)


def _bars(axes: Axes, rows: pd.DataFrame, **look: Any) -> None:
    """Counts on a logarithmic axis; bins without any stay at the floor."""
    edges = np.append(rows["low"], rows["high"].iloc[-1])
    axes.stairs(np.maximum(rows["n"], FLOOR), edges, baseline=FLOOR, linewidth=1.0, **look)
    axes.set_ylim(FLOOR, max(axes.get_ylim()[1], 2.5 * rows["n"].max(), 2 * FLOOR))
    plotting.log_axis(axes.yaxis)
