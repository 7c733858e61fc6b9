"""The images of a data set that figures show, small enough to be drawn again in seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.files import appearing
from skyneedle.core.store import DataSet, spread
from skyneedle.lenses.simulate.compound import unstretched
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS

N_TILES = 12  # of lenses, of non-lenses, and of each set of compound lenses
N_OF_A_KIND = 4


def tiles(sets: Mapping[str, str | Path | Sequence[str | Path]]) -> pd.DataFrame:
    """Images of each panel of the figures.

    Args:
        sets: shards by name: training, arcs, rings, and impostors: a set that tells their kinds.

    Returns:
        Columns panel ("lens", "non_lens", a kind of impostor, "arcs", "rings"), id, label, kind, n (pixels
        along a side), sky_sigma, vis (in the unit of its set, row by row; see ``light``), and composite (see
        ``composite``).
    """
    training, impostors = DataSet(sets["training"]), DataSet(sets["impostors"])
    labels = training.table["label"].to_numpy()
    kinds = training.table["kind"].to_numpy() if "kind" in training.table else np.full(len(labels), "")
    picks = [("lens", training, spread(np.flatnonzero(labels == 1), N_TILES))]
    picks.append(("non_lens", training, _varied(kinds, labels, N_TILES)))
    kinds = impostors.table["kind"].to_numpy()
    picks += [
        (kind, impostors, spread(np.flatnonzero(kinds == kind), N_OF_A_KIND)) for kind in NEGATIVE_KINDS
    ]
    for name in ("arcs", "rings"):
        data = DataSet(sets[name])
        picks.append((name, data, spread(np.arange(len(data)), N_TILES)))
    rows = [row for panel, data, places in picks for row in _rows(panel, data, places)]
    return pd.DataFrame(rows)


def write(sets: Mapping[str, str | Path | Sequence[str | Path]], path: str | Path) -> None:
    """Write the table of ``tiles`` as parquet."""
    with appearing(path) as partial:
        tiles(sets).to_parquet(partial, index=False)


def tile(
    panel: str, row: Mapping[str, Any], vis: np.ndarray, nisp: np.ndarray, sky_sigma: Sequence[float]
) -> dict[str, Any]:
    """One row of such a table; an image without other bands has no composite."""
    return {
        "panel": panel,
        "id": int(row["id"]),
        "label": int(row["label"]),
        "kind": str(row.get("kind", "")),
        "n": vis.shape[0],
        "sky_sigma": float(sky_sigma[0]),
        "vis": vis.ravel().astype(np.float32),
        "composite": composite(vis, nisp, sky_sigma).ravel() if nisp.size else np.zeros(0, np.float32),
    }


def light(image: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """An image as it was before its set's recipe stretched it, so that ``sky_sigma`` is its noise.

    Square roots of the published notebook are undone (see ``compound.unstretched``).

    Args:
        image: of any shape, as stored.
        attributes: of its set; ``stretch`` is "linear" if left out.
    """
    return unstretched(image) if attributes.get("stretch", "linear") == "sqrt" else image


def composite(vis: np.ndarray, nisp: np.ndarray, sky_sigma: Sequence[float]) -> np.ndarray:
    """Red, green and blue from H, J and VIS, each in units of its sky noise.

    The stretch is the inverse hyperbolic sine of the mean of the three over ten standard deviations of the
    sky, white at 1500 of them; it changes all three alike, so that hues stay. VIS is binned to the pixels of
    the others and counts 0.7 times.

    Args:
        vis: shape (n, n).
        nisp: J, Y, H, shape (3, m, m).
        sky_sigma: of VIS, J, Y and H.

    Returns:
        Shape (m, m, 3), 0 to 1.
    """
    m = nisp.shape[-1]
    ratio = vis.shape[0] // m
    margin = (vis.shape[0] - ratio * m) // 2
    inner = vis[margin : margin + ratio * m, margin : margin + ratio * m]
    binned = inner.reshape(m, ratio, m, ratio).sum(axis=(1, 3))
    blue = 0.7 * binned / (ratio * sky_sigma[0])
    planes = np.stack([nisp[2] / sky_sigma[3], nisp[0] / sky_sigma[1], blue], axis=-1)
    mean = np.maximum(planes.mean(axis=-1, keepdims=True), 1e-6)
    stretched = planes / mean * np.arcsinh(mean / 10) / np.arcsinh(150)
    # What is too bright in one colour is dimmed in all.
    stretched /= np.maximum(stretched.max(axis=-1, keepdims=True), 1)
    return np.clip(stretched, 0, 1).astype(np.float32)


def _rows(panel: str, data: DataSet, places: np.ndarray) -> list[dict[str, Any]]:
    sigma = data.attributes["sky_sigma"]
    none = np.zeros((0, 0, 0), np.float32)
    return [
        tile(
            panel,
            data.table.iloc[int(place)].to_dict(),
            light(data.read("vis", int(place)), data.attributes),
            light(data.read("nisp", int(place)), data.attributes) if len(sigma) > 1 else none,
            sigma,
        )
        for place in places
    ]


def _varied(kinds: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Non-lenses, the kinds in turn."""
    queues = [
        list(np.flatnonzero((kinds == kind) & (labels == 0))) for kind in sorted(set(kinds[labels == 0]))
    ]
    found: list[int] = []
    while len(found) < n and any(queues):
        found += [queue.pop(0) for queue in queues if queue]
    return np.array(found[:n], dtype=int)
