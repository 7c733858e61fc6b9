"""Embeddings with a direction that tells lenses from others, and what the tests do with them."""

import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd

from skyneedle.core import store
from skyneedle.core.runtime import Job
from skyneedle.transfer.crossvalidation import Outputs

JOB = Job(3, 1, "cpu", {"code": "c", "settings": "s"})
TRAINING = {
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.1,
    "amsgrad": False,
    "schedule": "cosine",
    "precision": "bf16-mixed",
    "max_examples": None,
}


def entry(name="resnet", **training):
    """Settings of a network as the rules give them."""
    return {
        "name": name,
        "source": "resnet",
        "weights": "random",
        "stem": "fixed",
        "mode": "frozen",
        "size": 96,
        "folds": 3,
        "options": {},
        "training": TRAINING | training,
    }


def table_of(n, first_id=0, seed=0, pairs=0):
    """Truth of n stamps, lenses and others by turns; the first of them are pairs of one parent."""
    ids = first_id + np.arange(n)
    parent = np.where(np.arange(n) < 2 * pairs, ids // 2 * 2, ids)
    label = np.arange(n) % 2
    kind = np.where(label == 1, "lens", "elliptical")
    return pd.DataFrame({"id": ids, "label": label, "parent_id": parent, "kind": kind})


def embed(path, table, n_features=12, copies=0, planted=3.0, n_planted=4, shift=0.0, seed=0):
    """Write embeddings of stamps.

    Args:
        planted: by how much those of lenses differ in the first ``n_planted`` features.
        shift: by how much all differ in the last ``n_planted``.
    """
    rng = np.random.default_rng([seed, int(table["id"].min()) if len(table) else 0])
    plain = rng.normal(size=(len(table), n_features))
    plain[:, :n_planted] += planted * table["label"].to_numpy()[:, None]
    plain[:, -n_planted:] += shift
    arrays = {"plain": plain.astype(np.float32)}
    if copies:
        noise = rng.normal(size=(len(table), copies, n_features)) * 0.3
        arrays["copies"] = (plain[:, None] + noise).astype(np.float32)
    store.write(path, arrays, table, {})
    return path


def fold_file(path, table, n_folds=3):
    """Folds by parent, one after the other."""
    fold = pd.factorize(table["parent_id"])[0] // 2 % n_folds
    table.assign(fold=fold).to_parquet(path)
    return path


def outputs(folder):
    """Files of a cross-validation."""
    return Outputs(
        folder / "models", folder / "hst.parquet", folder / "others.parquet", folder / "training.json"
    )


def set_of(path, table, visible=True, seed=0):
    """One shard of stamps of sky noise; lenses have a ring, others a disc of the same light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:100, :100] - 49.5
    radius = np.hypot(x, y)
    ring, disc = np.exp(-0.5 * ((radius - 14) / 2) ** 2), np.exp(-0.5 * (radius / 8) ** 2)
    is_lens = visible * table["label"].to_numpy()[:, None, None]
    stamps = 20 * np.where(is_lens, ring, disc) + rng.normal(size=(len(table), 100, 100))
    store.write(path, {"vis": (0.1 * stamps).astype(np.float32)}, table, {"sky_sigma": [0.1]})
    return path


def killed(code, *arguments):
    """Run code that ends with its own `kill -9` in a process of its own."""
    path = os.pathsep.join(item for item in sys.path if item)
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        timeout=120,
    )
    assert run.returncode == -signal.SIGKILL
