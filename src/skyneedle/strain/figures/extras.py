"""Our own figures: learning curves, scans, all networks compared, and the arguments of Sec. III as
experiments."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from skyneedle.core import plotting
from skyneedle.core.plotting import Table
from skyneedle.strain.figures.results import with_lower_limits

METRICS = {  # label and divisor of the unit drawn
    "detection_ratio": ("detection ratio", 1.0),
    "inverse_false_positive_rate_s": ("time per false positive (min)", 60.0),
}
PUBLISHED = {"detection_ratio": (0.89, "paper, 512 channels: 89 %")}


@plotting.style()
def extra_learning_curves(
    histories: Mapping[str, Table], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Loss over epochs of each trained network.

    Args:
        histories: network to table with columns epoch, split (train, validation), loss, learning_rate.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    columns = min(3, max(1, len(histories)))
    n_rows = math.ceil(max(1, len(histories)) / columns)
    figure = plotting.new(plotting.PAGE_IN, 1.75 * n_rows + 0.4)
    panels = figure.subplots(n_rows, columns, squeeze=False).ravel()
    drawn = []
    for axes, (network, history) in zip(panels, histories.items(), strict=False):
        table = plotting.read(history).dropna(subset=["loss"])
        axes.set_title(network)
        for index, (split, rows) in enumerate(table.groupby("split", sort=True)):
            axes.plot(rows["epoch"], rows["loss"], **plotting.series(index) | {"markersize": 2}, label=split)
        validation = table[table["split"] == "validation"]
        if len(validation):
            best = validation.loc[validation["loss"].idxmin()]
            axes.plot(
                best["epoch"],
                best["loss"],
                "*",
                color=plotting.REFERENCE,
                markersize=8,
                label="used",
                linestyle="none",
            )
        steps = table.groupby("epoch")["learning_rate"].first()
        for epoch in steps.index[1:][steps.diff().iloc[1:] < 0]:
            axes.axvline(epoch, color=plotting.PALE, linestyle=":", linewidth=0.7)
        plotting.log_axis(axes.yaxis)
        drawn.append(table.assign(network=network)[["network", "epoch", "split", "loss", "learning_rate"]])
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    for axes in panels[: len(histories)]:
        axes.set_xlabel("epoch")
    for axes in panels[::columns]:
        axes.set_ylabel("loss (cross-entropy)")
    if not drawn:
        plotting.panel_without_data(panels[0], "no network was trained")
        drawn.append(pd.DataFrame(columns=["network", "epoch", "split", "loss", "learning_rate"]))
    else:
        panels[0].legend()
    return plotting.save(figure, stem, pd.concat(drawn, ignore_index=True), provenance)


@plotting.style()
def extra_width(
    networks: Table,
    channels: Mapping[str, int],
    stem: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Detection ratio and time per false positive over the number of channels.

    Args:
        networks: tidy metrics (``scoreboard.network_table``): network, metric, value, low, high, reason.
        channels: network to channels; others are not drawn.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: ours; Gebhard et al. 2019, Sec. V A.
    """
    table = _of(networks, channels)
    table["channels"] = table["network"].map(channels)
    figure = plotting.new(plotting.PAGE_IN, 2.5)
    drawn = []
    for axes, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
        rows = _points(axes, table, metric, "channels", joined=True)
        axes.set_xscale("log", base=2)
        ticks = sorted(set(channels.values()))
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("channels of a block")
        drawn.append(rows)
    columns = ["network", "channels", "metric", "value", "low", "high", "kind"]
    return plotting.save(figure, stem, pd.concat(drawn)[columns], provenance)


