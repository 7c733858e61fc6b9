"""Guided back-propagation and guided Grad-CAM.

Every function leaves the network as it was: in evaluation mode only while it runs, no hook left behind.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.interpret.gradients import Objective, grad_cam, gradient, on_image, published_objective
from skyneedle.lenses.networks import lens_logit

KEPT = 0.05  # of the largest value: what guided Grad-CAM shows (Wilde et al. 2022, Sec. 5.6)


# --- guided back-propagation


class _GuidedReLU(torch.autograd.Function):
    """A ReLU that lets through positive gradients only."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (passes,) = context.saved_tensors
        return gradients[0].clamp(min=0) * passes


class _Guided(TorchFunctionMode):
    """Turns every ReLU that is called into a guided one: modules and functions, in place or used twice.

    Hooks on modules would miss ``functional.relu`` and fail on ReLUs in place; this touches no module.
    """

    OUT_OF_PLACE = (functional.relu, torch.relu, torch.Tensor.relu)
    IN_PLACE = (torch.relu_, torch.Tensor.relu_)

    def __init__(self, only_maps: bool):
        super().__init__()
        self.only_maps, self.n_guided = only_maps, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in self.IN_PLACE:
            raise BadSetting(
                "The network calls relu_ on a tensor; guided back-propagation needs torch.relu or nn.ReLU."
            )
        if function in self.OUT_OF_PLACE:
            x = args[0] if args else kwargs["input"]
            if x.ndim > 2 or not self.only_maps:
                self.n_guided += 1
                return _GuidedReLU.apply(x)
        return function(*args, **(kwargs or {}))


def guided_gradient(
    network: nn.Module,
    images: torch.Tensor,
    objective: Objective = lens_logit,
    recipe: str = "corrected",
) -> torch.Tensor:
    """Gradient with negative parts cut at each ReLU, shape (n, band, size, size).

    Args:
        network: any with ReLUs.
        images: scaled, shape (n, band, size, size).
        objective: what is attributed.
        recipe: "corrected" guides all ReLUs, "faithful" none in the dense part, as published.

    Raises:
        BadSetting: if no ReLU was met: this would be the plain gradient under another name.

    Source: Springenberg et al. 2014, arXiv:1412.6806; spec A5.
    """
    with _Guided(only_maps=recipe == "faithful") as mode:
        found = gradient(network, images, objective)
    if not mode.n_guided:
        raise BadSetting(f"{type(network).__name__} has no ReLU to guide; take another method.")
    return found


# --- guided Grad-CAM


class GuidedCam(NamedTuple):
    """Guided Grad-CAM of some images.

    Attributes:
        product: guided gradient times class activation map, shape (n, band, size, size). With "corrected" the
            map is divided by its largest value, so that the unit is that of the gradient: log odds for one
            unit of the scaled image.
        shown: pixels that pass the cut in any band, shape (n, size, size), boolean.
        cut: what they pass, in the unit of ``product`` ("faithful": of its copy stretched to 0 ... 1),
            shape (n,).
    """

    product: torch.Tensor
    shown: torch.Tensor
    cut: torch.Tensor


def guided_grad_cam(
    network: nn.Module,
    images: torch.Tensor,
    layer: nn.Module | None = None,
    recipe: str = "corrected",
) -> GuidedCam:
    """Guided gradient times Grad-CAM, and which pixels it shows.

    Args:
        network: with convolutions and ReLUs.
        images: scaled, shape (n, band, size, size).
        layer: of Grad-CAM; ``last_maps`` if left out.
        recipe: "corrected" attributes the log odds, guides all ReLUs, and shows where the product is at
            least 0.05 of its largest value. "faithful" attributes the lens logit, guides the convolutions
            only, starts the map at one, enlarges it as an 8-bit picture, and shows where the
            product, stretched linearly from its least to its largest value to 0 ... 1, is at least 0.05: zero
            is not 0 there.

    Source: Selvaraju et al. 2017; Wilde et al. 2022, Sec. 5.6, which leaves open what was cut; spec A5.
    """
    faithful = recipe == "faithful"
    objective = published_objective if faithful else lens_logit
    cam = grad_cam(network, images, layer, objective, recipe)
    if faithful:
        maps = _as_picture(_stretched(cam.values), images.shape[-1])
    else:
        maps = on_image(cam, images.shape[-1], recipe)
        maps = maps / _positive(maps.amax(dim=(1, 2), keepdim=True))
    product = guided_gradient(network, images, objective, recipe) * maps[:, None]
    judged = _stretched(product) if faithful else product
    cut = KEPT * (torch.ones(len(images)).to(product) if faithful else product.amax(dim=(1, 2, 3)))
    shown = (judged >= cut[:, None, None, None]) & (judged > 0)
    return GuidedCam(product, shown.any(dim=1), cut)


def _as_picture(values: torch.Tensor, size: int) -> torch.Tensor:
    """Maps (n, rows, columns) from 0 to 1, enlarged to (n, size, size) with 8 bits and Lanczos' filter."""
    from PIL import Image  # whose filter was called ANTIALIAS then

    pixels = (values.detach().cpu().double().numpy() * 255).astype(np.uint8)
    pictures = [Image.fromarray(one).resize((size, size), Image.Resampling.LANCZOS) for one in pixels]
    return torch.from_numpy(np.stack([np.asarray(one) for one in pictures])).to(values) / 255


def _stretched(values: torch.Tensor) -> torch.Tensor:
    """Each example mapped linearly to 0 ... 1; one of one value becomes zeros."""
    axes = tuple(range(1, values.ndim))
    low, high = values.amin(dim=axes, keepdim=True), values.amax(dim=axes, keepdim=True)
    return (values - low) / _positive(high - low)


def _positive(values: torch.Tensor) -> torch.Tensor:
    return torch.where(values > 0, values, torch.ones_like(values))
