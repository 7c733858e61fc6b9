"""The triplets that figures show, small enough to be drawn again in seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.store import DataSet, spread
from skyneedle.core.tables import write_parquet
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.truth import read_truth

N_OF_A_CLASS = 5  # as in the paper's Fig. 2
N_OF_A_KIND = 3
N_CHANGED = 4  # as in its Fig. 6
COLUMNS = ("panel", "id", "label", "kind", "side", *CHANNELS)


def write(
    out: str | Path,
    shards: Sequence[str | Path],
    truth: Sequence[str | Path] = (),
    relabelled: str | Path | None = None,
) -> None:
    """Write the triplets of all panels.

    Args:
        out: parquet to write, see ``tiles``.
        shards: files of the survey.
        truth: parquets of the simulator, for the kinds; real ones are unknown.
        relabelled: parquet with id, label and label_given; panels of changed labels stay empty without it.
    """
    kinds = read_truth(truth)[["id", "kind"]] if truth else pd.DataFrame({"id": [], "kind": []})
    changed = pd.DataFrame({"id": [], "label": [], "label_given": []})
    if relabelled is not None:
        changed = pd.read_parquet(relabelled)
        changed = changed[changed["label"] != changed["label_given"]]
    write_parquet(tiles(DataSet(shards), kinds, changed), out)


def tiles(data: DataSet, kinds: pd.DataFrame, changed: pd.DataFrame) -> pd.DataFrame:
    """Triplets by panel.

    Args:
        data: the survey.
        kinds: columns id and kind, of artifact or of real.
        changed: columns id, label and label_given, of the labels that a review changed.

    Returns:
        Columns ``COLUMNS``: panel is ``artifact`` or ``non_artifact`` (by given label), ``kind_<kind>``,
        ``to_artifact`` or ``to_non_artifact``; each plane row by row. Panels take evenly spread examples.
    """
    given = data.table["label_given"].to_numpy()
    ids = data.table["id"].to_numpy()
    kind = pd.Series(ids).map(kinds.set_index("id")["kind"]).fillna("unknown").to_numpy()
    picks = [
        (name, spread(np.flatnonzero(given == label), N_OF_A_CLASS))
        for name, label in (("artifact", 1), ("non_artifact", 0))
    ]
    picks += [
        (f"kind_{name}", spread(np.flatnonzero(kind == name), N_OF_A_KIND)) for name in sorted(set(kind))
    ]
    for name, label in (("to_artifact", 1), ("to_non_artifact", 0)):
        rows = np.flatnonzero(np.isin(ids, changed.loc[changed["label"] == label, "id"]))
        picks.append((name, spread(rows, N_CHANGED)))
    found = [_tile(data, panel, int(row), str(kind[row])) for panel, chosen in picks for row in chosen]
    return pd.DataFrame(found, columns=list(COLUMNS))


def _tile(data: DataSet, panel: str, row: int, kind: str) -> dict[str, Any]:
    stamp = data.read("stamps", row)
    described = data.table.iloc[row]
    tile = {"panel": panel, "id": int(described["id"]), "label": int(described["label_given"])}
    planes = {name: stamp[i].astype(np.float32).ravel() for i, name in enumerate(CHANNELS)}
    return tile | {"kind": kind, "side": stamp.shape[-1]} | planes
