"""How a network can tell lenses by nothing but the orientation of the PSF.

Images differ by chance alone: labels are drawn without a look at them. Where only the non-lenses are turned,
as the paper first did to balance its classes, the three lobes of the PSF give them away.

Source: Wilde et al. 2022, Secs. 3.2 and 6; spec F1.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import fft
from torch import nn
from torch.nn import functional

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.lenses.preprocess import unit_range
from skyneedle.lenses.simulate import psf
from skyneedle.lenses.training import turned

SIZE = 64
AMPLITUDE = 0.15  # of the lobes over the Gaussian: unseen by eye
FWHM_PIXELS = 6.0
ROLL_RAD = math.pi / 24  # at multiples of pi / 12, one of the reflections would leave the PSF as it is
NOISE = 1.0
# Quarter turns, and the same after a reflection; never the image as it is (Sec. 6).
PUBLISHED_TURNS = (1, 2, 3, 5, 6, 7)
SCHEMES = {
    "non_lenses_turned": "only non-lenses turned (Sec. 6)",
    "all_turned": "all turned alike (default)",
    "none_turned": "none turned",
}
WORDS = {"auroc": "AUROC", "accuracy": "accuracy at a probability of 0.5"}
BATCH = 20
LEARNING_RATE = 1e-2


def images(n: int, seed: int, size: int = SIZE, amplitude: float = AMPLITUDE) -> np.ndarray:
    """Fields of a few galaxies and stars behind a PSF with three lobes, with noise, shape (n, size, size).

    Args:
        n: number of images.
        seed: each image is drawn from it and its own number.
        size: pixels a side.
        amplitude: of the lobes, see ``psf.kernel``.
    """
    kernel = psf.kernel(FWHM_PIXELS, 1.0, amplitude, ROLL_RAD)
    wide = size + kernel.shape[0]
    transform = fft.rfft2(kernel, (wide, wide))
    start = kernel.shape[0] // 2
    y, x = np.mgrid[:size, :size]
    found = np.empty((n, size, size), np.float32)
    for number in range(n):
        random = generator(seed, "orientation", number)
        scene = np.zeros((size, size))
        for _ in range(random.integers(2, 6)):
            place, width = random.uniform(0, size, 2), random.uniform(0.4, 1.2)
            flux = 2000 * random.uniform(1, 4)
            distance2 = (x - place[0]) ** 2 + (y - place[1]) ** 2
            scene += flux * np.exp(-distance2 / (2 * width**2)) / (2 * np.pi * width**2)
        blurred = fft.irfft2(fft.rfft2(scene, (wide, wide)) * transform, (wide, wide))
        seen = blurred[start : start + size, start : start + size]
        found[number] = seen + random.normal(0, NOISE, (size, size))
    return found


def labels_of(n: int, seed: int) -> np.ndarray:
    """Labels that know nothing of the images, shape (n,)."""
    return generator(seed, "orientation", "labels").integers(0, 2, n)


def turn(stack: np.ndarray, labels: np.ndarray, scheme: str, seed: int, epoch: int = 0) -> np.ndarray:
    """Images as a scheme of ``SCHEMES`` gives them to a network.

    Args:
        stack: shape (n, size, size).
        labels: 1 for lenses, shape (n,).
        scheme: which.
        seed: of the turns.
        epoch: turns of all images differ from epoch to epoch, those of non-lenses are made once.
    """
    if scheme == "none_turned":
        return stack
    found = np.empty_like(stack)
    for number, image in enumerate(stack):
        if scheme == "all_turned":
            operation = int(generator(seed, "turn", epoch, number).integers(8))
        else:
            published = PUBLISHED_TURNS[generator(seed, "turn", number).integers(len(PUBLISHED_TURNS))]
            operation = 0 if labels[number] else published
        found[number] = turned(image, operation)
    return found


def network() -> nn.Module:
    """A small network that sees shapes of the size of the PSF anywhere in the image."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 9),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 1),
    )


