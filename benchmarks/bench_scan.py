"""Scan: the network's part in times real time, against a plain float32 stack of ``Conv1d``, in one run.

The fast path is what the machine chooses by itself: bfloat16 where the hardware has it, else float32.
"""

import argparse
import copy
import time

import numpy as np
import torch
from torch import nn

from skyneedle.core import inference
from skyneedle.strain import networks

SAMPLE_RATE = 2048.0


def plain_stack(network: networks.FCN) -> nn.Sequential:
    """The same weights in ``torch.nn.Conv1d`` and ``ReLU``."""
    layers: list[nn.Module] = [network.input]
    for block in network.blocks:
        layers += [block, nn.ReLU()]
    return nn.Sequential(*copy.deepcopy(layers), copy.deepcopy(network.output), nn.Flatten()).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--detectors", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seconds", type=float, default=4.0, help="of judged strain")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    n_samples = int(arguments.seconds * SAMPLE_RATE) + 4095
    print(f"{'detectors':>9}{'precision':>11}{'real time':>11}{'plain':>8}{'ratio':>7}{'largest error':>15}")
    for detectors in arguments.detectors:
        network = networks.build("fcn", detectors=detectors, channels=arguments.channels)
        x = np.random.default_rng(0).normal(size=(detectors, n_samples)).astype(np.float32)
        fast = inference.prepare(network, arguments.device, arguments.precision)
        plain = plain_stack(network).to(arguments.device)
        tensor = torch.from_numpy(x[None])
        times = []
        for _ in range(arguments.repetitions + 1):
            start = time.perf_counter()
            logits = inference.slide(fast, x)
            middle = time.perf_counter()
            with torch.inference_mode():
                expected = plain(tensor.to(arguments.device))[0].cpu().numpy()
            times.append((middle - start, time.perf_counter() - middle))
        seconds, reference = (min(column) for column in zip(*times[1:], strict=True))
        print(
            f"{detectors:9}{fast.precision:>11}{arguments.seconds / seconds:11.2f}"
            f"{arguments.seconds / reference:8.2f}{reference / seconds:7.2f}"
            f"{np.abs(logits - expected).max():15.2e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
