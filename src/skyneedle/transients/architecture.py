"""Networks layer by layer, read off the modules, and the published ones counted as the paper does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from skyneedle.core import inference, tables
from skyneedle.core.layers import layers as of_module
from skyneedle.transients import networks, training
from skyneedle.transients.preprocess import SIZE


def layers(network: networks.StampNetwork) -> pd.DataFrame:
    """A published network, or one of the same kind, layer by layer; see ``core.layers.layers``.

    Source: Ayyar et al. 2022, Table 4.
    """
    return of_module(network, (len(network.channels), network.size, network.size))


def write(source: str, options: Mapping[str, Any], out: str | Path) -> None:
    """Write the layers of a network, built in or from a user's own file.

    Args:
        source, options: of the configuration, see ``core.inference.build``.
        out: CSV to write.

    Raises:
        UnknownNetwork: if there is no such network, or it does not say which channels and size it takes.
    """
    network = inference.build(source, options, training.REGISTRY)
    channels = training.takes(network, source)
    tables.write_csv(of_module(network, (len(channels), SIZE, SIZE)), out)


def printed(network: networks.StampNetwork) -> dict[int, int]:
    """Numbers of parameters as Table 4 prints them, by its rows; rows without any are left out.

    The table counts the input as row 1, has a row for flattening, and takes running means and variances of
    batch normalisation for parameters; ReLU is part of its layers.

    Source: Ayyar et al. 2022, Table 4.
    """
    rows: list[nn.Module] = [nn.Identity(), *network.layer, nn.Flatten(), *network.head]  # input first
    shown = [module for module in rows if not isinstance(module, nn.ReLU)]
    return {row: n for row, module in enumerate(shown, start=1) if (n := n_parameters(module))}


def n_parameters(module: nn.Module) -> int:
    """Trainable parameters, and running means and variances of batch normalisation, as Keras counts them."""
    running = [value for name, value in module.named_buffers() if name.endswith(("_mean", "_var"))]
    return sum(value.numel() for value in [*module.parameters(), *running])


def write_metrics(out: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write numbers of parameters of the published networks, counted in the modules, for Tables 1 and 4.

    Args:
        out: JSON to write: ``<network>_layer<row of Table 4>``, ``<network>_parameters_total``, both as of
            ``n_parameters``, and ``<network>_parameters_trainable``.
        provenance: stored in the file.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in networks.NAMES:
        network = networks.build(name)
        counts = {f"layer{row:02d}": n for row, n in printed(network).items()}
        counts["parameters_total"] = n_parameters(network)
        counts["parameters_trainable"] = networks.n_trainable(network)
        found |= {
            f"{name}_{key}": {"value": n, "definition": "counted in the network"} for key, n in counts.items()
        }
    tables.write_json(found | {"provenance": dict(provenance or {})}, out)
