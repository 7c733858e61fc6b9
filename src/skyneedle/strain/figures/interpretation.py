"""Figure 8 of gebhard2019, and what its conclusion asks for: how contrived the optimised inputs are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

CONSTRAINTS = {  # in the order of the paper's panels
    "gw_like": "(a) gw-like: within ±0.25 s",
    "minimal_perturbation": "(b) minimal perturbation",
    "positive_strain": "(c) non-negative strain",
    "zero_coalescence": "(c) zero around the event",
    "minimal_amplitude": "(c) minimal amplitude",
}
CURVES: dict[str, Any] = {  # colour, dashes, width
    "original": (plotting.PALETTE[0], "-", 0.4),
    "difference": (plotting.PALETTE[1], "-", 1.0),
    "input": (plotting.PALETTE[2], "-", 0.5),
    "target": (plotting.PALE, (0, (1, 1)), 1.6),
    "output": (plotting.PALETTE[0], "-", 0.9),
}
KINDS = {"preimage": "o", "injection": "s", "noise": "^"}


@plotting.style()
def fig8(
    preimages: Table,
    stem: str | Path,
    examples: Mapping[str, int] | None = None,
    half_width_s: float = 0.5,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Inputs optimised to make the network report a signal, one column of panels for each constraint.

    Args:
        preimages: columns constraint, example, time_s, H1_original, L1_original, H1_input, L1_input, target,
            output (NaN where there is no output).
        stem: of the files to write.
        examples: which example to draw of a constraint; the first where not named.
        half_width_s: of the time around the middle of the target that is drawn.
        provenance: for the metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 8.
    """
    table = plotting.read(preimages)
    curves = [f"{detector}_{kind}" for detector in ("H1", "L1") for kind in ("original", "input")]
    table[curves] = table[curves].round(4)  # finer than any print
    figure = plotting.new(plotting.PAGE_IN, 7.2)
    upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
    names = list(CONSTRAINTS)
    _legend(upper, ("original", "difference", "target", "output"))
    _legend(lower, ("input", "target", "output"))
    panels = dict(zip(names[:2], upper.subfigures(1, 2), strict=True))
    panels |= dict(zip(names[2:], lower.subfigures(1, 3), strict=True))
    drawn = [pd.DataFrame(columns=["constraint", "example", "panel", "series", "time_s", "value"])]
    for index, (constraint, column) in enumerate(panels.items()):
        here = table[table["constraint"] == constraint]
        if here.empty:
            plotting.panel_without_data(
                column.subplots(), "this constraint was not run", CONSTRAINTS[constraint]
            )
            continue
        example = (examples or {}).get(constraint, here["example"].iloc[0])
        here = here[here["example"] == example].sort_values("time_s")
        middle = here.loc[here["target"] == 1, "time_s"].mean()
        here = here[(here["time_s"] - middle).abs() <= half_width_s].round({"time_s": 7, "output": 4})
        drawn.append(_preimage_column(column, constraint, here, first=index in (0, 2)))
    return plotting.save(figure, stem, pd.concat(drawn[1:] or drawn, ignore_index=True), provenance)


def _preimage_column(column: SubFigure, constraint: str, here: pd.DataFrame, first: bool) -> pd.DataFrame:
    panels = column.subplots(3, 1, sharex=True)
    rows = []
    effective = CONSTRAINTS[constraint].startswith("(c)")
    for axes, detector in zip(panels, ("H1", "L1"), strict=False):
        original, given = here[f"{detector}_original"], here[f"{detector}_input"]
        curves = (
            {"input": given}
            if effective
            else {"original": original, "difference": (given - original).round(4)}
        )
        for name, values in curves.items():
            rows.append(_draw(axes, detector, name, here["time_s"], values))
        axes.set_ylabel(f"{detector} (std. dev.)" if first else "")
    panels[0].set_title(CONSTRAINTS[constraint])
    output = here.dropna(subset=["output", "target"])
    rows += [
        _draw(panels[2], "output", name, output["time_s"], output[name]) for name in ("target", "output")
    ]
    panels[2].set(ylim=(-0.05, 1.05), xlabel="time (s)", ylabel="output" if first else "")
    data = pd.concat(rows).assign(constraint=constraint, example=here["example"].iloc[0])
    return data[["constraint", "example", "panel", "series", "time_s", "value"]]


