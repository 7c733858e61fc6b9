"""Figures 4 to 7 of gebhard2019, drawn from tidy tables alone.

Beside our curves stand only numbers that the paper prints in its text.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

PYCBC_SNR = 60.5**0.5  # two triggers of 5.5; the paper rounds it to 7.79
PUBLISHED_POINTS = (  # detection ratio, time per false positive (min) and where the paper prints them
    (0.89, 19.5, "Sec. VII A"),
    (0.86, 40.0, "Sec. VIII"),
)
LABELLED_WINDOWS = (1, 16, 256)  # all nine would hide the points
PAPER_EVENTS = ("GW150914", "GW151226")
EXPOSURES = {"paper": "8 s an example, as the paper counts", "evaluated": "time really evaluated"}


def operating_point(choice: str | Path, metrics: str | Path) -> dict[str, float] | None:
    """The marked point of Fig. 6: chosen on the validation set, with what it reaches on the test set.

    Args:
        choice: JSON with threshold and window.
        metrics: JSON of the network's metrics on the test set.

    Returns:
        Keys threshold, window, detection_ratio, value (s per false positive, or its lower
        limit). None if the test set gave no value.
    """
    point, entries = (json.loads(Path(path).read_text()) for path in (choice, metrics))
    ratio, time = (entries.get(key, {}) for key in ("detection_ratio", "inverse_false_positive_rate_s"))
    reached = time.get("low") if time.get("value") is None else time["value"]
    if ratio.get("value") is None or reached is None:
        return None
    setting = {key: float(point[key]) for key in ("threshold", "window")}
    return setting | {"detection_ratio": ratio["value"], "value": reached}


def with_lower_limits(table: pd.DataFrame) -> pd.DataFrame:
    """Rates without a single count: the value is replaced by the lower end of the interval, and marked.

    Args:
        table: columns value, low, high; value and high are infinite or missing where nothing was counted.

    Returns:
        The table with finite numbers and a column ``kind``, "measured" or "lower limit"; rows without either
        are dropped.
    """
    table = table[np.isfinite(table["low"])].copy()
    counted = np.isfinite(table["value"]) & np.isfinite(table["high"])
    table["kind"] = np.where(counted, "measured", "lower limit")
    for name in ("value", "high"):
        table[name] = table[name].where(counted, table["low"])
    return table


@plotting.style()
def fig4(by_snr: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """Detection ratio over injection SNR for each tolerance.

    Args:
        by_snr: columns tolerance_s, snr_low, snr_high, n, detected, value, low, high.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 4.
    """
    data = plotting.read(by_snr)
    data = data[data["n"] > 0].sort_values(["tolerance_s", "snr_low"])
    data["snr"] = (data["snr_low"] + data["snr_high"]) / 2
    figure = plotting.new(plotting.PAGE_IN, 3.2)
    axes = figure.subplots()
    tolerances = sorted(data["tolerance_s"].unique())
    for index, tolerance in enumerate(tolerances):
        rows = data[data["tolerance_s"] == tolerance]
        width = (rows["snr_high"] - rows["snr_low"]).to_numpy()
        # Set apart within the bin, so that bars of equal height stay visible.
        shift = width * 0.6 * ((index + 0.5) / len(tolerances) - 0.5)
        data.loc[rows.index, "snr_drawn"] = rows["snr"] + shift
        bars = [rows[name] for name in ("value", "low", "high")]
        plotting.error_bars(
            axes,
            rows["snr"] + shift,
            *bars,
            label=f"{tolerance:g} s",
            **plotting.series(index) | {"linewidth": 0.8},
        )
    axes.axvline(PYCBC_SNR, color=plotting.REFERENCE, linestyle="--", linewidth=0.9)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}
    axes.text(
        PYCBC_SNR + 0.08,
        0.03,
        f"PyCBC threshold {PYCBC_SNR:.2f}",
        color=plotting.REFERENCE,
        fontsize=7,
        bbox=box,
    )
    axes.plot(PYCBC_SNR, 0.8, "*", color=plotting.REFERENCE, markersize=9, markeredgecolor="white", zorder=5)
    axes.annotate(
        "paper, text: more than 80 %",
        (PYCBC_SNR, 0.8),
        xytext=(8.6, 0.62),
        fontsize=7,
        color=plotting.REFERENCE,
        arrowprops={"arrowstyle": "-", "color": plotting.REFERENCE, "linewidth": 0.6},
        bbox=box,
    )
    axes.set(xlabel="injection network SNR", ylabel="detection ratio", ylim=(-0.02, 1.03))
    axes.set_xlim(data["snr_low"].min(), data["snr_high"].max())
    axes.legend(title="tolerance Δt", loc="lower right", ncols=2, title_fontsize=7)
    columns = ["tolerance_s", "snr_low", "snr_high", "snr_drawn", "n", "detected", "value", "low", "high"]
    return plotting.save(figure, stem, data[columns], provenance)


@plotting.style()
def fig5(by_tolerance: Table, stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """Time per false positive over the tolerance, by both conventions of exposure.

    Args:
        by_tolerance: columns tolerance_s, exposure ("paper" or "evaluated"), false_positives, exposure_s,
            value, low, high (s per false positive).
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 5; 19.5 min is from Sec. VII A.
    """
    data = with_lower_limits(plotting.read(by_tolerance)).sort_values(["exposure", "tolerance_s"])
    figure = plotting.new(plotting.COLUMN_IN, 2.7)
    axes = figure.subplots()
    for index, (exposure, words) in enumerate(EXPOSURES.items()):
        rows = data[data["exposure"] == exposure]
        # The intervals of both conventions would lie on top of one another.
        shift = 1.03 if index else 1 / 1.03
        bars = [rows[name] / 60 for name in ("value", "low", "high")]
        plotting.error_bars(axes, rows["tolerance_s"] * shift, *bars, label=words, **plotting.series(index))
        for row in rows[rows["kind"] == "lower limit"].itertuples():
            plotting.lower_limit(axes, row.tolerance_s * shift, row.value / 60, plotting.PALETTE[index])
    axes.axhline(
        19.5,
        color=plotting.REFERENCE,
        linestyle=(0, (1, 1)),
        linewidth=0.9,
        label="paper: 19.5 min (8 s, Δt = 0.05 s)",
    )
    axes.set_xscale("log")
    ticks = sorted(data["tolerance_s"].unique())
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    top = max(19.5, data["high"].max() / 60)
    axes.set(xlabel="tolerance Δt (s)", ylabel="time per false positive (min)", ylim=(0, 1.55 * top))
    axes.legend(loc="upper left")
    columns = ["tolerance_s", "exposure", "false_positives", "exposure_s", "value", "low", "high", "kind"]
    return plotting.save(figure, stem, data[columns], provenance)


@plotting.style()
def fig6(
    by_postprocessing: Table,
    point: Mapping[str, float] | None,
    stem: str | Path,
    exposure: str = "evaluated",
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Detection ratio against time per false positive for every threshold and smoothing window.

    Args:
        by_postprocessing: columns threshold, window, detection_ratio, detection_low, detection_high, value,
            low, high (s per false positive).
        point: the operating point to mark, see ``operating_point``; None marks none.
        stem: of the files to write.
        exposure: which convention the times follow, a key of ``EXPOSURES``.
        provenance: for the metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 6; its printed points are from Sec. VII A and VIII.
    """
    data = with_lower_limits(plotting.read(by_postprocessing)).sort_values(["threshold", "window"])
    figure = plotting.new(plotting.PAGE_IN, 3.7)
    axes = figure.subplots()
    for index, (threshold, rows) in enumerate(data.groupby("threshold")):
        _window_curve(axes, rows, plotting.series(index), f"threshold {threshold:g}")
    points: list[dict[str, Any]] = [
        {
            "series": f"paper {where}",
            "threshold": 0.5,
            "window": 256,
            "detection_ratio": ratio,
            "value": 60 * minutes,
        }
        for ratio, minutes, where in PUBLISHED_POINTS
    ]
    words = [
        f"paper, {where}: {ratio:.0%}, {minutes:g} min (8-s examples)"
        for ratio, minutes, where in PUBLISHED_POINTS
    ]
    if point:
        points.append({"series": "operating point", **point})
        words.append("operating point: threshold {threshold:.3g}, window {window:g}".format(**point))
    for row, label, marker in zip(points, words, "*do", strict=False):
        colour = plotting.INK if marker == "o" else plotting.REFERENCE
        look: dict[str, Any] = {
            "markerfacecolor": "none",
            "color": colour,
            "linestyle": "none",
            "markersize": 7,
        }
        axes.plot(row["value"] / 60, row["detection_ratio"], marker, zorder=6, label=label, **look)
    plotting.log_axis(axes.xaxis)
    axes.set(xlabel=f"time per false positive (min; {EXPOSURES[exposure]})", ylabel="detection ratio")
    handles, labels = axes.get_legend_handles_labels()
    # Thresholds first: matplotlib lists bars after lines.
    order = sorted(range(len(labels)), key=lambda at: not labels[at].startswith("threshold"))
    ordered = ([part[at] for at in order] for part in (handles, labels))
    figure.legend(*ordered, loc="outside upper center", ncols=3)
    # A point has no interval of its own here: both ends are the point.
    drawn = pd.DataFrame(points).assign(kind="point")
    for name, ends in (("detection_ratio", ("detection_low", "detection_high")), ("value", ("low", "high"))):
        drawn = drawn.assign(**dict.fromkeys(ends, drawn[name]))
    columns = ["series", "kind", "threshold", "window", "detection_ratio", "detection_low", "detection_high"]
    table = pd.concat([data.assign(series="ours"), drawn], ignore_index=True)
    return plotting.save(figure, stem, table[[*columns, "value", "low", "high"]], provenance)


