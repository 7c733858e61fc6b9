"""Small sets of stamps that a small network tells apart, and what the tests do with them."""

import numpy as np
import pandas as pd

from skyneedle.core import store
from skyneedle.core.runtime import Job
from skyneedle.transients import split

JOB = Job(3, 1, "cpu", {"code": "c", "settings": "s"})
BLOCKS = [{"widths": [6], "kernel": 4, "stride": 3, "dropout": 0.1}, {"widths": [6], "kernel": 3, "pool": 2}]
FRACTIONS = {"training": 0.5, "validation": 0.2, "testing": 0.3}


def write(path, n, seed=0, first_id=0, gif=False, visible=True):
    """Stamps of noise; a transient is a spot in search and difference image, an artifact a line."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % 2)
    y, x = np.mgrid[:51, :51] - 25.0
    spot = np.exp(-0.5 * np.hypot(x, y) ** 2 / 4)
    line = np.exp(-0.5 * x**2) * (np.abs(y) < 20)
    images = rng.normal(size=(n, 3, 51, 51))
    images[:, 1:] += visible * 8 * np.where(label[:, None, None, None] == 1, line, spot)
    images = np.clip(128 + 8 * images, 0, 255).astype(np.uint8) if gif else images.astype(np.float32)
    field = np.arange(n) // 4
    table = pd.DataFrame(
        {
            "id": first_id + np.arange(n),
            "label_given": label,
            "night": 20130901 + field,
            "expid": field,
            "host_id": field,
        }
    )
    attributes = {"channels": ["temp", "srch", "diff"], "pixel_mode": "gif" if gif else "fits"}
    store.write(path, {"stamps": images}, table, attributes)
    return [path]


def entry(**settings):
    """A small network with dropout and batch normalisation."""
    options = {"blocks": BLOCKS, "dense": 8}
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01} | settings
    return {"name": "small", "source": "searched", "options": options, "training": training}


def made(folder, n=80, seed=0, **options):
    """Shards and split of a set."""
    shards = write(folder / "data" / "0.h5", n, seed, **options)
    split.write(folder / "split.parquet", shards, FRACTIONS, 1)
    return shards, folder / "split.parquet"


def ids_of(sets, *names):
    table = pd.read_parquet(sets[1])
    return table.loc[table["split"].isin(names), "id"].to_numpy()


def relabelled(path, ids, labels):
    pd.DataFrame({"id": ids, "label": labels}).to_parquet(path)
    return path
