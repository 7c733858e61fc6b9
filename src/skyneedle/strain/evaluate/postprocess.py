"""From logits to candidate times: smooth, threshold, find the runs (Gebhard et al. 2019, Sec. V C)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from skyneedle.core.errors import BadSetting, StrainHasNaN, StrainTooShort
from skyneedle.strain.preprocess import OUTPUT_OFFSET, SAMPLE_RATE

DEFAULT_THRESHOLD, DEFAULT_WINDOW = 0.5, 256  # the paper's
RECIPES = ("corrected", "faithful")
_STREAM_BLOCK = 1 << 22  # outputs of a stream that are smoothed at once: 32 MB


class Grid(NamedTuple):
    """Which input samples (2048 Hz) the outputs of a network are about: offset, offset + step, ..."""

    step: int = 1
    offset: int = OUTPUT_OFFSET

    @property
    def rate(self) -> float:
        """Outputs per s."""
        return SAMPLE_RATE / self.step

    def width(self, window: int) -> int:
        """A smoothing window of so many input samples, in outputs."""
        return max(1, round(window / self.step))


FINE = Grid()  # one output for each input sample, from the middle of the first receptive field on


class Above(NamedTuple):
    """The samples at or above a threshold, all that higher thresholds need."""

    position: np.ndarray  # row * n + sample, ascending
    value: np.ndarray
    n: int  # samples in a row

    def raised(self, threshold: float) -> "Above":
        """Those at or above a higher threshold."""
        keep = self.value >= threshold
        return Above(self.position[keep], self.value[keep], self.n)


class Runs(NamedTuple):
    """Maximal runs of samples at or above a threshold; one element a run, in the order of rows and time."""

    row: np.ndarray
    centre: np.ndarray  # in samples of the smoothed series
    length: np.ndarray  # samples
    peak: np.ndarray  # largest smoothed value in the run


def probability(logits: np.ndarray) -> np.ndarray:
    """Sigmoid of the logits in float64, where values near 1 do not yet coincide.

    Raises:
        StrainHasNaN: if a logit is not a number; a comparison would skip it without a word.
    """
    out = expit(np.asarray(logits, dtype=np.float64))
    if np.isnan(out.sum()):
        raise StrainHasNaN(
            f"{int(np.isnan(out).sum())} of {out.size} network outputs are NaN; was the input finite?"
        )
    return out


def smooth(probability: np.ndarray, width: int, recipe: str) -> np.ndarray:
    """Rolling mean over ``width`` samples by cumulative sums.

    Args:
        probability: shape (..., n).
        width: of the window in samples.
        recipe: "corrected": only where the whole window fits, shape (..., n - width + 1); element k is the
            mean of the samples k to k + width - 1 and belongs to their centre, k + (width - 1) / 2.
            "faithful": numpy's convolve(..., mode="same"), shape (..., n): beyond the edges all is zero,
            and for an even width element k is the mean of k - width/2 to k + width/2 - 1, centred on k - 1/2.

    Returns:
        float64; add `first_output` to an index to get the output it belongs to.

    Raises:
        StrainTooShort: if the series is shorter than the window.
    """
    _check(recipe)
    series = np.asarray(probability, dtype=np.float64)
    if not 1 <= width <= series.shape[-1]:
        raise StrainTooShort(
            f"A smoothing window of {width} samples does not fit into {series.shape[-1]} outputs."
        )
    if width == 1:
        return series
    before, after = (width // 2, width - 1 - width // 2) if recipe == "faithful" else (0, 0)
    total = np.zeros((*series.shape[:-1], before + series.shape[-1] + after + 1))
    np.cumsum(series, axis=-1, out=total[..., 1 + before : 1 + before + series.shape[-1]])
    if after:
        total[..., -after:] = total[..., -after - 1, None]
    means = total[..., width:] - total[..., :-width]
    means /= width
    return means


def first_output(width: int, recipe: str) -> float:
    """Index of the output that element 0 of the smoothed series stands for (half-integer for an even width).

    The faithful recipe assigns element k to output k: half a sample later than the centre of what it
    averages.
    """
    return 0.0 if recipe == "faithful" else (width - 1) / 2


def evaluated_outputs(n_outputs: int, width: int, recipe: str) -> int:
    """How many outputs can be a candidate: all (faithful), those with a full smoothing window (corrected)."""
    _check(recipe)
    return n_outputs if recipe == "faithful" else max(n_outputs - width + 1, 0)


def above(smoothed: np.ndarray, threshold: float) -> Above:
    """Samples at or above a threshold, shape (..., n) taken as rows of n."""
    flat = smoothed.reshape(-1)
    position = np.flatnonzero(flat >= threshold)
    return Above(position, flat[position], smoothed.shape[-1])


def runs(samples: Above, threshold: float) -> Runs:
    """Runs of consecutive samples of one row with value >= threshold (not below that of ``samples``)."""
    position, value, _ = samples.raised(threshold)
    row = position // samples.n
    opens = np.ones(len(position), bool)
    opens[1:] = (np.diff(position) != 1) | (np.diff(row) != 0)
    start = np.flatnonzero(opens)
    length = np.diff(np.append(start, len(position)))
    peak = np.maximum.reduceat(value, start) if len(start) else value
    centre = position[start] - row[start] * samples.n + (length - 1) / 2
    return Runs(row[start], centre, length, peak)


def candidates(smoothed: np.ndarray, threshold: float) -> Runs:
    """Candidate times: the middle of every run at or above the threshold.

    With the run from ``start`` to before ``end`` that is (start + end) / 2 - 1/2; the thresholded series
    0 0 0 0 0 0 1 0 1 1 has the candidates 6.0 and 8.5.

    Args:
        smoothed: shape (n,) or (example, n).
        threshold: of the smoothed probability.

    Returns:
        Runs; row is the example.

    Source: Gebhard et al. 2019, Sec. VI B, steps 1 and 2.
    """
    return runs(above(np.asarray(smoothed), threshold), threshold)


def stream_candidates(logits: np.ndarray, threshold: float, width: int, recipe: str) -> Runs:
    """Candidates of one long series; smoothed in overlapping blocks, so that its length does not matter.

    Args:
        logits: shape (n,).
        threshold: of the smoothed probability.
        width: of the smoothing window, in samples.
        recipe: the edges of the whole series are treated as in `smooth`.

    Returns:
        Runs, row 0; centres in samples of the smoothed series.
    """
    _check(recipe)
    before, after = (width // 2, width - 1 - width // 2) if recipe == "faithful" else (0, 0)
    if before + len(logits) + after < width or not len(logits):
        raise StrainTooShort(
            f"A smoothing window of {width} samples does not fit into {len(logits)} outputs."
        )
    n = before + len(logits) + after - width + 1
    positions, values = [], []
    for first in range(0, n, _STREAM_BLOCK):
        last = min(first + _STREAM_BLOCK, n)
        left, right = first - before, last - before + width - 1
        inside = probability(logits[max(left, 0) : min(right, len(logits))])
        padded = np.pad(inside, (max(-left, 0), max(right - len(logits), 0)))
        block = above(smooth(padded, width, "corrected"), threshold)
        positions.append(block.position + first)
        values.append(block.value)
    return runs(Above(np.concatenate(positions), np.concatenate(values), n), threshold)


def triggers_from_logits(
    logits: np.ndarray,
    first_gps: float | np.ndarray,
    threshold: float = DEFAULT_THRESHOLD,
    window: int = DEFAULT_WINDOW,
    recipe: str = "corrected",
    example: np.ndarray | None = None,
    grid: Grid = FINE,
) -> pd.DataFrame:
    """Trigger table of one stream or of many examples.

    Args:
        logits: shape (n,) for a stream, (example, n) for examples.
        first_gps: GPS time in s of the first output: a number, or one for each example.
        threshold: of the smoothed probability.
        window: of the smoothing, in input samples.
        recipe: see `smooth`.
        example: ids of the examples; a stream has -1.
        grid: of the outputs, for networks with a step.

    Returns:
        Columns gps (s), statistic (peak of the smoothed probability in the run), duration (s), example.
    """
    logits, width = np.asarray(logits), grid.width(window)
    if logits.ndim == 1:
        found = stream_candidates(logits, threshold, width, recipe)
        ids = np.array([-1])
    else:
        found = candidates(smooth(probability(logits), width, recipe), threshold)
        ids = np.arange(len(logits)) if example is None else np.asarray(example)
    start = np.broadcast_to(np.asarray(first_gps, float), ids.shape)
    return pd.DataFrame(
        {
            "gps": start[found.row] + (found.centre + first_output(width, recipe)) / grid.rate,
            "statistic": found.peak,
            "duration": found.length / grid.rate,
            "example": ids[found.row].astype(np.int64),
        }
    )


def _check(recipe: str) -> None:
    if recipe not in RECIPES:
        raise BadSetting(f"recipe '{recipe}' is not known; take one of {', '.join(RECIPES)}.")
