"""Networks for transients: training samples a second and inference stamps a second, on CPU and any GPU.

Each network in float32 and bfloat16, with its maps contiguous and channels-last, measured in turns in the
same run; the ratio is to float32 and contiguous on the same device. Where the CPU has no instructions for
bfloat16, its rows show what imitating it costs. Scaling of stamps, which precedes both, has its own line.
"""

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch.nn import functional

from skyneedle.core import inference
from skyneedle.transients import networks, preprocess

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
PRECISIONS = ("float32", "bfloat16")


def steps(
    name: str, batch: int, device: str, precision: str, layout: str
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Functions that do one training step, dropout and all, and one prediction, and tell their seconds."""
    network = networks.build(name).to(device, memory_format=LAYOUTS[layout]).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    # Stamps come contiguous from the disk; laying them out is part of the step.
    x = torch.randn(batch, len(network.channels), network.size, network.size)
    target = torch.randint(2, (batch,), device=device).float()
    kind = torch.device(device).type

    def logits() -> torch.Tensor:
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            return network(x.to(device).contiguous(memory_format=LAYOUTS[layout])).float()

    def timed(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        if kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def step() -> None:
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(logits(), target).backward()
        optimizer.step()

    def run() -> float:
        network.train()
        return timed(step)

    def predict() -> float:
        network.eval()
        with torch.inference_mode():
            return timed(logits)

    return run, predict


def scaling_rate(n: int = 256) -> float:
    """Stamps a second that are scaled on one core."""
    rng = np.random.default_rng(0)
    stamps = rng.normal(100, 10, (n, 3, networks.SIZE, networks.SIZE)).astype(np.float32)
    start = time.process_time()
    preprocess.stretched(stamps, 5.0)
    return n / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(networks.NAMES), choices=networks.NAMES)
    parser.add_argument("--batch", type=int, default=64, help="on the CPU, as published")
    parser.add_argument("--gpu-batch", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    fast = "has" if inference.has_fast_bfloat16() else "has no"
    print(f"{arguments.threads} CPU threads; this CPU {fast} instructions for bfloat16.")
    print(f"Scaling: {scaling_rate():.0f} stamps/s on one core.")
    places = [("cpu", arguments.batch)]
    if torch.cuda.is_available():
        print(f"GPU: {torch.cuda.get_device_name(0)}.")
        places.append(("cuda:0", arguments.gpu_batch))
    else:
        print("GPU: none is visible here, its rows are left out.")
    columns = (("batch", 6), ("training/s", 12), ("ratio", 7), ("inference/s", 13), ("ratio", 7))
    head = "".join(f"{name:>{width}}" for name, width in columns)
    print(f"{'network':9}{'device':8}{'precision':10}{'maps':14}{head}")
    for name in arguments.networks:
        for device, batch in places:
            kinds = [(precision, layout) for precision in PRECISIONS for layout in LAYOUTS]
            runs = [steps(name, batch, device, *kind) for kind in kinds]
            # All in turn, so that whatever else the machine does hits all; the first turn pays for kernels.
            turns = [
                [(train(), predict()) for train, predict in runs] for _ in range(arguments.repetitions + 1)
            ]
            for k, (precision, layout) in enumerate(kinds):
                seconds = [median(turn[k][what] for turn in turns[1:]) for what in (0, 1)]
                ratios = [median(turn[0][what] / turn[k][what] for turn in turns[1:]) for what in (0, 1)]
                rates = "".join(
                    f"{batch / one:{width}.1f}{ratio:7.2f}"
                    for one, ratio, width in zip(seconds, ratios, (12, 13), strict=True)
                )
                print(f"{name:9}{device:8}{precision:10}{layout:14}{batch:6}{rates}", flush=True)
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    if torch.cuda.is_available():
        print(f"Peak memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
