"""Threshold and smoothing window, chosen on the validation set and on nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skyneedle.core import metrics
from skyneedle.core.errors import BadSetting
from skyneedle.strain.evaluate import match
from skyneedle.strain.evaluate.match import TOLERANCE_S, Source, Tally, tally
from skyneedle.strain.evaluate.postprocess import DEFAULT_THRESHOLD, DEFAULT_WINDOW, probability

# Steps of 1/8 in the logit, from 0.018 over 0.5 to 0.9999: equally fine near 0 and near 1.
THRESHOLDS = tuple(np.round(probability(np.arange(-32, 73) / 8), 6).tolist())
WINDOWS = (*match.WINDOWS, 410)  # those of the paper, and the width of the label


def operating_point(
    validation_outputs: Source,
    validation_truth: Source,
    target_ifpr_s: float,
    recipe: str = "corrected",
    criterion: str = "value",
    thresholds: Sequence[float] = THRESHOLDS,
    windows: Sequence[int] = WINDOWS,
    tolerance_s: float = TOLERANCE_S,
    set_name: str = "validation",
) -> dict[str, Any]:
    """Choose where to call a candidate: the largest detection ratio at few enough false positives.

    Args:
        validation_outputs: logits of the validation set.
        validation_truth: the validation set.
        target_ifpr_s: time in s per false positive that must be reached, of the time really evaluated.
        recipe: "faithful" takes the paper's 0.5 and 256 and only measures what they reach.
        criterion: what must reach the target: "value", or "low", the lower end of its 68 % interval.
        thresholds: of the smoothed probability.
        windows: smoothing widths in samples.
        tolerance_s: of a coincidence.
        set_name: name of the set in the result.

    Returns:
        threshold, window, rule, set, reached, low, high (s per false positive; infinite where there was
        none), target_s, met (whether the target was reached at all), criterion, false_positives, exposure_s,
        tolerance_s, recipe and detection_ratio (interval). Where no setting reaches the target, the one with
        the longest time per false positive.
    """
    if criterion not in ("value", "low"):
        raise BadSetting(f"criterion '{criterion}' is not known; take 'value' or 'low'.")
    if recipe == "faithful":
        thresholds, windows = [DEFAULT_THRESHOLD], [DEFAULT_WINDOW]
    counts = tally(validation_outputs, validation_truth, windows, thresholds, recipe)
    return choose(counts, target_ifpr_s, criterion, tolerance_s, set_name)


def choose(
    counts: Tally,
    target_ifpr_s: float,
    criterion: str = "value",
    tolerance_s: float = TOLERANCE_S,
    set_name: str = "",
) -> dict[str, Any]:
    """The choice of `operating_point`, from counts that are there already."""
    points = [
        _point(counts, float(threshold), window, tolerance_s)
        for window in counts.windows
        for threshold in counts.thresholds
    ]
    met = [point for point in points if point[{"value": "reached", "low": "low"}[criterion]] >= target_ifpr_s]
    # Among equals the quieter one; then the wider window and the higher threshold, so that it is unique.
    by_detections = ("n_detected", "low", "window", "threshold")
    by_quiet = ("low", "n_detected", "window", "threshold")
    best = max(met or points, key=lambda point: [point[key] for key in (by_detections if met else by_quiet)])
    faithful = counts.recipe == "faithful"
    return {
        "threshold": best["threshold"],
        "window": best["window"],
        "rule": "the paper's defaults"
        if faithful
        else f"largest detection ratio at {target_ifpr_s:g} s or more per false positive ({criterion})",
        "set": set_name,
        **{key: best[key] for key in ("reached", "low", "high", "false_positives", "exposure_s")},
        "target_s": float(target_ifpr_s),
        "met": bool(met),
        "criterion": criterion,
        "tolerance_s": tolerance_s,
        "recipe": counts.recipe,
        "detection_ratio": metrics.binomial(best["n_detected"], int(counts.injected.sum())),
    }


def _point(counts: Tally, threshold: float, window: int, tolerance_s: float) -> Mapping[str, Any]:
    n_false = int(counts.false_positives(threshold, window, tolerance_s).sum())
    exposure = counts.exposure_s(window)
    time = metrics.inverse(metrics.poisson_rate(n_false, exposure))
    return {
        "threshold": threshold,
        "window": window,
        "n_detected": int(counts.detected(threshold, window, tolerance_s).sum()),
        "false_positives": n_false,
        "exposure_s": exposure,
        "reached": time["value"],
        "low": time["low"],
        "high": time["high"],
    }
