"""How networks are built, drawn from the tables of their layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Polygon

from skyneedle.core import plotting
from skyneedle.core.plotting import Table

COLOURS = {  # light to dark, so that a print in grey can be read
    "Conv2D": "#f6e39a",
    "MaxPool2D": "#e69f00",
    "ReLU": "#56a8a8",
    "tanh": "#7fc4a4",
    "ELU": "#56a8a8",
    "BatchNorm": "#9c6db0",
    "Dropout": "#8c2d3f",
    "Dense": "#b9d4ea",
    "input": "#f4f4f4",
}
OTHER = "#c9c9c9"  # of whatever else a user's own network is built of
SLICES = ("BatchNorm", "Dropout")  # drawn on the map before them, whose shape they keep
ACTIVATIONS = ("ReLU", "tanh", "ELU")  # likewise
PITCH, GAP = 0.46, 0.05  # inches: least distance between maps, and between their ends
MORE = 0.09  # inches between maps, where their parameters stand below
TALLEST, WIDEST = 1.45, 0.27  # inches: side of the largest map, width of fifty channels
FULL, NEURONS = 130, 600  # most channels and neurons that are drawn in that measure; more make all smaller
SLICE = 0.045  # inches, of ReLU and dropout
SLANT = (0.28, 0.2)  # of the depth, as a share of the side
DENSE_IN = 1.2 / 500  # inches a neuron
BELOW, ABOVE = -0.8, 1.1  # inches from the middle: words
MANY = 18  # maps; more have shorter words


def blocks(layers: pd.DataFrame) -> pd.DataFrame:
    """What an architecture's figure shows: one row for the input, each map, and each slice on it.

    Args:
        layers: see ``layers.layers``.

    Returns:
        Columns place (of the map, from 0), type, channels, side (1 for dense layers), kernel, parameters.
    """
    table = layers[layers["layer"] != "total"].fillna("").astype(str)
    channels, side = _sizes(table.iloc[0]["input_shape"])
    rows = [{"place": 0, "type": "input", "channels": channels, "side": side, "kernel": "", "parameters": 0}]
    place = 0
    for row in table.to_dict("records"):
        if row["type"] == "Conv2D" and _covers(row["kernel"], row["input_shape"]):
            row["type"] = "Dense"
        if row["type"] not in SLICES:
            channels, side = _sizes(row["output_shape"])
            place += 1
        here = {"place": place, "channels": channels, "side": side}
        rows.append(
            here | {"type": row["type"], "kernel": row["kernel"], "parameters": int(float(row["parameters"]))}
        )
        if row["activation"] in ACTIVATIONS:
            rows.append(here | {"type": row["activation"], "kernel": "", "parameters": 0})
    return pd.DataFrame(rows)


def _covers(kernel: str, shape: str) -> bool:
    """Whether a convolution sees its whole input at once, and so is a dense layer."""
    return len(shape.split(",")) > 1 and _sizes(kernel) == _sizes(shape)[1:] * 2


def _sizes(shape: str) -> tuple[int, int]:
    sizes = [int(size) for size in shape.strip("()").split(",") if size] or [1]  # a number has no shape
    return sizes[0], sizes[1] if len(sizes) > 1 else 1


@plotting.style()
def draw(
    layers: Table,
    stem: str | Path,
    provenance: Mapping[str, Any] | None = None,
    with_parameters: bool = False,
) -> list[Path]:
    """Draw how a network is built.

    Args:
        layers: see ``layers.layers``.
        stem: of the files to write.
        provenance: for their metadata.
        with_parameters: whether the parameters of each layer stand below it.

    Returns:
        The paths written.
    """
    shown = blocks(plotting.read(layers))
    units, right = _Units.of(shown), 0.0
    figure = plotting.new(plotting.PAGE_IN, 2.1 if units.is_tight else 2.7)
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.set_axis_off()
    for _, here in shown.groupby("place"):
        right = _map(axes, here, right, units, with_parameters)
    axes.set(xlim=(-0.2, right), ylim=(BELOW - (0.45 if with_parameters else 0.3), ABOVE + 0.3))
    looks = {kind: colour for kind, colour in COLOURS.items() if kind in set(shown["type"])}
    if not set(shown["type"]) <= set(COLOURS):
        looks["other"] = OTHER
    handles = [Patch(facecolor=one, edgecolor=plotting.INK, label=kind) for kind, one in looks.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(looks))
    return plotting.save(figure, stem, shown, provenance)


class _Units(NamedTuple):
    """Inches of a pixel, a channel and a neuron, and room for words."""

    pixel: float
    channel: float
    neuron: float
    is_tight: bool  # whether words must be short

    @classmethod
    def of(cls, shown: pd.DataFrame) -> "_Units":
        is_dense = shown["type"] == "Dense"
        n_channels = shown.loc[~is_dense, "channels"].max()
        n_neurons = shown.loc[is_dense, "channels"].max() if is_dense.any() else 0
        return cls(
            TALLEST / shown["side"].max(),
            WIDEST / 50 * min(1.0, FULL / n_channels),
            DENSE_IN * min(1.0, NEURONS / max(n_neurons, 1)),
            shown["place"].nunique() > MANY,
        )


def _map(axes: Axes, here: pd.DataFrame, x: float, units: _Units, with_parameters: bool) -> float:
    """One block as deep and as high as its map, as wide as its channels, with its slices and words.

    Returns:
        Where the next one begins.
    """
    first = here.iloc[0]
    is_dense = first["type"] == "Dense"
    height = max(units.neuron * first["channels"], 0.02) if is_dense else units.pixel * first["side"]
    depth = 0.0 if is_dense else height
    width = SLICE * 2 if is_dense else units.channel * first["channels"]
    left = x
    for row in here.itertuples():
        wide = width if row.Index == first.name else SLICE
        _box(axes, left, wide, height, depth, COLOURS.get(row.type, OTHER))
        left += wide
    size = first["kernel"].strip("()").replace(",", "×")
    above = {"input": "input", "Dense": "dense", "Conv2D": f"conv\n{size}", "MaxPool2D": f"pool\n{size}"}
    side = f"{first['side']}²" if units.is_tight else f"{first['side']} × {first['side']}"
    below = f"{first['channels']} ×\n{side}"
    look: dict[str, Any] = {"ha": "center", "fontsize": 5 if units.is_tight else 6}
    words = str(first["channels"]) if is_dense else below
    if with_parameters and first["parameters"]:
        words += f"\n{here['parameters'].sum():,}"
    axes.text((x + left) / 2, BELOW, words, va="top", **look)
    axes.text((x + left) / 2, ABOVE, above.get(first["type"], first["type"]), va="bottom", **look)
    return max(x + PITCH, left + SLANT[0] * depth + GAP) + (MORE if with_parameters else 0)


def _box(axes: Axes, x: float, width: float, height: float, depth: float, colour: str) -> None:
    across, up = SLANT[0] * depth, SLANT[1] * depth
    low, high, right = -height / 2, height / 2, x + width
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": plotting.INK, "linewidth": 0.4}
    faces = [[(x, low), (right, low), (right, high), (x, high)]]
    if depth:
        faces.append([(x, high), (right, high), (right + across, high + up), (x + across, high + up)])
        faces.append([(right, low), (right + across, low + up), (right + across, high + up), (right, high)])
    for corners in faces:
        axes.add_patch(Polygon(corners, closed=True, **look))
