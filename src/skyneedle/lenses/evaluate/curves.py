"""ROC curves of all methods, thinned to what a figure shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.lenses.evaluate import score

MOST_POINTS = 400  # of one curve; the area is measured on all


def roc(
    name: str, sets: Mapping[str, score.Scored], n_bootstrap: int = 1000, most_points: int = MOST_POINTS
) -> pd.DataFrame:
    """ROC curves of one method.

    Args:
        name: of the method.
        sets: its scores by name of the set; a set of one class is left out.
        n_bootstrap: redraws of parents for the interval of the area.
        most_points: of one curve.

    Returns:
        Columns method, set, false_positive_rate, true_positive_rate, auroc, low, high (68 %), n (parents).
    """
    found = []
    for which, scored in sets.items():
        if scored.labels.min() == scored.labels.max():
            continue
        curve = metrics.roc(scored.labels, scored.logits)
        area = metrics.bootstrap(
            metrics.Ranking(scored.labels, scored.logits).auroc,
            scored.parents,
            n_bootstrap,
            generator(0, "roc", which),
        )
        # Evenly along the curve, so that its steep beginning keeps its points.
        along = np.cumsum(
            np.hypot(
                np.diff(curve["false_positive_rate"], prepend=0),
                np.diff(curve["true_positive_rate"], prepend=0),
            )
        )
        kept = np.unique(
            np.searchsorted(along, np.linspace(0, along[-1], most_points)).clip(0, len(along) - 1)
        )
        found.append(
            pd.DataFrame(
                {
                    "method": name,
                    "set": which,
                    "false_positive_rate": curve["false_positive_rate"][kept],
                    "true_positive_rate": curve["true_positive_rate"][kept],
                    "auroc": area["value"],
                    "low": area["low"],
                    "high": area["high"],
                    "n": area["n"],
                }
            )
        )
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def write(
    scores: Mapping[str, Mapping[str, str | Path]],
    shards: Mapping[str, Sequence[str | Path]],
    out: str | Path,
    settings: Mapping[str, Any],
) -> None:
    """Write the ROC curves of all methods.

    Args:
        scores: for each method, parquet of scores by name of the set.
        shards: files of each of these sets.
        out: parquet to write.
        settings: ``n_bootstrap``.
    """
    curves = [
        roc(
            name,
            {which: score.read(path, shards[which]) for which, path in files.items()},
            settings["n_bootstrap"],
        )
        for name, files in scores.items()
    ]
    tables.write_parquet(pd.concat(curves, ignore_index=True), out)
