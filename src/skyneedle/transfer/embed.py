"""Embeddings: what a frozen trunk makes of plain and of augmented stamps, computed once for all folds."""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, store
from skyneedle.core.errors import BadSetting, NotADataSet
from skyneedle.core.progress import progress
from skyneedle.core.runtime import Job
from skyneedle.core.store import DataSet
from skyneedle.transfer import networks, preprocess, trunks
from skyneedle.transfer.preprocess import Augmentation

BATCH = 32
COLUMNS = ("id", "label", "parent_id", "kind", "name")  # of the table, those that a set has


class _Embedding(nn.Module):
    """A network up to its head, as ``inference.prepare`` takes it."""

    def __init__(self, network: networks.Transfer):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.embed(x)


def prepared(
    network: Mapping[str, Any], trunk: str | Path | None, device: str = "cpu"
) -> tuple[inference.Prepared, int]:
    """The trunk of a network of the configuration, ready to embed scaled stamps, and its number of features.

    Args:
        network: see ``networks.options_of``; ``training.precision`` is what it is run in.
        trunk: file of its weights.
        device: ``cpu`` or ``cuda:0``.

    Raises:
        BadSetting: if the network has no frozen trunk behind a fixed stem: its embeddings would change.
    """
    options = networks.options_of(network, trunk)
    built = networks.build(network["source"], **options)
    if not isinstance(built, networks.Transfer) or (network["mode"], network["stem"]) != ("frozen", "fixed"):
        raise BadSetting(
            f"{network['name']}: only a frozen trunk behind a fixed stem gives the same embeddings in each "
            "epoch; set mode frozen and stem fixed, or train the network as a whole."
        )
    precision = trunks.RUN_IN[network["training"]["precision"]]
    made = inference.prepare(
        _Embedding(built.to(memory_format=torch.channels_last)),
        device,
        precision,  # type: ignore[call-overload]
    )
    return made, built.n_features


def write(
    network: Mapping[str, Any],
    trunk: str | Path | None,
    sets: Mapping[str, Sequence[str | Path] | str | Path],
    outs: Mapping[str, str | Path],
    *,
    augmentation: Mapping[str, Any],
    with_copies: Sequence[str] = ("hst",),
    state_dir: str | Path,
    job: Job,
) -> None:
    """Write the embeddings of several sets; a killed run goes on with the set in which it stopped.

    A file has the array ``plain`` (n, n_features), for some sets ``copies`` (n, copies, n_features), single
    precision, and a table with the columns of ``COLUMNS`` that the set has. Copy number k of a stamp is
    ``preprocess.augmented`` with draw k and the seed of the job.

    Args:
        network: see ``networks.options_of``.
        trunk: file of its weights.
        sets: shards by name: array ``vis`` (n, 100, 100), attribute ``sky_sigma``; may be empty.
        outs: files to write by the same names.
        augmentation: fields of ``preprocess.Augmentation``, and ``copies``.
        with_copies: sets with augmented copies.
        state_dir: folder of finished sets of this network alone; removed at the end.
        job: seed, device, threads and provenance.

    Raises:
        BadSetting: see ``prepared``.
    """
    torch.set_num_threads(job.threads)
    changes = dict(augmentation)
    n_copies = int(changes.pop("copies"))
    run, n_features = prepared(network, trunk, job.device)
    attributes = {
        "network": network["name"],
        "source": network["source"],
        "trunk": _sha256(trunk),
        "precision": run.precision,
        "size": network["size"],
        "augmentation": {**augmentation, "seed": job.seed},
        "provenance": dict(job.provenance),
    }
    state_dir = Path(state_dir)
    for name, shards in sets.items():
        data, done = DataSet(shards), state_dir / f"{name}.h5"
        mine = attributes | {"set": name, "stamps": store.digest(data, ["vis"])}
        if _is_complete(done, mine):
            continue
        draws = Draws(Augmentation(**changes), n_copies if name in with_copies else 0, job.seed)
        blocks = _blocks(run, n_features, data, draws, f"{network['name']}, {name}")
        store.write_blocks(done, blocks, functools.partial(_truth, data, mine))
    for name, out in outs.items():
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        os.replace(state_dir / f"{name}.h5", out)
    shutil.rmtree(state_dir, ignore_errors=True)


def _truth(data: DataSet, attributes: Mapping[str, Any]) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    return data.table[[column for column in COLUMNS if column in data.table]], attributes


class Draws:
    """Augmented copies of stamps.

    Args:
        augmentation: how they are changed.
        copies: how many there are of each.
        seed: of the changes.
    """

    def __init__(self, augmentation: Augmentation, copies: int, seed: int):
        self.augmentation, self.copies, self.seed = augmentation, copies, seed

    def __call__(self, stamps: np.ndarray, ids: np.ndarray, sigma: float) -> Iterator[np.ndarray]:
        """Copies of stamps (n, 100, 100) with a sky of this noise, one draw after the other."""
        for draw in range(self.copies):
            yield preprocess.augmented(stamps, ids, draw, self.augmentation, self.seed, sigma)


def _blocks(
    run: inference.Prepared, n_features: int, data: DataSet, draws: Draws, what: str
) -> Iterator[dict[str, np.ndarray]]:
    """Consecutive embeddings; one block of nothing from an empty set, so that its arrays are there."""
    ids = data.table["id"].to_numpy()
    sigma = preprocess.sky_sigma(data)

    def embedded(stamps: np.ndarray) -> np.ndarray:
        return run(torch.from_numpy(preprocess.scaled(stamps, sigma))).numpy()

    if not len(data):
        nothing = {"plain": np.empty((0, n_features), np.float32)}
        yield nothing | (
            {"copies": np.empty((0, draws.copies, n_features), np.float32)} if draws.copies else {}
        )
    n_blocks = -(-len(data) // BATCH)
    for rows, stamps in progress(data.blocks("vis", BATCH), n_blocks, what):
        block = {"plain": embedded(stamps)}
        if draws.copies:
            block["copies"] = np.stack([embedded(copy) for copy in draws(stamps, ids[rows], sigma)], axis=1)
        yield block


def _sha256(path: str | Path | None) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""


def _is_complete(path: Path, attributes: Mapping[str, Any]) -> bool:
    """A finished set is there whole or not at all; it only may be of other stamps, code or weights."""
    try:
        return DataSet(path).attributes == json.loads(json.dumps(attributes))
    except NotADataSet:
        return False
