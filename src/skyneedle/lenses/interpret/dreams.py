"""Images that a network takes for one of its classes: grown from noise, or from an image (Deep Dream).

Source: Wilde et al. 2022, Secs. 5.3 and 5.4; spec A5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional

from skyneedle.core.attribution import frozen
from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.lenses import preprocess
from skyneedle.lenses.networks import LENS, lens_logit
from skyneedle.lenses.preprocess import NISP, PIXELS, RECIPES, Scaling
from skyneedle.lenses.training import scaled

# Learning rates of Secs. 5.3 and 5.4; the notebook has 0.1 for both, and 100 steps.
CLASS_IMAGE_RATE, DEEP_DREAM_RATE = 0.1, 0.001
NOISE_SIDE = 66  # pixels of the published start, whatever the network
# Width of a point source in the pixels of its own camera: 0.16" of 0.1" in VIS, 0.49" of 0.3" in J, Y and H.
FWHM_PIXELS = 1.6
RANGE_FROM = 100  # training images; their pixels fix the range
TAIL = 1e-4  # share of training pixels on either side of the range
# Response that a mean squared change of one (in standard deviations of the training inputs) must bring.
CHANGE_COSTS = 1.0
# Log odds beyond which a change earns nothing more (99.9 %). Without an end, the networks are driven to log
# odds of hundreds, which no image has, by patterns that no image has.
SURE = 6.9
# First step of the recipe "corrected", root mean square over pixels in standard deviations of the training
# inputs; later ones fall along half a cosine.
LEARNING_RATE = 0.05

Response = Callable[[torch.Tensor], torch.Tensor]  # images (n, band, size, size) to one number an image (n,)


class Dreams(NamedTuple):
    """Images before and after, in network input.

    Attributes:
        before: shape (n, band, size, size).
        after: likewise.
        logit_before: log odds of being a lens, shape (n,).
        logit_after: likewise.
    """

    before: np.ndarray
    after: np.ndarray
    logit_before: np.ndarray
    logit_after: np.ndarray


@dataclass(frozen=True)
class Bounds:
    """What network input looks like, band by band: what grown images must keep within.

    Attributes:
        low: value that all but one in ten thousand training pixels are above, shape (band,).
        high: likewise, below.
        spread: standard deviation over pixels and images, shape (band,).
    """

    low: np.ndarray
    high: np.ndarray
    spread: np.ndarray


def bounds(data: DataSet, scaling: Scaling) -> Bounds:
    """The range of a training set's input, from at most 100 of its images, evenly spread."""
    rows = np.unique(np.linspace(0, len(data) - 1, min(RANGE_FROM, len(data))).round().astype(int))
    images = scaled(data, scaling, rows)
    pixels = images.transpose(1, 0, 2, 3).reshape(images.shape[1], -1)
    low, high = np.quantile(pixels, [TAIL, 1 - TAIL], axis=1)
    return Bounds(low, high, pixels.std(axis=1))


# --- starts


def empty_sky(scaling: Scaling, seed: int, *keys: int | str) -> np.ndarray:
    """Network input of a stamp with nothing on it but the noise of the survey, shape (band, size, size).

    Args:
        scaling: of the network; one of the recipe "faithful" stretches whatever noise to 0 ... 1.
        seed: root seed.
        *keys: what the noise is for.
    """
    sigma = dict(zip(scaling.bands, scaling.sky_sigma or (1.0,) * len(scaling.bands), strict=True))
    rng = generator(seed, "sky", *keys)
    vis = rng.standard_normal((1, PIXELS["VIS"], PIXELS["VIS"])) * sigma.get("VIS", 1.0)
    nisp = rng.standard_normal((1, len(NISP), PIXELS["J"], PIXELS["J"]))
    nisp *= np.array([sigma.get(band, 1.0) for band in NISP])[:, None, None]
    return scaling(vis, nisp)[0]


def uniform_noise(scaling: Scaling, seed: int, *keys: int | str) -> np.ndarray:
    """The published start: one image of 66 x 66 values from 0 to 1, resized, the same in all bands."""
    noise = generator(seed, "uniform", *keys).random((NOISE_SIDE, NOISE_SIDE))
    return np.repeat(preprocess.resize(noise[None], scaling.size), len(scaling.bands), axis=0)


# --- ascent


def grow(
    response: Response,
    start: torch.Tensor,
    scaling: Scaling,
    limits: Bounds,
    steps: int,
    change_costs: float = CHANGE_COSTS,
) -> torch.Tensor:
    """Add light to images, or take it away, so that a response rises: what telescope and survey allow.

    What is changed is seen through the camera, smoothed like a point source, so that no pattern is finer
    than the images can hold; it stays within the range of the training inputs; and it costs its mean square
    in units of their spread, so that only what raises the response is changed. Bands are independent.

    Args:
        response: of the network.
        start: network input, shape (n, band, size, size).
        scaling: of the network.
        limits: range of its training inputs.
        steps: along the gradient, ever shorter ones.
        change_costs: response that a mean squared change of one must bring.

    Returns:
        Shape as ``start``.
    """
    by_band = {
        name: torch.as_tensor(values, dtype=torch.float32, device=start.device).view(-1, 1, 1)
        for name, values in (("low", limits.low), ("high", limits.high), ("spread", limits.spread))
    }
    # What the start itself goes beyond, as the core of a bright galaxy may, is no fault of the change.
    low, high = torch.minimum(by_band["low"], start), torch.maximum(by_band["high"], start)
    camera = torch.from_numpy(_camera(scaling.bands, scaling.size)).to(start.device)

    def seen(light: torch.Tensor) -> torch.Tensor:
        return torch.clamp(start + camera @ (light * by_band["spread"]) @ camera.mT, low, high)

    light = torch.zeros_like(start)
    for step in range(steps):
        light.requires_grad_(True)
        images = seen(light)
        change = ((images - start) / by_band["spread"]).square().mean(dim=(1, 2, 3))
        (gradient,) = torch.autograd.grad((response(images) - change_costs * change).sum(), light)
        # Of one length for each image, but not for each pixel as Adam has it, which fills images with specks.
        length = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-30)
        rate = LEARNING_RATE * (1 + np.cos(np.pi * step / steps)) / 2
        light = light.detach() + rate * gradient / length
    return seen(light)


