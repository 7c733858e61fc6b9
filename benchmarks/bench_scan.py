"""Scan: times real time and memory of the whole tool, of the published network, and what speed costs.

1. `skyneedle scan` with the network that comes along, over a pair of 4096-s files, in a process of its own.
2. The 512-channel network against a plain float32 stack of `Conv1d`, in turns, on pieces as a scan cuts them.
   The fast path is what the machine chooses by itself: bfloat16 where the hardware has it, else float32.
3. Triggers of the network that comes along in bfloat16 against those in float32, on examples of its testing
   set.

Exit status 1 if a bound is missed: memory, agreement, and on a CPU with bfloat16 in hardware the ratio.
"""

import argparse
import copy
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn

from skyneedle.core import inference
from skyneedle.strain import networks, preprocess
from skyneedle.strain.evaluate.agreement import agreement
from skyneedle.strain.fetch.gwosc_files import write_gwosc
from skyneedle.strain.scan import trained
from skyneedle.strain.simulate import examples
from skyneedle.strain.simulate.settings import Settings

TARGET_RATIO, MOST_GB = 1.8, 2.0
GPS = 1126256640
N_FILE = 4096 * preprocess.RAW_SAMPLE_RATE
PIECE_S = 8.0  # of outputs, between the ends of a stretch
TESTING_SET, SEED = 120_000, 20190925  # of the configuration: not what the network was trained on


def tool() -> bool:
    """The whole tool on a pair of files of noise; whether it stays within its memory."""
    with tempfile.TemporaryDirectory() as folder:
        for number, detector in enumerate(("H1", "L1")):
            strain = 1e-21 * np.random.default_rng(number).standard_normal(N_FILE)
            write_gwosc(Path(folder, f"{detector}.hdf5"), strain, GPS, detector)
        del strain
        words = [f"{detector}={folder}/{detector}.hdf5" for detector in ("H1", "L1")]
        command = [sys.executable, "-m", "skyneedle.cli", "scan", *words, "--out", f"{folder}/out"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"skyneedle scan, two files of 4096 s: {seconds:.1f} s with pictures, {4096 / seconds:.0f} times "
        f"real time; peak memory {peak:.2f} GB (bound {MOST_GB} GB)",
        flush=True,
    )
    return peak <= MOST_GB


def plain_stack(network: networks.FCN) -> nn.Sequential:
    """The same weights in ``torch.nn.Conv1d`` and ``ReLU``."""
    layers: list[nn.Module] = [network.input]
    for block in network.blocks:
        layers += [block, nn.ReLU()]
    return nn.Sequential(*copy.deepcopy(layers), copy.deepcopy(network.output), nn.Flatten()).eval()


def seconds_of(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """How long a function takes, and what it gives."""
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def ratio_of(detectors: int, arguments: argparse.Namespace) -> tuple[str, float]:
    """One line of the table, and by how much the fast path is faster: the median over turns."""
    network = networks.build("fcn", detectors=detectors, channels=arguments.channels)
    n_samples = round(PIECE_S * preprocess.SAMPLE_RATE) + network.receptive_field - 1
    x = np.random.default_rng(0).normal(size=(detectors, n_samples)).astype(np.float32)
    fast = inference.prepare(network, arguments.device, arguments.precision)
    plain = plain_stack(network).to(arguments.device)

    def exact() -> np.ndarray:
        with torch.inference_mode():
            return plain(torch.from_numpy(x[None]).to(arguments.device))[0].cpu().numpy()

    runs = {"fast": lambda: inference.slide(fast, x), "plain": exact}
    taken: dict[str, list[float]] = {"fast": [], "plain": []}
    results = {}
    for turn in range(arguments.repetitions + 1):  # the first one pays for buffers and kernels
        for name in ("fast", "plain") if turn % 2 else ("plain", "fast"):
            seconds, results[name] = seconds_of(runs[name])
            if turn:
                taken[name].append(seconds)
    ratio = median(b / a for a, b in zip(taken["fast"], taken["plain"], strict=True))
    real_time = [PIECE_S / median(taken[name]) for name in ("fast", "plain")]
    error = np.abs(results["fast"] - results["plain"]).max()
    line = f"{fast.precision:>11}{real_time[0]:11.2f}{real_time[1]:8.2f}{ratio:7.2f}{error:15.2e}"
    return line, ratio


def table(arguments: argparse.Namespace) -> bool:
    """Times real time for all numbers of threads and detectors; whether the fast path is fast enough."""
    print(f"The network with {arguments.channels} channels on {arguments.device}, times real time:")
    head = f"{'threads':>7}{'detectors':>11}{'precision':>11}{'fast':>11}{'plain':>8}{'ratio':>7}"
    print(f"{head}{'largest error':>15}")
    bound = arguments.device == "cpu" and inference.has_fast_bfloat16() and arguments.precision == "auto"
    holds = True
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for detectors in arguments.detectors:
            line, ratio = ratio_of(detectors, arguments)
            print(f"{threads:7}{detectors:11}{line}", flush=True)
            holds &= not bound or ratio >= TARGET_RATIO
    print(
        f"Bound of the ratio: {TARGET_RATIO}"
        if bound
        else "No bound: bfloat16 in hardware is not what ran here."
    )
    return holds


def triggers(weights: str | None, n_examples: int) -> bool:
    """Triggers in bfloat16 against float32 on the testing set; whether they agree."""
    found = trained.find(weights)
    network, card = inference.load(found.stem)
    point = trained.operating_point(found)
    settings = Settings(detectors=("H1", "L1", "V1"), recipe=found.recipe)
    rows = [settings.detectors.index(name) for name in found.detectors]
    exact, fast = [], []
    for first in range(0, n_examples, 16):
        made = [
            examples.example(TESTING_SET + number, settings, SEED).strain[rows]
            for number in range(first, min(first + 16, n_examples))
        ]
        for precision, kept in (("float32", exact), ("bfloat16", fast)):
            kept.append(inference.apply(network, np.stack(made), card["normalisation"], precision=precision))
    both = agreement(np.concatenate(exact), np.concatenate(fast), point.threshold, point.window, found.recipe)
    print(f"{card['name']} at threshold {point.threshold:g} on {n_examples} examples: {both}", flush=True)
    return both.holds


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--channels", type=int, default=512)
    add("--detectors", type=int, nargs="+", default=[1, 2, 3])
    add("--repetitions", type=int, default=3)
    add("--threads", type=int, nargs="+", default=sorted({1, len(os.sched_getaffinity(0))}))
    add("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    add("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    add("--weights", help="trained network whose triggers are compared; default: the one that comes along")
    add("--examples", type=int, default=400, help="of the testing set")
    arguments = parser.parse_args()
    holds = [tool(), table(arguments), triggers(arguments.weights, arguments.examples)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"Peak memory of this benchmark: {peak:.2f} GB")
    return int(not all(holds))


if __name__ == "__main__":
    sys.exit(main())
