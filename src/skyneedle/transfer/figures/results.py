"""How all methods do on what they have not learned from, and on graded candidates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.transfer.figures import words
from skyneedle.transfer.figures.words import Provenance

PANELS = {"auc": "area under the ROC curve (AUC)", "f1": "F1 at a probability of 0.5"}
BASELINES = ("lensflow", "deeplens", "kpca_trees", "kpca_mlp", "gmm")
GRADES = ("A", "B", "C")
FOLD: dict[str, Any] = {"color": plotting.PALE, "marker": "|", "linestyle": "none", "markersize": 6}
MEAN: dict[str, Any] = {"color": plotting.PALETTE[0], "marker": "o", "linestyle": "none", "markersize": 4.5}
POOLED: dict[str, Any] = {
    "color": plotting.PALETTE[1],
    "marker": "s",
    "markerfacecolor": "white",
    "linestyle": "none",
    "markersize": 3.5,
}


@plotting.style()
def extra_cross_validation(
    folds: Table, methods: Table, printed: Table, stem: str | Path, provenance: Provenance = None
) -> list[Path]:
    """AUC and F1 of all methods: each fold, their mean, and all folds in one ranking, beside the thesis.

    Args:
        folds: see ``evaluate.crossvalidation.write``.
        methods: likewise.
        printed: Table 5-1, see ``evaluate.printed.cross_validation``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    judged = plotting.read(methods)
    rows = _cross_validated(plotting.read(folds), judged, plotting.read(printed))
    names = list(dict.fromkeys(rows.loc[rows["what"] == "mean", "network"]))
    figure = plotting.new(plotting.PAGE_IN, 1.3 + 0.23 * max(len(names), 3))
    pair = figure.subplots(1, 2, sharey=True)
    for axes, (metric, text) in zip(pair, PANELS.items(), strict=True):
        one = rows[rows["metric"] == metric]
        if one.empty:
            plotting.panel_without_data(axes, "no method was judged")
            continue
        _methods(axes, one, names)
        least = min(0.4, one[["value", "low"]].min(axis=None) - 0.03)
        axes.set(xlabel=text, xlim=(-0.02 if metric == "f1" else least, 1.02))
    if names:
        pair[0].axvline(words.CHANCE, color=plotting.INK, linestyle=":", linewidth=0.9)
        told = judged.fillna("").set_index("network")
        pair[0].set_yticks(range(len(names)), [_label(name, told.loc[name]) for name in names])
        pair[0].set_ylim(len(names) - 0.4, -0.6)
        figure.legend(handles=_legend(), loc="outside upper center", ncols=5)
    return plotting.save(figure, stem, rows, provenance)


