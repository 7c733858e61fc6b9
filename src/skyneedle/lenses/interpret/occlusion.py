"""Occlusion maps: what a network answers when a small square of the image is painted over.

A mask touches little of the first layers, which cost most. Their activations are computed once for the whole
image; for each mask only the patch that it reaches is computed anew, layer by layer, and put back where
patches have grown so large that going on with whole maps is cheaper.

Source: Zeiler & Fergus 2014, ECCV, p. 818; Wilde et al. 2022, Sec. 5.1.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from skyneedle.core.attribution import frozen
from skyneedle.core.errors import BadSetting
from skyneedle.lenses.networks import LensNetwork, lens_logit
from skyneedle.lenses.preprocess import Scaling

# Layers that see one position at a time, in evaluation mode.
POINTWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh),
    *(nn.Dropout, nn.Dropout2d, nn.Identity, nn.BatchNorm2d),
)
COPY_COST = 8  # multiplications in the time that one number takes to be copied
MOST_NUMBERS = 1 << 20  # of the largest activation of a batch of masks: 4 MB, which caches hold


@dataclass(frozen=True)
class Grid:
    """Where the mask is put: squares from the first corner on, cut at the far edges if they do not fit.

    Attributes:
        size: pixels a side of the image.
        window: pixels a side of the mask.
        stride: pixels from one mask to the next.
    """

    size: int
    window: int
    stride: int

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.window <= self.size:
            raise BadSetting(
                f"A mask of {self.window} pixels every {self.stride} on an image of {self.size}: the stride "
                "must be at least 1 and at most the mask, which must fit into the image."
            )

    @property
    def starts(self) -> np.ndarray:
        """First pixel of each mask along one axis."""
        n = -(-(self.size - self.window) // self.stride) + 1
        return self.stride * np.arange(n)

    def to_pixels(self, values: np.ndarray) -> np.ndarray:
        """Values of masks spread over the pixels: each gets the mean over the masks that cover it.

        Args:
            values: shape (..., n, n), with n masks along each axis.

        Returns:
            Shape (..., size, size).
        """
        covers = np.zeros((self.size, len(self.starts)))
        for k, start in enumerate(self.starts):
            covers[start : start + self.window, k] = 1
        weights = covers / covers.sum(axis=1, keepdims=True)
        return weights @ values @ weights.T


def published_grid(size: int) -> Grid:
    """The masks of the paper: 4 x 4 pixels every 4 for 200 pixels, each single pixel for 66.

    Source: Wilde et al. 2022, Sec. 5.1, and its footnote for the reason.
    """
    window = max(1, size // 50)
    return Grid(size, window, window)


def sky_fill(scaling: Scaling) -> np.ndarray:
    """What a mask is filled with, one number for each band of the scaled image.

    Empty sky with ``corrected``; 0 with ``faithful``, which is the darkest pixel of each band.
    """
    if scaling.recipe == "faithful":
        return np.zeros(len(scaling.bands), np.float32)
    return (-np.asarray(scaling.mean) / np.asarray(scaling.std)).astype(np.float32)


def lens_probability(logits: torch.Tensor) -> torch.Tensor:
    """Probability of being a lens, shape (n,), in double precision so that 1 is not reached too soon."""
    return torch.sigmoid(lens_logit(logits.double()))


def occlude(
    network: nn.Module,
    images: torch.Tensor,
    grid: Grid,
    fill: Sequence[float] | np.ndarray,
    answer: Callable[[torch.Tensor], torch.Tensor] = lens_probability,
) -> np.ndarray:
    """Change of a network's answer under each mask; all bands are masked together.

    Args:
        network: any; evaluated in evaluation mode, left as it was.
        images: scaled, shape (n, band, size, size), on the device of the network.
        grid: where masks are put.
        fill: of the mask, one number for each band.
        answer: outputs of the network (m, ...) to one number each (m,).

    Returns:
        Answer with the mask less the answer without, shape (n, rows, columns) of masks: negative where the
        answer rests on what the mask hides. ``Grid.to_pixels`` makes maps of it.

    Raises:
        BadSetting: if the images are not of the grid's size, or ``fill`` is not of their bands.
    """
    filling = torch.as_tensor(np.asarray(fill, np.float32), device=images.device)
    if tuple(images.shape[2:]) != (grid.size, grid.size) or filling.shape != images.shape[1:2]:
        raise BadSetting(
            f"Images of shape {tuple(images.shape)} with masks for {grid.size} pixels a side and "
            f"{filling.numel()} fill values: sizes and bands must agree."
        )
    side = len(grid.starts)
    with frozen(network), torch.inference_mode():
        plan = _plan(layers(network), images.shape[1], grid, images.device)
        maps = []
        for image in images:
            plain = answer(network(image[None])).double()
            masked = torch.cat([answer(part).double() for part in _masked(plan, image, grid, filling)])
            maps.append((masked - plain).view(side, side).cpu().numpy())
    return np.stack(maps)


# --- which layers, and how far to re-use them


class Reach(NamedTuple):
    """A layer whose outputs see a small square of its input."""

    kernel: int  # inputs along an axis that one output sees, dilation included
    stride: int
    cost: Callable[[int, int], float]  # of so many outputs, for so many input channels


class _Span(NamedTuple):
    """One stretch for each mask along one axis: all are of one length."""

    start: torch.Tensor  # (n,)
    length: int


class _Visit(NamedTuple):
    """What a layer does for each mask."""

    module: nn.Module
    needs: _Span | None  # of its input; None for a layer that works point by point on what is there
    gives: _Span
    n: int  # positions along an axis of its input


class _Plan(NamedTuple):
    """How the masks are run."""

    masks: _Span  # on the image, moved inwards where they would stick out
    visits: list[_Visit]
    tail: nn.Sequential  # layers run on whole maps
    batch: int  # masks at once


def layers(network: nn.Module) -> list[nn.Module]:
    """A network as layers one after the other, as far as that is known; else itself as the only one."""
    if isinstance(network, LensNetwork) and type(network).forward is LensNetwork.forward:
        return [*_flat(network.layer), nn.Flatten(1), *_flat(network.fc_layer)]
    return _flat(network)


def _flat(module: nn.Module) -> list[nn.Module]:
    if type(module) is nn.Sequential:
        return [layer for part in module for layer in _flat(part)]
    return [module]


def reach(module: nn.Module) -> Reach | None:
    """How far a layer sees; None if that is the whole map, or if it pads (the edges would be special)."""
    if isinstance(module, POINTWISE):
        return Reach(1, 1, lambda n, channels: COPY_COST * n * channels)
    if not isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
        return None
    dilation = 1 if isinstance(module, nn.AvgPool2d) else module.dilation
    pairs = [_pair(value) for value in (module.kernel_size, module.stride, dilation)]
    pads = module.padding != "valid" and _pair(module.padding) != (0, 0)
    is_square = all(down == across for down, across in pairs)
    if pads or not is_square or getattr(module, "ceil_mode", False):
        return None
    kernel, stride, width = pairs[0][0], pairs[1][0], pairs[2][0] * (pairs[0][0] - 1) + 1
    if isinstance(module, nn.Conv2d):
        per_output = kernel**2 * module.out_channels / module.groups
        return Reach(width, stride, lambda n, channels: n * per_output * channels)
    if getattr(module, "return_indices", False):
        return None
    return Reach(width, stride, lambda n, channels: COPY_COST * n * channels)


def _pair(value: Any) -> tuple[Any, Any]:
    """Settings of a layer down and across; layers hold one number, a pair, or a word ("same")."""
    return value if isinstance(value, tuple) else (value, value)


def _plan(stack: list[nn.Module], channels: int, grid: Grid, device: torch.device) -> _Plan:
    """Go on with patches until going on with whole maps is cheaper, by counting multiplications."""
    starts = torch.as_tensor(grid.starts, device=device)
    masks = _Span(starts.clamp(max=grid.size - grid.window), grid.window)
    visits, span, n = [], masks, grid.size
    # Costs of each layer on patches and on whole maps; numbers in patches, and in maps between layers.
    on_patches, on_maps, in_patches, in_maps = [], [], [], [channels * n**2]
    for module in stack:
        seen = reach(module)
        n_out = 0 if seen is None else (n - seen.kernel) // seen.stride + 1
        if seen is None or n_out < 1:
            break
        if isinstance(module, POINTWISE):
            needs, gives = None, span
        else:
            gives = _reached(span, seen, n_out)
            needs = _Span(gives.start * seen.stride, (gives.length - 1) * seen.stride + seen.kernel)
        visits.append(_Visit(module, needs, gives, n))
        in_patches.append(channels * (needs or gives).length ** 2)
        copied = COPY_COST * in_patches[-1] if needs else 0.0
        on_patches.append(seen.cost(gives.length**2, channels) + copied)
        on_maps.append(seen.cost(n_out**2, channels))
        channels = module.out_channels if isinstance(module, nn.Conv2d) else channels
        span, n = gives, n_out
        in_maps.append(channels * n**2)
    totals = [
        sum(on_patches[:stop]) + COPY_COST * in_maps[stop] + sum(on_maps[stop:])
        for stop in range(len(visits) + 1)
    ]
    stop = int(np.argmin(totals))
    batch = max(1, int(MOST_NUMBERS // max(in_patches[:stop] + in_maps[stop:])))
    return _Plan(masks, visits[:stop], nn.Sequential(*stack[stop:]), batch)


def _reached(span: _Span, layer: Reach, n_out: int) -> _Span:
    """The outputs that inputs in a span can change, made equally long for all masks."""
    first = -torch.div(layer.kernel - 1 - span.start, layer.stride, rounding_mode="floor")
    last = torch.div(span.start + span.length - 1, layer.stride, rounding_mode="floor")
    first, last = first.clamp(0, n_out - 1), last.clamp(0, n_out - 1)
    length = max(int((last - first + 1).max()), 1)
    return _Span(first.clamp(max=n_out - length), length)


# --- running it


class _Places(NamedTuple):
    """Patches of a batch of masks: first row and column, shape (m,) each, and side."""

    y: torch.Tensor
    x: torch.Tensor
    side: int

    @classmethod
    def of(cls, span: _Span, row: torch.Tensor, column: torch.Tensor) -> "_Places":
        return cls(span.start[row], span.start[column], span.length)

    def axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows, shape (m, side, 1), and columns, shape (m, 1, side)."""
        along = torch.arange(self.side, device=self.y.device)
        return (self.y[:, None] + along)[:, :, None], (self.x[:, None] + along)[:, None, :]


