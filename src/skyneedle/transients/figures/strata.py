"""Where candidates are lost and what is kept wrongly."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.transients.figures import words
from skyneedle.transients.figures.stamps import KINDS
from skyneedle.transients.figures.words import Provenance

RATES = {"mdr": "missed detection rate", "fpr": "false positive rate"}
MANY = 20  # candidates of a bin whose interval sets the axis
PANELS = (
    ("mdr", "snr", "signal-to-noise ratio"),
    ("mdr", "host_sb", "host surface brightness\nat the position (mag arcsec$^{-2}$)"),
    ("mdr", "kind", "kind of non-artifact"),
    ("fpr", "kind", "kind of artifact"),
)


@plotting.style()
def extra_strata(
    strata: Table,
    stem: str | Path,
    provenance: Provenance = None,
    shown: Sequence[str] = ("cnn1", "forest"),
) -> list[Path]:
    """MDR over SNR, host surface brightness and kind of source, FPR by kind of artifact.

    Args:
        strata: see ``evaluate.strata.table``, with a column method.
        stem: of the files to write.
        provenance: for their metadata.
        shown: methods.

    Returns:
        The paths written.
    """
    table = plotting.read(strata)
    table = table[table["method"].isin(list(shown))]
    figure = plotting.new(plotting.PAGE_IN, 5.0)
    grid = figure.subplot_mosaic(
        [["snr", "host_sb", "kind"], ["fpr", "fpr", "fpr"]], width_ratios=(3.2, 3.2, 2)
    )
    drawn = []
    for axes, (rate, stratum, text) in zip(grid.values(), PANELS, strict=True):
        one = table[(table["rate"] == rate) & (table["stratum"] == stratum)]
        if one.empty:
            plotting.panel_without_data(axes, f"{stratum.replace('_', ' ')} is not known of this survey")
            continue
        _panel(axes, one, stratum)
        axes.set(xlabel=text, ylabel=RATES[rate])
        axes.set_ylim(-0.02 * axes.get_ylim()[1], axes.get_ylim()[1])
        drawn.append(one)
    labelled = [axes.get_legend_handles_labels() for axes in grid.values()]
    labelled = [entry for entry in labelled if entry[1]]
    if labelled:
        figure.legend(*labelled[0], loc="outside upper center", ncols=len(shown))
    columns = ["method", "rate", "stratum", "bin", "n", "count", "value", "low", "high"]
    shown_rows = pd.concat(drawn, ignore_index=True) if drawn else table[:0]
    return plotting.save(figure, stem, shown_rows[columns], provenance)


def _panel(axes: Axes, rows: pd.DataFrame, stratum: str) -> None:
    """Bins side by side, whatever their width: the outermost have no end."""
    ordered = rows.sort_values(["low_edge", "bin"])
    bins = list(ordered["bin"].unique())
    if stratum == "kind":
        known = list(KINDS)
        bins.sort(key=lambda name: known.index(name) if name in known else len(known))
    methods = list(rows["method"].unique())
    for i, name in enumerate(methods):
        here = ordered[ordered["method"] == name].set_index("bin").reindex(bins)
        at = np.arange(len(bins)) + 0.14 * (i - (len(methods) - 1) / 2)
        # Lines join what has an order.
        look = words.look(name, methods, line=stratum != "kind") | {"label": words.method(name)}
        value, low, high = here["value"].copy(), here["low"], here["high"]
        if "none" in bins:
            plotting.error_bars(axes, at[-1:], value[-1:], low[-1:], high[-1:], **look | {"label": None})
            value.iloc[-1] = np.nan
        plotting.error_bars(axes, at, value, low, high, **look)
    n = rows.groupby("bin")["n"].max()
    axes.set_xticks(range(len(bins)), [f"{_bin(name)}\n{n[name]}" for name in bins], fontsize=5)
    axes.set_xlim(-0.6, len(bins) - 0.4)
    # The interval of a handful reaches far and says little.
    many = rows[rows["n"] >= MANY]
    axes.set_ylim(0, max(1.15 * (many if len(many) else rows)["high"].max(), 1.3 * rows["value"].max(), 0.02))


def _bin(name: str) -> str:
    """A bin in words, one or two lines."""
    if name == "none":
        return "no\nhost"
    low, _, high = name.partition("-")
    if high == "inf":
        return f"≥{low}"
    if low == "0" and high:
        return f"<{high}"
    return KINDS.get(name, name).replace(" (", "\n(").replace(" ", "\n", 1) if not high else f"{low}–{high}"