def _cross_validated(folds: pd.DataFrame, methods: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Columns metric, what, network, fold, value, low, high: what is drawn."""
    found = []
    for metric in PANELS:
        means = methods[["network", metric, f"{metric}_low", f"{metric}_high"]]
        pooled = methods[["network", *(f"pooled_{metric}{end}" for end in ("", "_low", "_high"))]]
        names = ["network", "value", "low", "high"]
        said = printed[["network", f"published_{metric}"]].rename(columns={f"published_{metric}": "value"})
        # What is printed in words, such as "below 0.7", has no marker; rows without a network have no line.
        said = said.assign(value=pd.to_numeric(said["value"], errors="coerce")).dropna()
        beside = set(methods.loc[methods["nearest"].astype(bool), "network"])
        parts = {
            "fold": folds[["network", "fold", metric]].rename(columns={metric: "value"}),
            "mean": means.set_axis(names, axis=1),
            "pooled": pooled.set_axis(names, axis=1),
            "published": said[said["network"].isin(beside)],
        }
        found += [part.assign(metric=metric, what=what) for what, part in parts.items()]
    columns = ["metric", "what", "network", "fold", "value", "low", "high"]
    rows = pd.concat(found, ignore_index=True).reindex(columns=columns)
    return rows.dropna(subset=["value"]).reset_index(drop=True)


def _label(name: str, told: pd.Series) -> str:
    """Model, and what a network with one of the six trunks is."""
    if not told["mode"]:
        return words.method(name)
    stem = ", learned stem" if told["stem"] == "learned" else ""
    return f"{told['model']}: {told['weights']}, {told['mode']}{stem}"


def _methods(axes: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    place = {name: i for i, name in enumerate(names)}
    at = rows["network"].map(place)
    of = {what: rows["what"] == what for what in ("fold", "mean", "pooled", "published")}
    axes.plot(rows.loc[of["fold"], "value"], at[of["fold"]], **FOLD)
    for what, look, offset in (("pooled", POOLED, 0.22), ("mean", MEAN, 0.0)):
        here = rows[of[what]]
        ends = here["value"], here["low"], here["high"]
        plotting.error_bars(axes, at[of[what]] + offset, *ends, horizontal=True, **look)
    axes.plot(rows.loc[of["published"], "value"], at[of["published"]] - 0.22, **words.PUBLISHED)
    axes.grid(False, axis="y")
    for line in range(1, len(names)):
        axes.axhline(line - 0.5, color="#e4e4e4", linewidth=0.5, zorder=0)


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], label="each fold", **FOLD),
        Line2D([], [], label="mean over folds, 68 % interval", **MEAN),
        Line2D([], [], label="all folds in one ranking", **POOLED),
        Line2D([], [], label="printed in the thesis", **words.PUBLISHED),
        Line2D([], [], color=plotting.INK, linestyle=":", label="chance"),
    ]


@plotting.style()
def extra_roc(
    roc: Table,
    methods: Table,
    stem: str | Path,
    provenance: Provenance = None,
    baselines: Sequence[str] = BASELINES,
) -> list[Path]:
    """ROC curves of the best pretrained network, of networks of their own and of classical methods.

    Args:
        roc: see ``evaluate.crossvalidation.write``.
        methods: likewise.
        stem: of the files to write.
        provenance: for their metadata.
        baselines: methods beside the best one, those of them that there are.

    Returns:
        The paths written.
    """
    curves, known = plotting.read(roc), plotting.read(methods).set_index("network")
    figure = plotting.new(plotting.COLUMN_IN * 1.25, 4.6)
    axes = figure.subplots()
    # Networks that judged some folds only are judged on other stamps.
    n_folds = known["n_folds"].max()
    backbones = known[known["mode"].fillna("").ne("") & (known["n_folds"] == n_folds)]
    best = [str(backbones["pooled_auc"].idxmax())] if len(backbones) else []
    shown = [name for name in [*best, *baselines] if name in set(curves["network"])]
    drawn = curves[curves["network"].isin(shown)]
    if drawn.empty:
        plotting.panel_without_data(axes, "no method was judged on both classes")
        return plotting.save(figure, stem, drawn, provenance)
    for place, name in enumerate(shown):
        one, area = drawn[drawn["network"] == name], known.loc[name]
        ends = f"{area['pooled_auc_low']:.3f} to {area['pooled_auc_high']:.3f}"
        some = f", {area['n_folds']:.0f} of {n_folds:.0f} folds" if area["n_folds"] < n_folds else ""
        text = f"{words.method(name)}{some}: {area['pooled_auc']:.3f} ({ends})"
        look = plotting.series(place) | {"markevery": 0.15, "markersize": 3}
        axes.plot(one["false_positive_rate"], one["true_positive_rate"], label=text, **look)
    axes.plot([0, 1], [0, 1], color=plotting.INK, linestyle=":", linewidth=0.9, label="chance: 0.5")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1), ylim=(0, 1.01))
    axes.set_box_aspect(1)
    title = "AUC, all folds in one ranking (68 % interval)"
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", title=title)
    return plotting.save(figure, stem, drawn, provenance)


@plotting.style()
def extra_grades(
    grades: Table, candidates: Table, printed: Table, stem: str | Path, provenance: Provenance = None
) -> list[Path]:
    """Predicted probability of each graded candidate, its mean and standard deviation, beside Table 5-2.

    Args:
        grades: see ``evaluate.grades.write``.
        candidates: likewise.
        printed: Table 5-2, see ``evaluate.printed.by_grade``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    judged, scores, said = (plotting.read(table) for table in (grades, candidates, printed))
    judged = judged[judged["nearest"].astype(bool)]
    names = list(dict.fromkeys(judged["network"]))
    figure = plotting.new(plotting.PAGE_IN, 2.9)
    grid = figure.subplots(1, max(len(names), 1), sharey=True, squeeze=False)[0]
    if not names:
        plotting.panel_without_data(grid[0], "no network of Table 5-2 scored candidates")
        return plotting.save(figure, stem, judged, provenance)
    drawn = []
    for axes, name in zip(grid, names, strict=True):
        rows = pd.concat(
            [
                scores[scores["network"] == name].assign(what="candidate", value=lambda t: t["score"]),
                judged[judged["network"] == name].assign(what=lambda t: "ours: " + t["quantity"]),
                _said(said[said["network"] == name]),
            ],
            ignore_index=True,
        ).assign(network=name, grade=lambda t: t["grade"].str.upper())
        _graded(axes, rows)
        axes.set(title=words.method(name), xlabel="grade", ylim=(-0.05, 1.3), yticks=np.linspace(0, 1, 6))
        drawn.append(rows)
    grid[0].set_ylabel("predicted probability of a lens")
    figure.legend(handles=_graded_legend(), loc="outside lower center", ncols=2)
    columns = ["network", "grade", "what", "value", "low", "high"]
    return plotting.save(figure, stem, pd.concat(drawn).reindex(columns=columns), provenance)


def _said(rows: pd.DataFrame) -> pd.DataFrame:
    values = pd.to_numeric(rows["published"], errors="coerce")
    what = "thesis: " + rows["quantity"].replace("standard deviation", "std")
    return rows[["grade"]].assign(what=what, value=values).dropna(subset=["value"])


def _graded(axes: Axes, rows: pd.DataFrame) -> None:
    for place, grade in enumerate(GRADES):
        here = rows[rows["grade"] == grade]
        dots = np.sort(here.loc[here["what"] == "candidate", "value"].to_numpy())
        # Spread sideways by rank, so that nothing is drawn at random.
        aside = 0.11 * np.cos(2.4 * np.arange(len(dots)))
        axes.plot(place + aside, dots, ".", color=plotting.PALE, markersize=2.5, zorder=1)
        of = here.set_index("what")
        for who, offset, look in (("ours", -0.27, MEAN), ("thesis", 0.27, words.PUBLISHED)):
            if f"{who}: mean" in of.index:
                mean, std = of.loc[f"{who}: mean", "value"], of.loc[f"{who}: std", "value"]
                axes.errorbar(place + offset, mean, yerr=std, elinewidth=0.7, **look)
        if "ours: mean" in of.index:
            low, high = of.loc["ours: mean", ["low", "high"]]
            axes.plot(
                [place - 0.27] * 2, [low, high], color=MEAN["color"], linewidth=2.5, solid_capstyle="butt"
            )
    axes.set_xticks(range(len(GRADES)), GRADES)
    axes.set_xlim(-0.6, len(GRADES) - 0.4)


def _graded_legend() -> list[Line2D]:
    return [
        Line2D([], [], color=plotting.PALE, marker=".", linestyle="none", label="simulated candidates, ours"),
        Line2D([], [], label="mean, standard deviation (thick: interval of the mean)", **MEAN),
        Line2D([], [], label="printed in the thesis: 92 candidates", **words.PUBLISHED),
    ]
