"""What is lost against what is kept wrongly, as the threshold moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.transients.evaluate.rates import GOLDSTEIN, MDR
from skyneedle.transients.figures import words
from skyneedle.transients.figures.words import Provenance

PUBLISHED = "goldstein2015"
COMPARED = ("cnn1", "cnn2", "cnn3", "cnn4", "forest")
BEST = ("cnn1", "forest")
LEAST_SHOWN = 0.1  # both axes reach at least this rate
TICKS = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)
AXES = {"x": "missed detection rate (MDR)", "y": "false positive rate (FPR)"}


@plotting.style()
def fig4(
    curves: Table,
    stem: str | Path,
    provenance: Provenance = None,
    labels: str = "given",
    shown: Sequence[str] = COMPARED,
) -> list[Path]:
    """FPR over MDR of networks and forest, trained and tested with the old labels.

    Args:
        curves: see ``rates.write_curves``.
        stem: of the files to write.
        provenance: for their metadata.
        labels: the version of the labels that judges.
        shown: methods, those of them that there are.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 4.
    """
    return _all_methods(curves, labels, shown, stem, provenance)


@plotting.style()
def fig7(
    curves: Table,
    stem: str | Path,
    provenance: Provenance = None,
    labels: str = "relabelled",
    shown: Sequence[str] = COMPARED,
) -> list[Path]:
    """The same networks and forest as in Fig. 4, on the same axes, judged by the new labels.

    Args:
        curves: see ``rates.write_curves``.
        stem: of the files to write.
        provenance: for their metadata.
        labels: the version of the labels that judges.
        shown: methods, those of them that there are.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 7.
    """
    return _all_methods(curves, labels, shown, stem, provenance)


def _all_methods(
    curves: Table, labels: str, shown: Sequence[str], stem: str | Path, provenance: Provenance
) -> list[Path]:
    table = plotting.read(curves)
    table = table[table["method"].isin(list(shown))]
    figure = plotting.new(plotting.COLUMN_IN, 3.6)
    axes = figure.subplots()
    drawn = _curves(axes, table, labels, shown)
    if drawn.empty:
        return plotting.save(figure, stem, drawn, provenance)
    drawn = pd.concat([drawn, _goldstein(axes)], ignore_index=True)
    _square_roots(axes, _reach(table))
    _legend_above(figure, axes)
    return plotting.save(figure, stem, drawn, provenance)


@plotting.style()
def fig8(
    curves: Table,
    crossed: Table,
    stem: str | Path,
    provenance: Provenance = None,
    labels: str = "relabelled",
    shown: Sequence[str] = BEST,
) -> list[Path]:
    """FPR over MDR of Model 1 and the forest, trained and judged with the new labels.

    Args:
        curves: see ``rates.write_curves``, of what was trained with the new labels.
        crossed: see ``comparison.write_crossed``: intervals of the FPR at an MDR of 0.05, where there are
            some for training and judging with ``labels``.
        stem: of the files to write.
        provenance: for their metadata.
        labels: the version of the labels that judges.
        shown: methods.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 8.
    """
    table = plotting.read(curves)
    table = table[table["method"].isin(list(shown))]
    figure = plotting.new(plotting.COLUMN_IN, 3.4)
    axes = figure.subplots()
    drawn = _curves(axes, table, labels, shown).assign(low=np.nan, high=np.nan)
    if drawn.empty:
        return plotting.save(figure, stem, drawn, provenance)
    points = plotting.read(crossed)
    points = points[(points["metric"] == "fpr_at_mdr05") & points["method"].isin(set(drawn["method"]))]
    points = points[(points["trained_with"] == labels) & (points["judged_by"] == labels)]
    axes.axvline(MDR, color=plotting.REFERENCE, linestyle=":", linewidth=1.0, label=f"MDR = {MDR:g}")
    methods = list(drawn["method"].unique())
    for i, row in enumerate(points.itertuples()):
        text = f"{words.method(row.method)}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
        look = words.look(row.method, methods, line=False) | {"markersize": 4.5, "zorder": 4}
        # Beside each other: the intervals overlap where methods are alike.
        plotting.error_bars(
            axes, MDR * (1 + 0.04 * (i + 0.5)), row.value, row.low, row.high, label=text, **look
        )
    of_points = points.rename(columns={"value": "fpr"}).assign(mdr=MDR, curve="FPR at MDR")
    parts = [drawn.assign(curve="curve"), of_points, _goldstein(axes).assign(curve="published")]
    columns = ["curve", "method", "mdr", "fpr", "low", "high"]
    _square_roots(axes, _reach(table))
    _legend_above(figure, axes)
    return plotting.save(
        figure, stem, pd.concat([part.reindex(columns=columns) for part in parts]), provenance
    )


@plotting.style()
def fig9(
    curves: Table,
    stem: str | Path,
    provenance: Provenance = None,
    labels: str = "relabelled",
    shown: Sequence[str] = BEST,
) -> list[Path]:
    """TPR over FPR of Model 1 and the forest, as a whole and the corner that matters.

    Args:
        curves: see ``rates.write_curves``, of what was trained with the new labels.
        stem: of the files to write.
        provenance: for their metadata.
        labels: the version of the labels that judges.
        shown: methods.

    Returns:
        The paths written.

    Source: Ayyar et al. 2022, Fig. 9.
    """
    table = plotting.read(curves)
    figure = plotting.new(plotting.PAGE_IN, 3.3)
    whole, corner = figure.subplots(1, 2)
    chosen = _chosen(table, labels, shown)
    if chosen.empty:
        for axes in (whole, corner):
            plotting.panel_without_data(axes, _reason(table, labels, shown))
        return plotting.save(figure, stem, chosen, provenance)
    methods = list(chosen["method"].unique())
    for name in methods:
        one = chosen[chosen["method"] == name]
        look = words.look(name, methods) | {"marker": ""}
        text = f"{words.method(name)}: AUC {one['auc'].iloc[0]:.4f}"
        for axes in (whole, corner):
            axes.plot(one["fpr"], one["tpr"], label=text, **look)
    whole.plot([0, 1], [0, 1], color=plotting.PALE, linewidth=0.7)
    reach = _reach(chosen)
    whole.set(xlim=(-0.02, 1), ylim=(0, 1.02), ylabel="true positive rate (TPR)")
    corner.set(xlim=(-0.02 * reach, reach), ylim=(1 - reach, 1 + 0.02 * reach), title="the upper left corner")
    for axes in (whole, corner):
        axes.set(xlabel=AXES["y"])
        axes.set_box_aspect(1)
    figure.legend(*whole.get_legend_handles_labels(), loc="outside lower center", ncols=len(methods))
    return plotting.save(figure, stem, chosen[["method", "fpr", "tpr", "auc"]], provenance)


def _chosen(table: pd.DataFrame, labels: str, shown: Sequence[str]) -> pd.DataFrame:
    return table[(table["labels"] == labels) & table["method"].isin(list(shown))]


def _reason(table: pd.DataFrame, labels: str, shown: Sequence[str]) -> str:
    if labels not in set(table["labels"]):
        return f"nothing was judged by labels of the version '{labels}'"
    return f"no scores of {', '.join(map(words.method, shown))}"


def _curves(axes: Axes, table: pd.DataFrame, labels: str, shown: Sequence[str]) -> pd.DataFrame:
    """Draw the curves of one version of the labels; columns method, mdr, fpr."""
    chosen = _chosen(table, labels, shown)
    if chosen.empty:
        plotting.panel_without_data(axes, _reason(table, labels, shown))
    methods = list(chosen["method"].unique())
    for name in methods:
        one = chosen[chosen["method"] == name]
        look = words.look(name, methods) | {"marker": ""}
        axes.plot(one["mdr"], one["fpr"], label=words.method(name), **look)
    return chosen[["method", "mdr", "fpr"]]


def _goldstein(axes: Axes) -> pd.DataFrame:
    points = pd.DataFrame(GOLDSTEIN, columns=["mdr", "fpr"])
    look: dict[str, Any] = {"color": "black", "marker": "s", "linestyle": "none", "markersize": 4}
    axes.plot(points["mdr"], points["fpr"], label=words.method(PUBLISHED), zorder=5, **look)
    return points.assign(method=PUBLISHED)[["method", "mdr", "fpr"]]


def _reach(table: pd.DataFrame) -> float:
    """How far both axes go: well beyond where the worst curve meets the diagonal."""
    worst = np.maximum(table["mdr"], table["fpr"])
    equal = worst.groupby([table["method"], table["labels"]]).min().max()
    return float(np.clip(2.5 * equal, LEAST_SHOWN, 1))


def _square_roots(axes: Axes, reach: float) -> None:
    """Axes even in the square root: rates below one per cent can be told apart, and zero has its place."""
    for axis in (axes.xaxis, axes.yaxis):
        _square_root(axis, reach)
    axes.set(xlim=(0, reach), ylim=(0, reach), xlabel=AXES["x"], ylabel=AXES["y"])
    axes.set_box_aspect(1)


def _square_root(axis: Axis, reach: float) -> None:
    set_scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
    set_scale("function", functions=(lambda x: np.sqrt(np.clip(x, 0, None)), np.square))
    axis.set_ticks([tick for tick in TICKS if tick <= reach and not 0 < tick < 0.06 * reach])
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend_above(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
