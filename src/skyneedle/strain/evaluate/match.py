"""Candidates against true event times, the paper's steps 3 to 5 (Gebhard et al. 2019, Sec. VI B)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core.errors import GridMismatch, OneClassOnly
from skyneedle.core.store import DataSet
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.evaluate.postprocess import FINE, Grid
from skyneedle.strain.preprocess import CROP_S, OUTPUT_OFFSET, SAMPLE_RATE

TOLERANCE_S = 0.05
WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BLOCK = 128  # examples in memory at once: 12 MB for each copy in float64

Source = str | Path | DataSet


def match(candidate: np.ndarray, event: np.ndarray, within: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Pair candidates with events, nearest pairs first, each candidate and each event at most once.

    Args:
        candidate: times, ascending, shape (n,), in any unit.
        event: times in the same unit, ascending, shape (m,).
        within: which distances are a coincidence, see `coincident`.

    Returns:
        Index of the event that each candidate detects, shape (n,); -1 for a false positive.
    """
    out = np.full(len(candidate), -1)
    left, open_events = np.arange(len(candidate)), np.arange(len(event))
    while len(left) and len(open_events):
        times, targets = candidate[left], event[open_events]
        target_of, gap = _nearest(times, targets)
        candidate_of, _ = _nearest(targets, times)
        mutual = (candidate_of[target_of] == np.arange(len(left))) & within(gap)
        if not mutual.any():
            break
        # The closest pair of all is always mutual, so that each round settles at least one.
        out[left[mutual]] = open_events[target_of[mutual]]
        open_events = np.delete(open_events, target_of[mutual])
        left = left[~mutual & within(gap)]
    return out


def coincident(distance: np.ndarray, tolerance_s: float, recipe: str) -> np.ndarray:
    """Whether distances in samples count as detections.

    corrected: |t_c - t_i| <= tolerance, as the paper writes; faithful: less than int(tolerance * 2048)
    samples, as its code computes (101.5 samples at most for 0.05 s, where the formula allows 102).
    """
    if recipe == "faithful":
        return distance < int(tolerance_s * SAMPLE_RATE)
    return distance <= tolerance_s * SAMPLE_RATE


@dataclass(frozen=True)
class Tally:
    """Everything that ratios and rates are computed from, for each combination of post-processing settings.

    Attributes:
        windows: smoothing widths in input samples.
        thresholds: of the smoothed probability, ascending.
        n_candidates: shape (window, threshold, example), int32.
        nearest: distance in input samples of the nearest candidate from the event, same shape, float32;
            infinite where there is no candidate or no event.
        truth: one row an example, in the order of the outputs: id, label, event_index, snr, parent, ...
        n_outputs: of each example.
        recipe: "corrected" or "faithful".
        grid: of the outputs.
    """

    windows: tuple[int, ...]
    thresholds: np.ndarray
    n_candidates: np.ndarray
    nearest: np.ndarray
    truth: pd.DataFrame
    n_outputs: int
    recipe: str
    grid: Grid = FINE

    @property
    def injected(self) -> np.ndarray:
        """Which examples hold a signal, shape (example,)."""
        return self.truth["label"].to_numpy() == 1

    def at(self, threshold: float, window: int) -> tuple[int, int]:
        """Indices of a combination."""
        found = np.flatnonzero(np.isclose(self.thresholds, threshold, rtol=0, atol=1e-12))
        if window not in self.windows or not len(found):
            raise GridMismatch(
                f"threshold {threshold} with window {window} was not tallied; add it to the grid."
            )
        return self.windows.index(window), int(found[0])

    def detected(self, threshold: float, window: int, tolerance_s: float = TOLERANCE_S) -> np.ndarray:
        """Which examples have a true positive, shape (example,); at most one each."""
        return coincident(self.nearest[self.at(threshold, window)], tolerance_s, self.recipe)

    def false_positives(self, threshold: float, window: int, tolerance_s: float = TOLERANCE_S) -> np.ndarray:
        """Number of false positives in each example, shape (example,)."""
        return self.n_candidates[self.at(threshold, window)] - self.detected(threshold, window, tolerance_s)

    def exposure_s(self, window: int, convention: str = "evaluated") -> float:
        """Time in s: that in which a candidate can lie ("evaluated"), or 8 s an example ("paper")."""
        if convention == "paper":
            return float(len(self.truth) * CROP_S)
        n = postprocess.evaluated_outputs(self.n_outputs, self.grid.width(window), self.recipe)
        return len(self.truth) * n / self.grid.rate


def aligned_truth(outputs: DataSet, truth: DataSet) -> pd.DataFrame:
    """Rows of the truth table in the order of the outputs.

    Raises:
        GridMismatch: if the outputs belong to another data set.
        OneClassOnly: if there are no examples with, or none without, a signal.
    """
    table = truth.table.set_index("id", drop=False)
    ids = outputs.table["id"].to_numpy()
    if not np.isin(ids, table.index).all():
        raise GridMismatch(
            f"{outputs.shards[0]}: outputs of examples not in {truth.shards[0].parent}; predict again."
        )
    if len(ids) != len(table):
        raise GridMismatch(
            f"{outputs.shards[0]}: outputs of {len(ids)} of the {len(table)} examples of {truth.shards[0]}; "
            "predict the whole set."
        )
    rows = table.loc[ids].reset_index(drop=True)
    classes = set(rows["label"].astype(int))
    if classes != {0, 1}:
        missing = "without" if classes == {1} else "with"
        raise OneClassOnly(
            f"{truth.shards[0]}: no example {missing} a signal; both are needed, add some to the set."
        )
    return rows


