"""The receptive field of a network and of its layers, measured by gradients: Fig. 3."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import nn

from skyneedle.core.attribution import frozen
from skyneedle.core.errors import GridMismatch
from skyneedle.core.seeds import generator
from skyneedle.strain import preprocess

_DRAWS_AT_ONCE = 2
_MOST_DRAWS = 64
_LEAST_DRAWS = 4
_MARGIN = 32  # samples beyond one receptive field
_N_DRAWN_LAYERS = 4  # of Fig. 3, the input among them


class ReceptiveField(NamedTuple):
    """Inputs that one output depends on: how many, and the first and last one counted from the output's
    index.
    """

    n: int
    first: int
    last: int


class LayerFields(NamedTuple):
    """What Fig. 3 is drawn from.

    Attributes:
        receptive_field: columns layer (0 is the input), receptive_field, first, last.
        connectivity: columns layer (0 to 3), unit, connected.
    """

    receptive_field: pd.DataFrame
    connectivity: pd.DataFrame


def receptive_field(network: nn.Module, n_inputs: int, detectors: int = 2) -> ReceptiveField:
    """Inputs with a gradient of the middle output that is not zero for some random input.

    Args:
        network: from (batch, detector, n_inputs) to (batch, n_outputs).
        n_inputs: length of the input; more than the receptive field.
        detectors: number of detectors.

    Returns:
        Number of input samples, and the offsets of the first and the last one from the index of the output.

    Raises:
        GridMismatch: if no output depends on any input.
    """
    with frozen(network):
        return _measured(network, lambda x: [network(x)[:, None]], n_inputs, detectors)[0]


def layer_receptive_fields(
    network: nn.Module, detectors: int = 2, n_units: int = 16, unit: int = 4
) -> LayerFields:
    """The receptive field of every block, and which units of the first layers one unit of the third block
    sees.

    Args:
        network: as ``networks.fcn``, with convolutions ``input`` and ``blocks``, a ReLU behind each of the
            latter; of any other network, its modules with weights of their own that give (batch, channel,
            time).
        detectors: number of detectors.
        n_units: inputs that are drawn.
        unit: of the third block, that is highlighted.

    Returns:
        Both tables.

    Raises:
        GridMismatch: if the network has no such layers, or one that depends on no input.
    """
    n_inputs = int(getattr(network, "receptive_field", preprocess.RECEPTIVE_FIELD)) + _MARGIN
    with frozen(network):
        found = [ReceptiveField(1, 0, 0)]
        found += _measured(network, lambda x: _layers(network, x), n_inputs, detectors)
        fields = pd.DataFrame(
            [(number, *field) for number, field in enumerate(found)],
            columns=["layer", "receptive_field", "first", "last"],
        )
        reach = [field.n for field in found[:_N_DRAWN_LAYERS]]
        return LayerFields(fields, _connectivity(network, reach, n_inputs, detectors, n_units, unit))


def _measured(
    network: nn.Module,
    forward: Callable[[torch.Tensor], list[torch.Tensor]],
    n_inputs: int,
    detectors: int,
) -> list[ReceptiveField]:
    """Receptive field of the middle value of each layer, drawing inputs until another draw shows no more."""
    used: list[torch.Tensor] = []
    for number in range(_MOST_DRAWS):
        x = _draw(network, number, n_inputs, detectors)
        layers = forward(x)
        seen = [_used(values[..., values.shape[-1] // 2], x) for values in layers]
        grown = [one | two for one, two in zip(used, seen, strict=True)] if used else seen
        stable = bool(used) and all(torch.equal(one, two) for one, two in zip(used, grown, strict=True))
        used = grown
        if stable and all(_without_holes(one) for one in used):
            break
    fields = []
    for one, values in zip(used, layers, strict=True):
        places = one.nonzero().flatten() - values.shape[-1] // 2
        if not len(places):
            raise GridMismatch(
                "A layer of the network depends on no input: it is dead, train the network again."
            )
        fields.append(ReceptiveField(len(places), int(places[0]), int(places[-1])))
    return fields


def _draw(network: nn.Module, number: int, n_inputs: int, detectors: int) -> torch.Tensor:
    # A ReLU that is off for one input hides what another input shows; wide networks need few draws.
    weight = next(network.parameters())
    drawn = generator(0, "receptive field", number).standard_normal((_DRAWS_AT_ONCE, detectors, n_inputs))
    return torch.from_numpy(drawn).to(weight.device, weight.dtype).requires_grad_(True)


def _used(values: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """Times of ``of`` (batch, channel, time) on which any of the values (batch, channel) depends."""
    gradient = torch.autograd.grad(values.sum(), of, retain_graph=True)[0]
    return (gradient != 0).any(dim=0).any(dim=0)


def _without_holes(used: torch.Tensor) -> bool:
    places = used.nonzero().flatten()
    return bool(len(places)) and len(places) == int(places[-1] - places[0]) + 1


def _layers(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """What each layer gives, shapes (batch, channel, time); the first convolution of width one is none."""
    blocks: Any = getattr(network, "blocks", None)
    first: Any = getattr(network, "input", None)
    layers: list[torch.Tensor] = []
    if blocks is not None and first is not None:
        # Built again from its modules: the network itself computes faster, without calling them.
        values = first(x)
        for block in blocks:
            values = torch.relu(block(values))
            layers.append(values)
        return layers
    hooks = [
        module.register_forward_hook(lambda module, given, values: layers.append(values))
        for module in network.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    try:
        network(x)
    finally:
        for hook in hooks:
            hook.remove()
    layers = [values for values in layers if values.ndim == 3 and len(values) == len(x)]
    if not layers:
        raise GridMismatch("The network has no layer that gives (batch, channel, time): none can be drawn.")
    return layers


def _connectivity(
    network: nn.Module, reach: list[int], n_inputs: int, detectors: int, n_units: int, unit: int
) -> pd.DataFrame:
    """Which of the first units of each layer the highlighted unit of the last drawn one depends on."""
    used: list[torch.Tensor] = []
    for number in range(_MOST_DRAWS):
        x = _draw(network, number, n_inputs, detectors)
        layers = [x, *_layers(network, x)[: len(reach) - 1]]
        seen = [_used(layers[-1][..., unit], of) for of in layers[:-1]]
        grown = [one | two for one, two in zip(used, seen, strict=True)] if used else seen
        stable = bool(used) and all(torch.equal(one, two) for one, two in zip(used, grown, strict=True))
        used = grown
        if stable and all(one.any() for one in used) and number >= _LEAST_DRAWS:
            break
    top = len(reach) - 1
    rows = [
        (number, place, int(used[number][place] if number < top else place == unit))
        for number, field in enumerate(reach)
        for place in range(n_units - field + 1)
    ]
    return pd.DataFrame(rows, columns=["layer", "unit", "connected"])
