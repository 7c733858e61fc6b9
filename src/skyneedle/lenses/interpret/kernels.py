"""What single kernels respond to: activation of every kernel by every image, and images grown for a kernel.

Source: Wilde et al. 2022, Secs. 5.2 and 5.5; spec A5.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import metrics
from skyneedle.core.attribution import frozen
from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.core.task import DROPOUT
from skyneedle.lenses.interpret import dreams
from skyneedle.lenses.interpret.dreams import Bounds
from skyneedle.lenses.preprocess import RECIPES, Scaling

N_TOP = 5  # images kept of each kernel
PUBLISHED_SIDE = 200  # pixels of the published start, also for networks of 66
PUBLISHED_RATE, PUBLISHED_DECAY = 0.1, 1e-6  # of Adam


class Kernel(NamedTuple):
    """One kernel of a convolution.

    Attributes:
        layer: number of its layer as the paper counts them, or the dotted name where layers are nested.
        kernel: number within the layer, from 0.
    """

    layer: str
    kernel: int


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """Convolutions of a network in the order of their registration, by layer.

    Raises:
        BadSetting: if there is none.
    """
    trunk = _trunk(network)
    found = {name: module for name, module in trunk.named_modules() if isinstance(module, nn.Conv2d)}
    if not found:
        raise BadSetting(f"{type(network).__name__} has no two-dimensional convolution, so no kernels.")
    return found


def _trunk(network: nn.Module) -> nn.Module:
    trunk = getattr(network, "layer", network)
    return trunk if isinstance(trunk, nn.Module) else network


def kernels_of(network: nn.Module) -> list[Kernel]:
    """All kernels of a network, layer by layer: the columns of ``activations``."""
    return [
        Kernel(layer, kernel)
        for layer, module in convolutions(network).items()
        for kernel in range(module.out_channels)
    ]


# --- activation values


def activations(
    network: nn.Module,
    batches: Iterable[torch.Tensor],
    *,
    recipe: str = "corrected",
    seed: int = 0,
    ids: Sequence[int] = (),
) -> np.ndarray:
    """Mean of each kernel's map, before the ReLU, for each image: the kernel activation value.

    Args:
        network: its weights and modes are not changed; no hook stays on it.
        batches: network input, each of shape (n, band, size, size), on the network's device; one batch is in
            memory at a time.
        recipe: "corrected" runs the network in evaluation mode; "faithful" with its dropout on, as the
            published code does, drawn anew for each image from its id.
        seed: of that dropout.
        ids: of all images, in the order of the batches (faithful).

    Returns:
        Shape (image, kernel), single precision, columns as of ``kernels_of``.

    Raises:
        BadSetting: if the recipe is unknown.
    """
    if recipe not in RECIPES:
        raise BadSetting(f"recipe is {recipe!r}, expected one of {', '.join(RECIPES)}.")
    layers = convolutions(network)
    rows: list[np.ndarray] = []
    means: dict[str, torch.Tensor] = {}
    with frozen(network), _hooked(layers, lambda name, maps: means.update({name: maps.mean((2, 3))})):
        for module in network.modules():
            if recipe == "faithful" and isinstance(module, DROPOUT):
                module.train()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for batch in batches:
                # One by one with dropout, so that an image's draw does not depend on its neighbours.
                for part in batch.split(1) if recipe == "faithful" else (batch,):
                    if recipe == "faithful":
                        key = ("dropout", int(ids[sum(map(len, rows))]))
                        torch.manual_seed(int(generator(seed, *key).integers(2**62)))
                    network(part)
                    rows.append(torch.cat([means[name] for name in layers], dim=1).float().cpu().numpy())
    return np.concatenate(rows)


@contextmanager
def _hooked(
    layers: Mapping[str, nn.Module], see: Callable[[str, torch.Tensor], None]
) -> Iterator[Mapping[str, nn.Module]]:
    """Layers whose output is shown to a function; afterwards all hooks are gone."""

    def hook(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: see(name, output)

    handles = [module.register_forward_hook(hook(name)) for name, module in layers.items()]
    try:
        yield layers
    finally:
        for handle in handles:
            handle.remove()


def summary(
    kernels: Sequence[Kernel],
    values: np.ndarray,
    labels: np.ndarray | None,
    ids: np.ndarray,
    n_top: int = N_TOP,
) -> pd.DataFrame:
    """One row for each kernel: how it varies, what it is good for alone, and its top images.

    Args:
        kernels: as of ``kernels_of``.
        values: activation values, shape (image, kernel).
        labels: 1 for lenses, shape (image,); None if unknown.
        ids: shape (image,).
        n_top: images named of each kernel.

    Returns:
        Columns layer, kernel, mean, std, auroc (of the activation value as the statistic of lenses; empty
        without both classes), n, and for each rank from 1 on top<rank> (id) and value<rank>.
    """
    n_top = min(n_top, len(ids))
    labels = np.full(len(ids), -1) if labels is None else np.asarray(labels)
    both = set(labels.tolist()) == {0, 1}
    # Stable, so that of two equal images the first one comes first.
    order = np.argsort(-values, axis=0, kind="stable")[:n_top]
    rows = []
    for column, (layer, kernel) in enumerate(kernels):
        here = values[:, column].astype(float)
        auroc = metrics.Ranking(labels, here).auroc() if both else np.nan
        row = {"layer": layer, "kernel": kernel, "mean": here.mean(), "std": here.std(), "auroc": auroc}
        row["n"] = len(here)
        for rank, place in enumerate(order[:, column], start=1):
            row |= {f"top{rank}": int(ids[place]), f"value{rank}": here[place]}
        rows.append(row)
    return pd.DataFrame(rows)


def selective(table: pd.DataFrame, n: int) -> pd.DataFrame:
    """Rows of the ``summary`` of ``n`` kernels to show: evenly spread over the layers, in each those that one
    image activates farthest above the mean, in standard deviations, so that no dead kernel is shown."""
    layers = list(dict.fromkeys(table["layer"]))
    shares = np.bincount(np.linspace(0, len(layers) - 1, n).round().astype(int), minlength=len(layers))
    excess = ((table["value1"] - table["mean"]) / table["std"].where(table["std"] > 0)).fillna(-1.0)
    parts = [
        excess[table["layer"] == layer].nlargest(int(share)).index
        for layer, share in zip(layers, shares, strict=True)
    ]
    return table.loc[sorted(place for part in parts for place in part)]


# --- generated kernel images


class _Reached(Exception):
    """The layer of interest has been run; what follows it is not needed."""


def maps(network: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """Output of one convolution, before the ReLU, shape (n, kernel, height, width); later layers are not run.

    Args:
        network: no hook stays on it.
        layer: as of ``convolutions``.
        images: shape (n, band, height, width), of any size that the layer can be reached with.
    """
    found: list[torch.Tensor] = []

    def keep(name: str, output: torch.Tensor) -> None:
        found.append(output)
        raise _Reached

    with _hooked({layer: convolutions(network)[layer]}, keep), suppress(_Reached):
        _trunk(network)(images)
    return found[0]


def generated(
    network: nn.Module,
    kernels: Sequence[Kernel],
    scaling: Scaling,
    limits: Bounds,
    scatter: Sequence[float],
    *,
    recipe: str,
    steps: int,
    seed: int,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """An image for each kernel that raises its activation value.

    ``corrected`` starts from empty sky and grows as ``dreams.grow``, the activation counted in standard
    deviations over images. ``faithful`` starts from uniform noise of 200 x 200 pixels in each band, whatever
    the network's size, takes steps of Adam without any limit, and clips the end to 0 ... 1.

    Args:
        network: its weights and modes are not changed; no hook stays on it.
        kernels: of which.
        scaling: of the network.
        limits: range of its training inputs.
        scatter: standard deviation of the activation value of each kernel over images.
        recipe: "corrected" or "faithful".
        steps: how many.
        seed: of the starts.
        device: "cpu" or "cuda:0".

    Returns:
        Images, network input, shape (kernel, band, size, size), and their activation values, shape (kernel,).

    Source: Wilde et al. 2022, Sec. 5.5; spec A5.
    """
    network = network.to(device)
    images: dict[Kernel, np.ndarray] = {}
    reached: dict[Kernel, float] = {}
    with frozen(network):
        for layer in dict.fromkeys(kernel.layer for kernel in kernels):
            places = [i for i, kernel in enumerate(kernels) if kernel.layer == layer]
            numbers = torch.tensor([kernels[i].kernel for i in places], device=device)
            start = np.stack([_start(kernels[i], scaling, recipe, seed) for i in places])
            tensor = torch.from_numpy(start.astype(np.float32)).to(device)

            def value(x: torch.Tensor, layer: str = layer, numbers: torch.Tensor = numbers) -> torch.Tensor:
                return maps(network, layer, x).mean((2, 3)).gather(1, numbers[:, None])[:, 0]

            if recipe == "faithful":
                grown = _as_published(value, tensor, steps)
            else:
                unit = torch.tensor([max(scatter[i], 1e-12) for i in places], device=device)
                grown = dreams.grow(partial(_in_units, value, unit), tensor, scaling, limits, steps)
            with torch.no_grad():
                ends = value(grown).cpu().numpy()
            for row, i in enumerate(places):
                images[kernels[i]], reached[kernels[i]] = grown[row].cpu().numpy(), float(ends[row])
    return np.stack([images[kernel] for kernel in kernels]), np.array([reached[one] for one in kernels])


def _in_units(value: dreams.Response, unit: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return value(images) / unit


def _start(kernel: Kernel, scaling: Scaling, recipe: str, seed: int) -> np.ndarray:
    key = ("kernel", kernel.layer, kernel.kernel)
    if recipe == "faithful":
        noise = generator(seed, *key).random((len(scaling.bands), PUBLISHED_SIDE, PUBLISHED_SIDE))
        return (noise - noise.min()) / (noise.max() - noise.min())
    return dreams.empty_sky(scaling, seed, *key)


def _as_published(response: dreams.Response, start: torch.Tensor, steps: int) -> torch.Tensor:
    images = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([images], lr=PUBLISHED_RATE, weight_decay=PUBLISHED_DECAY)
    for _ in range(steps):
        optimizer.zero_grad()
        (-response(images)).sum().backward()
        optimizer.step()
    return torch.clamp(images.detach(), 0, 1)