def tally(
    outputs: Source,
    truth: Source,
    windows: Sequence[int],
    thresholds: Sequence[float],
    recipe: str,
    block: int = BLOCK,
) -> Tally:
    """Count candidates and measure their distance from the event, all examples treated alike.

    Args:
        outputs: data set with array ``logit`` (n, n_outputs) and table column ``id``.
        truth: the data set that the outputs were computed for; its table alone is read.
        windows: smoothing widths in input samples.
        thresholds: of the smoothed probability.
        recipe: "corrected" or "faithful".
        block: examples in memory at once.

    Returns:
        Tally.
    """
    outputs, truth = open_set(outputs), open_set(truth)
    rows = aligned_truth(outputs, truth)
    levels = np.unique(np.asarray(thresholds, float))
    n_outputs, grid = outputs.shape("logit")[1], output_grid(outputs)
    event = np.where(rows["label"] == 1, (rows["event_index"] - grid.offset) / grid.step, np.inf)
    shape = (len(windows), len(levels), len(rows))
    n_candidates, nearest = np.zeros(shape, np.int32), np.full(shape, np.inf, np.float32)
    for part, logits in outputs.blocks("logit", block):
        series = postprocess.probability(logits)
        for w, window in enumerate(windows):
            width = grid.width(window)
            first = postprocess.first_output(width, recipe)
            samples = postprocess.above(postprocess.smooth(series, width, recipe), levels[0])
            for t, level in enumerate(levels):
                samples = samples.raised(level)  # thresholds ascend: ever fewer are left
                found = postprocess.runs(samples, level)
                n_candidates[w, t, part] = np.bincount(found.row, minlength=len(logits))
                distance = np.abs(found.centre + first - event[part][found.row]) * grid.step
                np.minimum.at(nearest[w, t, part], found.row, distance.astype(np.float32))
    return Tally(tuple(windows), levels, n_candidates, nearest, rows, n_outputs, recipe, grid)


def trigger_table(
    outputs: Source,
    truth: Source,
    threshold: float,
    window: int,
    recipe: str,
    tolerance_s: float = TOLERANCE_S,
) -> pd.DataFrame:
    """All triggers of a set of examples, each marked as detection or false positive.

    Returns:
        Columns gps, statistic, duration, example, detected (bool), offset_s (trigger minus event time; NaN in
        noise).
    """
    outputs, truth = open_set(outputs), open_set(truth)
    rows = aligned_truth(outputs, truth)
    parts = list(_trigger_blocks(outputs, rows, threshold, window, recipe, tolerance_s))
    return pd.concat(parts, ignore_index=True)


def _trigger_blocks(
    outputs: DataSet, rows: pd.DataFrame, threshold: float, window: int, recipe: str, tolerance_s: float
) -> Iterator[pd.DataFrame]:
    far = 1 << 24  # samples between examples laid out on one axis: more than any tolerance
    grid = output_grid(outputs)
    width = grid.width(window)
    first = postprocess.first_output(width, recipe)
    for part, logits in outputs.blocks("logit", BLOCK):
        truth = rows.iloc[part]
        smoothed = postprocess.smooth(postprocess.probability(logits), width, recipe)
        found = postprocess.candidates(smoothed, threshold)
        centre = (found.centre + first) * grid.step  # in input samples after the first output
        injected = np.flatnonzero(truth["label"] == 1)
        event = truth["event_index"].to_numpy(float) - grid.offset
        true = match(
            found.row * far + centre,
            injected * far + event[injected],
            lambda gap: coincident(gap, tolerance_s, recipe),
        )
        has_event = (truth["label"].to_numpy() == 1)[found.row]
        start = outputs.table["gps_start"].to_numpy()[part]
        yield pd.DataFrame(
            {
                "gps": start[found.row] + centre / SAMPLE_RATE,
                "statistic": found.peak,
                "duration": found.length / grid.rate,
                "example": truth["id"].to_numpy(np.int64)[found.row],
                "detected": true >= 0,
                "offset_s": np.where(has_event, centre - event[found.row], np.nan) / SAMPLE_RATE,
            }
        )


def parents(table: pd.DataFrame) -> np.ndarray:
    """Group of each example for the bootstrap: its block of background, else the example itself."""
    return table["parent" if "parent" in table else "id"].to_numpy()


def output_grid(outputs: DataSet) -> Grid:
    """Rate and offset of a network's outputs, from the attributes of their files."""
    rate = float(outputs.attributes.get("sample_rate", SAMPLE_RATE))
    return Grid(round(SAMPLE_RATE / rate), int(outputs.attributes.get("output_offset", OUTPUT_OFFSET)))


def open_set(source: Source) -> DataSet:
    """A data set, from its path or itself."""
    return source if isinstance(source, DataSet) else DataSet(source)


def _nearest(times: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of, and distance from, the nearest of the ascending targets; the earlier of two as near."""
    right = np.searchsorted(targets, times).clip(0, len(targets) - 1)
    left = (right - 1).clip(0)
    gap_left, gap_right = np.abs(times - targets[left]), np.abs(times - targets[right])
    take_left = gap_left <= gap_right
    return np.where(take_left, left, right), np.where(take_left, gap_left, gap_right)
