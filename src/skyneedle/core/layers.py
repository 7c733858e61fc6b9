"""Networks layer by layer, read off the modules themselves."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import nn

from skyneedle.core.attribution import frozen

COLUMNS = [
    *("layer", "type", "kernel", "count", "stride", "padding"),
    *("activation", "input_shape", "output_shape", "parameters"),
]
TYPES: tuple[tuple[Any, str], ...] = (
    (nn.Conv2d, "Conv2D"),
    (nn.MaxPool2d, "MaxPool2D"),
    (nn.Dropout, "Dropout"),
    (nn.Linear, "Dense"),
    ((nn.BatchNorm1d, nn.BatchNorm2d), "BatchNorm"),
)
ACTIVATIONS: tuple[tuple[Any, str], ...] = ((nn.ReLU, "ReLU"), (nn.Tanh, "tanh"), (nn.ELU, "ELU"))
SHAPELESS = (nn.Identity, nn.Flatten)  # neither changes a number, so they are no layers


def layers(network: nn.Module, shape: Sequence[int]) -> pd.DataFrame:
    """One row for each layer with parameters, each pooling and each dropout, and one for the total.

    Args:
        network: all its layers are run one after the other; one without memory for its weights (device
            "meta") will do.
        shape: of one input, (channel, height, width).

    Returns:
        Text, columns ``COLUMNS``: layer (running number, in which each activation has its own), type, kernel,
        count (of kernels or neurons), stride, padding, activation (which follows the layer, or the share of
        dropout), shapes as (channel, height, width) or the number of neurons, and the number of trainable
        parameters. What a layer does not have is empty.
    """
    seen: list[tuple[nn.Module, torch.Size, torch.Size]] = []
    leaves = [
        module
        for module in network.modules()
        if not list(module.children()) and not isinstance(module, SHAPELESS)
    ]
    device = next(network.parameters()).device
    handles = [
        module.register_forward_hook(lambda module, x, y: seen.append((module, x[0].shape, y.shape)))
        for module in leaves
    ]
    try:
        with frozen(network), torch.no_grad():
            network(torch.zeros(1, *shape, device=device))
    finally:
        for handle in handles:
            handle.remove()
    rows: list[dict[str, str]] = []
    for number, (module, before, after) in enumerate(seen):
        activation = next((word for kind, word in ACTIVATIONS if isinstance(module, kind)), None)
        if activation and rows:
            rows[-1]["activation"] = activation
            continue
        row = _row(module) | {"layer": str(number), "type": _type(module)}
        row |= {"input_shape": _shape(before[1:]), "output_shape": _shape(after[1:])}
        row["parameters"] = str(sum(parameter.numel() for parameter in module.parameters()))
        rows.append(row)
    total = sum(parameter.numel() for parameter in network.parameters())
    rows.append({"layer": "total", "parameters": str(total)})
    return pd.DataFrame(rows, columns=COLUMNS).fillna("")


def _type(module: nn.Module) -> str:
    return next((word for kind, word in TYPES if isinstance(module, kind)), type(module).__name__)


def _row(module: nn.Module) -> dict[str, str]:
    if isinstance(module, nn.Conv2d):
        return {
            "kernel": _shape(module.kernel_size),
            "count": str(module.out_channels),
            "stride": _shape(module.stride),
            "padding": _padding(module),
        }
    if isinstance(module, nn.MaxPool2d):
        return {"kernel": _shape(_pair(module.kernel_size)), "stride": _shape(_pair(module.stride))}
    if isinstance(module, nn.Linear):
        return {"count": str(module.out_features)}
    return {"activation": f"{module.p:g}"} if isinstance(module, nn.Dropout) else {}


def _padding(module: nn.Conv2d) -> str:
    """Pixels along either axis; those before and after, where a layer pads them itself (``pads``)."""
    pads = getattr(module, "pads", None)
    if pads is not None and pads[0] != pads[1]:
        return f"{pads[0]} before, {pads[1]} after"
    return "Valid" if not any(_pair(module.padding)) else _shape(_pair(module.padding))


def _pair(size: Any) -> tuple[int, ...]:
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)


def _shape(sizes: Any) -> str:
    sizes = tuple(sizes)
    return str(sizes[0]) if len(sizes) == 1 else f"({','.join(map(str, sizes))})"
