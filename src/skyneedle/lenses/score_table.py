"""Scores of one set by one method, in the form in which everything that judges methods reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.store import DataSet


def table(data: DataSet, logit: np.ndarray) -> pd.DataFrame:
    """Table of scores, columns id, label (missing where the set has none), score in [0, 1] and logit.

    Args:
        data: the set.
        logit: log odds of being a lens, shape (n,), which still tell apart scores that round to 1.
    """
    label = data.table["label"] if "label" in data.table else pd.Series([pd.NA] * len(data))
    return pd.DataFrame(
        {
            "id": data.table["id"].to_numpy(),
            "label": label.astype("Int8"),
            "score": metrics.probability(logit),
            "logit": logit,
        }
    )


def write(
    data: DataSet,
    logit: np.ndarray,
    out: str | Path,
    method: str,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the scores of a set.

    Args:
        data: the set.
        logit: see ``table``.
        out: parquet to write.
        method: name of the network or other method.
        provenance: stored in the file.
    """
    tables.write_parquet(table(data, logit), out, {"network": method, "provenance": dict(provenance or {})})
