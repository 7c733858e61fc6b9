"""Training steps of the networks for strong lenses: images a second, on CPU and any GPU.

Each network in float32 and bfloat16, with its maps contiguous and channels-last, measured in turns in the
same run; the ratio is to float32 and contiguous on the same device. Where the CPU has no instructions for
bfloat16, its rows show what imitating it costs.
"""

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import torch

from skyneedle.core import inference
from skyneedle.core.classes import WeightedCrossEntropy
from skyneedle.lenses import networks

LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
PRECISIONS = ("float32", "bfloat16")


def step_seconds(name: str, batch: int, device: str, precision: str, layout: str) -> Callable[[], float]:
    """A function that does one training step, dropout and all, and tells its seconds."""
    network = networks.build(name).to(device, memory_format=LAYOUTS[layout]).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-4)
    loss = WeightedCrossEntropy((1.0, 1.0))
    # Stamps come contiguous from the disk; turning them is part of the step.
    x = torch.randn(batch, len(network.bands), network.size, network.size)
    target = torch.randint(2, (batch,), device=device)
    kind = torch.device(device).type

    def run() -> float:
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(x.to(device).contiguous(memory_format=LAYOUTS[layout]))
        loss(logits.float(), target).backward()
        optimizer.step()
        if kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["ou66", "ou200"], choices=networks.NAMES)
    parser.add_argument("--batch", type=int, default=20, help="on the CPU, as laptop trains")
    parser.add_argument("--gpu-batch", type=int, default=125)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    fast = "has" if inference.has_fast_bfloat16() else "has no"
    print(f"{arguments.threads} CPU threads; this CPU {fast} instructions for bfloat16.")
    places = [("cpu", arguments.batch)]
    if torch.cuda.is_available():
        print(f"GPU: {torch.cuda.get_device_name(0)}.")
        places.append(("cuda:0", arguments.gpu_batch))
    else:
        print("GPU: none is visible here, its rows are left out.")
    columns = (("batch", 6), ("images/s", 10), ("ratio", 7))
    head = "".join(f"{name:>{width}}" for name, width in columns)
    print(f"{'network':9}{'device':8}{'precision':10}{'maps':14}{head}")
    for name in arguments.networks:
        for device, batch in places:
            kinds = [(precision, layout) for precision in PRECISIONS for layout in LAYOUTS]
            runs = [step_seconds(name, batch, device, *kind) for kind in kinds]
            # All in turn, so that whatever else the machine does hits all; the first turn pays for kernels.
            turns = [[run() for run in runs] for _ in range(arguments.repetitions + 1)][1:]
            for k, (precision, layout) in enumerate(kinds):
                rate = batch / median(turn[k] for turn in turns)
                ratio = median(turn[0] / turn[k] for turn in turns)
                print(
                    f"{name:9}{device:8}{precision:10}{layout:14}{batch:6}{rate:10.1f}{ratio:7.2f}",
                    flush=True,
                )
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    if torch.cuda.is_available():
        print(f"Peak memory of the GPU: {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
