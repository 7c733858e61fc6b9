"""Figures 1 to 3 of gebhard2019: two flow diagrams and the network's receptive field."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from skyneedle.core import plotting
from skyneedle.core.errors import BadSetting
from skyneedle.core.plotting import Table
from skyneedle.strain.figures.flows import (
    FILLS,
    GENERATION_EDGES,
    GENERATION_KEYS,
    GENERATION_NODES,
    PIPELINE_EDGES,
    PIPELINE_NODES,
    RECIPES,
    Edge,
    Node,
)


@plotting.style()
def fig1(stem: str | Path, provenance: Mapping[str, Any] | None = None) -> list[Path]:
    """Flow diagram of the PyCBC search, from strain to detection.

    Args:
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 1 and Sec. II B.
    """
    figure = plotting.new(plotting.PAGE_IN, 5.4)
    axes = figure.subplots()
    data = draw_flow(axes, PIPELINE_NODES, PIPELINE_EDGES)
    axes.plot(
        [], [], color=plotting.REFERENCE, linestyle=(0, (3, 1.5)), label="background: time-shifted data"
    )
    axes.plot([], [], color=plotting.INK, label="search")
    axes.legend(loc="lower right", fontsize=7)
    return plotting.save(figure, stem, data, provenance)


@plotting.style()
def fig2(
    settings: Mapping[str, Any], stem: str | Path, provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Flow diagram of our data generation with the numbers of this run, which differ by recipe.

    Args:
        settings: the keys of ``GENERATION_KEYS``; times in s, frequencies in Hz, masses in solar masses;
            ``event_s_low`` and ``event_s_high`` are seconds into the crop.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Raises:
        BadSetting: if a key is missing or the recipe is unknown.

    Source: Gebhard et al. 2019, Fig. 2 and Sec. IV B.
    """
    nodes = generation_nodes(settings)
    figure = plotting.new(plotting.PAGE_IN, 5.6)
    axes = figure.subplots()
    data = draw_flow(axes, nodes, GENERATION_EDGES)
    axes.set_title(f"recipe: {settings['recipe']}", loc="left")
    return plotting.save(figure, stem, data, provenance)


def generation_nodes(settings: Mapping[str, Any]) -> list[Node]:
    """The boxes of Fig. 2 with the numbers of ``settings`` in their texts."""
    missing = [key for key in GENERATION_KEYS if key not in settings]
    if missing:
        raise BadSetting(
            f"data-generation diagram: settings lack {missing}; expected all of {GENERATION_KEYS}."
        )
    if settings["recipe"] not in RECIPES:
        raise BadSetting(
            f"data-generation diagram: recipe '{settings['recipe']}' is none of {sorted(RECIPES)}."
        )
    values = dict(settings)
    if not isinstance(values["detectors"], str):
        values["detectors"] = " and ".join(values["detectors"])
    values["injection_percent"] = 100 * values["injection_share"]
    values["crop_stop_s"] = values["crop_start_s"] + values["crop_s"]
    values |= {key: text.format(**values) for key, text in RECIPES[settings["recipe"]].items()}
    return [node._replace(text=node.text.format(**values)) for node in GENERATION_NODES]


def draw_flow(axes: Axes, nodes: Sequence[Node], edges: Sequence[Edge]) -> pd.DataFrame:
    """Draw boxes and arrows.

    Args:
        axes: to draw on; its frame and ticks are removed.
        nodes: boxes.
        edges: arrows between them.

    Returns:
        One row a box (centre in x, y and width, height in x2, y2) and one row an arrow (from x, y to x2, y2).
    """
    axes.set_axis_off()
    by_name = {node.name: node for node in nodes}
    rows: list[tuple[Any, ...]] = []
    for edge in edges:
        start, end = _ports(by_name[edge.source], by_name[edge.target])
        background = edge.style == "background"
        axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=7,
                linewidth=0.9,
                shrinkA=0,
                shrinkB=0,
                color=plotting.REFERENCE if background else plotting.INK,
                linestyle=(0, (3, 1.5)) if background else "-",
            )
        )
        rows.append(("arrow", edge.source, edge.target, edge.style, *start, *end))
    for node in nodes:
        fill, dashes = FILLS[node.kind]
        corner = (node.x - node.width / 2, node.y - node.height / 2)
        box = FancyBboxPatch(
            corner,
            node.width,
            node.height,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=fill,
            edgecolor=plotting.INK,
            linestyle=dashes,
            linewidth=0.7,
        )
        axes.add_patch(box)
        axes.text(node.x, node.y, node.text, ha="center", va="center", fontsize=7, linespacing=1.15)
        rows.append(
            (
                "box",
                node.name,
                node.name,
                node.text.replace("\n", " "),
                node.x,
                node.y,
                node.width,
                node.height,
            )
        )
    axes.set_xlim(min(n.x - n.width / 2 for n in nodes) - 0.1, max(n.x + n.width / 2 for n in nodes) + 0.1)
    axes.set_ylim(min(n.y - n.height / 2 for n in nodes) - 0.1, max(n.y + n.height / 2 for n in nodes) + 0.1)
    return pd.DataFrame(rows, columns=["element", "source", "target", "text", "x", "y", "x2", "y2"])