def _masked(plan: _Plan, image: torch.Tensor, grid: Grid, fill: torch.Tensor) -> Iterator[torch.Tensor]:
    """Outputs of the network under each mask, in batches, masks row by row."""
    # Maps are tables of one line a position, so that patches are lines picked from them.
    tables, activation = [], image[None]
    for visit in plan.visits:
        tables.append(_as_table(activation) if visit.needs is not None else None)
        activation = visit.module(activation)
    first_table, last_table = _as_table(image[None]), _as_table(activation)
    n_last = activation.shape[-1]
    side = len(grid.starts)
    for first in range(0, side**2, plan.batch):
        number = torch.arange(first, min(first + plan.batch, side**2), device=image.device)
        row, column = number // side, number % side
        at, patch = _painted(plan, first_table, grid, fill, row, column)
        for visit, table in zip(plan.visits, tables, strict=True):
            if visit.needs is not None and table is not None:
                around = _Places.of(visit.needs, row, column)
                patch = _pasted(_picked(table, visit.n, around), around, patch, at)
            patch = visit.module(patch)
            at = _Places.of(visit.gives, row, column)
        everywhere = _Places(torch.zeros_like(row), torch.zeros_like(row), n_last)
        maps = _pasted(last_table.expand(len(row), -1, -1), everywhere, patch, at)
        yield plan.tail(maps)


