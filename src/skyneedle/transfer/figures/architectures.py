"""Figures 3-1 and 4-1 to 4-5 of akhazhanov2018: how networks are built, drawn from their own structure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.patches import Patch

from skyneedle.core import architecture, plotting
from skyneedle.core.plotting import Table
from skyneedle.transfer.figures import flows

Provenance = Mapping[str, Any] | None
SHOWN = [
    "panel",
    "node",
    "label",
    "kind",
    "inputs",
    "channels",
    "height",
    "width",
    "parameters",
    "x",
    "layer",
]


def fig4_1(layers: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """A convolutional network: LensFlow as it is, with the parameters of each layer.

    Args:
        layers: see ``architecture.layers_of``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Akhazhanov 2018, Fig. 4-1 and Table 3-1.
    """
    return architecture.draw(layers, stem, provenance, with_parameters=True)


def fig4_2(layers: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """The architecture of VGG16; arguments and result as of ``fig4_1``.

    Source: Akhazhanov 2018, Fig. 4-2.
    """
    return architecture.draw(layers, stem, provenance)


def _panels(graph: Table) -> dict[str, pd.DataFrame]:
    table = plotting.read(graph)
    return {str(name): flows.placed(part) for name, part in table.groupby("panel", sort=False)}


def _save(
    figure: Any, stem: str | Path, panels: Mapping[str, pd.DataFrame], provenance: Provenance
) -> list[Path]:
    """Write a figure with its boxes; lines follow from their inputs."""
    boxes = pd.concat(panels.values(), ignore_index=True)
    boxes = boxes[boxes["kind"] != "line"]
    # Inputs are those of the network, not the places that lines pass.
    drawn = boxes.assign(
        inputs=[" ".join(one.split(">")[0] for one in text.split()) for text in boxes["inputs"]],
        x=boxes["x"].round(4),
    )
    whole = ("layer", "channels", "height", "width", "parameters")
    return plotting.save(figure, stem, drawn[SHOWN].astype(dict.fromkeys(whole, int)), provenance)


@plotting.style()
def fig3_1(graph: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """CMU DeepLens: all of it, and the inside of one of its bottlenecks.

    Args:
        graph: see ``architecture.graph_of``.
        stem: of the files to write.
        provenance: for their metadata.

    Returns:
        The paths written.

    Source: Akhazhanov 2018, Fig. 3-1.
    """
    panels = _panels(graph)
    figure = plotting.new(plotting.PAGE_IN, 3.4)
    whole, inside = figure.subplots(1, 2, width_ratios=[3.2, 1])
    network, block = panels.values()
    flows.draw(whole, network, across=True, box=(0.72, 2.4), rotation=90)
    for row in network.itertuples():
        size = f"{int(row.channels)}\n{int(row.height)}²" if row.height > 1 else f"{int(row.channels)}"
        whole.text(row.layer, -row.x - 1.3, size, ha="center", va="top", fontsize=5.5)
    whole.text(-0.9, -1.3, "channels\nsize", ha="right", va="top", fontsize=5.5)
    whole.set(xlim=(-2.4, network["layer"].max() + 0.6), ylim=(-2.1, 1.4))
    whole.set_title("network")
    flows.draw(inside, block, box=(0.9, 0.66), fontsize=5.5, with_sizes=True)
    inside.set_title(list(panels)[1])
    return _save(figure, stem, panels, provenance)


@plotting.style()
def fig4_3(graph: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Inception: its building block, and the whole network; arguments and result as of ``fig3_1``.

    Source: Akhazhanov 2018, Fig. 4-3.
    """
    panels = _panels(graph)
    block, network = panels.values()
    figure = plotting.new(plotting.PAGE_IN, 3.9)
    above, below = figure.subplots(2, 1, height_ratios=[1.25, 1])
    flows.draw(above, block, box=(0.8, 0.66), with_sizes=True)
    middle = (block["x"].min() + block["x"].max()) / 2
    above.set_xlim(middle - 3.2, middle + 3.2)
    above.set_title("(A) building block")
    flows.draw(below, network, across=True, box=(0.62, 0.62), fontsize=0)
    for group, part in network[network["kind"] == "concatenation"].groupby("group", sort=False):
        last = part.loc[part["layer"].idxmax()]
        bottom = -network["x"].max() - 0.7
        words = f"{group.removeprefix('Mixed_')}: {int(last['channels'])} × {int(last['height'])}²"
        below.text(last["layer"], bottom, words, rotation=90, ha="center", va="top", fontsize=5)
    below.set_ylim(-network["x"].max() - 4.6, -network["x"].min() + 0.6)
    below.set_title("(B) the whole network, one box an operation")
    _legend(figure, network)
    return _save(figure, stem, panels, provenance)


def _legend(figure: Any, nodes: pd.DataFrame) -> None:
    kinds = [kind for kind in flows.COLOURS if kind in set(nodes["kind"])]
    handles = [Patch(facecolor=flows.COLOURS[kind], edgecolor=plotting.INK, label=kind) for kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(kinds))


@plotting.style()
def fig4_4(graph: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """A residual block of ResNet-50; arguments and result as of ``fig3_1``.

    Source: Akhazhanov 2018, Fig. 4-4.
    """
    panels = _panels(graph)
    (block,) = panels.values()
    figure = plotting.new(plotting.COLUMN_IN, 3.2)
    axes = figure.subplots()
    flows.draw(axes, block, box=(0.9, 0.66), fontsize=6.5, with_sizes=True)
    middle = (block["x"].min() + block["x"].max()) / 2
    axes.set_xlim(middle - 1.2, middle + 1.2)
    return _save(figure, stem, panels, provenance)


@plotting.style()
def fig4_5(graph: Table, stem: str | Path, provenance: Provenance = None) -> list[Path]:
    """Normal and reduction cell of NASNet; arguments and result as of ``fig3_1``.

    Source: Akhazhanov 2018, Fig. 4-5.
    """
    panels = _panels(graph)
    figure = plotting.new(plotting.PAGE_IN, 3.6)
    widths = [part["x"].max() - part["x"].min() + 1.1 for part in panels.values()]
    for axes, (name, part) in zip(figure.subplots(1, 2, width_ratios=widths), panels.items(), strict=True):
        short = part["label"].str.replace(" ", "\n", n=1).str.replace("concatenation", "concat-\nenation")
        flows.draw(axes, part.assign(label=short), box=(0.88, 0.58), fontsize=5)
        out = part[part["kind"] == "concatenation"].iloc[0]
        axes.set_title(f"{name}: {int(out['channels'])} channels of {int(out['height'])}²")
    return _save(figure, stem, panels, provenance)
