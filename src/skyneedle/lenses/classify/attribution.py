"""Where in a stamp a network's answer comes from: the one place where `classify` asks for it."""

import numpy as np
import torch
from torch import nn

from skyneedle.core.attribution import frozen
from skyneedle.lenses.networks import lens_logit

METHOD = "integrated gradients, summed over bands, 16 steps from the median of each band"
STEPS = 16


def attribute(network: nn.Module, image: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Share of each pixel in the log odds of being a lens.

    Args:
        network: gives logits (batch, 2).
        image: its input, shape (band, size, size).
        device: "cpu" or "cuda".

    Returns:
        Map, shape (size, size); positive where a pixel speaks for a lens. Its sum is about the log odds minus
        those of an image that shows each band's median everywhere.

    Source: Sundararajan et al. 2017, Eq. 1, by the midpoint rule.
    """
    shown = torch.from_numpy(image).to(device)
    empty = shown.flatten(1).median(dim=1).values[:, None, None].expand_as(shown)
    total = torch.zeros_like(shown)
    with frozen(network.to(device)):
        for step in range(STEPS):  # one at a time: memory stays that of one image
            between = (empty + (step + 0.5) / STEPS * (shown - empty)).unsqueeze(0).requires_grad_(True)
            total += torch.autograd.grad(lens_logit(network(between)).sum(), between)[0][0]
    return ((shown - empty) * total / STEPS).sum(dim=0).cpu().numpy()
