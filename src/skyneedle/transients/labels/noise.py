"""Wrong labels planted on purpose, for the sweep over the share of wrong labels.

An example's draw depends on the seed and its id alone: whatever is flipped at 2 % is flipped at 5 % too, and
neither shards nor workers matter.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import seeds, tables
from skyneedle.core.errors import BadLabels, BadSetting
from skyneedle.transients.truth import read_truth

SHAPES = ("structured", "uniform")
MOST = 0.3  # beyond, a structured flip would need more defects than there are
# Of the labels that the authors changed, 5,636 were artifacts called non-artifacts and 1,766 the reverse
# (spec A3).
OF_ARTIFACTS = 5636 / (5636 + 1766)
# Sec. 4.4 of the paper: what a fake lands on and is then called non-artifact.
DEFECTS = ("saturated", "bad_column", "trail", "edge", "hot_pixel")


def write(out: str | Path, truth: Sequence[str | Path], *, share: float, shape: str, seed: int) -> None:
    """Write labels with a given share of wrong ones.

    The sweep starts from true labels, so that the share is what it says: it reads truth to plant errors, as
    the simulator does, and what trains on the result does not.

    Args:
        out: parquet to write, columns id and label.
        truth: parquets of the simulator.
        share: of the labels to flip, 0 to 0.3.
        shape: one of ``SHAPES``.
        seed: of the draw.
    """
    known = read_truth(truth)
    flipped = flips(known["id"], known["label_true"], known["kind"], share=share, shape=shape, seed=seed)
    label = np.where(flipped, 1 - known["label_true"], known["label_true"]).astype(np.int8)
    attributes = {"share": share, "shape": shape, "n_flipped": int(flipped.sum()), "seed": seed}
    tables.write_parquet(pd.DataFrame({"id": known["id"], "label": label}), out, attributes)


def flips(
    ids: pd.Series, label: pd.Series, kind: pd.Series, *, share: float, shape: str, seed: int
) -> np.ndarray:
    """Which labels to flip.

    Args:
        ids: int64, shape (n,).
        label: true labels, 1 artifact, shape (n,).
        kind: of artifact or of real, shape (n,).
        share: expected share of flips among all.
        shape: ``uniform``: every label with the same chance. ``structured``: errors as the paper found them,
            three quarters of them on artifacts, and there on detector defects and saturated stars alone.
        seed: of the draw.

    Returns:
        Booleans, shape (n,).

    Raises:
        BadSetting: if share or shape cannot be.
        BadLabels: if there are too few defects for a structured share.
    """
    if shape not in SHAPES or not 0 <= share <= MOST:
        raise BadSetting(
            f"Label noise of {share} '{shape}': the share is 0 to {MOST}, the shape {' or '.join(SHAPES)}."
        )
    artifact = np.asarray(label, int) == 1
    chance = np.full(len(artifact), float(share))
    if shape == "structured":
        defect = artifact & np.isin(kind, DEFECTS)
        chance = np.zeros(len(artifact))
        for members, part in ((defect, OF_ARTIFACTS), (~artifact, 1 - OF_ARTIFACTS)):
            wanted = share * part * len(artifact)
            if wanted > members.sum():
                raise BadLabels(
                    f"Structured label noise of {share} needs {wanted:.0f} flips among {int(members.sum())} "
                    "examples that such errors fall on; ask for less, or simulate more defects."
                )
            if wanted:
                chance[members] = wanted / members.sum()
    draws = np.array([seeds.generator(seed, int(one), "label_noise").random() for one in ids])
    return draws < chance if len(draws) else np.zeros(0, bool)
