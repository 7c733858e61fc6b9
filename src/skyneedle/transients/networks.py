"""Networks that tell artifacts from transients: the four published ones, and any other of their kind.

Every network is a plain ``nn.Module`` from (batch, channel, 51, 51) to logits (batch,), the log odds of
"artifact". It says what it takes by ``channels`` (names, in the order of the input channels) and ``size``
(pixels a side).
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting, MissingChannel, WrongStampSize
from skyneedle.core.inference import build_known
from skyneedle.transients.preprocess import CHANNELS, SIZE

DENSE = 51
EPS, MOMENTUM = 1e-5, 0.01  # of batch normalisation; Keras calls the same momentum 0.99
REQUIRED_ATTRIBUTES = ("size",)  # of a network of one's own, beside ``channels``


@dataclass(frozen=True)
class Block:
    """Convolutions of one kernel, each with ReLU and then batch normalisation; a pooling; a dropout.

    Attributes:
        widths: kernels of each convolution.
        kernel: pixels a side of all of them.
        stride: of the first of them.
        pool: side and stride of the max pooling that follows; 1 is none.
        dropout: share of values left out at the end of the block in training.
    """

    widths: Sequence[int]
    kernel: int
    stride: int = 1
    pool: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        counts = (*self.widths, self.kernel, self.stride, self.pool)
        if not self.widths or min(counts) < 1 or not 0 <= self.dropout < 1:
            raise BadSetting(
                f"{self}: a block needs widths, kernel, stride and pool of at least 1, dropout in [0, 1)."
            )

    def side(self, size: int) -> int:
        """Pixels a side of the maps that the block makes of maps of ``size`` pixels."""
        return math.ceil(size / self.stride) // self.pool


# Source: Ayyar et al. 2022, Table 4; kernels, strides and dropouts as in the authors' code, spec A1.
PUBLISHED: dict[str, tuple[Block, ...]] = {
    "cnn1": (Block((80,), 3, pool=2), Block((80,), 3, pool=2), Block((80,), 3, pool=2)),
    "cnn2": (Block((80, 80), 4, pool=3), Block((80, 80), 4, pool=3)),
    "cnn3": (Block((120, 120), 4, pool=3), Block((120, 120), 4, pool=3)),
    "cnn4": (
        Block((40,), 6, stride=2, dropout=0.1),
        Block((60,), 6, stride=2, dropout=0.1),
        Block((80,), 6, dropout=0.1),
    ),
}


class SameConv2d(nn.Conv2d):
    """A convolution whose maps have ceil(size / stride) pixels a side, padded as TensorFlow's ``same``.

    For even kernels the padding is one pixel wider at the far sides, which torch's own ``same`` does only
    without stride.

    Attributes:
        pads: pixels of zeros before and after, the same along both axes.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, size: int):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        pads = total // 2, total - total // 2
        symmetric = pads[0] == pads[1]
        super().__init__(n_in, n_out, kernel, stride, pads[0] if symmetric else 0)
        self.pads, self._edges = pads, None if symmetric else (*pads, *pads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (batch, n_out, ceil(size / stride), ...) of (batch, n_in, size, size)."""
        return super().forward(x if self._edges is None else functional.pad(x, self._edges))


class DenseNorm(nn.BatchNorm1d):
    """Batch normalisation of a dense layer; a batch of one example, which has no spread, goes by the average.

    Such a batch comes last in an epoch where the batch size leaves one example over.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised values of (batch, width)."""
        if len(x) > 1:
            return super().forward(x)
        mean, var = self.running_mean, self.running_var
        return functional.batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps)


class StampNetwork(nn.Module):
    """Blocks of convolutions and a dense head; see ``searched``.

    Every ReLU is a module of its own that does not work in place, so that attribution methods can hook it.

    Attributes:
        name: in the registry.
        channels: names of the images, in the order of the input channels.
        size: pixels a side.
        blocks: what its layers were made from.
        layer: from the images to feature maps.
        head: from the flattened maps to one logit.
    """

    half_precision_pays = False  # scores have to order candidates, which eight bits do not

    def __init__(
        self,
        name: str,
        blocks: Sequence[Block],
        channels: Sequence[str] = CHANNELS,
        dropout: float = 0.3,
        dense: int = DENSE,
        momentum: float = MOMENTUM,
    ):
        super().__init__()
        _check(name, blocks, channels)
        self.name, self.channels, self.size, self.blocks = name, tuple(channels), SIZE, tuple(blocks)
        modules: list[nn.Module] = []
        n_in, size = len(self.channels), SIZE
        for block in blocks:
            for k, width in enumerate(block.widths):
                stride = block.stride if k == 0 else 1
                modules += [SameConv2d(n_in, width, block.kernel, stride, size), nn.ReLU()]
                modules.append(nn.BatchNorm2d(width, EPS, momentum))
                n_in, size = width, math.ceil(size / stride)
            if block.pool > 1:
                modules.append(nn.MaxPool2d(block.pool))
                size //= block.pool
            if block.dropout:
                modules.append(nn.Dropout(block.dropout))
        self.layer = nn.Sequential(*modules)
        self.head = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(n_in * size**2, dense),
            nn.ReLU(),
            DenseNorm(dense, EPS, momentum),
            nn.Linear(dense, 1),
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch.

        Args:
            x: scaled stamps, shape (batch, channel, 51, 51), channels in the order of ``channels``.

        Returns:
            Log odds of "artifact", shape (batch,).

        Raises:
            MissingChannel: if the number of channels differs.
            WrongStampSize: if the stamps have another size.
        """
        if x.ndim != 4 or x.shape[1] != len(self.channels):
            raise MissingChannel(
                f"{self.name} takes (batch, {len(self.channels)} channels, {SIZE}, {SIZE}) with the channels "
                f"{', '.join(self.channels)}; the data have shape {tuple(x.shape)}."
            )
        if tuple(x.shape[2:]) != (SIZE, SIZE):
            raise WrongStampSize(
                f"{self.name} takes stamps of {SIZE} x {SIZE} pixels, these have "
                f"{x.shape[2]} x {x.shape[3]}; cut their centre, resampling would change the size of the PSF."
            )
        # Rows, columns, then channels, the original's order; no copy where maps lie in memory channels-last.
        return self.head(self.layer(x).permute(0, 2, 3, 1).flatten(1))[:, 0]


def _check(name: str, blocks: Sequence[Block], channels: Sequence[str]) -> None:
    if not blocks:
        raise BadSetting(f"{name}: a network needs at least one block of convolutions.")
    if isinstance(channels, str) or not channels or not set(channels) <= set(CHANNELS):
        raise MissingChannel(
            f"{name}: channels are {channels!r}, expected names out of {', '.join(CHANNELS)}."
        )
    size = SIZE
    for block in blocks:
        size = block.side(size)
    if size < 1:
        raise BadSetting(
            f"{name}: its poolings and strides leave nothing of {SIZE} pixels; use fewer of them."
        )


def published(
    name: str, channels: Sequence[str] = CHANNELS, dropout: float = 0.3, momentum: float = MOMENTUM
) -> StampNetwork:
    """One of the four published networks.

    Args:
        name: "cnn1" to "cnn4", the paper's Models 1 to 4.
        channels: in the order of the input; the paper's three, or ("temp", "srch") without the difference.
        dropout: share of the flattened maps left out in training.
        momentum: weight of a batch in the running means and variances of batch normalisation; the published
            0.01 needs some hundred steps before evaluation agrees with training, fewer with more.

    Returns:
        A network from (batch, channel, 51, 51) to logits (batch,): convolution with bias and ReLU, batch
        normalisation after the ReLU, poolings or strides, dropout, a dense layer of 51 with ReLU and batch
        normalisation, one logit. Weights Glorot-uniform, biases zero. With three channels 265,165, 414,205,
        851,605 and 953,785 trainable parameters.

    Source: Ayyar et al. 2022, Table 4.
    """
    return StampNetwork(name, PUBLISHED[name], channels, dropout, momentum=momentum)


def searched(
    blocks: Sequence[Mapping[str, Any]],
    channels: Sequence[str] = CHANNELS,
    dropout: float = 0.3,
    dense: int = DENSE,
    momentum: float = MOMENTUM,
) -> StampNetwork:
    """A network of the same kind as the published ones.

    Args:
        blocks: fields of each ``Block``.
        channels: in the order of the input.
        dropout: share of the flattened maps left out in training.
        dense: width of the dense layer.
        momentum: see ``published``.

    Raises:
        BadSetting: if a block is none, or poolings and strides leave no pixel.
    """
    try:
        made = [Block(**block) for block in blocks]
    except TypeError as error:
        raise BadSetting(
            f"searched: {error}; a block has widths, kernel, stride, pool and dropout."
        ) from None
    return StampNetwork("searched", made, channels, dropout, dense, momentum)


BUILDERS: dict[str, Callable[..., StampNetwork]] = {
    **{name: functools.partial(published, name) for name in PUBLISHED},
    "searched": searched,
}
NAMES = tuple(PUBLISHED)


def build(name: str, **options: Any) -> StampNetwork:
    """A network by its name.

    Args:
        name: one of ``NAMES``, or "searched".
        **options: arguments of ``published`` without the name, or of ``searched``.

    Returns:
        The network with fresh weights.

    Raises:
        UnknownNetwork: if there is no such name, or an option it does not take.
    """
    return build_known(BUILDERS, "transients", name, options)


def multiply_adds(blocks: Sequence[Block], n_channels: int = len(CHANNELS), dense: int = DENSE) -> int:
    """Multiplications, each with an addition, that one stamp costs; of convolutions and dense layers."""
    total, n_in, size = 0, n_channels, SIZE
    for block in blocks:
        for k, width in enumerate(block.widths):
            size = math.ceil(size / (block.stride if k == 0 else 1))
            total += size**2 * width * n_in * block.kernel**2
            n_in = width
        size //= block.pool
    return total + n_in * size**2 * dense + dense


def n_trainable(network: nn.Module) -> int:
    """Trainable parameters, which running means and variances are not."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
