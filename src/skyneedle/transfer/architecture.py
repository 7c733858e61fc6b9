"""Networks of the thesis as tables: layer by layer, or as graphs of what feeds what, read off the modules."""

import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from skyneedle.core import scoreboard, tables
from skyneedle.core.layers import layers
from skyneedle.transfer import networks
from skyneedle.transfer.backbones import BACKBONES

COLUMNS = ["panel", "node", "label", "kind", "inputs", "group", "channels", "height", "width", "parameters"]
# What changes no map's size and is part of the box before it, unless activations are asked for.
SILENT = (_BatchNorm, nn.Dropout, nn.Identity, nn.Flatten)
ACTIVATIONS = {nn.ReLU: "ReLU", nn.ELU: "ELU", nn.Tanh: "tanh"}
WHOLE = ("ConvNormAct", "ActConvBn", "BranchSeparables", "SelectAdaptivePool2d", "Bottleneck")
SUMS = (torch.add, operator.add, operator.iadd)
WORDS = {"x": "x", "x_prev": "x before"}


class _Tracer(fx.Tracer):
    """Follows tensors through a module; modules with a name in ``WHOLE`` are one box."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        one = isinstance(m, (*SILENT, *ACTIVATIONS, nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))
        return one or type(m).__name__ in WHOLE or super().is_leaf_module(m, module_qualified_name)


def graph(
    module: nn.Module, shapes: Sequence[Sequence[int]], panel: str, with_activations: bool
) -> pd.DataFrame:
    """What feeds what in a module.

    Args:
        module: one without memory for its weights (device "meta") will do.
        shapes: (channel, height, width) of each of its inputs.
        panel: of the figure, for the table.
        with_activations: whether these have boxes of their own.

    Returns:
        Columns ``COLUMNS``, one row for each box, in the order of the calculation: inputs are the names of
        other boxes, separated by blanks; group is the part of the module that it is in; channels, height and
        width are of what comes out, and parameters counts those inside.
    """
    made = fx.GraphModule(module, _Tracer().trace(module))
    device = next(module.parameters()).device
    ShapeProp(made).propagate(*(torch.zeros(2, *shape, device=device) for shape in shapes))
    modules = dict(made.named_modules())
    same: dict[str, str] = {}  # names of nodes without a box, and the box that their value comes from
    rows = []
    for node in made.graph.nodes:
        inner = modules[str(node.target)] if node.op == "call_module" else None
        before = [same.get(one.name, one.name) for one in node.all_input_nodes]
        box = _box(node, inner, with_activations)
        if node.op == "output":
            continue
        if box is None:
            same[node.name] = before[0]
            continue
        shape = [*node.meta["tensor_meta"].shape[1:], 1, 1][:3]
        group = str(node.target).split(".")[0] if inner is not None else _group(node)
        count = sum(parameter.numel() for parameter in inner.parameters()) if inner is not None else 0
        label, kind = box
        rows.append([panel, node.name, label, kind, " ".join(before), group, *shape, count])
    return pd.DataFrame(rows, columns=COLUMNS)


def _group(node: fx.Node) -> str:
    around = list(node.meta.get("nn_module_stack", {}))
    return around[-1].split(".")[0] if around else ""


def _box(node: fx.Node, inner: nn.Module | None, with_activations: bool) -> tuple[str, str] | None:
    """Label and kind of a node's box; None if it has none."""
    if node.op == "placeholder":
        return WORDS.get(node.name, node.name), "input"
    if inner is not None:
        return _module_box(inner, with_activations)
    target: Any = node.target
    if target in SUMS:
        return "+", "sum"
    if target is torch.cat:
        return "concatenation", "concatenation"
    if target in (functional.avg_pool2d, functional.max_pool2d):
        word = "average" if target is functional.avg_pool2d else "maximum"
        size = node.kwargs.get("kernel_size", node.args[1] if len(node.args) > 1 else 0)
        return f"{word} {_size(size)}{_strided(node.kwargs.get('stride', 1))}", "pooling"
    return None  # flattening and the like


def _module_box(inner: nn.Module, with_activations: bool) -> tuple[str, str] | None:
    for kind, word in ACTIVATIONS.items():
        if type(inner) is kind:
            return (word, "activation") if with_activations else None
    if isinstance(inner, SILENT):
        return None
    if isinstance(inner, (nn.MaxPool2d, nn.AvgPool2d)):
        word = "average" if isinstance(inner, nn.AvgPool2d) else "maximum"
        return f"{word} {_size(inner.kernel_size)}{_strided(inner.stride)}", "pooling"
    if isinstance(inner, nn.Linear):
        return f"dense {inner.out_features}", "dense"
    if isinstance(inner, networks.Bottleneck):
        first, middle = inner.inner[0], inner.inner[3]
        last = inner.inner[-1].out_channels
        return f"bottleneck {first.out_channels}-{last}{_strided(middle.stride)}", "bottleneck"
    convolutions = [part for part in inner.modules() if isinstance(part, nn.Conv2d)]
    if not convolutions:
        return "global average", "pooling"
    size, stride = _size(convolutions[0].kernel_size), _strided(convolutions[0].stride)
    if type(inner).__name__ == "BranchSeparables":
        return f"separable {size}{stride}", "separable"
    return f"{size}{stride}", "convolution"


