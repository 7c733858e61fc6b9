"""What a network learns from: examples read in batches, in an order that depends on seed and epoch alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator


@dataclass(frozen=True)
class Examples:
    """What a network learns from, read in batches.

    Attributes:
        n: number of examples.
        read: from row indices (n,) and the epoch to a batch of inputs and targets; the epoch is for
            augmentation that must differ between epochs, and is 0 in validation. For more than one process it
            has to be picklable: a function of a module or an instance, no lambda.
        subset: from the epoch to the rows that are trained on in it (curriculum); None takes all.
    """

    n: int
    read: Callable[[np.ndarray, int], tuple[Any, Any]]
    subset: Callable[[int], np.ndarray] | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> "Examples":
        """The examples of a torch data set that has a length and gives pairs of input and target."""
        return cls(len(dataset), _Collated(dataset))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Collated:
    dataset: Dataset

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[Any, Any]:
        return tuple(default_collate([self.dataset[int(row)] for row in rows]))  # type: ignore[return-value]


def turned(image: np.ndarray, operation: int) -> np.ndarray:
    """An image, or a stack of channels, under one of the eight symmetries of the square.

    Args:
        image: shape (..., size, size).
        operation: 0 to 3 quarter turns; 4 to 7 the same and then a reflection.
    """
    image = np.rot90(image, operation % 4, axes=(-2, -1))
    return image[..., ::-1] if operation >= 4 else image


class Batches(Dataset):
    """The batches of one process in one epoch, from the first that is still to be done."""

    def __init__(self, examples: Examples, rows: list[tuple[np.ndarray, float]], epoch: int):
        self.examples, self.rows, self.epoch = examples, rows, epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        rows, weight = self.rows[index]
        x, target = self.examples.read(rows, self.epoch)
        return torch.as_tensor(x), torch.as_tensor(target), weight


def epoch_rows(examples: Examples, seed: int, epoch: int) -> np.ndarray:
    """Rows in the order in which an epoch takes them; depends on nothing but its arguments."""
    rows = (
        np.arange(examples.n)
        if examples.subset is None
        else np.asarray(examples.subset(epoch), dtype=np.int64)
    )
    if not len(rows):
        raise BadSetting(f"The curriculum leaves no training example for epoch {epoch}; widen its steps.")
    return rows[generator(seed, "order", epoch).permutation(len(rows))]


def share_rows(rows: np.ndarray, batch_size: int, rank: int, world: int) -> list[tuple[np.ndarray, float]]:
    """The batches of one process, so that the mean over processes is the mean over their common batch.

    Args:
        rows: of the epoch, in order.
        batch_size: of each process.
        rank: of this process.
        world: number of processes.

    Returns:
        For each batch its rows and the weight of its mean loss: 1, except in a last batch that is shared
        unevenly.
    """
    batches = []
    for start in range(0, len(rows), batch_size * world):
        common = rows[start : start + batch_size * world]
        mine = np.array_split(common, world)[rank]
        # A process without an example still has to take part in the step: with one that counts nothing.
        batches.append((mine if len(mine) else common[:1], len(mine) * world / len(common)))
    return batches
