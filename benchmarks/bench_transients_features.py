"""Pixel features of stamps per second and core, what each step takes, and peak memory.

Exit status 1 if there are fewer than 2,000 stamps a second, or moving medians differ from scipy's.

The stamps have correlated noise and a point source in the difference image; a twentieth have bad pixels. The
same fit and the same moving medians are done with scipy, stamp by stamp, for comparison.

Run: python benchmarks/bench_transients_features.py [number of stamps]
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from skyneedle.transients.features import gaussian, medians, pixels
from skyneedle.transients.features.table import BLOCK

TARGET_PER_S = 2000.0
REPETITIONS = 3
N_PLAIN = 40  # stamps that scipy works on
ROWS, COLUMNS = np.indices((pixels.SIDE, pixels.SIDE))


def peak_memory_mb() -> float:
    """Of this process alone: what getrusage tells may be that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def stamps(n: int) -> np.ndarray:
    """Triplets, shape (n, 3, 51, 51)."""
    random = np.random.default_rng(0)
    made = 50 * ndimage.gaussian_filter(random.normal(size=(n, 3, 51, 51)), (0, 0, 1, 1))
    flux, row, column = random.uniform([0, 24.5, 24.5], [300, 25.5, 25.5], (n, 3)).T[:, :, None, None]
    made[:, 2] += flux * np.exp(-0.5 * ((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / 1.8**2)
    made[::20, :, :, 40:44] = 1e-30
    return made.astype(np.float32)


def plain_fit(image: np.ndarray) -> float:
    """Goldstein's way: scipy's bounded minimiser with numerical gradients."""

    def chi2(values: np.ndarray) -> float:
        row, column, amplitude, sigma = values
        bell = amplitude * np.exp(-0.5 * ((ROWS - row) ** 2 + (COLUMNS - column) ** 2) / sigma**2)
        return float(((bell - image) ** 2).sum())

    bounds = [(24.5, 25.5), (24.5, 25.5), (None, None), (None, None)]
    return float(minimize(chi2, [25, 25, 10, 10], method="L-BFGS-B", bounds=bounds).fun)


def plain_peak(image: np.ndarray) -> float:
    smooth = ndimage.median_filter(image, size=3)
    return float((smooth - ndimage.median_filter(smooth, size=7)).max())


def seconds(work: Callable[[], object], repetitions: int = 1) -> float:
    """The least of some repetitions: others that use the same cores can only slow it down."""
    taken = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main(n: int = 4000) -> dict[str, float]:
    """Time features and their two dear steps, and compare these with scipy."""
    made = stamps(n)
    blocks = [made[start : start + BLOCK] for start in range(0, n, BLOCK)]
    pixels.measure(blocks[0])
    taken = seconds(lambda: [pixels.measure(block) for block in blocks], REPETITIONS)
    few = made[1 : 1 + N_PLAIN, 2] / np.abs(made[1 : 1 + N_PLAIN, 2]).max(axis=(1, 2), keepdims=True)
    few = np.where(np.abs(made[1 : 1 + N_PLAIN, 2]) < pixels.MASKED, 0, few)
    plain = {
        "fit": seconds(lambda: [plain_fit(image) for image in few]),
        "moving_medians": seconds(lambda: [plain_peak(image) for image in few]),
    }
    ours = {
        "fit": seconds(lambda: gaussian.fit(few), REPETITIONS),
        "moving_medians": seconds(lambda: medians.fine_structure_peak(few), REPETITIONS),
    }
    chi2 = gaussian.fit(few).chi2
    return {
        "stamps": n,
        "stamps_per_s_per_core": n / taken,
        **{f"{name}_ms_per_stamp": 1e3 * used / len(few) for name, used in ours.items()},
        **{f"{name}_times_faster_than_scipy": plain[name] / ours[name] for name in ours},
        "max_excess_of_chi2": float(
            max(c / plain_fit(image) - 1 for c, image in zip(chi2, few, strict=True))
        ),
        "max_deviation_of_medians": float(
            np.abs(medians.fine_structure_peak(few) - [plain_peak(image) for image in few]).max()
        ),
        "peak_memory_mb": peak_memory_mb(),
    }


if __name__ == "__main__":
    measured = main(*map(int, sys.argv[1:2]))
    print(json.dumps(measured, indent=1))
    fast = measured["stamps_per_s_per_core"] >= TARGET_PER_S
    sys.exit(not (fast and measured["max_deviation_of_medians"] == 0))
