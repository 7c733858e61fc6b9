"""What the simulator knows of each candidate; only rules that score, or stand in for people, may read it."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


def read_truth(paths: Sequence[str | Path]) -> pd.DataFrame:
    """The simulator's truth of all shards, with the true label also as ``label``.

    Args:
        paths: parquets of ``simulate.archive.write_shard``.
    """
    known = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    return known.assign(label=known["label_true"])
