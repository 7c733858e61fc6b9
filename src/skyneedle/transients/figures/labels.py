"""Wrong labels: how well they are found, what they cost, and what changing them gains."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from skyneedle.core import plotting
from skyneedle.core.plotting import PALETTE, Table
from skyneedle.transients.figures import words
from skyneedle.transients.figures.words import Provenance

ERRORS = {
    "all": "all wrong labels",
    "fake_on_defect": "artifacts given as\nnon-artifacts",
    "real_among_artifacts": "non-artifacts given as\nartifacts",
}
SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "one_network": (
        "one network, all data",
        {"color": PALETTE[3], "marker": "D", "markerfacecolor": "white"},
    ),
    "in_sample": ("its training set", {"color": PALETTE[3], "marker": "s", "markerfacecolor": "white"}),
    "out_of_sample": ("the rest", {"color": PALETTE[3], "marker": "s"}),
    "out_of_fold": ("out of fold, all data", {"color": PALETTE[0], "marker": "o"}),
    "out_of_fold_same": (
        "same training set",
        {"color": PALETTE[0], "marker": "o", "markerfacecolor": "white"},
    ),
}
RULES = {
    "paper": "paper: < 0.1 or > 0.9",
    "out_of_fold": "< 0.1 or > 0.9",
    "self_confidence": "least self-confidence",
}
SHAPES = {"structured": "as the survey's own errors", "uniform": "any label alike"}
METRIC, FPR = "fpr_at_mdr05", "FPR at an MDR of 0.05"


@plotting.style()
def extra_suspects(scored: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Precision and recall of each rule for suspects, by kind of error, against planted errors.

    Args:
        scored: see ``labels.score.write``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(scored)
    long = pd.concat([_quantity(table, name) for name in ("precision", "recall")], ignore_index=True)
    entries = list(dict.fromkeys(zip(table["rule"], table["sample"], strict=True)))
    figure = plotting.new(plotting.PAGE_IN, 1.3 + 0.42 * max(len(entries), 2))
    grid = figure.subplots(2, len(ERRORS), sharey=True, squeeze=False)
    places = {entry: -i for i, entry in enumerate(entries)}
    for line, quantity in zip(grid, ("precision", "recall"), strict=True):
        for axes, (error, title) in zip(line, ERRORS.items(), strict=True):
            one = long[(long["quantity"] == quantity) & (long["error"] == error)]
            if one.empty:
                reason = "no label was wrong" if quantity == "recall" else "nothing was suspected"
                plotting.panel_without_data(axes, reason)
                continue
            for sample, rows in one.groupby("sample", sort=False):
                at = [places[entry] for entry in zip(rows["rule"], rows["sample"], strict=True)]
                look = SAMPLES.get(str(sample), (sample, plotting.series(2, line=False)))[1]
                ends = rows["value"], rows["low"], rows["high"]
                plotting.error_bars(axes, at, *ends, horizontal=True, linestyle="none", **look)
            axes.set(xlim=(-0.03, 1.03), ylim=(0.6 - len(entries), 0.6), xlabel=quantity)
            if quantity == "precision":
                axes.set_title(title)
    for axes in grid[:, 0]:
        axes.set_yticks([-i for i in range(len(entries))], [_rule(rule) for rule, _ in entries])
    samples = [entry for name, entry in SAMPLES.items() if name in set(table["sample"])]
    handles = [Line2D([], [], linestyle="none", **look, label=text) for text, look in samples]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return plotting.save(figure, stem, long, provenance)


def _quantity(table: pd.DataFrame, name: str) -> pd.DataFrame:
    n = table["n_flagged" if name == "precision" else "n_errors"]
    part = table[["rule", "sample", "error"]].assign(quantity=name, n_found=table["n_found"], n=n)
    part = part.assign(value=table[name], low=table[f"{name}_low"], high=table[f"{name}_high"])
    return part.dropna(subset=["value"])


def _rule(name: str) -> str:
    return RULES.get(name, name.replace("cleanlab_", "cleanlab: ").replace("_", " "))


@plotting.style()
def extra_label_noise(noise: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """FPR on true labels over the share of wrong labels in training, for two shapes of noise.

    Args:
        noise: see ``evaluate.noise.write``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(noise)
    columns = ["method", "shape", "share", "value", "low", "high"]
    table = table[table["metric"] == METRIC].dropna(subset=["value"])[columns]
    table = table.sort_values(["shape", "method", "share"])
    methods = list(table["method"].unique())
    figure = plotting.new(plotting.PAGE_IN, 2.9)
    pair = figure.subplots(1, 2, sharey=True)
    for axes, (shape, title) in zip(pair, SHAPES.items(), strict=True):
        one = table[table["shape"] == shape]
        if one.empty:
            plotting.panel_without_data(axes, "nothing was trained on such labels", title)
            continue
        for i, name in enumerate(methods):
            here = one[one["method"] == name]
            at = 100 * here["share"] + 0.12 * (i - (len(methods) - 1) / 2)
            look = words.look(name, methods) | {"label": words.method(name)}
            plotting.error_bars(axes, at, here["value"], here["low"], here["high"], **look)
        axes.set(xlabel="wrong labels in training (%)", title=title)
        axes.yaxis.set_tick_params(labelleft=True)
        axes.set_ylabel(f"{FPR}, on truth")
        axes.set_ylim(bottom=0)
    labelled = [axes.get_legend_handles_labels() for axes in pair if axes.get_legend_handles_labels()[1]]
    if labelled:
        figure.legend(*labelled[0], loc="outside upper center", ncols=len(methods))
    return plotting.save(figure, stem, table, provenance)


@plotting.style()
def extra_crossed(crossed: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """What new labels change in training, and what in judging alone: each pair of both, and the truth.

    Args:
        crossed: see ``comparison.write_crossed``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(crossed)
    columns = ["method", "trained_with", "judged_by", "value", "low", "high"]
    table = table[table["metric"] == METRIC].dropna(subset=["value"])[columns]
    judged = list(dict.fromkeys([*words.VERSIONS, *table["judged_by"]]))
    trained, methods = list(table["trained_with"].unique()), list(table["method"].unique())
    figure = plotting.new(plotting.PAGE_IN, 2.8)
    grid = figure.subplots(1, len(judged), sharey=True, squeeze=False)[0]
    handles: tuple[list[Any], list[Any]] = ([], [])
    for axes, version in zip(grid, judged, strict=True):
        one = table[table["judged_by"] == version]
        title = f"judged by {words.version(version)}"
        if one.empty:
            plotting.panel_without_data(axes, "not known of this survey", title)
            continue
        for i, name in enumerate(methods):
            here = one[one["method"] == name].set_index("trained_with").reindex(trained)
            at = np.arange(len(trained)) + 0.08 * (i - (len(methods) - 1) / 2)
            look = words.look(name, methods) | {"label": words.method(name)}
            plotting.error_bars(axes, at, here["value"], here["low"], here["high"], **look)
        axes.set_xticks(range(len(trained)), [f"trained with\n{words.version(key)}" for key in trained])
        axes.set(xlim=(-0.4, len(trained) - 0.6), title=title)
        axes.set_ylim(bottom=0)
        handles = axes.get_legend_handles_labels()
    grid[0].set_ylabel(FPR)
    if handles[0]:
        figure.legend(*handles, loc="outside lower center", ncols=len(methods))
    return plotting.save(figure, stem, table, provenance)
