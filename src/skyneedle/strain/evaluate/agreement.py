"""Whether a faster way to run a network finds the same triggers as the exact one."""

from typing import NamedTuple

import numpy as np

from skyneedle.core.errors import GridMismatch
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.evaluate.match import match
from skyneedle.strain.preprocess import SAMPLE_RATE

NEAR = 0.01  # of the threshold: what rounding may well move across it
WITHIN_S, MOST_S, SHARE = 0.002, 0.005, 0.99  # offsets: this share of them within the first, all the second


class Agreement(NamedTuple):
    """Triggers of two runs over the same examples.

    Attributes:
        n_exact: triggers of the exact run.
        n_fast: triggers of the other run.
        n_same: pairs of triggers, one of each run, that are not near the threshold.
        n_near: pairs and single triggers whose peak is within ``NEAR`` of the threshold.
        n_different: other triggers of one run that the other run lacks.
        offsets_s: distances in time of the pairs, shape (n_same,).
    """

    n_exact: int
    n_fast: int
    n_same: int
    n_near: int
    n_different: int
    offsets_s: np.ndarray

    @property
    def holds(self) -> bool:
        """The same triggers, 99 % of them within 2 ms and all within 5 ms; at least one to speak of."""
        if self.n_different or not self.n_same:
            return False
        return bool((self.offsets_s <= WITHIN_S).mean() >= SHARE and self.offsets_s.max() <= MOST_S)

    def __str__(self) -> str:
        """One line."""
        quantile, most = np.quantile(self.offsets_s, [SHARE, 1]) * 1e3 if self.n_same else (np.nan, np.nan)
        counts = (
            f"{self.n_exact} triggers exactly, {self.n_fast} fast: {self.n_same} the same, {self.n_near} "
            f"within {NEAR} of the threshold, {self.n_different} different"
        )
        return f"{counts}; offsets {SHARE:.0%} within {quantile:.2f} ms, all within {most:.2f} ms"


def agreement(
    exact: np.ndarray, fast: np.ndarray, threshold: float, window: int, recipe: str = "corrected"
) -> Agreement:
    """Compare the triggers of two runs of one network.

    Args:
        exact: logits in full precision, shape (example, n).
        fast: logits of the other run, likewise.
        threshold: of the smoothed probability.
        window: of the smoothing, in samples at 2048 Hz; triggers that are closer than it are the same.
        recipe: see ``postprocess.smooth``.

    Raises:
        GridMismatch: if the shapes differ.
    """
    if exact.shape != fast.shape or exact.ndim != 2:
        raise GridMismatch(
            f"Outputs to compare have shapes {exact.shape} and {fast.shape}; expected (example, n) twice."
        )
    ours, theirs = (
        postprocess.candidates(postprocess.smooth(postprocess.probability(logits), window, recipe), threshold)
        for logits in (exact, fast)
    )
    apart = exact.shape[1] + window + 1  # of neighbouring examples on one axis of time
    at, there = (found.row * apart + found.centre for found in (ours, theirs))
    partner = match(there, at, lambda distance: distance <= window)
    paired = partner >= 0
    near, their_near = (np.abs(found.peak - threshold) <= NEAR for found in (ours, theirs))
    pair_near = their_near[paired] | near[partner[paired]]
    alone = np.ones(len(at), bool)
    alone[partner[paired]] = False
    offsets = np.abs(there[paired] - at[partner[paired]])[~pair_near] / SAMPLE_RATE
    n_near = int(pair_near.sum() + their_near[~paired].sum() + near[alone].sum())
    n_different = int((~their_near[~paired]).sum() + (~near[alone]).sum())
    return Agreement(len(at), len(there), len(offsets), n_near, n_different, offsets)
