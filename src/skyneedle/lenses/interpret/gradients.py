"""Attribution by gradients: plain, integrated, Grad-CAM and guided Grad-CAM.

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
from torch.overrides import TorchFunctionMode

from skyneedle.core.attribution import frozen
from skyneedle.core.errors import BadSetting
from skyneedle.lenses.interpret import occlusion
from skyneedle.lenses.networks import LENS, lens_logit

Objective = Callable[[torch.Tensor], torch.Tensor]  # logits (n, 2) to one number each (n,)

KEPT = 0.05  # of the largest value: what guided Grad-CAM shows (Wilde et al. 2022, Sec. 5.6)
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
