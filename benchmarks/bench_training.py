"""Training steps of the fully convolutional network: examples a second and TFLOP/s, on CPU and any GPU.

Each width stands beside the same network on the general convolution, measured in turns in the same run;
bfloat16 on a CPU only where it has instructions for it.
"""

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from torch.nn import functional

from skyneedle.core import inference
from skyneedle.strain import networks

N_SAMPLES = 16384  # of one example, 8 s


class GeneralConvolution(nn.Module):
    """An FCN whose layers are run by ``conv1d``."""

    def __init__(self, network: networks.FCN):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, shape (batch, n_outputs)."""
        x = self.network.input(x)
        for block in self.network.blocks:
            x = functional.relu(block(x))
        return self.network.output(x)[:, 0]


def forward_flop(channels: int, detectors: int, n_samples: int) -> float:
    """Floating-point operations of one example; a training step takes three times as many."""
    n, total = n_samples, 2.0 * detectors * channels * n_samples
    for i in range(12):
        n -= 2**i
        total += 4.0 * channels**2 * n
    return total + 2.0 * channels * n


def step_seconds(network: nn.Module, batch: int, device: str, precision: str) -> Callable[[], float]:
    """A function that does one training step and tells its seconds."""
    network = network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-4, amsgrad=True)
    x = torch.randn(batch, 2, N_SAMPLES, device=device)
    target = (torch.rand(batch, N_SAMPLES - 4095, device=device) < 0.03).float()
    kind = torch.device(device).type

    def run() -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(x)
        functional.binary_cross_entropy_with_logits(logits.float(), target).backward()
        optimizer.step()
        if kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, nargs="+", default=[32, 512])
    parser.add_argument(
        "--batch", type=int, nargs="+", default=[16, 1], help="one for each width, on the CPU"
    )
    parser.add_argument("--gpu-batch", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    on_cpu = ("float32", "bfloat16") if inference.has_fast_bfloat16() else ("float32",)
    sizes = list(zip(arguments.channels, arguments.batch, strict=True))
    cases = [("cpu", precision, *size) for precision in on_cpu for size in sizes]
    if torch.cuda.is_available():
        cases += [("cuda:0", "bfloat16", channels, arguments.gpu_batch) for channels in arguments.channels]
    columns = (("channels", 9), ("batch", 6), ("examples/s", 12), ("TFLOP/s", 9), ("conv1d", 8), ("ratio", 7))
    print(f"{'device':8}{'precision':10}" + "".join(f"{name:>{width}}" for name, width in columns))
    for device, precision, channels, batch in cases:
        ours = step_seconds(networks.build("fcn", channels=channels), batch, device, precision)
        plain = GeneralConvolution(networks.build("fcn", channels=channels))
        theirs = step_seconds(plain, batch, device, precision)
        times = []
        for turn in range(arguments.repetitions + 1):  # the first one pays for buffers and kernels
            if turn % 2:
                times.append((ours(), theirs()))
            else:
                times.append((theirs(), ours())[::-1])
        seconds, reference = (median(column) for column in zip(*times[1:], strict=True))
        ratio = median(b / a for a, b in times[1:])
        tflops = 3 * batch * forward_flop(channels, 2, N_SAMPLES) / seconds / 1e12
        print(
            f"{device:8}{precision:10}{channels:9}{batch:6}{batch / seconds:12.2f}{tflops:9.3f}"
            f"{batch / reference:8.2f}{ratio:7.2f}",
            flush=True,
        )
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    if torch.cuda.is_available():
        print(f"Peak memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
