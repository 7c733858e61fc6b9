"""Networks for lenses in one band: six pretrained backbones with a stem and a head, and two published ones.

Every network is a plain ``nn.Module`` from scaled stamps (batch, 1, 100, 100) to logits (batch, 2) for
[non-lens, lens]; of one's own, too.
"""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from skyneedle.core.errors import BadSetting, UnknownNetwork, WrongStampSize
from skyneedle.core.inference import build_known
from skyneedle.transfer import trunks
from skyneedle.transfer.backbones import BACKBONES

SIZE = 100  # pixels a side of a stamp
DROPOUT = 0.5
STEMS = ("fixed", "learned")
MODES = ("frozen", "full", "scratch")
TRUNK = "trunk."  # begins the names of its tensors

# --- backbones


class Fixed(nn.Module):
    """Stem without parameters: bilinear to the size of the trunk, three equal channels, its mean and std.

    Args:
        size: pixels a side that the trunk sees.
        mean: of the three channels that the trunk was made for, in units of the range 0 to 1.
        std: likewise.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, size: int, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.size = size
        # They follow from the name of the backbone, so no file needs them.
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, size, size) of stamps (batch, 1, 100, 100) with values of about 0 to 1."""
        return (resized(x, self.size) - self.mean) / self.std


class Learned(nn.Module):
    """Stem that is trained: an up-sampling deconvolution to three channels, then bilinear to the size.

    Source: Akhazhanov 2018, Ch. 5, which gives neither the number of layers nor their sizes; one layer of
    4 x 4 kernels with stride 2, batch normalisation and ReLU is a choice made here.
    """

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.deconvolution = nn.ConvTranspose2d(1, 3, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, size, size) of stamps (batch, 1, 100, 100)."""
        return resized(self.relu(self.norm(self.deconvolution(x))), self.size)


def resized(x: torch.Tensor, size: int) -> torch.Tensor:
    """Images (batch, channel, size, size), bilinear, from those of another size."""
    if x.shape[-1] == size:
        return x
    return functional.interpolate(x, (size, size), mode="bilinear", align_corners=False)


class Head(nn.Module):
    """What classifies features: dropout, batch normalisation and a dense layer.

    Args:
        n_features: of the trunk.
        dropout: share of features left out in training.
        n_classes: logits.
    """

    def __init__(self, n_features: int, dropout: float = DROPOUT, n_classes: int = 2):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm1d(n_features)
        self.linear = nn.Linear(n_features, n_classes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (batch, n_classes) of features (batch, n_features), in single precision always.

        Half precision would gain nothing here and give many stamps the same score.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self._logits(features.float())

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        x = self.dropout(features)
        if self.training and len(x) == 1:  # a last batch of one example has no variance of its own
            norm = self.norm
            x = functional.batch_norm(
                x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
            )
        else:
            x = self.norm(x)
        return self.linear(x)


class Transfer(nn.Module):
    """A stem, the trunk of a backbone, and a head; see ``transfer``.

    A frozen trunk stays in evaluation mode and is not part of the state that is saved: it is in the file of
    its weights, and is neither missed nor refused when a state is loaded.

    Attributes:
        name: of the backbone.
        mode: "frozen", "full" or "scratch".
        size: pixels a side that the trunk sees.
        n_features: that the head sees.
        stem, trunk, head: one after the other.
    """

    half_precision_pays = True

    def __init__(self, name: str, stem: nn.Module, trunk: nn.Module, head: Head, mode: str):
        super().__init__()
        self.name, self.mode, self.size = name, mode, int(stem.size)  # type: ignore[arg-type]
        self.n_features = head.linear.in_features
        self.stem, self.trunk, self.head = stem, trunk, head
        if mode == "frozen":
            self.trunk.requires_grad_(False)
            self.trunk.eval()
            self.register_state_dict_post_hook(_without_trunk)
            self.register_load_state_dict_pre_hook(_with_trunk)

    def train(self, mode: bool = True) -> "Transfer":
        """Training mode for what is trained: running statistics of a frozen trunk must stay as they are."""
        super().train(mode)
        if self.mode == "frozen":
            self.trunk.eval()
        return self

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Features (batch, n_features) of scaled stamps (batch, 1, 100, 100).

        Raises:
            WrongStampSize: if these have another shape.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != (1, SIZE, SIZE):
            raise WrongStampSize(
                f"{self.name} takes stamps of shape (batch, 1, {SIZE}, {SIZE}), not {tuple(x.shape)}."
            )
        return self.trunk(self.stem(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2) for [non-lens, lens] of scaled stamps (batch, 1, 100, 100)."""
        return self.head(self.embed(x))


