"""Suspects of a network and of a forest together, so that new labels do not favour the network.

Labels that are changed only where one network disagreed suit this network, and a comparison by them is not
fair to another method. The forest scores the same held-out folds, by features instead of pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.transients import forest
from skyneedle.transients.labels import suspects


def write(
    features: str | Path,
    folds: str | Path,
    labels: str | Path,
    found: str | Path,
    *,
    scores: str | Path,
    out: str | Path,
    recipe: str,
    seed: int,
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Score each fold by a forest that was trained on the others, and join its suspects to those given.

    Args:
        features: parquet of ``features.table.write``.
        folds: parquet with id and fold, in which networks held examples out.
        labels: parquet with id and label.
        found: suspects of the network, parquet of ``labels.suspects.write``.
        scores: parquet to write, columns id, label, score, logit and fold: the forest that scored.
        out: parquet to write: the suspects of either, the most suspect of each method first in turn, and
            ``found_by``: network, forest or both. Score and category are those of the method by which an
            example is the more suspect.
        recipe, seed, workers, provenance: see ``forest.train``.
    """
    held_out = pd.read_parquet(folds, columns=["id", "fold"])
    parts = []
    for fold in sorted(held_out["fold"].unique()):
        with TemporaryDirectory() as folder:
            split, scored = Path(folder, "split"), Path(folder, "scores")
            part = np.where(held_out["fold"] == fold, "testing", "training")
            held_out[["id"]].assign(split=part).to_parquet(split)
            forest.train_and_predict(
                *(features, split, labels, scored), recipe=recipe, seed=seed, workers=workers
            )
            parts.append(pd.read_parquet(scored).assign(fold=fold))
    table = pd.concat(parts, ignore_index=True).sort_values("id", ignore_index=True)
    suspects.check_out_of_fold(table, held_out)
    attributes = {"provenance": dict(provenance or {})}
    tables.write_parquet(table, scores, attributes)
    ours = suspects.find(table, "out_of_fold")
    tables.write_parquet(joined(pd.read_parquet(found), ours), out, {"rule": "with_forest"} | attributes)


def joined(network: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Suspects of two methods, each once; see ``write``."""
    both = set(network["id"]) & set(other["id"])
    stacked = pd.concat([network.assign(found_by="network"), other.assign(found_by="forest")])
    stacked.loc[stacked["id"].isin(both), "found_by"] = "both"
    first = stacked.sort_values("rank", kind="stable").drop_duplicates("id")
    return first.assign(rank=np.arange(1, len(first) + 1)).reset_index(drop=True)