def _size(size: Any) -> str:
    return "×".join(map(str, size)) if isinstance(size, (tuple, list)) else f"{size}×{size}"


def _strided(stride: Any) -> str:
    first = stride[0] if isinstance(stride, (tuple, list)) else stride
    return f" /{first}" if first > 1 else ""


# --- those of the figures


class _Drawn(NamedTuple):
    source: str
    part: str  # "" is the whole
    shapes: tuple[tuple[int, int, int], ...]
    with_activations: bool = False


GRAPHS: dict[str, dict[str, _Drawn]] = {
    "deeplens": {
        "network": _Drawn("deeplens", "", ((1, 100, 100),)),
        "bottleneck 32-64": _Drawn("deeplens", "stages.1.0", ((32, 100, 100),), True),
    },
    "inception": {
        "block": _Drawn("inception", "Mixed_5b", ((192, 35, 35),)),
        "network": _Drawn("inception", "", ((3, 299, 299),)),
    },
    "resnet": {"block": _Drawn("resnet", "layer1.1", ((256, 56, 56),), True)},
    "nasnet": {
        "normal cell": _Drawn("nasnet", "cell_2", ((1008, 42, 42), (1008, 42, 42))),
        "reduction cell": _Drawn("nasnet", "reduction_cell_0", ((1008, 42, 42), (1008, 42, 42))),
    },
}
LAYERS: dict[str, tuple[int, int, int]] = {"lensflow": (1, 100, 100), "vgg16": (3, 224, 224)}


def whole(source: str) -> nn.Module:
    """A network as published, without memory for its weights; backbones with their heads of 1000 classes."""
    with torch.device("meta"):
        if source not in BACKBONES:
            return networks.build(source)
        import timm

        # The published VGG16 leaves out half of its neurons after either dense layer.
        options: dict[str, Any] = {"drop_rate": 0.5} if source.startswith("vgg") else {}
        return timm.create_model(BACKBONES[source].timm, pretrained=False, **options).eval()


def graph_of(name: str) -> pd.DataFrame:
    """All panels of one figure, see ``GRAPHS`` and ``graph``."""
    parts = []
    for panel, drawn in GRAPHS[name].items():
        network = whole(drawn.source).eval()
        module = network.get_submodule(drawn.part) if drawn.part else network
        parts.append(graph(module, drawn.shapes, panel, drawn.with_activations))
    return pd.concat(parts, ignore_index=True)


def layers_of(name: str) -> pd.DataFrame:
    """A network layer by layer, see ``core.layers.layers``, without poolings that do nothing."""
    table = layers(whole(name), LAYERS[name])
    does_nothing = table["type"].str.contains("AvgPool") & (table["input_shape"] == table["output_shape"])
    return table[~does_nothing].reset_index(drop=True)


def write(outs: Mapping[str, str | Path]) -> None:
    """Write the tables that figures of architectures are drawn from.

    Args:
        outs: CSV to write, by the keys of ``LAYERS`` and ``GRAPHS``.
    """
    makers: list[tuple[Mapping[str, Any], Callable[[str], pd.DataFrame]]] = [
        (LAYERS, layers_of),
        (GRAPHS, graph_of),
    ]
    for known, make in makers:
        for name in known:
            if name in outs:
                tables.write_csv(make(name), outs[name])


# --- Table 3-1


def compared(printed: pd.DataFrame) -> pd.DataFrame:
    """LensFlow layer by layer, as printed and as it is.

    Args:
        printed: rows of the table: layer, type and output as printed.

    Returns:
        Columns layer, type, printed, here (size of the output), parameters, agrees ("yes" or "no"); one more
        row for the total.

    Source: Akhazhanov 2018, Table 3-1.
    """
    real = layers_of("lensflow").to_dict("records")
    total = real.pop()
    here = [("×".join(map(str, LAYERS["lensflow"])), "0")]
    here += [(_plain(row["output_shape"]), row["parameters"]) for row in real]
    rows = []
    for row, (size, n) in zip(printed.to_dict("records"), here, strict=True):
        wanted = row["output"].split(" (")[0].replace("-by-", "×")
        agrees = "yes" if wanted == size else "no"
        rows.append([row["layer"], row["type"], row["output"], size, int(n), agrees])
    rows.append(["total", "", "", "", int(total["parameters"]), ""])
    return pd.DataFrame(rows, columns=["layer", "type", "printed", "here", "parameters", "agrees"])


def _plain(shape: str) -> str:
    return shape.strip("()").replace(",", "×")


def write_table(printed: str | Path, stem: str | Path) -> None:
    """Write Table 3-1 as ``<stem>.csv`` and ``<stem>.md``.

    Args:
        printed: tables as printed, tab-separated, with a column "table".
        stem: path without ending.
    """
    as_printed = pd.read_csv(printed, sep="\t", dtype=str, keep_default_na=False)
    table = compared(as_printed[as_printed["table"] == "3-1"])
    scoreboard.write(table, stem, "LensFlow, layer by layer, as printed and as it is here", "")
