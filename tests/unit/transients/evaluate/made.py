"""Scores and splits that tests of the evaluation share."""

import numpy as np
import pandas as pd


def survey(folder, n=2000, seed=0, n_groups=80, sets=("training", "validation", "testing")):
    """A split by group with labels: ids, labels and the path of the split."""
    rng = np.random.default_rng(seed)
    ids = 10**9 + rng.permutation(n).astype(np.int64)
    group = rng.integers(0, n_groups, n)
    split = np.array(sets, object)[group % len(sets)]
    label = rng.integers(0, 2, n)
    path = folder / "split.parquet"
    pd.DataFrame({"id": ids, "group": group, "split": split}).to_parquet(path)
    return pd.DataFrame({"id": ids, "group": group, "split": split, "label": label}), path


def scores(table, path, separation=3.0, seed=1, noise=1.0):
    """Scores of a method whose log odds differ by so many standard deviations between the classes."""
    rng = np.random.default_rng(seed)
    logit = separation * (2 * table["label"].to_numpy() - 1) + noise * rng.normal(size=len(table)) * 1.5
    found = pd.DataFrame({"id": table["id"], "label": table["label"], "score": 1 / (1 + np.exp(-logit))})
    found.sample(frac=1, random_state=seed).to_parquet(path)
    return path
