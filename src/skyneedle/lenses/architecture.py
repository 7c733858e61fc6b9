"""Networks layer by layer, read off the modules themselves, beside what the paper's tables print."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from skyneedle.core.attribution import frozen
from skyneedle.lenses import networks

COLUMNS = [
    *("layer", "type", "kernel", "count", "stride", "padding"),
    *("activation", "input_shape", "output_shape", "parameters"),
]
TYPES = {nn.Conv2d: "Conv2D", nn.MaxPool2d: "MaxPool2D", nn.Dropout: "Dropout", nn.Linear: "Dense"}
PRINTED_IN = {"ou66": 3, "ou200": 4}  # tables of the paper


def layers(network: networks.LensNetwork) -> pd.DataFrame:
    """One row for each layer with parameters, each pooling and each dropout, and one for the total.

    Args:
        network: a published one or of the same kind: all its layers are run one after the other.

    Returns:
        Text, columns ``COLUMNS``: layer (running number, in which each ReLU has its own), type, kernel, count
        (of kernels or neurons), stride, padding, activation (ReLU, which follows the layer, or the share of
        dropout), shapes as (channel, height, width) or the number of neurons, and the number of parameters.
        What a layer does not have is empty.

    Source: Wilde et al. 2022, Tables 3 and 4.
    """
    seen: list[tuple[nn.Module, torch.Size, torch.Size]] = []
    leaves = [module for module in network.modules() if not list(module.children())]
    handles = [
        module.register_forward_hook(lambda module, x, y: seen.append((module, x[0].shape, y.shape)))
        for module in leaves
    ]
    try:
        with frozen(network), torch.no_grad():
            network(torch.zeros(1, len(network.bands), network.size, network.size))
    finally:
        for handle in handles:
            handle.remove()
    rows: list[dict[str, str]] = []
    for number, (module, before, after) in enumerate(seen):
        if isinstance(module, nn.ReLU):
            rows[-1]["activation"] = "ReLU"
            continue
        row = _row(module) | {"layer": str(number), "type": TYPES.get(type(module), type(module).__name__)}
        row |= {"input_shape": _shape(before[1:]), "output_shape": _shape(after[1:])}
        row["parameters"] = str(sum(parameter.numel() for parameter in module.parameters()))
        rows.append(row)
    total = sum(parameter.numel() for parameter in network.parameters())
    rows.append({"layer": "total", "parameters": str(total)})
    return pd.DataFrame(rows, columns=COLUMNS).fillna("")


def _row(module: nn.Module) -> dict[str, str]:
    if isinstance(module, nn.Conv2d):
        padding = "Valid" if not any(_pair(module.padding)) else _shape(_pair(module.padding))
        return {
            "kernel": _shape(module.kernel_size),
            "count": str(module.out_channels),
            "stride": _shape(module.stride),
            "padding": padding,
        }
    if isinstance(module, nn.MaxPool2d):
        return {"kernel": _shape(_pair(module.kernel_size)), "stride": _shape(_pair(module.stride))}
    if isinstance(module, nn.Linear):
        return {"count": str(module.out_features)}
    return {"activation": f"{module.p:g}"} if isinstance(module, nn.Dropout) else {}


def _pair(size: Any) -> tuple[int, ...]:
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)


def _shape(sizes: Any) -> str:
    sizes = tuple(sizes)
    return str(sizes[0]) if len(sizes) == 1 else f"({','.join(map(str, sizes))})"


def compared(real: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """The table of a module with one more column: what the paper prints where that is something else.

    Args:
        real: see ``layers``.
        printed: the same columns as printed.

    Returns:
        ``real`` with the column paper_prints, for instance "stride (1,1)"; empty where both agree.
    """
    of_paper = printed.set_index("layer")
    notes = []
    for row in real.to_dict("records"):
        if row["layer"] not in of_paper.index:
            notes.append("no such layer")
            continue
        other = of_paper.loc[row["layer"]]
        differ = [name for name in COLUMNS[1:] if row[name] != other[name]]
        notes.append("; ".join(f"{name.replace('_', ' ')} {other[name] or 'none'}" for name in differ))
    return real.assign(paper_prints=notes)


def table(name: str, printed: str | Path) -> pd.DataFrame:
    """Table 3 or 4: a published network as it is, and where the printed table says something else.

    Args:
        name: "ou66" or "ou200".
        printed: both tables as the paper prints them, tab-separated, with a column "table".

    Returns:
        See ``compared``.
    """
    as_printed = pd.read_csv(printed, sep="\t", dtype=str, keep_default_na=False)
    here = as_printed[as_printed["table"] == str(PRINTED_IN[name])]
    return compared(layers(networks.build(name)), here)
