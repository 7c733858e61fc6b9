"""A backbone that is built and run in milliseconds, and sets of stamps small enough for it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.runtime import Job
from skyneedle.transfer.backbones import BACKBONES, Backbone

TRAINING = {
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.003,
    "precision": "32-true",
    "max_examples": None,
}
AUGMENTATION = {"rotation_deg": 45.0, "zoom": [0.9, 1.0], "shear_deg": 15.0}
STUB = Backbone("test_resnet.r160_in1k", ("fc.",))
JOB = Job(seed=3, threads=1, device="cpu", provenance={"code": "abc", "settings": "def"})


@pytest.fixture
def stub(monkeypatch) -> str:
    """Name of a small residual network with 384 features, made for 160 pixels."""
    monkeypatch.setitem(BACKBONES, "stub", STUB)
    return "stub"


@pytest.fixture
def job() -> Job:
    return JOB


def stamps_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Stamps (n, 100, 100) whose light has a place and a width that follow from the label."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:100, :100] - 49.5
    radius = np.hypot(x, y)
    stamps = [5 * np.exp(-(((radius - 4 * label) / (3 + label)) ** 2)) for label in labels]
    return (np.stack(stamps) + rng.normal(0, 0.05, (len(labels), 100, 100))).astype(np.float32)


def write_set(path: Path, labels: np.ndarray, first_id: int = 0, seed: int = 0) -> Path:
    """One shard of stamps, two of each parent object."""
    ids = first_id + np.arange(len(labels))
    table = pd.DataFrame(
        {"id": ids, "label": labels, "kind": [f"kind{label}" for label in labels], "parent_id": ids // 2}
    )
    stamps = stamps_of(labels, seed) if len(labels) else np.empty((0, 100, 100), np.float32)
    store.write(path, {"vis": stamps}, table, {"sky_sigma": [0.05]})
    return path
