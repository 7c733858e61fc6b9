"""Weights of trunks that are made here: learned from simulated galaxies, or random with measured statistics.

Neither sees an image of the cross-validation: the morphology set is in no fold, so that one file, and one
cache of embeddings, serves all folds.
"""

import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from skyneedle.core import inference, metrics
from skyneedle.core.batches import Examples
from skyneedle.core.errors import BadSetting, NotADataSet
from skyneedle.core.progress import progress
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest, spread
from skyneedle.transfer import preprocess, trunks
from skyneedle.transfer.backbones import MADE
from skyneedle.transfer.preprocess import Augmentation

REGISTRY = "skyneedle.transfer.networks"
N_CLASSES = 10  # kinds of objects of the morphology set
VALIDATION_SHARE = 0.1  # of parents
STATISTICS_EXAMPLES = 1024  # more do not change means over whole maps


def make(
    source: str,
    weights: str,
    shards: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    size: int | None,
    training: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    scale: str,
    state_dir: str | Path,
    job: Job,
) -> dict[str, Any]:
    """Write the weights of a trunk and their card.

    Args:
        source: backbone, see ``trunks.trunk``.
        weights: one of ``backbones.MADE``.
        shards: of the morphology set (not needed for "imagenet"): array ``vis`` (n, 100, 100) in electrons/s,
            labels 0 to 9, attribute ``sky_sigma``.
        out: ends in .safetensors; the card is beside it.
        size: pixels a side that the trunk sees; None is what it was made for.
        training: of "galaxies", ``core.task.Settings`` and ``max_examples``; its ``precision`` and
            ``batch_size`` are those of the statistics of "random" too.
        augmentation: fields of ``preprocess.Augmentation``.
        scale: name of the scale, for the card.
        state_dir: folder of the resume state of this trunk alone; removed at the end.
        job: seed, device, threads and provenance.

    Returns:
        The card.

    Raises:
        BadSetting: if no such weights are made here.
        NotADataSet: if the set has no labels from 0 to 9.
        SourceUnavailable: see ``trunks.imagenet``.
    """
    if weights not in MADE:
        raise BadSetting(f"{source}: weights '{weights}' are not made here, only {', '.join(MADE)}.")
    torch.set_num_threads(job.threads)
    card: dict[str, Any] = {
        "source": source,
        "timm": trunks.backbone(source).timm,
        "timm_version": importlib.metadata.version("timm"),
        "weights": weights,
        "size": size or trunks.input_of(source)["size"],
        "scale": scale,
        "provenance": job.provenance,
    }
    if weights == "imagenet":
        trunks.write(trunks.trunk(source, "imagenet"), out, card | {"address": trunks.address(source)})
    elif weights == "random":
        made, about = random(source, DataSet(shards), card["size"], training, job)
        trunks.write(made, out, card | about)
    else:
        stamps = Stamps.of(DataSet(shards), training.get("max_examples"))
        task = Galaxies(source, card["size"], stamps, Augmentation(**augmentation), training)
        made, about = task.run(Path(state_dir), job)
        trunks.write(made, out, card | about)
    shutil.rmtree(state_dir, ignore_errors=True)
    return json.loads(Path(out).with_suffix(".json").read_text())


# --- examples


@dataclass(frozen=True)
class Stamps:
    """Scaled stamps with the number of their kind.

    Attributes:
        data: examples.
        among: rows of the set that there are to choose from, shape (n,).
        augmentation: how they are changed, in each epoch anew; None leaves them as they are.
        seed: of the changes.
    """

    data: DataSet
    among: np.ndarray
    augmentation: Augmentation | None = None
    seed: int = 0

    @classmethod
    def of(cls, data: DataSet, n_most: int | None = None) -> "Stamps":
        """At most so many examples of the morphology set, evenly spread.

        Raises:
            NotADataSet: if the labels are not whole numbers from 0 to 9.
        """
        if "label" not in data.table or not data.table["label"].isin(range(N_CLASSES)).all():
            raise NotADataSet(
                f"{data.shards[0].parent}: its table has no column 'label' with kinds from 0 to "
                f"{N_CLASSES - 1}; the set needs the content morphology."
            )
        return cls(data, spread(np.arange(len(data)), n_most or len(data)))

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, 1, 100, 100), single precision, and label (n,) of some of those ``among``."""
        rows = self.among[rows]
        stamps, sigma = self.data.read("vis", rows), preprocess.sky_sigma(self.data)
        if self.augmentation is not None:
            ids = self.data.table["id"].to_numpy()[rows]
            stamps = preprocess.augmented(stamps, ids, epoch, self.augmentation, self.seed, sigma)
        images = preprocess.scaled(stamps, sigma)
        return images, self.data.table["label"].to_numpy(dtype=np.int64)[rows]

    def divided(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows for training and validation, a tenth of the parents, none of which is in both."""
        parents = self.data.table["parent_id"].to_numpy()[self.among]
        unique = np.unique(parents)
        n_chosen = max(1, round(VALIDATION_SHARE * len(unique)))
        chosen = generator(seed, "pretraining", "validation").permutation(unique)[:n_chosen]
        validates = np.isin(parents, chosen)
        return self.among[~validates], self.among[validates]


