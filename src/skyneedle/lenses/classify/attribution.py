"""Where in a stamp a network's answer comes from: the one place where `classify` asks for it."""

import numpy as np
import torch
from torch import nn

from skyneedle.lenses.interpret.occlusion import occlude, published_grid, sky_fill
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling

# What a square is masked by, as ``occlusion.sky_fill`` has it.
FILLS = {"corrected": "empty sky", "faithful": "the darkest value of each band"}


def method(scaling: Scaling) -> str:
    """In words, what the map shows."""
    fill = FILLS[scaling.recipe]
    return f"occlusion, by how much the log odds fall where a square is masked by {fill}"


def attribute(network: nn.Module, scaling: Scaling, image: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Fall of the log odds of being a lens where pixels are masked.

    Args:
        network: gives logits (batch, 2).
        scaling: to its input.
        image: its input, shape (band, size, size).
        device: "cpu" or "cuda".

    Returns:
        Map, shape (size, size); positive where a pixel speaks for a lens.

    Source: Wilde et al. 2022, Sec. 5.1, with the log odds in place of the probability.
    """
    grid = published_grid(scaling.size)
    shown = torch.from_numpy(image)[None].to(device)
    log_odds = occlude(network.to(device), shown, grid, sky_fill(scaling), _log_odds)
    return -grid.to_pixels(log_odds)[0]


def _log_odds(logits: torch.Tensor) -> torch.Tensor:
    return lens_logit(logits.double())