@plotting.style()
def extra_detectors(
    networks: Table,
    detectors: Mapping[str, str],
    stem: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Detection ratio and time per false positive for one to three detectors.

    Args:
        networks: tidy metrics as in ``extra_width``.
        detectors: network to the names of its detectors, for instance "H1 L1", in the order to be drawn.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = _of(networks, detectors)
    table["detectors"] = table["network"].map(detectors)
    order = list(detectors)
    table["position"] = table["network"].map(order.index)
    figure = plotting.new(plotting.PAGE_IN, 2.5)
    drawn = []
    for axes, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
        drawn.append(_points(axes, table, metric, "position"))
        axes.set_xticks(range(len(order)), list(detectors.values()))
        axes.set(xlim=(-0.5, len(order) - 0.5), xlabel="detectors")
    columns = ["network", "detectors", "metric", "value", "low", "high", "kind"]
    return plotting.save(figure, stem, pd.concat(drawn)[columns], provenance)


@plotting.style()
def extra_networks(
    networks: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """All networks, and the baseline, in one comparison.

    Args:
        networks: tidy metrics as in ``extra_width``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = plotting.read(networks)
    names = list(dict.fromkeys(table["network"]))
    table["position"] = -table["network"].map(names.index)
    figure = plotting.new(plotting.PAGE_IN, 0.9 + 0.24 * max(4, len(names)))
    drawn = []
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), METRICS, strict=True):
        drawn.append(_points(axes, table, metric, "position", horizontal=True))
        axes.set(
            yticks=[-index for index in range(len(names))], yticklabels=names, ylim=(-len(names) + 0.4, 0.6)
        )
    return plotting.save(
        figure, stem, pd.concat(drawn)[["network", "metric", "value", "low", "high", "kind"]], provenance
    )


def _of(networks: Table, wanted: Mapping[str, Any]) -> pd.DataFrame:
    table = plotting.read(networks)
    absent = [name for name in wanted if name not in set(table["network"])]
    blank = [
        {"network": name, "metric": metric, "reason": "no metric file"}
        for name in absent
        for metric in METRICS
    ]
    return pd.concat([table[table["network"].isin(wanted)], pd.DataFrame(blank)], ignore_index=True)


def _points(
    axes: Axes, table: pd.DataFrame, metric: str, x: str, horizontal: bool = False, joined: bool = False
) -> pd.DataFrame:
    """Points with intervals of one metric; what has no value is named below with its reason."""
    label, unit = METRICS[metric]
    rows = table[table["metric"] == metric]
    # Without a false positive only the lower end is known; a ratio without a value has nothing to draw.
    drawable = rows["low"].notna() & (rows["value"].notna() | metric.startswith("inverse"))
    absent = rows[~drawable]
    rows = with_lower_limits(
        rows[drawable].astype({"value": float, "low": float, "high": float})
    ).sort_values(x)
    look = plotting.series(0, line=joined)
    bars = [rows[name] / unit for name in ("value", "low", "high")]
    plotting.error_bars(axes, rows[x], *bars, horizontal=horizontal, **look)
    for at, value in rows.loc[rows["kind"] == "lower limit", [x, "value"]].itertuples(index=False):
        place = (value / unit, at) if horizontal else (at, value / unit)
        plotting.lower_limit(axes, *place, look["color"], horizontal)
    if metric in PUBLISHED:
        value, words = PUBLISHED[metric]
        line = axes.axvline if horizontal else axes.axhline
        line(value, color=plotting.REFERENCE, linestyle=(0, (1, 1)), linewidth=0.9, label=words)
        axes.legend(loc="lower left" if horizontal else "lower right")
    if horizontal:
        axes.set_xlabel(label)
        axes.margins(x=0.12)
    else:
        axes.set_ylabel(label)
        axes.margins(y=0.15)
    if len(absent):
        lines = [
            textwrap.shorten(f"not drawn: {row.network} ({row.reason})", 80) for row in absent.itertuples()
        ]
        axes.set_title("\n".join(lines), fontsize=6)
    return rows


@plotting.style()
def extra_stream(streams: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """The fully convolutional network, the sliding classifier and the baseline on one continuous stretch.

    Args:
        streams: one row a network: network, injections, detected, detection_ratio, detection_low,
            detection_high, false_positives, exposure_s, value, low, high (s per false positive).
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.
    """
    table = with_lower_limits(plotting.read(streams))
    figure = plotting.new(plotting.COLUMN_IN, 2.9)
    axes = figure.subplots()
    for index, row in enumerate(table.itertuples()):
        look = plotting.series(index, line=False) | {"markersize": 6}
        minutes = [getattr(row, name) / 60 for name in ("value", "low", "high")]
        words = f"{row.network}: {row.detected:.0f} of {row.injections:.0f}, {row.false_positives:.0f} false"
        plotting.error_bars(axes, row.detection_ratio, *minutes, horizontal=True, **look, alpha=0.6)
        plotting.error_bars(
            axes, minutes[0], row.detection_ratio, row.detection_low, row.detection_high, **look, label=words
        )
        if row.kind == "lower limit":
            plotting.lower_limit(axes, minutes[0], row.detection_ratio, look["color"], horizontal=True)
    axes.margins(x=0.15)
    plotting.log_axis(axes.xaxis)
    axes.set(xlabel="time per false positive (min)", ylabel="detection ratio", ylim=(-0.03, 1.03))
    figure.legend(loc="outside upper center", ncols=1)
    columns = [
        *("network", "injections", "detected", "detection_ratio", "detection_low", "detection_high"),
        *("false_positives", "exposure_s", "value", "low", "high", "kind"),
    ]
    return plotting.save(figure, stem, table[columns], provenance)


@plotting.style()
def extra_classifier_share(
    table: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """How a classifier's rates at a fixed threshold depend on the share of positives it was trained with.

    Args:
        table: columns share, network, set (noise or signal), value, low, high.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Sec. III A, which argues it without a figure.
    """
    data = plotting.read(table).sort_values(["network", "set", "share"])
    figure = plotting.new(plotting.COLUMN_IN, 2.5)
    axes = figure.subplots()
    _curves(axes, data, ["network", "set"], "share")
    axes.set(xlabel="share of positives in training", ylabel="share of windows above threshold")
    axes.set_ylim(-0.03, 1.03)
    axes.legend()
    return plotting.save(figure, stem, data[["share", "network", "set", "value", "low", "high"]], provenance)


@plotting.style()
def extra_classifier_counting(
    table: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """A sliding classifier's false alarms per time: the tempting conversion against counting.

    Args:
        table: columns step_s, threshold, naive_rate (false positive rate over the example's length),
            counted_rate, low, high (of the counted rate); rates in 1/s.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Sec. III C, which argues it without a figure.
    """
    data = plotting.read(table).sort_values(["threshold", "step_s"])
    figure = plotting.new(plotting.COLUMN_IN, 2.6)
    axes = figure.subplots()
    for index, (threshold, rows) in enumerate(data.groupby("threshold")):
        look = plotting.series(index)
        per_hour = [3600 * rows[name] for name in ("counted_rate", "low", "high")]
        plotting.error_bars(
            axes,
            rows["step_s"],
            *per_hour,
            **look | {"linestyle": "-"},
            label=f"counted, threshold {threshold:g}",
        )
        naive = look | {"linestyle": (0, (1, 1)), "markerfacecolor": "none"}
        axes.plot(
            rows["step_s"], 3600 * rows["naive_rate"], **naive, label=f"converted, threshold {threshold:g}"
        )
    axes.set_xscale("log")
    ticks = sorted(data["step_s"].unique())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    largest = 3600 * np.nanmax(data[["naive_rate", "high"]].to_numpy())
    axes.set_yscale("symlog", linthresh=max(1.0, largest / 1000))
    axes.set(xlabel="step of the sliding window (s)", ylabel="false positives per hour")
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=2)
    return plotting.save(
        figure, stem, data[["step_s", "threshold", "naive_rate", "counted_rate", "low", "high"]], provenance
    )


@plotting.style()
def extra_classifier_position(
    table: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Mean output for the same injections over the position of the merger in the window.

    Args:
        table: columns network, position_s, value, low, high.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Sec. III D, which argues it without a figure.
    """
    data = plotting.read(table).sort_values(["network", "position_s"])
    figure = plotting.new(plotting.COLUMN_IN, 2.6)
    axes = figure.subplots()
    _curves(axes, data, ["network"], "position_s")
    axes.set(xlabel="merger, seconds into the window", ylabel="mean output", ylim=(-0.03, 1.03))
    figure.legend(loc="outside upper center", ncols=1)
    return plotting.save(figure, stem, data[["network", "position_s", "value", "low", "high"]], provenance)


@plotting.style()
def extra_recipes(table: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """The SNR an injection really has, with the true PSD, over the SNR it was given.

    Args:
        table: columns recipe, nominal, true; one row an injection.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: spec F1, F2; Gebhard et al. 2019, Sec. IV B.
    """
    data = plotting.read(table).sort_values(["recipe", "nominal"])
    figure = plotting.new(plotting.COLUMN_IN, 2.6)
    axes = figure.subplots()
    for index, (recipe, rows) in enumerate(data.groupby("recipe")):
        ratio = rows["true"] / rows["nominal"]
        look = plotting.series(index, line=False) | {"markersize": 2.5, "alpha": 0.6, "markeredgewidth": 0}
        axes.plot(rows["nominal"], ratio, **look)
        spread = f"median {ratio.median():.3f}, {ratio.quantile(0.16):.3f} to {ratio.quantile(0.84):.3f}"
        line = plotting.LINES[index]
        axes.axhline(
            ratio.median(),
            color=plotting.PALETTE[index],
            linestyle=line,
            label=f"{recipe}: {spread}",
            zorder=4,
        )
    axes.axhspan(0.98, 1.02, color="#eeeeee", zorder=0, label="2 %")
    axes.set(xlabel="nominal network SNR", ylabel="true over nominal SNR")
    figure.legend(loc="outside upper center", ncols=1)
    return plotting.save(figure, stem, data[["recipe", "nominal", "true"]], provenance)


def _curves(axes: Axes, data: pd.DataFrame, by: Sequence[str], x: str) -> None:
    for index, (names, rows) in enumerate(data.groupby(list(by), sort=True)):
        bars = [rows[name] for name in ("value", "low", "high")]
        plotting.error_bars(axes, rows[x], *bars, **plotting.series(index), label=", ".join(map(str, names)))
