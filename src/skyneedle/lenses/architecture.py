"""Networks layer by layer, read off the modules themselves, beside what the paper's tables print."""

from pathlib import Path

import pandas as pd

from skyneedle.core.layers import COLUMNS
from skyneedle.core.layers import layers as of_module
from skyneedle.lenses import networks

PRINTED_IN = {"ou66": 3, "ou200": 4}  # tables of the paper


def layers(network: networks.LensNetwork) -> pd.DataFrame:
    """A published network, or one of the same kind, layer by layer; see ``core.layers.layers``.

    Source: Wilde et al. 2022, Tables 3 and 4.
    """
    return of_module(network, (len(network.bands), network.size, network.size))


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
