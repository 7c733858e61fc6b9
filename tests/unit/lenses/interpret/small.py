"""Networks small enough to be attributed in milliseconds, with every kind of layer of the published ones."""

import torch
from torch import nn
from torch.nn import functional

from skyneedle.lenses.networks import LensNetwork

SIZE = 30
BANDS = ("H", "VIS")


def network(size: int = SIZE, seed: int = 6) -> LensNetwork:
    """Convolutions, poolings that leave a row over, dropout and a dense head, as the published ones."""
    torch.manual_seed(seed)
    layer = nn.Sequential(
        *(nn.Conv2d(2, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)),
        *(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)),
        *(nn.Conv2d(8, 7, 2), nn.ReLU(), nn.Dropout(0.5)),
    )
    side = ((size - 4) // 2 - 2) // 2 - 1
    head = nn.Sequential(nn.Linear(7 * side**2, 11), nn.ReLU(), nn.Linear(11, 2))
    return LensNetwork("small", BANDS, size, layer, head)


def images(n: int = 2, size: int = SIZE) -> torch.Tensor:
    """Noise, shape (n, 2, size, size)."""
    return torch.randn(n, len(BANDS), size, size, generator=torch.Generator().manual_seed(5))


class Functional(nn.Module):
    """The same as ``network``, with functions where it has modules."""

    def __init__(self, same_as: LensNetwork):
        super().__init__()
        self.weighted = nn.ModuleList(
            module for module in same_as.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2)."""
        first, second, third, dense, out = self.weighted
        x = functional.max_pool2d(functional.relu(first(x)), 2)
        x = functional.max_pool2d(torch.relu(second(x)), 2)
        x = functional.relu(third(x), inplace=True)
        return out(dense(x.flatten(1)).relu())


class LogOdds(nn.Module):
    """A network followed by the difference of its logits, for libraries that attribute one output."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log odds (batch, 1)."""
        logits = self.network(x)
        return logits[:, 1:] - logits[:, :1]


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def odds():
    """A small network as captum wants it, and the network itself."""
    made = network()
    return LogOdds(made).eval(), made.train()
