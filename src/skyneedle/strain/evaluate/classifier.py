"""Why not a classifier: a 1-s binary classifier run as a sliding window (Gebhard et al. 2019, Sec. III)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import GridMismatch, OneClassOnly
from skyneedle.core.seeds import generator
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.evaluate.match import match
from skyneedle.strain.preprocess import SAMPLE_RATE

STEPS_S = (0.0625, 0.125, 0.25, 0.5, 1.0)
THRESHOLDS = (0.5, 0.9, 0.99)
WINDOW_S = 1.0


def window_starts(n: int, window_s: float = WINDOW_S, step_s: float = STEPS_S[0]) -> np.ndarray:
    """First samples of the windows that fit into n samples, every ``step_s``."""
    window, step = round(window_s * SAMPLE_RATE), round(step_s * SAMPLE_RATE)
    if n < window or step < 1:
        raise GridMismatch(
            f"No window of {window_s} s with a step of {step_s} s fits into {n / SAMPLE_RATE:.3f} s."
        )
    return np.arange(0, n - window + 1, step)


def sliding_scores(
    apply: Callable[[np.ndarray], np.ndarray],
    strain: np.ndarray,
    window_s: float = WINDOW_S,
    step_s: float = STEPS_S[0],
    batch: int = 256,
) -> np.ndarray:
    """Output of a classifier for every window of a stretch.

    Args:
        apply: (batch, detector, window) -> logits (batch,) or (batch, 1).
        strain: network input, shape (detector, n).
        window_s: length of the classifier's input, in s.
        step_s: between windows, in s.
        batch: windows at once.

    Returns:
        Probabilities, shape (n_windows,); window k starts at ``window_starts(...)[k]``.
    """
    starts = window_starts(strain.shape[-1], window_s, step_s)
    views = np.lib.stride_tricks.sliding_window_view(strain, round(window_s * SAMPLE_RATE), axis=-1)
    parts = [
        np.asarray(apply(np.ascontiguousarray(views[:, starts[k : k + batch]].swapaxes(0, 1)))).reshape(-1)
        for k in range(0, len(starts), batch)
    ]
    return postprocess.probability(np.concatenate(parts))


def output_against_share(
    runs: Sequence[tuple[float, np.ndarray, np.ndarray]],
    network: str = "classifier",
    threshold: float = 0.5,
    groups: np.ndarray | None = None,
    n_bootstrap: int = 1000,
) -> pd.DataFrame:
    """The same windows scored by classifiers that saw different shares of positives in training (Sec. III A).

    Args:
        runs: for each classifier the share of positives in its training set, its probabilities and the labels
            of the windows, shape (window,).
        network: name in the table.
        threshold: from which a window counts as positive.
        groups: group of each window for the bootstrap (stretch or parent); else each window by itself.
        n_bootstrap: redraws.

    Returns:
        Columns share, network, set ("noise" or "signal"), n, value, low, high (share of windows at or above
        the
        threshold: false and true positive rate), mean_output, mean_low, mean_high (bootstrap by group),
            threshold.

    Raises:
        OneClassOnly: if the windows are of one class.
    """
    rows = []
    for share, scores, labels in runs:
        scores, labels = np.asarray(scores, float), np.asarray(labels).astype(int)
        if set(labels.tolist()) != {0, 1}:
            raise OneClassOnly(
                f"The windows for a share of {share} are of one class; noise and signal are needed."
            )
        member = np.arange(len(scores)) if groups is None else np.asarray(groups)
        for label, name in enumerate(("noise", "signal")):
            chosen = labels == label
            rng = generator(0, "share", name)
            mean = metrics.bootstrap(metrics.weighted_share(scores[chosen]), member[chosen], n_bootstrap, rng)
            called = metrics.binomial(int((scores[chosen] >= threshold).sum()), int(chosen.sum()))
            row = {"share": share, "network": network, "set": name, "n": called["n"]}
            row |= {key: called[key] for key in ("value", "low", "high")}
            row |= {"mean_output": mean["value"], "mean_low": mean["low"], "mean_high": mean["high"]}
            rows.append(row | {"threshold": threshold})
    return pd.DataFrame(rows)


def windows_and_counting(
    scores: np.ndarray,
    start_s: np.ndarray,
    event_s: np.ndarray,
    steps_s: Sequence[float] = STEPS_S,
    thresholds: Sequence[float] = THRESHOLDS,
    window_s: float = WINDOW_S,
    trained_position_s: float = 0.5,
    tolerance_s: float = 0.5,
) -> pd.DataFrame:
    """What a sliding window finds, against its step: a false positive rate is no rate in time (Sec. III C).

    Windows at or above the threshold that follow each other are one candidate, whose time is the middle of
    the run plus the place where mergers sat in training. One candidate an event can be true.

    Args:
        scores: probabilities at the finest step, shape (window,).
        start_s: where those windows start, in s, equally spaced.
        event_s: merger times in s.
        steps_s: steps, multiples of the spacing of ``start_s``.
        thresholds: of the probability.
        window_s: length of a window in s.
        trained_position_s: place of the merger in the training windows (the middle of the range), in s.
        tolerance_s: of a coincidence, in s.

    Returns:
        Columns step_s, threshold, candidates, true, false, naive_rate (share of positive windows among those
        without a merger, divided by the window's length, in 1/s), counted_rate (false candidates per s) with
        low and high, exposure_s, window_s, n_windows.

    Raises:
        GridMismatch: if a step is no multiple of the spacing.
    """
    scores, start_s = np.asarray(scores, float), np.asarray(start_s, float)
    event_s = np.sort(np.asarray(event_s, float))
    spacing = (start_s[-1] - start_s[0]) / (len(start_s) - 1)
    rows = []
    for step in steps_s:
        every = round(step / spacing)
        if every < 1 or abs(every * spacing - step) > 1e-6 * step:
            raise GridMismatch(
                f"A step of {step} s is not a multiple of the {spacing} s at which scores are there."
            )
        series, starts = scores[::every], start_s[::every]
        # A window without a merger is noise to a classifier, though it may hold most of an inspiral.
        following = np.searchsorted(event_s, starts)
        noise = ~(np.append(event_s, np.inf)[following] < starts + window_s)
        exposure = len(series) * step
        for threshold in thresholds:
            found = postprocess.candidates(series, threshold)
            true = match(
                starts[0] + found.centre * step + trained_position_s,
                event_s,
                lambda gap: gap <= tolerance_s + 1e-9,
            )
            n_true = int((true >= 0).sum())
            rate = metrics.poisson_rate(len(true) - n_true, exposure)
            positive = (series[noise] >= threshold).mean() if noise.any() else np.nan
            rows.append(
                {"step_s": step, "threshold": threshold, "candidates": len(true), "true": n_true}
                | {
                    "false": len(true) - n_true,
                    "naive_rate": positive / window_s,
                    "counted_rate": rate["value"],
                }
                | {"low": rate["low"], "high": rate["high"], "exposure_s": exposure}
                | {"window_s": window_s, "n_windows": len(series)}
            )
    return pd.DataFrame(rows)


def response_by_position(
    responses: Mapping[str, np.ndarray], position_s: np.ndarray, n_bootstrap: int = 1000
) -> pd.DataFrame:
    """Mean output for the same signals against the place of the merger in the window (Sec. III D).

    Args:
        responses: for each network its probabilities, or whether they reach a threshold, (example, position).
        position_s: place of the merger after the window's start, in s, shape (position,).
        n_bootstrap: redraws of examples.

    Returns:
        Columns network, position_s, value, low, high (of the mean over examples), n.
    """
    rows = []
    for network, response in responses.items():
        response = np.asarray(response, float)
        if response.ndim != 2 or response.shape[1] != len(position_s):
            raise GridMismatch(
                f"{network}: responses of shape {response.shape}, expected (example, {len(position_s)})."
            )
        example = np.arange(len(response))
        for place, column in zip(position_s, response.T, strict=True):
            # The same redraws at each position, so that the curve moves as one.
            rng = generator(0, "response", network)
            mean = metrics.bootstrap(metrics.weighted_share(column), example, n_bootstrap, rng)
            rows.append({"network": network, "position_s": float(place)} | mean)
    return pd.DataFrame(rows)


def differences(
    share: pd.DataFrame, counting: pd.DataFrame, position: pd.DataFrame, trained_s: tuple[float, float]
) -> dict[str, Any]:
    """The three arguments in one number each, for the scoreboard.

    Args:
        share: from `output_against_share`, one network.
        counting: from `windows_and_counting`.
        position: from `response_by_position`, one network.
        trained_s: between which places of the window mergers were in training.

    Returns:
        Metric entries. Intervals of differences add those of both sides in quadrature, which is too wide
        rather than too narrow, as both share their windows.
    """
    signal = share[share["set"] == "signal"].sort_values("share")
    fine = counting.sort_values(["step_s", "threshold"]).iloc[0]
    naive = fine["naive_rate"] if fine["naive_rate"] > 0 else np.nan
    inside = position["position_s"].between(*trained_s)
    means = [position[chosen][["value", "low", "high"]].mean() for chosen in (inside, ~inside)]
    ratio = metrics.interval(
        fine["counted_rate"] / naive, fine["low"] / naive, fine["high"] / naive, int(fine["n_windows"])
    )
    where = f"step {fine['step_s']:g} s, threshold {fine['threshold']:g}"
    low, high = signal.iloc[0], signal.iloc[-1]
    out = {
        "classifier_share_largest_minus_smallest": _minus(high, low, int(high["n"]))
        | {"definition": f"true positive rate, share {high['share']:g} minus share {low['share']:g}"},
        "classifier_counted_over_naive": ratio
        | {"definition": f"false candidates per s over false positive rate / window length; {where}"},
        "classifier_trained_position_minus_elsewhere": _minus(means[0], means[1], int(position["n"].iloc[0]))
        | {
            "definition": f"mean response, mergers {trained_s[0]:g} to {trained_s[1]:g} s in, minus elsewhere"
        },
    }
    missing = "one side of the comparison was not measured, or no window was a false positive"
    return {
        key: entry if np.isfinite(entry["value"]) else entry | {"reason": missing}
        for key, entry in out.items()
    }


def _minus(first: Any, second: Any, n: int) -> dict[str, Any]:
    value = first["value"] - second["value"]
    down = np.hypot(first["value"] - first["low"], second["high"] - second["value"])
    up = np.hypot(first["high"] - first["value"], second["value"] - second["low"])
    return metrics.interval(value, value - down, value + up, n)


def windows_at_positions(
    strain: np.ndarray, event_index: np.ndarray, position_s: np.ndarray, length: int
) -> np.ndarray:
    """Cut windows so that the merger sits at each of several places: input of `response_by_position`.

    Args:
        strain: network input, shape (example, detector, n).
        event_index: sample of the merger, shape (example,).
        position_s: place of the merger after the window's start, in s, shape (position,).
        length: of a window in samples (2048 for a 1-s classifier).

    Returns:
        Shape (example, position, detector, length).

    Raises:
        GridMismatch: if a window reaches beyond the example.
    """
    start = np.asarray(event_index)[:, None] - np.round(np.asarray(position_s) * SAMPLE_RATE).astype(int)
    if start.min() < 0 or (start + length).max() > strain.shape[-1]:
        raise GridMismatch(
            f"Windows of {length} samples from {start.min()} to {(start + length).max()} reach beyond "
            f"the example of {strain.shape[-1]}; leave out events near its ends."
        )
    views = np.lib.stride_tricks.sliding_window_view(strain, length, axis=-1)
    return views[np.arange(len(strain))[:, None], :, start]
