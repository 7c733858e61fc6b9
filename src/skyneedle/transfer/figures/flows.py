"""Graphs of what feeds what: where the boxes stand, and how they are drawn."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from skyneedle.core import plotting

COLOURS = {  # light to dark, so that a print in grey can be read
    "input": "#f4f4f4",
    "convolution": "#f6e39a",
    "separable": "#cfe3b4",
    "bottleneck": "#f6e39a",
    "pooling": "#e69f00",
    "activation": "#56a8a8",
    "sum": "#ffffff",
    "concatenation": "#e3c1dc",
    "dense": "#b9d4ea",
}
SWEEPS = 12  # of ordering by neighbours, and of moving boxes; the graphs here settle within six
LOOK: dict[str, Any] = {"color": plotting.INK, "linewidth": 0.6, "zorder": 1}  # of lines
LINE = 0.45  # width of a place through which a line passes, in widths of a box


def placed(nodes: pd.DataFrame) -> pd.DataFrame:
    """A graph with places for its boxes, such that all lines go upwards.

    Boxes stand as late as what they feed allows, so that lines are short; lines that pass a layer have a
    place of their own in it, so that they go around boxes. In each layer the order is that of the mean of the
    neighbours' places.

    Args:
        nodes: one panel of ``architecture.graph``: ``node`` and ``inputs``, inputs before what they feed.

    Returns:
        The same with ``x`` (widths of a box) and ``layer`` (from 0), and one more row for each place of a
        line: of kind "line", with its own name and one input.

    Source: the layered drawing of Sugiyama et al. 1981, IEEE Trans. Syst. Man Cybern. 11, 109.
    """
    inputs = {row.node: row.inputs.split() for row in nodes.fillna("").itertuples()}
    layer = _layers(inputs)
    rows, named = [], dict(inputs)
    for node, before in inputs.items():
        named[node] = []
        for one in before:
            last = one
            for level in range(layer[one] + 1, layer[node]):
                name = f"{one}>{node}>{level}"
                rows.append({"node": name, "kind": "line", "label": "", "inputs": last})
                named[name], layer[name] = [last], level
                last = name
            named[node].append(last)
    whole = nodes.assign(inputs=[" ".join(named[node]) for node in nodes["node"]])
    if rows:
        whole = pd.concat([whole, pd.DataFrame(rows)], ignore_index=True)
        whole["panel"] = whole["panel"].ffill()
    widths = {row.node: LINE if row.kind == "line" else 1.0 for row in whole.itertuples()}
    x = _across(named, layer, widths)
    return whole.assign(x=whole["node"].map(x), layer=whole["node"].map(layer))


def _layers(inputs: Mapping[str, list[str]]) -> dict[str, int]:
    """The longest way to each box; boxes that wait for others are moved up to them, inputs are not."""
    layer: dict[str, int] = {}
    for node, before in inputs.items():
        layer[node] = 1 + max((layer[one] for one in before), default=-1)
    for node in reversed(list(inputs)):
        fed = [layer[other] for other, before in inputs.items() if node in before]
        if inputs[node] and fed:
            layer[node] = min(fed) - 1
    return layer


def _across(
    inputs: Mapping[str, list[str]], layer: Mapping[str, int], widths: Mapping[str, float]
) -> dict[str, float]:
    feeds: dict[str, list[str]] = {node: [] for node in inputs}
    for node, before in inputs.items():
        for one in before:
            feeds[one].append(node)
    levels = [[node for node in inputs if layer[node] == level] for level in range(max(layer.values()) + 1)]
    x = {node: float(k) for nodes in levels for k, node in enumerate(nodes)}
    for sweep in range(SWEEPS):
        for k in range(len(levels)) if sweep % 2 == 0 else reversed(range(len(levels))):
            near = inputs if sweep % 2 == 0 else feeds
            wanted = {node: _mean([x[one] for one in near[node]], x[node]) for node in levels[k]}
            levels[k] = sorted(levels[k], key=wanted.__getitem__)
            x |= _apart(levels[k], wanted, widths)
    for _ in range(SWEEPS):
        for nodes in levels:
            _uncross(nodes, x, inputs, feeds)
    for sweep in range(2 * SWEEPS):
        for nodes in levels if sweep % 2 == 0 else reversed(levels):
            wanted = {n: _mean([x[one] for one in (*inputs[n], *feeds[n])], x[n]) for n in nodes}
            x |= _apart(nodes, wanted, widths)
    return x


def _uncross(
    nodes: list[str],
    x: dict[str, float],
    inputs: Mapping[str, list[str]],
    feeds: Mapping[str, list[str]],
) -> None:
    """Exchange neighbours in a layer wherever fewer lines cross then."""

    def crossings(left: str, right: str) -> int:
        pairs = [(a, b) for near in (inputs, feeds) for a in near[left] for b in near[right]]
        return sum(x[a] > x[b] for a, b in pairs)

    for k in range(len(nodes) - 1):
        left, right = nodes[k], nodes[k + 1]
        if crossings(right, left) < crossings(left, right):
            nodes[k], nodes[k + 1] = right, left
            x[left], x[right] = x[right], x[left]


def _mean(values: list[float], otherwise: float) -> float:
    return float(np.mean(values)) if values else otherwise


def _apart(ordered: list[str], wanted: Mapping[str, float], widths: Mapping[str, float]) -> dict[str, float]:
    """Places next to the wanted ones, in this order and without overlap: least squares, by pooling."""
    steps = [0.0]
    for left, right in pairwise(ordered):
        steps.append(steps[-1] + (widths[left] + widths[right]) / 2)
    pools: list[tuple[float, int]] = []
    for node, step in zip(ordered, steps, strict=True):
        pools.append((wanted[node] - step, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, n), (a, m) = pools.pop(), pools.pop()
            pools.append(((a * m + b * n) / (m + n), m + n))
    level = np.repeat([value for value, _ in pools], [n for _, n in pools])
    return {node: float(place + step) for node, place, step in zip(ordered, level, steps, strict=True)}


def draw(
    axes: Axes,
    nodes: pd.DataFrame,
    *,
    across: bool = False,
    box: tuple[float, float] = (0.86, 0.5),
    fontsize: float = 6.0,
    rotation: float = 0.0,
    with_sizes: bool = False,
) -> None:
    """Draw a graph with its places; lines go upwards, or to the right.

    Args:
        axes: to draw on, of which nothing else is shown.
        nodes: see ``placed``.
        across: whether layers follow each other to the right.
        box: width and height of a box; layers are 1 apart, and so are neighbours in one.
        fontsize: of the labels; 0 leaves them out.
        rotation: of the labels, in degrees.
        with_sizes: whether channels and size of the maps that come out stand below the labels.
    """
    axes.set_axis_off()
    at = {row.node: (row.layer, -row.x) if across else (row.x, row.layer) for row in nodes.itertuples()}
    half = box[0 if across else 1] / 2
    for row in nodes.itertuples():
        for one in str(row.inputs).split():
            _line(axes, at[one], at[row.node], half, across)
    for row in nodes.itertuples():
        x, y = at[row.node]
        if row.kind == "line":  # straight through its layer, so that it bends between layers only
            ends = ([x - half, x + half], [y, y]) if across else ([x, x], [y - half, y + half])
            axes.plot(*ends, **LOOK)
            continue
        round_box = "round,pad=0,rounding_size=0.12" if fontsize else "square,pad=0"
        look: dict[str, Any] = {
            "facecolor": COLOURS[row.kind],
            "edgecolor": plotting.INK,
            "linewidth": 0.5,
            "zorder": 3,
        }
        corner = (x - box[0] / 2, y - box[1] / 2)
        axes.add_patch(FancyBboxPatch(corner, *box, boxstyle=round_box, **look))
        if fontsize:
            words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": fontsize, "zorder": 4}
            axes.text(x, y, _words(row, with_sizes), rotation=rotation, **words)
    places = np.array(list(at.values()))
    margin = np.array([0.55, 0.45])
    axes.set(
        xlim=(places[:, 0].min() - margin[0], places[:, 0].max() + margin[0]),
        ylim=(places[:, 1].min() - margin[1], places[:, 1].max() + margin[1]),
    )


def _words(row: Any, with_sizes: bool) -> str:
    if not with_sizes or row.kind == "sum":
        return row.label
    size = f" × {int(row.height)}²" if row.height > 1 else ""
    return f"{row.label}\n{int(row.channels)}{size}"


def _line(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], half: float, across: bool
) -> None:
    """From the end of one layer to the begin of the next, along the direction in which layers follow."""
    (x0, y0), (x1, y1) = start, end
    if across:
        x0, x1 = x0 + half, x1 - half
        bends = [((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)]
    else:
        y0, y1 = y0 + half, y1 - half
        bends = [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    path = Path([(x0, y0), *bends, (x1, y1)], codes)
    look = {"edgecolor" if name == "color" else name: value for name, value in LOOK.items()}
    axes.add_patch(PathPatch(path, facecolor="none", **look))