# --- learned from galaxies


@dataclass(frozen=True)
class Galaxies:
    """Training of a trunk to tell ten kinds of objects, none of which is a lens."""

    source: str
    size: int
    stamps: Stamps
    augmentation: Augmentation
    training: Mapping[str, Any]

    def run(self, state_dir: Path, job: Job) -> tuple[torch.nn.Module, dict[str, Any]]:
        """The trunk, and what its card says: accuracy on validation with its interval, and its history."""
        from skyneedle.core import training  # Lightning takes 4 s to import

        settings = {key: value for key, value in self.training.items() if key != "max_examples"}
        learnt, validation = self.stamps.divided(job.seed)
        data, given = self.stamps.data, job.provenance
        held_out = Stamps(data, validation)
        card = training.fit(
            {
                "name": f"{self.source}_galaxies",
                "source": self.source,
                "options": {"mode": "scratch", "size": self.size, "n_classes": N_CLASSES},
                "registry": REGISTRY,
            },
            Examples(len(learnt), Stamps(data, learnt, self.augmentation, job.seed)),
            Examples(len(validation), held_out),
            training.Settings(**settings),
            out=state_dir / "network",
            state_dir=state_dir / "state",
            seed=int(generator(job.seed, "pretraining", self.source).integers(2**31)),
            device=job.device,
            threads=job.threads,
            fingerprint=f"{given['code']} {given['settings']} {digest(data, ['vis'])} {self.augmentation}",
            loss=functional.cross_entropy,
            metrics={"accuracy": accuracy},
        )
        network, _ = inference.load(state_dir / "network")
        right = _right(network, held_out, job.device, settings["batch_size"])
        history = (state_dir / "history.csv").read_text().splitlines()
        return network.trunk, {  # type: ignore[return-value]
            "accuracy": {
                name: float(value) for name, value in metrics.binomial(sum(right), len(right)).items()
            }
            | {"n": len(right), "definition": "share of validation stamps whose kind is the likeliest"},
            "n_classes": N_CLASSES,
            "n_examples": len(learnt),
            "best_epoch": card["best_epoch"],
            "training": card["training"],
            "history": history,
        }


def accuracy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Share of examples whose kind has the largest logit; for the history."""
    return (logits.argmax(1) == target).float().mean()


def _right(network: torch.nn.Module, stamps: Stamps, device: str, batch_size: int) -> np.ndarray:
    """Whether the likeliest kind of each stamp is its own."""
    prepared = inference.prepare(network.to(memory_format=torch.channels_last), device)
    found = []
    for start in range(0, len(stamps.among), batch_size):
        images, labels = stamps(np.arange(start, min(start + batch_size, len(stamps.among))), 0)
        found.append(prepared(torch.from_numpy(images)).argmax(1).numpy() == labels)
    return np.concatenate(found)


# --- random


def random(
    source: str, data: DataSet, size: int, training: Mapping[str, Any], job: Job
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A trunk with Xavier weights and statistics of batch normalisation measured in one pass, and its card.

    Source: Akhazhanov 2018, Sec. 5.2.
    """
    from skyneedle.transfer import networks

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(job.seed, "trunk", source).integers(2**62)))
        network = networks.transfer(source, "random", size=size)
    network.to(job.device).to(memory_format=torch.channels_last)
    rows = spread(np.arange(len(data)), STATISTICS_EXAMPLES)
    n_batch = min(training["batch_size"], len(rows))
    n_batches = len(rows) // n_batch  # all of one size, so that the mean over batches is one over stamps

    def batches() -> Iterator[torch.Tensor]:
        for k in progress(range(n_batches), n_batches, f"statistics of {source}"):
            stamps = data.read("vis", rows[k * n_batch : (k + 1) * n_batch])
            yield torch.from_numpy(preprocess.scaled(stamps, preprocess.sky_sigma(data)))

    dtype = inference.PRECISIONS[trunks.RUN_IN[training["precision"]]]
    trunks.estimate_statistics(network, batches(), dtype)
    return network.trunk.cpu(), {"n_examples": n_batch * n_batches, "initialisation": "Xavier uniform"}
