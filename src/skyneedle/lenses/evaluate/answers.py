"""Answers to the known compound lenses: as metrics, and side by side for what is made of several networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.lenses.fetch.compounds import KNOWN


class Known(NamedTuple):
    """What networks said to the known compound lenses, see ``known.asked``.

    Attributes:
        table: columns network, id, name, turn and logit.
        networks: names of those that are taken together, in this order.
        missing: reason for each lens without data, by its name.
        out: metrics to write, JSON, see ``measured``.
    """

    table: pd.DataFrame
    networks: Sequence[str]
    missing: Mapping[str, str]
    out: str | Path


def measured(table: pd.DataFrame, networks: Sequence[str], missing: Mapping[str, str]) -> dict[str, Any]:
    """Answers as metrics.

    Args:
        table: columns network, name, turn (0 is the image as it is) and score, see ``known.asked``.
        networks: whose answers are wanted.
        missing: reason for each lens without any, by its name.

    Returns:
        ``<folder of the lens>_<network>`` with the answer to the image as it is, the least and the greatest
        of those to its eight orientations, and n of these; or the reason why there is none.
    """
    found: dict[str, Any] = {}
    for one in KNOWN:
        for network in networks:
            here = table[(table["name"] == one.name) & (table["network"] == network)]
            if len(here):
                entry = {
                    "value": here.loc[here["turn"] == 0, "score"].item(),
                    "low": here["score"].min(),
                    "high": here["score"].max(),
                    "n": len(here),
                    "note": "low and high: over the eight orientations of the image",
                }
            else:
                entry = {"value": None, "reason": missing.get(one.name, "no data of it are there")}
            entry["definition"] = "probability of a lens; low and high are extremes over orientations"
            found[f"{one.folder}_{network}"] = entry
    return found


def together(table: pd.DataFrame, networks: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray, dict[str, str]]:
    """Log odds of several networks for the same images.

    Args:
        table: columns network, id, name, turn and logit, see ``known.asked``.
        networks: in the order wanted.

    Returns:
        id, name and turn of each image that all of them answered, by id and turn; the log odds,
        shape (image, network); and the reason for each lens that some of them did not answer, by its name.
    """
    images = ["id", "name", "turn"]
    wide = table.pivot(index=images, columns="network", values="logit").reindex(columns=list(networks))
    complete = wide.notna().all(axis=1)
    lacking = {}
    for name, one in wide[~complete].groupby(level="name"):
        silent = ", ".join(one.columns[one.isna().any()])
        lacking[str(name)] = f"no answer of {silent}: it takes those of all {len(networks)} networks"
    whole = complete & ~wide.index.get_level_values("name").isin(lacking)
    return wide.index[whole].to_frame(index=False), wide[whole].to_numpy(float), lacking