def _painted(
    plan: _Plan, table: torch.Tensor, grid: Grid, fill: torch.Tensor, row: torch.Tensor, column: torch.Tensor
) -> tuple[_Places, torch.Tensor]:
    """What of the image changes under the masks, shape (m, band, window, window)."""
    at = _Places.of(plan.masks, row, column)
    y, x = at.axes()
    starts = torch.as_tensor(grid.starts, device=table.device)
    hidden = (y >= starts[row][:, None, None]) & (x >= starts[column][:, None, None])
    patch = _picked(table, grid.size, at).view(len(row), at.side, at.side, -1)
    patch = torch.where(hidden[..., None], fill, patch)
    return at, patch.permute(0, 3, 1, 2)


def _as_table(maps: torch.Tensor) -> torch.Tensor:
    """One map (1, channel, n, n) as lines (n * n, channel)."""
    return maps[0].permute(1, 2, 0).reshape(-1, maps.shape[1]).contiguous()


def _picked(table: torch.Tensor, n: int, places: _Places) -> torch.Tensor:
    """Patches of a map of n x n positions, shape (m, side * side, channel)."""
    y, x = places.axes()
    lines = (y * n + x).flatten()
    return table.index_select(0, lines).view(len(places.y), places.side**2, -1)


def _pasted(background: torch.Tensor, around: _Places, patch: torch.Tensor, at: _Places) -> torch.Tensor:
    """Backgrounds with patches in their places; what sticks out is dropped.

    Args:
        background: shape (m, side * side, channel).
        around: its places.
        patch: shape (m, channel, side of ``at``, side of ``at``).
        at: its places.

    Returns:
        Shape (m, channel, side, side), channels last in memory.
    """
    m, n_lines, channels = background.shape
    # One line more takes what sticks out.
    lines = torch.empty(m * n_lines + 1, channels, dtype=background.dtype, device=background.device)
    lines[:-1].view(m, n_lines, channels).copy_(background)
    y, x = at.axes()
    y, x = y - around.y[:, None, None], x - around.x[:, None, None]
    inside = (y >= 0) & (y < around.side) & (x >= 0) & (x < around.side)
    number = torch.arange(m, device=y.device)[:, None, None]
    target = torch.where(inside, number * n_lines + y * around.side + x, m * n_lines)
    lines.index_copy_(0, target.flatten(), patch.permute(0, 2, 3, 1).reshape(-1, channels))
    return lines[:-1].view(m, around.side, around.side, channels).permute(0, 3, 1, 2)