def _without_trunk(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    for name in [name for name in state if name.startswith(prefix + TRUNK)]:
        del state[name]


def _with_trunk(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    for name, tensor in module.trunk.state_dict().items():  # type: ignore[union-attr, operator]
        state.setdefault(prefix + TRUNK + name, tensor)


def transfer(
    source: str,
    weights: str | Path = "random",
    stem: str = "fixed",
    mode: str = "frozen",
    size: int | None = None,
    dropout: float = DROPOUT,
    n_classes: int = 2,
) -> Transfer:
    """A backbone with a stem in front and a new head behind.

    Args:
        source: one of ``BACKBONES``.
        weights: of the trunk, see ``trunks.trunk``.
        stem: "fixed" or "learned", see ``Fixed`` and ``Learned``.
        mode: what is trained: "frozen" leaves the trunk as it is, "full" trains it on from its weights,
            "scratch" from random ones.
        size: pixels a side that the trunk sees; None is what it was made for.
        dropout: share of features left out in training.
        n_classes: logits.

    Returns:
        A network from (batch, 1, 100, 100) to logits (batch, n_classes).

    Raises:
        BadSetting: if stem, mode or size is unknown, or weights do not go with the mode.
        SourceUnavailable, NotWeights, WeightsMismatch: see ``trunks.trunk``.

    Source: Akhazhanov 2018, Ch. 5; the head's order and the dropout are choices made here.
    """
    if stem not in STEMS or mode not in MODES:
        raise BadSetting(
            f"{source}: stem '{stem}' and mode '{mode}'; the stem is one of {', '.join(STEMS)}, the mode one "
            f"of {', '.join(MODES)}."
        )
    if mode == "scratch" and weights != "random":
        raise BadSetting(f"{source}: mode scratch begins with weights 'random', not '{weights}'.")
    made_for = trunks.input_of(source)
    size = made_for["size"] if size is None else size
    # Head first, stem second: with the same seed they begin the same, whatever the trunk draws, and a head
    # that is trained on cached embeddings begins as the one that is trained in the network.
    made_head = head(n_features(source), dropout, n_classes)
    made_stem = Learned(size) if stem == "learned" else Fixed(size, made_for["mean"], made_for["std"])
    return Transfer(source, made_stem, trunks.trunk(source, weights), made_head, mode)


@functools.cache
def n_features(source: str) -> int:
    """Features that the trunk of a backbone gives."""
    return int(trunks.empty(source).head_hidden_size)  # type: ignore[arg-type]


def head(n_features: int, dropout: float = DROPOUT, n_classes: int = 2) -> Head:
    """A head alone, from embeddings (batch, n_features) to logits (batch, n_classes); see ``Head``."""
    return Head(n_features, dropout, n_classes)


def kept(network: nn.Module) -> dict[str, torch.Tensor]:
    """Tensors by name that are kept of a trained network: stem and head; all where there is no trunk."""
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith(TRUNK)}


# --- networks of their own


class LensFlow(nn.Module):
    """The published network LensFlow.

    Source: Akhazhanov 2018, Table 3-1; Pourrahmani et al. 2018. 8,754,532 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            *(nn.Conv2d(1, 30, 5), nn.Tanh(), nn.MaxPool2d(2)),
            *(nn.Conv2d(30, 60, 5), nn.Tanh(), nn.MaxPool2d(2)),
            *(nn.Conv2d(60, 90, 5), nn.Tanh(), nn.MaxPool2d(2)),
        )
        self.head = nn.Sequential(
            *(nn.Linear(7290, 1000), nn.ReLU()),
            *(nn.Linear(1000, 800), nn.ReLU()),
            *(nn.Linear(800, 600), nn.ReLU()),
            nn.Linear(600, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2) of scaled stamps (batch, 1, 100, 100)."""
        return self.head(self.layer(x).flatten(1))


class Bottleneck(nn.Module):
    """Three convolutions, each after its normalisation and ELU, beside a shortcut.

    Args:
        n_in: channels that come in.
        n_mid: channels of the convolutions inside.
        n_out: channels that go out.
        stride: of the 3 x 3 convolution.
    """

    def __init__(self, n_in: int, n_mid: int, n_out: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(n_in), nn.ELU())
        self.inner = nn.Sequential(
            *(nn.Conv2d(n_in, n_mid, 1, bias=False), nn.BatchNorm2d(n_mid), nn.ELU()),
            *(nn.Conv2d(n_mid, n_mid, 3, stride, 1, bias=False), nn.BatchNorm2d(n_mid), nn.ELU()),
            nn.Conv2d(n_mid, n_out, 1),
        )
        # A projection sees the activated input, as in pre-activation networks; else the input goes through.
        projects = stride > 1 or n_in != n_out
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride) if projects else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (batch, n_out, size / stride, size / stride) of (batch, n_in, size, size)."""
        activated = self.first(x)
        return self.inner(activated) + (x if self.shortcut is None else self.shortcut(activated))


class DeepLens(nn.Module):
    """The residual network of CMU DeepLens: a 7 x 7 convolution, and five stages of three bottlenecks.

    It gives two logits instead of the published sigmoid: their difference is the same log odds, and loss,
    scores and calibration are then those of all other networks here.

    Source: Lanusse et al. 2018, Sec. 3; Akhazhanov 2018, Sec. 3.3.
    """

    WIDTHS = ((16, 32), (32, 64), (64, 128), (128, 256), (256, 512))  # inside and between bottlenecks

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 7, padding=3, bias=False), nn.BatchNorm2d(32), nn.ELU())
        n_in, stages = 32, []
        for number, (n_mid, n_out) in enumerate(self.WIDTHS):
            stride = 1 if number == 0 else 2
            blocks = [Bottleneck(n_out if k else n_in, n_mid, n_out, 1 if k else stride) for k in range(3)]
            stages.append(nn.Sequential(*blocks))
            n_in = n_out
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(n_in, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2) of scaled stamps (batch, 1, 100, 100)."""
        return self.head(self.pool(self.stages(self.stem(x))).flatten(1))


