"""The published networks layer by layer, read off the modules."""

from pathlib import Path

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.layers import layers as of_module
from skyneedle.transients import networks


def layers(network: networks.StampNetwork) -> pd.DataFrame:
    """A published network, or one of the same kind, layer by layer; see ``core.layers.layers``.

    Source: Ayyar et al. 2022, Table 4.
    """
    return of_module(network, (len(network.channels), network.size, network.size))


def write(name: str, out: str | Path) -> None:
    """Write the layers of a published network.

    Args:
        name: one of ``networks.NAMES``.
        out: CSV to write.
    """
    tables.write_csv(layers(networks.build(name)), out)