@cache
def _camera(bands: Sequence[str], size: int) -> np.ndarray:
    """Smoothing of one axis by the image of a point source, for each band, shape (band, size, size)."""
    matrices = []
    for band in bands:
        shrinks = PIXELS[band] / size
        # A resized image is smoothed once more where it shrinks; see ``preprocess.resize_matrix``.
        sigma = np.hypot(FWHM_PIXELS / 2.3548, max(shrinks - 1, 0) / 2) / shrinks
        matrices.append(ndimage.gaussian_filter1d(np.eye(size), sigma, axis=0, mode="nearest"))
    return np.stack(matrices).astype(np.float32)


def grow_as_published(
    response: Response, start: torch.Tensor, steps: int, learning_rate: float
) -> torch.Tensor:
    """Plain gradient steps; before each the whole image, all bands at once, is stretched to 0 ... 1, and
    after it clipped.

    Args:
        response: of the network.
        start: shape (n, band, size, size).
        steps: how many.
        learning_rate: what the gradient is multiplied by.

    Returns:
        Shape as ``start``, 0 to 1.

    Source: spec A5.
    """
    images = start
    for _ in range(steps):
        images = _stretched(images).requires_grad_(True)
        (gradient,) = torch.autograd.grad(response(images).sum(), images)
        images = torch.clamp(images.detach() + learning_rate * gradient, 0, 1)
    return images


def _stretched(images: torch.Tensor) -> torch.Tensor:
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / torch.where(high > low, high - low, torch.ones_like(high))


# --- the two methods


def dream(
    network: nn.Module,
    start: np.ndarray,
    targets: Sequence[int],
    scaling: Scaling,
    limits: Bounds,
    *,
    recipe: str,
    steps: int,
    learning_rate: float = DEEP_DREAM_RATE,
    device: str = "cpu",
) -> Dreams:
    """Images changed until a network is sure that they belong to a class.

    Args:
        network: its weights and modes are not changed.
        start: network input, shape (n, band, size, size).
        targets: class wanted of each, 1 for lenses and 0 for non-lenses.
        scaling: of the network.
        limits: range of its training inputs.
        recipe: "faithful" raises the logit of the class without end, as ``grow_as_published``; "corrected"
            its log odds, which the other logit cannot rise along with, up to ``SURE``, as ``grow``.
        steps: how many.
        learning_rate: of the recipe "faithful".
        device: "cpu" or "cuda:0".

    Returns:
        The images and the network's answers.

    Raises:
        BadSetting: if recipe or targets are unknown, or there is no step.
    """
    if recipe not in RECIPES or steps < 1 or not set(targets) <= {0, 1} or len(targets) != len(start):
        raise BadSetting(
            f"recipe is {recipe!r}, steps is {steps}, targets are {list(targets)} for {len(start)} images; "
            f"expected one of {', '.join(RECIPES)}, at least one step, and 0 or 1 for each image."
        )
    images = torch.from_numpy(np.ascontiguousarray(start, dtype=np.float32)).to(device)
    wanted = torch.tensor(list(targets), device=device)
    sign = torch.where(wanted == LENS, 1.0, -1.0)
    network = network.to(device)
    with frozen(network):
        if recipe == "faithful":
            after = grow_as_published(
                lambda x: network(x).gather(1, wanted[:, None])[:, 0], images, steps, learning_rate
            )
        else:
            after = grow(
                lambda x: -functional.softplus(SURE - sign * lens_logit(network(x))),
                images,
                scaling,
                limits,
                steps,
            )
        with torch.no_grad():
            logits = [lens_logit(network(x)).double().cpu().numpy() for x in (images, after)]
    return Dreams(images.cpu().numpy(), after.cpu().numpy(), *logits)


def class_images(
    network: nn.Module,
    scaling: Scaling,
    limits: Bounds,
    *,
    recipe: str,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> Dreams:
    """Images that a network takes for a non-lens and for a lens, both grown from the same noise.

    Args:
        network: its weights and modes are not changed.
        scaling: of the network.
        limits: range of its training inputs.
        recipe: "faithful" starts from ``uniform_noise``, "corrected" from ``empty_sky``; see ``dream``.
        steps: how many.
        seed: of the noise.
        device: "cpu" or "cuda:0".

    Source: Wilde et al. 2022, Sec. 5.3.
    """
    noise = (uniform_noise if recipe == "faithful" else empty_sky)(scaling, seed, "class image")
    return dream(
        network,
        np.stack([noise, noise]),
        (0, 1),
        scaling,
        limits,
        recipe=recipe,
        steps=steps,
        learning_rate=CLASS_IMAGE_RATE,
        device=device,
    )
