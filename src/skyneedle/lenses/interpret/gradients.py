"""Attribution by gradients: plain, integrated and Grad-CAM; ``guided`` has those with guided ReLUs.

Every function leaves the network as it was: in evaluation mode only while it runs, no hook left behind.
The objective is what is attributed, by default the log odds of being a lens: a probability of 1 has no
gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.attribution import frozen
from skyneedle.core.errors import BadSetting
from skyneedle.lenses.interpret import occlusion
from skyneedle.lenses.networks import LENS, lens_logit

Objective = Callable[[torch.Tensor], torch.Tensor]  # logits (n, 2) to one number each (n,)

STEPS = 16  # of the integral


def published_objective(logits: torch.Tensor) -> torch.Tensor:
    """The logit of the lens class alone, whose gradient the published code takes; shape (n,)."""
    return logits[:, LENS]


# --- plain and integrated gradients


def gradient(network: nn.Module, images: torch.Tensor, objective: Objective = lens_logit) -> torch.Tensor:
    """Gradient of the objective by the scaled image, shape (n, band, size, size).

    Args:
        network: any.
        images: scaled, shape (n, band, size, size).
        objective: what is attributed.

    Source: Simonyan et al. 2013, arXiv:1312.6034.
    """
    with frozen(network), torch.enable_grad():
        inputs = images.detach().clone().requires_grad_(True)
        return torch.autograd.grad(objective(network(inputs)).sum(), inputs)[0]


def integrated_gradients(
    network: nn.Module,
    images: torch.Tensor,
    baseline: Sequence[float] | np.ndarray,
    objective: Objective = lens_logit,
    steps: int = STEPS,
) -> torch.Tensor:
    """Gradients along the straight way from an empty image, times that way.

    Args:
        network: any.
        images: scaled, shape (n, band, size, size).
        baseline: the empty image, one number for each band; see ``occlusion.sky_fill``.
        objective: what is attributed.
        steps: points of the Gauss-Legendre rule.

    Returns:
        Shape (n, band, size, size); its sum over an image is the objective there less that of the empty
        image, as far as the rule integrates exactly.

    Raises:
        BadSetting: if the baseline is not of the bands.

    Source: Sundararajan et al. 2017, ICML, p. 3319.
    """
    empty = torch.as_tensor(np.asarray(baseline, np.float32), device=images.device)
    if empty.shape != images.shape[1:2] or steps < 1:
        raise BadSetting(
            f"A baseline of {empty.numel()} numbers and {steps} steps for images of shape "
            f"{tuple(images.shape)}; expected one number a band and at least one step."
        )
    way = images - empty[:, None, None]
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(images)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += float(weight) * gradient(network, images - float(1 - node) * way, objective)
    return total * way


# --- Grad-CAM


class Cam(NamedTuple):
    """A class activation map on the grid of a layer.

    Attributes:
        values: shape (n, rows, columns), not negative.
        first: pixel of the image in the middle of what the first row and column see; None if unknown.
        step: pixels from one row to the next.
    """

    values: torch.Tensor
    first: float | None
    step: float


def last_maps(network: nn.Module) -> nn.Module:
    """The layer whose maps Grad-CAM weighs: the ReLU after the last convolution, or that itself.

    Raises:
        BadSetting: if the network has no convolution.
    """
    modules = list(network.modules())
    places = [i for i, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    if not places:
        raise BadSetting(f"{type(network).__name__} has no convolution (nn.Conv2d); Grad-CAM needs one.")
    # The dense part has ReLUs too, so only what follows before the next layer with weights counts.
    for module in modules[places[-1] + 1 :]:
        if isinstance(module, nn.ReLU):
            return module
        if isinstance(module, nn.Linear):
            break
    return modules[places[-1]]


def grad_cam(
    network: nn.Module,
    images: torch.Tensor,
    layer: nn.Module | None = None,
    objective: Objective = lens_logit,
    recipe: str = "corrected",
) -> Cam:
    """Maps of a layer, weighted by the mean gradient of the objective by each.

    Args:
        network: any with convolutions.
        images: scaled, shape (n, band, size, size).
        layer: part of the network whose output is weighed; ``last_maps`` if left out.
        objective: what is attributed.
        recipe: "faithful" starts the sum at one, as published, not at zero.

    Returns:
        The positive part of the sum on the grid of the layer; see ``on_image``.

    Source: Selvaraju et al. 2017, ICCV, p. 618; spec A5.
    """
    layer = last_maps(network) if layer is None else layer
    with frozen(network), torch.enable_grad(), _kept(layer) as kept:
        inputs = images.detach().clone().requires_grad_(True)
        total = objective(network(inputs)).sum()
        if len(kept) != 1 or kept[0].ndim != 4:
            raise BadSetting(
                f"{type(layer).__name__} ran {len(kept)} times in one pass; Grad-CAM needs a layer that runs "
                "once and gives maps."
            )
        gradients = torch.autograd.grad(total, kept[0])[0]
    maps = kept[0].detach()
    summed = (gradients.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)
    values = (summed + (1.0 if recipe == "faithful" else 0.0)).clamp(min=0)
    return Cam(values, *_geometry(network, layer))


@contextmanager
def _kept(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Outputs of a layer while the body runs."""
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        outputs.append(output)

    handle = layer.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


def _geometry(network: nn.Module, layer: nn.Module) -> tuple[float | None, float]:
    """Middle of what the first output of a layer sees, and pixels from one output to the next."""
    first, step = 0.0, 1.0
    for module in occlusion.layers(network):
        seen = occlusion.reach(module)
        if seen is None:
            break
        first += step * (seen.kernel - 1) / 2
        step *= seen.stride
        if module is layer:
            return first, step
    return None, 1.0


def on_image(cam: Cam, size: int, recipe: str = "corrected") -> torch.Tensor:
    """A class activation map with the pixels of the image, linear between the cells of the layer.

    Convolutions without padding see the middle of the image only: cell 0 of OU-200's last maps sits at pixel
    57, cell 5 at pixel 137. ``corrected`` puts each cell where it looks, and zero beyond one cell around
    them; ``faithful``, and networks whose geometry is unknown, stretch the map over the whole image, which
    moves what it shows outwards by up to 45 pixels.

    Args:
        cam: see ``grad_cam``.
        size: pixels a side of the image.
        recipe: "corrected" or "faithful".

    Returns:
        Shape (n, size, size).
    """
    if recipe == "faithful" or cam.first is None:
        return functional.interpolate(
            cam.values[:, None], (size, size), mode="bilinear", align_corners=False
        )[:, 0]
    down, across = (_tents(n, cam.first, cam.step, size).to(cam.values) for n in cam.values.shape[1:])
    return down @ cam.values @ across.T


def _tents(n: int, first: float, step: float, size: int) -> torch.Tensor:
    """Linear interpolation from n cells to pixels, zero from one cell beyond the outermost; (size, n)."""
    places = (torch.arange(size, dtype=torch.float64)[:, None] - first) / step
    return (1 - (places - torch.arange(n)).abs()).clamp(min=0)