def _ports(source: Node, target: Node) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow leaves one box and meets the next: sideways on one level, else from bottom to top."""
    if abs(source.y - target.y) < 0.1:
        side = 1 if target.x > source.x else -1
        return (source.x + side * source.width / 2, source.y), (target.x - side * target.width / 2, target.y)
    level = 1 if target.y > source.y else -1
    # Arrows that come from far aside leave and arrive off the middle, so that they do not hide one another.
    aside = np.clip(target.x - source.x, -1, 1)
    return (
        (source.x + 0.35 * aside * source.width, source.y + level * source.height / 2),
        (target.x - 0.25 * aside * target.width, target.y - level * target.height / 2),
    )


@plotting.style()
def fig3(
    receptive_field: Table,
    connectivity: Table,
    stem: str | Path,
    sample_rate_hz: float = 2048,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Dilated convolutions of the first layers and the receptive field of every layer, measured by gradients.

    Args:
        receptive_field: columns layer (0 is the input), receptive_field (inputs that one value depends on).
        connectivity: columns layer (0 to 3), unit, connected (1 where the highlighted value of the top layer
            depends on the unit).
        stem: of the files to write.
        sample_rate_hz: to give the receptive field in seconds.
        provenance: for the metadata.

    Returns:
        The paths written.

    Source: Gebhard et al. 2019, Fig. 3 and Sec. V A.
    """
    fields = plotting.read(receptive_field).sort_values("layer")[["layer", "receptive_field"]]
    units = plotting.read(connectivity).sort_values(["layer", "unit"])[["layer", "unit", "connected"]]
    figure = plotting.new(plotting.PAGE_IN, 2.7)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    reach = fields.set_index("layer")["receptive_field"]
    edges = _draw_dilation(left, units, reach)

    right.plot(
        fields["layer"], fields["receptive_field"], **plotting.series(0), label="measured by gradients"
    )
    layers = fields["layer"].to_numpy()
    right.plot(layers, 2.0**layers, color="#d0d0d0", linewidth=4, label="2^layer", zorder=1)
    last = fields.iloc[-1]
    seconds = last["receptive_field"] / sample_rate_hz
    words = f"layer {last['layer']:.0f}: {last['receptive_field']:.0f} samples\n= {seconds:.3g} s"
    right.text(0.97, 0.06, words, transform=right.transAxes, ha="right", fontsize=7)
    right.set(xlabel="layer (0: input)", ylabel="receptive field (samples)", title="(b) receptive field")
    right.set_yscale("log", base=2)
    right.legend(loc="upper left")
    data = pd.concat(
        [
            fields.rename(columns={"receptive_field": "value"}).assign(
                panel="receptive_field", unit=0, to_unit=0
            ),
            units.rename(columns={"connected": "value"}).assign(panel="units", to_unit=units["unit"]),
            edges.assign(panel="connections"),
        ]
    )
    return plotting.save(figure, stem, data[["panel", "layer", "unit", "to_unit", "value"]], provenance)


def _draw_dilation(axes: Axes, units: pd.DataFrame, reach: pd.Series) -> pd.DataFrame:
    # A unit is drawn above the last input it depends on; the step between layers is the dilation that was
    # measured.
    positions = {
        (layer, unit): (unit + reach[layer] - 1, layer)
        for layer, unit in units[["layer", "unit"]].itertuples(index=False, name=None)
    }
    connected = units.set_index(["layer", "unit"])["connected"].to_dict()
    rows = []
    for (layer, unit), end in positions.items():
        if layer == 0:
            continue
        for other in (unit, unit + int(reach[layer] - reach[layer - 1])):
            if (layer - 1, other) not in positions:
                continue
            start = positions[layer - 1, other]
            used = bool(connected[layer, unit] and connected[layer - 1, other])
            colour, width = (plotting.PALETTE[3], 1.6) if used else ("#d5d5d5", 0.6)
            line = "-" if used else (0, (2, 2))
            axes.plot(
                *zip(start, end, strict=True),
                color=colour,
                linewidth=width,
                linestyle=line,
                zorder=2 if used else 1,
            )
            rows.append((layer - 1, other, unit, int(used)))
    for key, (x, y) in positions.items():
        used = connected[key]
        axes.plot(
            x,
            y,
            "o",
            markersize=6,
            color=plotting.PALETTE[3] if used else "white",
            markeredgecolor=plotting.INK,
            markeredgewidth=0.6,
            zorder=3,
        )
    layers = sorted(units["layer"].unique())
    names = [
        "input",
        *(f"after block {layer}\n(dilation {reach[layer] - reach[layer - 1]:.0f})" for layer in layers[1:]),
    ]
    axes.set_yticks(layers, names)
    axes.set(xlabel="time step of the input", title="(a) values that one output depends on")
    axes.grid(False)
    return pd.DataFrame(rows, columns=["layer", "unit", "to_unit", "value"])
