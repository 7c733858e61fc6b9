"""Occlusion maps of the published networks: this package against captum's Occlusion, and their deviation.

The masks are the paper's: 2,500 of 4 x 4 pixels for OU-200, 4,356 single pixels for OU-66. captum passes one
whole image a mask. It is timed on masks spread over the image, with its FeatureAblation, of which Occlusion
is a case, and scaled up to all of them; with --all it is its Occlusion on all. One or eight masks a pass,
whichever is faster. CPU seconds on one core, all in turn.

Run: python benchmarks/bench_occlusion.py [--all]
"""

import argparse
import itertools
import resource
import sys
import time
import warnings

import numpy as np
import torch
from captum.attr import FeatureAblation, Occlusion

from skyneedle.lenses import networks
from skyneedle.lenses.interpret import occlusion
from skyneedle.lenses.interpret.occlusion import lens_probability

TARGET_RATIO = {"ou200": 8.0, "ou66": 8.0}
TARGET_DEVIATION = 1e-5
SPREAD = {"ou200": 28, "ou66": 5}  # pixels between captum's masks
TURNS = 3
FILL = (0.1, -0.2, 0.3, -0.4)


class Probability(torch.nn.Module):
    """A network with one output."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Probability of being a lens, shape (batch, 1)."""
        return lens_probability(self.network(x)).float()[:, None]


def captum_spread(network, image, grid, stride: int, at_once: int) -> tuple[float, int, np.ndarray]:
    """Seconds, passes and map (NaN where no mask is) of captum with masks every so many pixels."""
    starts = np.arange(0, grid.size - grid.window + 1, stride)
    mask = torch.zeros(grid.size, grid.size, dtype=torch.long)  # 0: everything else, masked together
    for number, (y, x) in enumerate(itertools.product(starts, starts), start=1):
        mask[y : y + grid.window, x : x + grid.window] = number
    seconds, found = timed(
        FeatureAblation(Probability(network)),
        image,
        feature_mask=mask.expand(1, 4, -1, -1),
        perturbations_per_eval=at_once,
    )
    found[mask.numpy() == 0] = np.nan
    return seconds, len(starts) ** 2 + 1, found


def captum_all(network, image, grid) -> tuple[float, int, np.ndarray]:
    """The same with all masks of the grid."""
    window, stride = ((4, pixels, pixels) for pixels in (grid.window, grid.stride))
    seconds, found = timed(
        Occlusion(Probability(network)), image, sliding_window_shapes=window, strides=stride
    )
    return seconds, len(grid.starts) ** 2, found


def timed(method, image, **options) -> tuple[float, np.ndarray]:
    """CPU seconds and map (size, size) of one of captum's methods."""
    baseline = torch.tensor(FILL)[None, :, None, None].expand_as(image)
    start = time.process_time()
    with torch.no_grad():
        found = method.attribute(image, target=0, baselines=baseline, **options)
    return time.process_time() - start, found[0, 0].numpy()


def measure(name: str, every: bool) -> dict[str, float]:
    """Seconds a map of both, their ratio, and the largest deviation of the probability."""
    torch.manual_seed(0)
    network = networks.build(name).eval()
    grid = occlusion.published_grid(network.size)
    image = torch.randn(1, 4, network.size, network.size)
    n_masks, ours, theirs, deviation = len(grid.starts) ** 2, [], [], 0.0
    for _ in range(1 if every else TURNS):
        start = time.process_time()
        found = grid.to_pixels(occlusion.occlude(network, image, grid, FILL)[0])
        ours.append(time.process_time() - start)
        runs = (
            [captum_all(network, image, grid)]
            if every
            else [captum_spread(network, image, grid, SPREAD[name], at_once) for at_once in (1, 8)]
        )
        for seconds, passes, reference in runs:
            theirs.append(seconds / passes * n_masks)
            deviation = max(deviation, float(np.nanmax(np.abs(found + reference))))
    return {
        "masks": n_masks,
        "ours_s": min(ours),
        "captum_s": min(theirs),
        "ratio": min(theirs) / min(ours),
        "deviation": deviation,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="captum passes all masks: minutes a network")
    every = parser.parse_args().all
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    missed = 0
    print(f"{'network':8}{'masks':>7}{'ours (s)':>10}{'captum (s)':>12}{'ratio':>8}{'deviation':>11}")
    for name, target in TARGET_RATIO.items():
        row = measure(name, every)
        print(
            f"{name:8}{row['masks']:7}{row['ours_s']:10.2f}{row['captum_s']:12.1f}{row['ratio']:8.1f}"
            f"{row['deviation']:11.1e}",
            flush=True,
        )
        missed += row["ratio"] < target or row["deviation"] > TARGET_DEVIATION
    print(f"Bounds: ratio {TARGET_RATIO}, deviation {TARGET_DEVIATION:g}.")
    print(f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
