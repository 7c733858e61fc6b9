"""Batch normalisation: of training only, or held as it was learned.

A deep stack of convolutions without it can stay at the constant answer for a long time. Between a convolution
and what follows, its normalisation by running statistics is one more linear map, which the convolution takes
in: the trained network has the layers and parameters of its definition.

Source: Ioffe & Szegedy 2015, arXiv:1502.03167.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Convolution = nn.Conv1d | nn.Conv2d


class Normalised(nn.Module):
    """A convolution with a batch normalisation behind it.

    Args:
        conv: with a bias.
    """

    def __init__(self, conv: Convolution):
        super().__init__()
        self.conv = conv
        kind = nn.BatchNorm2d if isinstance(conv, nn.Conv2d) else nn.BatchNorm1d
        self.norm = kind(conv.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised maps of a batch."""
        return self.norm(self.conv(x))

    def folded(self) -> Convolution:
        """The convolution that does what both do in evaluation."""
        conv, norm = self.conv, {name: value.double() for name, value in self.norm.state_dict().items()}
        assert conv.bias is not None  # see ``attach``
        with torch.no_grad():
            gain = norm["weight"] / (norm["running_var"] + self.norm.eps).sqrt()
            shape = (-1, *(1,) * (conv.weight.ndim - 1))
            conv.weight.copy_(conv.weight.double() * gain.reshape(shape))
            conv.bias.copy_((conv.bias.double() - norm["running_mean"]) * gain + norm["bias"])
        return conv


def attach(network: nn.Module) -> None:
    """Normalise after every convolution that has a bias; one without leaves that to a layer of its own."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(parent, Normalised) or not isinstance(child, Convolution):
                continue
            if child.bias is not None:
                setattr(parent, name, Normalised(child))


def hold(network: nn.Module) -> None:
    """Let every batch normalisation use its averages in training too, and leave them as they are."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def fold(network: nn.Module) -> None:
    """Take the normalisations into their convolutions; afterwards the network is as it was defined."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Normalised):
                setattr(parent, name, child.folded())