# --- registry


def builders() -> dict[str, Callable[..., nn.Module]]:
    """All networks by name."""
    backbones = {name: functools.partial(transfer, name) for name in BACKBONES}
    return {**backbones, "lensflow": LensFlow, "deeplens": DeepLens, "head": head}


NAMES = tuple(builders())


def build(name: str, **options: Any) -> nn.Module:
    """A network by its name.

    Args:
        name: one of ``NAMES``; "head" takes embeddings.
        **options: of ``transfer`` for backbones, of ``head`` for heads; the others have none.

    Returns:
        The network with fresh weights, or with those of its trunk.

    Raises:
        UnknownNetwork: if there is no such name, or an option it does not take.
        BadSetting, SourceUnavailable, NotWeights, WeightsMismatch: see ``transfer``.
    """
    return build_known(builders(), "transfer", name, options)


def options_of(network: Mapping[str, Any], trunk: str | Path | None = None) -> dict[str, Any]:
    """What ``build`` takes for a network of the configuration.

    Args:
        network: name, source, options, weights, stem, mode and size, see ``transfer_network`` of the rules.
        trunk: file of the weights of its trunk, where it has one.

    Raises:
        UnknownNetwork: if weights, stem or mode are said of a network without a backbone.
    """
    own = dict(network["options"])
    if network["source"] in BACKBONES:
        weights = str(trunk) if trunk and network["mode"] != "scratch" else network["weights"]
        return {name: network[name] for name in ("stem", "mode", "size")} | {"weights": weights} | own
    said = [
        name
        for name, value in (("weights", "random"), ("stem", "fixed"), ("mode", "frozen"))
        if network[name] not in (None, value)
    ]
    if said:
        raise UnknownNetwork(
            f"{network['name']}: {', '.join(said)} is for the backbones {', '.join(BACKBONES)}; "
            f"'{network['source']}' is trained as a whole."
        )
    return own
