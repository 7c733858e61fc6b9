"""A frozen trunk: embeddings computed once for seven folds, against going through the trunk in each epoch.

One fold is trained both ways, on the same augmented copies in the same order, and its scores are compared.
The other six folds would go through the trunk as often, so that way counts seven times what was measured;
embedding all stamps and copies, and all seven heads, are measured. Ends with status 1 below the bounds.
"""

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from skyneedle.core import inference, metrics, training
from skyneedle.core.batches import Examples
from skyneedle.transfer import networks, preprocess, trunks
from skyneedle.transfer.preprocess import Augmentation

FOLDS, COPIES, BATCH = 7, 4, 32
LEAST_RATIO, LARGEST_DIFFERENCE = 5.0, 1e-5
CHANGES = Augmentation(rotation_deg=45.0, zoom=(0.9, 1.0), shear_deg=15.0)
SKY = 0.05
REGISTRY = "skyneedle.transfer.networks"


def stamps_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Galaxies (n, 100, 100), half of them with a faint ring, and labels (n,)."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:100, :100] - 49.5
    radius = np.hypot(x, y)
    labels = np.arange(n) % 2
    widths, places = rng.uniform(3, 6, n), rng.uniform(10, 25, n)
    bright = [5 * np.exp(-radius / width) for width in widths]
    rings = [
        label * 0.5 * np.exp(-(((radius - place) / 2) ** 2))
        for label, place in zip(labels, places, strict=True)
    ]
    light = np.stack(bright) + np.stack(rings) + rng.normal(0, SKY, (n, 100, 100))
    return light.astype(np.float32), labels


@dataclass(frozen=True)
class Rows:
    """Some rows of an array of plain inputs, or of its copies, another one in each epoch."""

    plain: np.ndarray
    copies: np.ndarray | None
    labels: np.ndarray
    among: np.ndarray

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and labels of some of those ``among``."""
        chosen = self.among[rows]
        x = self.plain[chosen] if self.copies is None else self.copies[chosen, epoch % COPIES]
        return x, self.labels[chosen]


@dataclass(frozen=True)
class Case:
    """Stamps, or embeddings, of all folds.

    Attributes:
        plain: inputs (n, ...).
        copies: the same after augmentation, (n, COPIES, ...).
        labels: of these, (n,).
        spec: of the network that takes them.
        epochs: of each training.
        folder: to write in.
    """

    plain: np.ndarray
    copies: np.ndarray
    labels: np.ndarray
    spec: dict[str, Any]
    epochs: int
    folder: Path

    def train(self, fold: int) -> tuple[np.ndarray, float]:
        """Scores of the stamps of one fold, and the seconds that they took."""
        # Two classes take turns, so pairs of neighbours go into the same fold.
        folds = np.arange(len(self.labels)) // 2 % FOLDS
        judged, chooses = folds == fold, folds == (fold + 1) % FOLDS
        learnt, held_out = np.flatnonzero(~judged & ~chooses), np.flatnonzero(chooses)
        settings = training.Settings(
            epochs=self.epochs, batch_size=BATCH, learning_rate=1e-3, schedule="cosine", channels_last=True
        )
        out = self.folder / f"fold{fold}"
        start = time.perf_counter()
        training.fit(
            self.spec,
            Examples(len(learnt), Rows(self.plain, self.copies, self.labels, learnt)),
            Examples(len(held_out), Rows(self.plain, None, self.labels, held_out)),
            settings,
            out=out,
            state_dir=self.folder / f"state{fold}",
            seed=7,
            loss=functional.cross_entropy,
        )
        network = inference.load(out)[0].to(memory_format=torch.channels_last)
        x = self.plain[judged]
        logits = inference.apply(network, x, batch_size=BATCH, precision="float32").astype(float)
        return metrics.probability(logits[:, 1] - logits[:, 0]), time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="resnet", choices=list(networks.BACKBONES))
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--stamps", type=int, default=154)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    stamps, labels = stamps_of(arguments.stamps)
    ids = np.arange(len(stamps))

    start = time.process_time()
    drawn = [preprocess.augmented(stamps, ids, draw, CHANGES, 0, SKY) for draw in range(COPIES)]
    rate = COPIES * len(stamps) / (time.process_time() - start)
    print(f"Augmentation: {rate:.0f} stamps/s of processor time.")
    plain = preprocess.scaled(stamps, SKY)
    copies = np.stack([preprocess.scaled(one, SKY) for one in drawn], axis=1)

    with tempfile.TemporaryDirectory() as folder:
        options = {"size": arguments.size, "weights": str(Path(folder, "trunk.safetensors"))}
        network = networks.build(arguments.network, size=arguments.size)
        trunks.estimate_statistics(network, [torch.from_numpy(plain[:BATCH])])
        trunks.write(network.trunk, options["weights"], {})
        seconds, embedded = embeddings(network, np.concatenate([plain[:, None], copies], axis=1))
        head = {"source": "head", "options": {"n_features": network.n_features}, "registry": REGISTRY}
        whole = {"source": arguments.network, "options": options, "registry": REGISTRY}
        heads = Case(embedded[:, 0], embedded[:, 1:], labels, head, arguments.epochs, Path(folder, "heads"))
        through = Case(plain, copies, labels, whole, arguments.epochs, Path(folder, "whole"))
        trained = [heads.train(fold) for fold in range(FOLDS)]
        scores, one_fold = through.train(0)
    cached = seconds["float32"] + sum(took for _, took in trained)
    return report(cached, one_fold, float(np.abs(scores - trained[0][0]).max()))


def embeddings(network: networks.Transfer, inputs: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """Seconds by precision for embeddings of inputs (n, k, 1, 100, 100), and those in single precision."""
    flat, seconds, found = inputs.reshape(-1, *inputs.shape[2:]), {}, np.empty(0)
    network.eval().to(memory_format=torch.channels_last)
    for precision in ("bfloat16", "float32"):
        cast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")
        start = time.perf_counter()
        with torch.inference_mode(), cast:
            parts = [network.embed(part).float() for part in torch.from_numpy(flat).split(BATCH)]
        seconds[precision] = time.perf_counter() - start
        found = torch.cat(parts).numpy().reshape(*inputs.shape[:2], -1)
        print(f"Embedding in {precision}: {len(flat) / seconds[precision]:.1f} stamps/s.", flush=True)
    return seconds, found


def report(cached: float, one_fold: float, difference: float) -> int:
    """Print what was measured; the status of the script."""
    ratio = FOLDS * one_fold / cached
    print(
        f"{FOLDS} folds with cached embeddings: {cached:.1f} s; through the trunk: {FOLDS} times "
        f"{one_fold:.1f} s."
    )
    print(f"Ratio: {ratio:.1f} (bound {LEAST_RATIO:g}).")
    print(f"Largest difference in score: {difference:.1e} (bound {LARGEST_DIFFERENCE:g}).")
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    return int(ratio < LEAST_RATIO or difference > LARGEST_DIFFERENCE)


if __name__ == "__main__":
    sys.exit(main())