def cheat(
    training: np.ndarray, testing: np.ndarray, scheme: str, epochs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Train on some images turned by a scheme, and judge others of which only the non-lenses are turned.

    So the orientation tells the class in what is judged, whatever the scheme: images as they are would hide
    what a network has learned of it.

    Args:
        training: shape (n, size, size).
        testing: likewise.
        scheme: of ``SCHEMES``.
        epochs: passes over the training images.
        seed: of labels, turns, weights and order.

    Returns:
        Labels and log odds of the testing images, shape (n,) each.
    """
    labels, truth = labels_of(len(training), seed), labels_of(len(testing), seed + 1)
    torch.manual_seed(int(generator(seed, "orientation", "weights").integers(2**62)))
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    random = generator(seed, "orientation", "order")
    target = torch.from_numpy(labels.astype(np.float32))
    judged = turn(testing, truth, "non_lenses_turned", seed + 1)
    for epoch in range(epochs):
        shown = _scaled(turn(training, labels, scheme, seed, epoch))
        for rows in np.array_split(random.permutation(len(shown)), max(1, len(shown) // BATCH)):
            optimiser.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(model(shown[rows])[:, 0], target[rows])
            loss.backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        answers = [model(part)[:, 0] for part in torch.split(_scaled(judged), 200)]
    return truth, torch.cat(answers).double().numpy()


def _scaled(stack: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(unit_range(stack))[:, None]


def experiment(n_examples: int, epochs: int, trainings: int, seed: int) -> pd.DataFrame:
    """All schemes on the same images, each trained several times.

    Args:
        n_examples: images to train on, and as many others to judge on.
        epochs: passes over them.
        trainings: of each scheme, with labels, turns, weights and order of their own.
        seed: of everything.

    Returns:
        Columns scheme, words, auroc, low, high, accuracy, accuracy_low, accuracy_high, n (trainings): means
        over trainings and 68 % intervals from their standard error. A network that has learned nothing still
        answers by the orientation a little, one way or the other: redrawn images would not hold its chance.
    """
    training, testing = images(n_examples, seed), images(n_examples, seed + 1)
    rows = []
    for scheme, words in SCHEMES.items():
        measured = []
        for number in range(trainings):
            labels, logits = cheat(training, testing, scheme, epochs, seed + 2 * number)
            right = np.mean((logits >= 0) == labels)
            measured.append((metrics.Ranking(labels, logits).auroc(), right))
        mean, error = np.mean(measured, axis=0), np.std(measured, axis=0, ddof=1) / math.sqrt(trainings)
        rows.append(
            {"scheme": scheme, "words": words, "n": trainings}
            | {"auroc": mean[0], "low": mean[0] - error[0], "high": mean[0] + error[0]}
            | {"accuracy": mean[1]}
            | {"accuracy_low": mean[1] - error[1], "accuracy_high": mean[1] + error[1]}
        )
    return pd.DataFrame(rows)


def tiles(seed: int) -> pd.DataFrame:
    """One image of the experiment as it is and turned, for the figure: words, n, noise, pixels."""
    one = images(1, seed)[0]
    shown = {"as it is": one, "a quarter turn": turned(one, 1)}
    return pd.DataFrame(
        [
            {"words": words, "n": SIZE, "noise": NOISE, "pixels": image.ravel()}
            for words, image in shown.items()
        ]
    )


def write(
    settings: Mapping[str, int],
    seed: int,
    *,
    table: str | Path,
    pictures: str | Path,
    out: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Run the experiment and write its table (CSV), two images (parquet) and metrics (JSON).

    Args:
        settings: ``n_examples``, ``epochs`` and ``trainings``.
        seed: of everything.
        table: to write.
        pictures: to write.
        out: to write: ``auroc_<scheme>`` and ``accuracy_<scheme>``.
        provenance: stored in the metrics.
    """
    found = experiment(settings["n_examples"], settings["epochs"], settings["trainings"], seed)
    tables.write_csv(found, table)
    tables.write_parquet(tiles(seed), pictures)
    entries: dict[str, Any] = {}
    for row in found.itertuples():
        numbers = {
            "auroc": (row.auroc, row.low, row.high),
            "accuracy": (row.accuracy, row.accuracy_low, row.accuracy_high),
        }
        for metric, three in numbers.items():
            entries[f"{metric}_{row.scheme}"] = {
                **metrics.interval(*three, row.n),
                "item": "PSF orientation",
                "quantity": f"{WORDS[metric]}, {row.words} in training",
                "definition": f"{WORDS[metric]}, mean over trainings; only non-lenses are turned",
            }
    tables.write_json(entries | {"provenance": dict(provenance or {})}, out)
