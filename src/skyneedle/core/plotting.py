"""One style for all figures, and one way to write them: SVG, PDF and a CSV of what is drawn."""

import io
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import matplotlib
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from skyneedle.core.files import appearing

Table: TypeAlias = pd.DataFrame | str | Path | Sequence[str | Path]

COLUMN_IN = 3.375  # width of one column of Physical Review D, inches
PAGE_IN = 7.0  # width of its text, both columns

# The palette "colorblind" of seaborn, written out because importing seaborn costs two seconds for every
# figure.
PALETTE = (
    *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
    *("#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"),
)
# Dashes and markers differ too, so that a print in grey can be read.
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
REFERENCE = "#b2182b"  # what the paper prints, and thresholds
INK, PALE = "#222222", "#9a9a9a"

FORMATS = ("svg", "pdf")
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "errorbar.capsize": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "path.simplify_threshold": 0.3,
    "svg.fonttype": "none",  # text stays text: searchable, and the file does not depend on font outlines
    "svg.hashsalt": "skyneedle",
    "pdf.fonttype": 42,
}


def style() -> Any:
    """The style of every figure, as context manager or decorator; leaves the user's own settings alone."""
    return matplotlib.rc_context(STYLE)


def new(width: float = COLUMN_IN, height: float = 2.4) -> Figure:
    """An empty figure, without pyplot: no window system, no global state.

    Args:
        width: in inches.
        height: in inches.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def series(index: int, line: bool = True) -> dict[str, Any]:
    """Colour, marker and dashes of series number ``index``; without ``line`` the points are not joined."""
    return {
        "color": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)] if line else "none",
    }


def read(table: Table) -> pd.DataFrame:
    """A tidy table from memory, from a CSV or parquet file, or from several files, one below the other."""
    if isinstance(table, pd.DataFrame):
        return table.copy()
    if isinstance(table, (str, Path)):
        path = Path(table)
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    frames = [read(path) for path in table]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def error_bars(
    axes: Axes, x: Any, value: Any, low: Any, high: Any, *, horizontal: bool = False, **keywords: Any
) -> ErrorbarContainer:
    """Points with asymmetric error bars.

    Args:
        axes: to draw on.
        x: position on the other axis.
        value: the points.
        low: lower ends of the intervals, absolute.
        high: upper ends.
        horizontal: whether the values run along the x axis.
        keywords: for ``Axes.errorbar``.
    """
    value, low, high = (np.atleast_1d(np.asarray(part, dtype=float)) for part in (value, low, high))
    # A binomial interval may exclude the value itself by rounding; matplotlib refuses negative lengths.
    lengths = np.clip(np.stack([value - low, high - value]), 0, None)
    keywords = {"elinewidth": 0.7, "markersize": 3.5} | keywords
    if horizontal:
        return axes.errorbar(value, x, xerr=lengths, **keywords)
    return axes.errorbar(x, value, yerr=lengths, **keywords)


def lower_limit(axes: Axes, x: float, y: float, colour: str, horizontal: bool = False) -> None:
    """An arrow from a marker upwards (or to the right): the value is only known to be above it."""
    look = {"arrowstyle": "<|-", "color": colour, "linewidth": 0.8, "mutation_scale": 6}
    tip = (12, 0) if horizontal else (0, 12)
    axes.annotate("", xy=(x, y), xytext=tip, textcoords="offset points", arrowprops=look)


def log_axis(axis: Axis) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of each decade, or at whole decades where there are
    many."""
    if axis is axis.axes.xaxis:
        axis.axes.set_xscale("log")
    else:
        axis.axes.set_yscale("log")
    low, high = axis.get_view_interval()
    decades = np.log10(high / low) if low > 0 else 1.0
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades > 2.5 else (1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(LogLocator(subs=tuple(range(2, 10)), numticks=60))
    axis.set_minor_formatter(NullFormatter())


def blank(axes: Axes) -> None:
    """Axes without ticks, grid and frame, as wide as high."""
    axes.set(xticks=[], yticks=[])
    axes.set_box_aspect(1)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def panel_without_data(axes: Axes, reason: str, title: str = "") -> None:
    """Say in the panel itself why nothing is drawn there."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=PALE, linestyle=(0, (2, 2)))
    inches = axes.get_position().width * axes.figure.bbox.width / axes.figure.dpi
    columns = max(14, int(inches * 13))  # 7-point letters, with room for the margins
    # One text object a line: SVG text does not wrap, and a search must find whole words.
    lines = ["no data", *textwrap.wrap(reason or "no reason given", columns)]
    text = "\n".join([title, *lines] if title else lines)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=7, color=INK)


def tiles(
    grid: np.ndarray, rows: Sequence[Any], draw_tile: Callable[[Axes, Any], Mapping[str, Any]], reason: str
) -> list[dict[str, Any]]:
    """Fill a grid of axes with images in reading order.

    Args:
        grid: of axes, shape (row, column).
        rows: what is drawn; more than there are axes are left out.
        draw_tile: draws one and says what it drew.
        reason: stands in axes that nothing is left for.

    Returns:
        For each tile its row and column, and what ``draw_tile`` says.
    """
    drawn = []
    for place, axes in enumerate(grid.ravel()):
        blank(axes)
        if place >= len(rows):
            panel_without_data(axes, reason)
            continue
        row, column = divmod(place, grid.shape[1])
        drawn.append({"row": row, "column": column, **draw_tile(axes, rows[place])})
    return drawn


def save(
    figure: Figure, stem: str | Path, data: pd.DataFrame, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write a figure as SVG and PDF, and the CSV of exactly what is drawn.

    The bytes depend on the arguments alone: no dates, no random element names. Nothing half-written stays.

    Args:
        figure: to write.
        stem: path without ending.
        data: what is drawn, one row a point (or bar, box, arrow).
        provenance: goes into the metadata of both files.

    Returns:
        The paths written.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    note = json.dumps(dict(provenance or {}), sort_keys=True)
    metadata = {
        "svg": {"Title": stem.name, "Description": note, "Creator": "skyneedle", "Date": None},
        "pdf": {"Title": stem.name, "Subject": note, "Creator": "skyneedle", "CreationDate": None},
    }
    written = []
    with style():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # done once, it is the slow part
        for ending in FORMATS:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, metadata=metadata.get(ending), dpi=200)
            written.append(write_bytes(Path(f"{stem}.{ending}"), buffer.getvalue()))
    text = data.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    written.append(write_bytes(Path(f"{stem}.csv"), text.encode()))
    return written


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file that appears complete or not at all."""
    with appearing(path) as partial:
        partial.write_bytes(content)
    return path
