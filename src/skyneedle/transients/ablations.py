"""Forests that learn from less, or from sets that share hosts and nights.

Features of the catalogue, such as band, CCD and magnitude, could stand for how a label was made instead of
for what the sky shows; and ids drawn one by one put other nights of the same host on both sides of a split.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.seeds import generator
from skyneedle.transients import forest


def write(
    features: str | Path,
    split: str | Path,
    labels: str | Path,
    *,
    pixels: str | Path,
    by_id: str | Path,
    by_id_split: str | Path,
    recipe: str,
    seed: int,
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Train two forests beside the one that is compared, and write their scores of the testing set.

    Args:
        features: parquet of ``features.table.write``.
        split: parquet with id, group and split.
        labels: parquet with id and label.
        pixels: scores to write, of a forest without the features of the catalogue.
        by_id: scores to write, of a forest with all features on sets divided by id.
        by_id_split: those sets, parquet to write, see ``divide_by_id``.
        recipe, seed, workers, provenance: see ``forest.train``; with the seed of the forest compared, nothing
            but features or sets differs.
    """
    divide_by_id(by_id_split, split, seed)
    for subset, sets, out in (("pixels", split, pixels), ("all", by_id_split, by_id)):
        forest.train_and_predict(
            *(features, sets, labels, out),
            name=Path(out).parent.name,
            subset=subset,
            recipe=recipe,
            seed=seed,
            workers=workers,
            provenance=provenance,
        )


def divide_by_id(out: str | Path, split: str | Path, seed: int) -> None:
    """Write sets of the same sizes whose ids are drawn one by one, so that they share hosts and nights.

    Args:
        out: parquet to write: id, group (as given) and split.
        split: parquet with id, group and split.
        seed: of the draw.
    """
    table = pd.read_parquet(split).sort_values("id", ignore_index=True)
    drawn = generator(seed, "by_id").permutation(len(table))
    tables.write_parquet(
        table.assign(split=table["split"].to_numpy()[drawn]), out, {"seed": seed, "by": "id"}
    )
