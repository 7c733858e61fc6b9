"""Networks for strong lenses: the seven published ones, and a small residual network as a modern reference.

Every network is a plain ``nn.Module`` from (batch, band, size, size) to logits (batch, 2) for [non-lens,
lens]. It says what it takes by ``bands`` (names, in the order of the input channels) and ``size`` (pixels a
side).
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skyneedle.core.classes import log_odds
from skyneedle.core.errors import (
    BadSetting,
    MissingBand,
    NotWeights,
    SourceUnavailable,
    WeightsMismatch,
    WrongStampSize,
)
from skyneedle.core.inference import build_known

LENS = 1  # column of the logits; column 0 is that of non-lenses
ALL_BANDS = ("J", "Y", "H", "VIS")  # the order of the published weights; the paper's text has VIS, Y, J, H
REQUIRED_ATTRIBUTES = ("size",)  # of a network of one's own, beside ``bands``
DROPOUT = 0.2
# Output channels, kernel size, and whether a 2 x 2 pooling follows.
OU66_LAYERS = (
    (50, 3, True),
    (50, 3, False),
    (50, 3, False),
    (50, 3, False),
    (40, 3, True),
    (40, 3, False),
    (40, 3, False),
    (40, 3, False),
    (30, 3, True),
)
OU200_LAYERS = ((50, 5, True), (40, 5, True), (30, 3, True), (20, 3, True), (20, 3, False), (20, 3, False))
PUBLISHED_FILES = {
    "OU_66_Weights": "ou66",
    "OU_200_Weights": "ou200",
    "OU_J_Weights": "ou_j",
    "OU_Y_Weights": "ou_y",
    "OU_H_Weights": "ou_h",
    "OU_JYH_Weights": "ou_jyh",
    "OU_VIS_Weights": "ou_vis",
}


class LensNetwork(nn.Module):
    """Convolutional features and a dense head; see ``ou66``, ``ou200`` and ``resnet10``.

    Every ReLU is a module of its own that does not work in place, so that attribution methods can hook it.

    Attributes:
        name: in the registry.
        bands: names of the bands, in the order of the input channels.
        size: pixels a side.
        layer: from the image to feature maps.
        fc_layer: from the flattened maps to two logits.
    """

    def __init__(self, name: str, bands: Sequence[str], size: int, layer: nn.Module, fc_layer: nn.Module):
        super().__init__()
        self.name, self.bands, self.size = name, tuple(bands), size
        self.layer, self.fc_layer = layer, fc_layer
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch.

        Args:
            x: scaled images, shape (batch, band, size, size), bands in the order of ``bands``.

        Returns:
            Logits, shape (batch, 2), for [non-lens, lens].

        Raises:
            MissingBand: if the number of bands differs.
            WrongStampSize: if the images have another size.
        """
        if x.ndim != 4 or x.shape[1] != len(self.bands):
            raise MissingBand(
                f"{self.name} takes (batch, {len(self.bands)} bands, {self.size}, {self.size}) with the "
                f"bands {', '.join(self.bands)}; the data have shape {tuple(x.shape)}."
            )
        if tuple(x.shape[2:]) != (self.size, self.size):
            raise WrongStampSize(
                f"{self.name} takes images of {self.size} x {self.size} pixels, these have "
                f"{x.shape[2]} x {x.shape[3]}; resize them as skyneedle.lenses.preprocess does."
            )
        return self.fc_layer(self.layer(x).flatten(1))

    def set_dropout(self, share: float) -> None:
        """Leave out this share of units in training from now on; 0 switches dropout off.

        Raises:
            BadSetting: if the share is not in [0, 1).
        """
        if not 0 <= share < 1:
            raise BadSetting(f"Dropout is a share of units in [0, 1), not {share}.")
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = share


def _published(
    name: str,
    bands: Sequence[str],
    size: int,
    layers: Sequence[tuple[int, int, bool]],
    dense: int,
    dropout: float,
) -> LensNetwork:
    modules: list[nn.Module] = []
    n_channels, n_pixels = len(bands), size
    for kernels, kernel_size, pooled in layers:
        modules += [nn.Conv2d(n_channels, kernels, kernel_size), nn.ReLU()]
        n_channels, n_pixels = kernels, n_pixels - kernel_size + 1
        if pooled:
            modules.append(nn.MaxPool2d(2))
            n_pixels //= 2
        modules.append(nn.Dropout())
    head = nn.Sequential(nn.Linear(n_channels * n_pixels**2, dense), nn.ReLU(), nn.Linear(dense, 2))
    network = LensNetwork(name, bands, size, nn.Sequential(*modules), head)
    network.set_dropout(dropout)
    return network


def ou66(name: str = "ou66", bands: Sequence[str] = ALL_BANDS, dropout: float = DROPOUT) -> LensNetwork:
    """The published network for images of 66 x 66 pixels.

    Args:
        name: in the registry.
        bands: in the order of the input channels.
        dropout: share of units left out after every convolution in training; none in the dense part.

    Returns:
        A network from (batch, band, 66, 66) to logits (batch, 2): nine valid 3 x 3 convolutions with ReLU,
        2 x 2 poolings of stride 2 after the first, fifth and ninth, a dense layer of 500. Weights
        Kaiming-normal by fan-in with gain sqrt(2), biases zero. 203,192 parameters with four bands.

    Source: Wilde et al. 2022, Sec. 3 and Table 3, whose pooling strides (1, 1) contradict its output shapes.
    """
    return _published(name, bands, 66, OU66_LAYERS, 500, dropout)


