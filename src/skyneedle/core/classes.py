"""Two classes, a positive one and another: how a network with two logits learns them, however few of one."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from skyneedle.core.errors import BadSetting


def class_weights(labels: np.ndarray) -> tuple[float, float]:
    """Weights of negatives and positives with which both classes count the same; 1 on average over labels.

    In the same ratio as the published ones, the share of positives and the share of negatives.

    Args:
        labels: 0 and 1, shape (n,), both among them.

    Source: Wilde et al. 2022, Sec. 3.3.
    """
    n_positive = int(np.sum(labels))
    return len(labels) / (2 * (len(labels) - n_positive)), len(labels) / (2 * n_positive)


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Cross-entropy of two logits, each example weighted by its class; the mean over examples.

    Not divided by the weights of the batch, so that every example counts the same in whatever batch it is.

    Attributes:
        weights: of negatives and positives.
    """

    weights: tuple[float, float]

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Loss from logits (batch, 2) and labels (batch,).

        Raises:
            BadSetting: if the network gives another number of logits.
        """
        if logits.shape != (len(target), 2):
            raise BadSetting(
                f"The network gives logits of shape {tuple(logits.shape)} for {len(target)} examples, "
                f"expected ({len(target)}, 2): non-lens and lens."
            )
        losses = functional.cross_entropy(logits, target, reduction="none")
        return (losses * logits.new_tensor(self.weights)[target]).mean()


def accuracy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Share of examples whose label has the larger logit; for the history."""
    return (logits.argmax(1) == target).float().mean()


def log_odds(logits: torch.Tensor) -> torch.Tensor:
    """Log odds of the positive class, shape (batch,), of two logits, shape (batch, 2)."""
    return logits[..., 1] - logits[..., 0]