def _draw(axes: Axes, panel: str, name: str, time: pd.Series, values: pd.Series) -> pd.DataFrame:
    colour, dashes, width = CURVES[name]
    axes.plot(time, values, color=colour, linestyle=dashes, linewidth=width)
    return pd.DataFrame({"panel": panel, "series": name, "time_s": time, "value": values})


def _legend(block: SubFigure, names: Sequence[str]) -> None:
    # Lines thin enough for noise are too thin for a legend.
    handles = [
        Line2D([], [], color=CURVES[name][0], linestyle=CURVES[name][1], linewidth=1.4, label=name)
        for name in names
    ]
    block.legend(handles=handles, loc="outside upper center", ncols=len(names))


@plotting.style()
def extra_contrived(
    contrived: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """How contrived each optimised input is: likeness to a template, SNR, and how unlikely it is as noise.

    Args:
        contrived: columns constraint, example, kind (preimage, injection, noise), overlap_best (with the best
            template of the bank), optimal_snr, noise_loglik_z (log-likelihood under the noise's own PSD, in
            standard deviations of that of noise), output_peak.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: ours; Gebhard et al. 2019, Sec. VII D, last paragraph.
    """
    numbers = ["overlap_best", "optimal_snr", "noise_loglik_z", "output_peak"]
    columns = ["kind", "constraint", "example", *numbers]
    table = plotting.read(contrived)
    data = table[columns].replace([np.inf, -np.inf], np.nan).dropna(subset=numbers)
    data["constraint"] = data["constraint"].where(data["kind"] == "preimage", "none")
    figure = plotting.new(plotting.PAGE_IN, 3.1)
    left, right = figure.subplots(1, 2, sharey=True)
    groups = data.groupby(["kind", "constraint"], sort=False)
    for index, ((kind, constraint), rows) in enumerate(groups):
        look = plotting.series(index, line=False) | {
            "alpha": 0.8,
            "markeredgecolor": "white",
            "markeredgewidth": 0.3,
        }
        if kind != "preimage":
            look |= {
                "markerfacecolor": "none",
                "markeredgecolor": plotting.INK,
                "marker": KINDS[kind],
                "markeredgewidth": 0.7,
            }
        label = CONSTRAINTS.get(constraint, constraint) if kind == "preimage" else kind
        left.plot(rows["optimal_snr"], rows["overlap_best"], label=label, **look)
        right.plot(rows["noise_loglik_z"], rows["overlap_best"], **look)
    left.set(
        xlabel="optimal SNR of what was added", ylabel="overlap with the best template", ylim=(-0.03, 1.03)
    )
    right.set(xlabel="log-likelihood as noise (std. dev. of noise)")
    _wide_range(left, data["optimal_snr"], 1)
    _wide_range(right, data["noise_loglik_z"], 3)
    figure.legend(loc="outside upper center", ncols=4)
    if len(table) > len(data):
        right.set_title(f"not drawn: {len(table) - len(data)} without a finite value", fontsize=7)
    return plotting.save(figure, stem, data, provenance)


def _wide_range(axes: Axes, values: pd.Series, linear_to: float) -> None:
    # Linear around zero, logarithmic beyond, with plain numbers that do not collide.
    if values.empty or values.abs().max() <= 20 * linear_to:
        return
    axes.set_xscale("symlog", linthresh=linear_to, linscale=0.5)
    sizes = [10.0**power for power in range(9) if 10.0**power >= linear_to]
    low, high = min(0.0, values.min()), max(0.0, values.max())
    inside = [tick for tick in (*(-size for size in reversed(sizes)), 0.0, *sizes) if low <= tick <= high]
    axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
    axes.set_xticks([], minor=True)


def contrived_summary(contrived: Table) -> pd.DataFrame:
    """The table beside ``extra_contrived``: median and central 68 % of each quantity by kind and constraint.

    Args:
        contrived: see ``extra_contrived``.

    Returns:
        Columns kind, constraint, quantity, n (finite values), median, low, high.
    """
    table = plotting.read(contrived)
    table["constraint"] = table["constraint"].where(table["kind"] == "preimage", "none")
    rows = []
    for (kind, constraint), group in table.groupby(["kind", "constraint"], sort=False):
        for quantity in ("overlap_best", "optimal_snr", "noise_loglik_z", "output_peak"):
            values = group[quantity].replace([np.inf, -np.inf], np.nan).dropna()
            low, median, high = values.quantile([0.16, 0.5, 0.84])
            rows.append((kind, constraint, quantity, len(values), median, low, high))
    return pd.DataFrame(rows, columns=["kind", "constraint", "quantity", "n", "median", "low", "high"])
