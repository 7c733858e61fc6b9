"""The stamps that figures show, as networks see them, small enough to be drawn again in seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, spread
from skyneedle.transfer import preprocess
from skyneedle.transfer.preprocess import Augmentation

N_TRAINING = 20  # of lenses and of non-lenses
N_AUGMENTED = 28
N_OF_A_SET, N_OF_A_KIND = 7, 4
SETS = ("hard", "grade_a", "grade_b", "grade_c", "real")

Shards = str | Path | Sequence[str | Path]


def tiles(sets: Mapping[str, Shards], copies: int, augmentation: Augmentation, seed: int) -> pd.DataFrame:
    """Stamps of each panel of the figures.

    Args:
        sets: shards by name: hst, morphology, and those of ``SETS``.
        copies: numbers of the augmented copies are below this.
        augmentation: how they are made.
        seed: root seed; copies are those that networks of this seed see.

    Returns:
        Columns panel ("lens", "non_lens", "augmented", a set, or "morphology"), id, label, kind, name (of a
        real object, else empty), copy (-1: the stamp itself), n (pixels along a side), peak_sigma (brightest
        pixel in standard deviations of the sky), seen (what networks see, row by row).
    """
    hst = DataSet(sets["hst"])
    label = hst.table["label"].to_numpy()
    rows = _rows("lens", hst, spread(np.flatnonzero(label == 1), N_TRAINING))
    rows += _rows("non_lens", hst, spread(np.flatnonzero(label == 0), N_TRAINING))
    rows += _augmented(hst, copies, augmentation, seed)
    for name in SETS:
        data = DataSet(sets[name])
        rows += _rows(name, data, _sample(data, N_OF_A_SET))
    ten = DataSet(sets["morphology"])
    kinds = ten.table["kind"].to_numpy()
    for kind in dict.fromkeys(kinds[np.argsort(ten.table["label"].to_numpy(), kind="stable")]):
        rows += _rows("morphology", ten, spread(np.flatnonzero(kinds == kind), N_OF_A_KIND))
    return pd.DataFrame(rows)


def write(
    sets: Mapping[str, Shards], path: str | Path, copies: int, augmentation: Augmentation, seed: int
) -> None:
    """Write the table of ``tiles`` as parquet."""
    tables.write_parquet(tiles(sets, copies, augmentation, seed), path)


def _sample(data: DataSet, n: int) -> np.ndarray:
    """Some lenses, then some others, as evenly as there are; all are lenses where no label says otherwise."""
    label = data.table["label"].to_numpy() if len(data) else np.empty(0)
    others = np.flatnonzero(label == 0)
    n_others = min(len(others), n // 2)
    return np.concatenate([spread(np.flatnonzero(label != 0), n - n_others), spread(others, n_others)])


def _rows(panel: str, data: DataSet, places: np.ndarray) -> list[dict[str, Any]]:
    stamps = data.read("vis", places) if len(places) else np.empty((0, 1, 1), np.float32)
    return [_tile(panel, data, int(place), stamp, -1) for place, stamp in zip(places, stamps, strict=True)]


def _augmented(data: DataSet, copies: int, augmentation: Augmentation, seed: int) -> list[dict[str, Any]]:
    """Copies drawn from all that there are."""
    random = generator(seed, "gallery")
    rows = []
    for number in random.choice(len(data) * copies, min(N_AUGMENTED, len(data) * copies), replace=False):
        place, copy = divmod(int(number), copies)
        ids = data.table["id"].to_numpy()[[place]]
        sigma = preprocess.sky_sigma(data)
        stamp = preprocess.augmented(data.read("vis", [place]), ids, copy, augmentation, seed, sigma)[0]
        rows.append(_tile("augmented", data, place, stamp, copy))
    return rows


def _tile(panel: str, data: DataSet, place: int, stamp: np.ndarray, copy: int) -> dict[str, Any]:
    row = data.table.iloc[place]
    sigma = preprocess.sky_sigma(data)
    return {
        "panel": panel,
        "id": int(row["id"]),
        "label": int(row["label"]),
        "kind": str(row["kind"]),
        "name": str(row.get("name", "")),
        "copy": copy,
        "n": stamp.shape[0],
        "peak_sigma": float(stamp.max()) / sigma,
        "seen": preprocess.scaled(stamp[None], sigma).ravel(),
    }