def ou200(name: str = "ou200", bands: Sequence[str] = ALL_BANDS, dropout: float = DROPOUT) -> LensNetwork:
    """The published network for images of 200 x 200 pixels.

    Args:
        name: in the registry.
        bands: in the order of the input channels.
        dropout: share of units left out after every convolution in training; none in the dense part.

    Returns:
        A network from (batch, band, 200, 200) to logits (batch, 2): six valid convolutions with ReLU, 2 x 2
        poolings of stride 2 after the first four, a dense layer of 350. Weights and biases as of ``ou66``.
        331,632 parameters with four bands.

    Source: Wilde et al. 2022, Sec. 3 and Table 4, whose kernel counts stand one row too low.
    """
    return _published(name, bands, 200, OU200_LAYERS, 350, dropout)


class ResidualBlock(nn.Module):
    """Two batch-normalised 3 x 3 convolutions beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (batch, n_out, size / stride, size / stride) of (batch, n_in, size, size)."""
        return self.relu(self.inner(x) + self.shortcut(x))


def resnet10(
    bands: Sequence[str] = ALL_BANDS, size: int = 66, width: int = 16, dropout: float = DROPOUT
) -> LensNetwork:
    """A small batch-normalised residual network: what a reader of today would try first.

    Args:
        bands: in the order of the input channels.
        size: pixels a side; any size of at least 8.
        width: channels of the first stage; each of the three later stages halves the map and doubles them.
        dropout: share of averaged features left out in training.

    Returns:
        A network from (batch, band, size, size) to logits (batch, 2); about as many parameters as the
        published ones at the default width.

    Raises:
        BadSetting: if the size is too small to be halved three times.

    Source: He et al. 2016, CVPR, p. 770; ten layers with weights. The sizes are a choice made here.
    """
    if size < 8:
        raise BadSetting(f"resnet10 halves its maps three times, which {size} pixels a side do not allow.")
    widths = (width, 2 * width, 4 * width, 8 * width)
    stem = [nn.Conv2d(len(bands), width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    blocks = [
        ResidualBlock(n_in, n_out, 1 if i == 0 else 2)
        for i, (n_in, n_out) in enumerate(zip((width, *widths), widths, strict=False))
    ]
    layer = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1))
    network = LensNetwork(
        "resnet10", bands, size, layer, nn.Sequential(nn.Dropout(), nn.Linear(widths[-1], 2))
    )
    network.set_dropout(dropout)
    return network


BUILDERS: dict[str, Callable[..., LensNetwork]] = {
    "ou66": ou66,
    "ou200": ou200,
    "ou_j": functools.partial(ou66, "ou_j", ("J",)),
    "ou_y": functools.partial(ou66, "ou_y", ("Y",)),
    "ou_h": functools.partial(ou66, "ou_h", ("H",)),
    "ou_jyh": functools.partial(ou66, "ou_jyh", ("J", "Y", "H")),
    "ou_vis": functools.partial(ou200, "ou_vis", ("VIS",)),
    "resnet10": resnet10,
}
NAMES = tuple(BUILDERS)


def build(name: str, **options: Any) -> LensNetwork:
    """A network by its name.

    Args:
        name: one of ``NAMES``.
        **options: arguments of the function of that name.

    Returns:
        The network with fresh weights.

    Raises:
        UnknownNetwork: if there is no such name, or an option it does not take.
    """
    return build_known(BUILDERS, "lenses", name, options)


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Probabilities of [non-lens, lens] over the last axis, whatever the batch; shape as ``logits``."""
    return torch.softmax(logits, dim=-1)


def lens_logit(logits: torch.Tensor) -> torch.Tensor:
    """Log odds of being a lens, shape (batch,).

    In single precision many probabilities are exactly 1; the log odds still order them.
    """
    return log_odds(logits)


def load_published_weights(network: LensNetwork, path: str | Path) -> LensNetwork:
    """Give a network the weights that the authors published, all of them and nothing else.

    Args:
        network: one of the seven published ones.
        path: the authors' file, such as OU_66_Weights.pt; read without running any code in it.

    Returns:
        The same network, in evaluation mode.

    Raises:
        SourceUnavailable: if there is no such file.
        NotWeights: if the file is no plain dictionary of tensors.
        WeightsMismatch: if names or shapes are not exactly those of the network, or the name of the file is
            that of another published network (the single NISP bands have the same shapes).
    """
    state = {name.removeprefix("VIS_"): tensor for name, tensor in _tensors(Path(path)).items()}
    belongs_to = PUBLISHED_FILES.get(Path(path).stem, network.name)
    if belongs_to != network.name:
        raise WeightsMismatch(f"{path}: these are the weights of {belongs_to}, not of {network.name}.")
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(
            name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
        )
        raise WeightsMismatch(
            f"{path}: {wrong[0]} has shape {found.get(wrong[0], 'none')}, {network.name} expects "
            f"{expected.get(wrong[0], 'none')} ({len(wrong)} differences); choose the network of this file."
        )
    network.load_state_dict(state)
    return network.eval()


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise SourceUnavailable(f"{path}: no such file; the authors' repository holds one for each network.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the kinds differ between the two file formats of torch
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotWeights(
            f"{path}: not a file of weights that torch reads without running code ({reason})."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(item, torch.Tensor) for item in state.values()):
        raise NotWeights(f"{path}: holds a {type(state).__name__}, expected a dictionary of tensors by name.")
    return state