def _window_curve(axes: Axes, rows: pd.DataFrame, look: dict[str, Any], label: str) -> None:
    minutes = [rows[name] / 60 for name in ("value", "low", "high")]
    bars = look | {"linestyle": "none", "alpha": 0.5, "markersize": 0}
    plotting.error_bars(axes, rows["detection_ratio"], *minutes, horizontal=True, **bars)
    detection = [rows[f"detection_{name}"] for name in ("ratio", "low", "high")]
    plotting.error_bars(axes, minutes[0], *detection, **look, label=label, markersize=4.5, linewidth=0.8)
    for row in rows[rows["kind"] == "lower limit"].itertuples():
        plotting.lower_limit(axes, row.value / 60, row.detection_ratio, look["color"], horizontal=True)
    near: dict[str, Any] = {"textcoords": "offset points", "xytext": (3, 4), "fontsize": 6.5}
    for at in rows.index[rows["window"].isin(LABELLED_WINDOWS)]:
        axes.annotate(f"{rows['window'][at]:.0f}", (minutes[0][at], rows["detection_ratio"][at]), **near)


@plotting.style()
def fig7(
    events: Table,
    series: Table,
    stem: str | Path,
    names: Sequence[str] = PAPER_EVENTS,
    half_width_s: float = 0.5,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Real events: strain of both detectors and the network's output, raw, smoothed and above the threshold.

    Args:
        events: columns event, status (found, missed, missing), reason, gps_catalogue, gps_found, threshold.
        series: columns event, gps, H1, L1 (normalised), raw, smoothed, above, at 2048 Hz for 16 s around each
            event; outputs are NaN where none exists.
        stem: of the files to write.
        names: the events, one column of panels each.
        half_width_s: of the time around the catalogue's that is drawn in the upper panels.
        provenance: for the metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 7; the panels of the whole stretch are ours.
    """
    rows = plotting.read(events).set_index("event")
    samples = plotting.read(series)
    curves = [name for name in ("H1", "L1", "raw", "smoothed") if name in samples]
    samples[curves] = samples[curves].round(4)  # finer than any print
    figure = plotting.new(plotting.PAGE_IN, 5.2)
    columns = figure.subfigures(1, len(names), squeeze=False)[0]
    drawn = [pd.DataFrame(columns=["event", "panel", "series", "time_s", "value"])]
    for column, name in zip(columns, names, strict=True):
        row = (
            rows.loc[name]
            if name in rows.index
            else pd.Series({"status": "missing", "reason": "not in the table"})
        )
        here = samples[samples["event"] == name] if len(samples) else samples
        if row["status"] == "missing" or here.empty:
            reason = str(row["reason"]) if pd.notna(row["reason"]) and row["reason"] else "no strain at hand"
            plotting.panel_without_data(column.subplots(), reason, title=name)
            continue
        drawn.append(_event_column(column, name, row, here, half_width_s))
    return plotting.save(figure, stem, pd.concat(drawn[1:] or drawn, ignore_index=True), provenance)


def _event_column(
    column: SubFigure, name: str, row: pd.Series, here: pd.DataFrame, half_width_s: float
) -> pd.DataFrame:
    time = (here["gps"] - row["gps_catalogue"]).round(6)
    near = here.assign(time_s=time)[time.abs() <= half_width_s]
    # The highest output of each 1/128 s keeps every peak of the stretch.
    bins = (np.floor(time * 128) + 0.5) / 128
    whole = here.groupby(bins.rename("time_s"))["smoothed"].max().dropna().reset_index()
    top, middle, lower, bottom = column.subplots(4, 1)
    used = [detector for detector in ("H1", "L1") if detector in here]
    for axes, detector, index in ((top, "H1", 0), (middle, "L1", 1)):
        if detector not in used:
            plotting.panel_without_data(axes, f"the network does not use {detector}")
            continue
        axes.plot(near["time_s"], near[detector], color=plotting.PALETTE[index], linewidth=0.6)
        axes.set_ylabel(f"{detector}\n(std. dev.)")
    for index, (series, line, width) in enumerate(
        (("raw", "-", 0.6), ("smoothed", "--", 1.4), ("above", "-", 0.9))
    ):
        colour = (plotting.PALETTE[9], plotting.INK, plotting.PALETTE[2])[index]
        words = {"above": f"above {row['threshold']:.3g}"}.get(series, series)
        lower.plot(near["time_s"], near[series], line, color=colour, linewidth=width, label=words)
    bottom.plot(whole["time_s"], whole["smoothed"], color=plotting.INK, linewidth=0.8)
    bottom.axhline(row["threshold"], color=plotting.PALETTE[2], linestyle="--", linewidth=0.8)
    offset = row["gps_found"] - row["gps_catalogue"] if pd.notna(row["gps_found"]) else np.nan
    if np.isfinite(offset):
        shown = [axes for axes in (top, middle, lower) if axes.get_lines()]
        for axes in shown:
            axes.axvline(offset, color=plotting.REFERENCE, linestyle=(0, (3, 1)), linewidth=0.9)
    verdict = f"found at {1000 * offset:+.0f} ms" if np.isfinite(offset) else str(row["status"])
    top.set_title(f"{name}: {verdict}")
    for axes in (top, middle):
        axes.set_xlim(-half_width_s, half_width_s)
        axes.tick_params(labelbottom=False)
    lower.set(
        xlim=(-half_width_s, half_width_s),
        ylim=(-0.05, 1.05),
        ylabel="output",
        xlabel="time from catalogue (s)",
    )
    lower.legend(loc="upper left")
    bottom.set(ylim=(-0.05, 1.05), ylabel="smoothed", xlabel="the whole stretch (s)")
    parts = [
        near.melt("time_s", [*used, "raw", "smoothed", "above"], "series").assign(panel="near"),
        whole.melt("time_s", ["smoothed"], "series").assign(panel="whole"),
    ]
    if np.isfinite(offset):
        parts.append(pd.DataFrame([{"panel": "near", "series": "predicted", "time_s": offset, "value": 1.0}]))
    return (
        pd.concat(parts)
        .dropna(subset=["value"])
        .assign(event=name)[["event", "panel", "series", "time_s", "value"]]
    )
