"""Metrics of one network on one set, with error bars (Gebhard et al. 2019, Sec. VI B, VII A, B)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import GridMismatch
from skyneedle.core.seeds import generator
from skyneedle.strain.evaluate.match import (
    TOLERANCE_S,
    WINDOWS,
    Source,
    Tally,
    open_set,
    parents,
    tally,
    trigger_table,
)
from skyneedle.strain.evaluate.operating_point import operating_point
from skyneedle.strain.evaluate.postprocess import DEFAULT_THRESHOLD, DEFAULT_WINDOW

TOLERANCES_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
SNR_EDGES = np.linspace(5, 20, 31)
DEFINITIONS = {
    "detection_ratio": "injections with a trigger within {tolerance} s, of all injections",
    "detection_ratio_bootstrap": "the same, interval by redrawing blocks of background (parents)",
    "detection_ratio_above_snr11": "the same for injections of network SNR >= 11",
    "detection_ratio_at_snr7.79": "the same for network SNR 7.5 to 8.0",
    "false_positive_ratio": "false positives, of all triggers",
    "false_positive_rate_per_s": "false positives per s of time really evaluated",
    "false_positive_rate_bootstrap_per_s": "the same, interval by redrawing blocks of background (parents)",
    "inverse_false_positive_rate_s": "time really evaluated per false positive",
    "inverse_false_positive_rate_paper_s": "time per false positive, 8 s an example as in the paper",
    "detection_ratio_above_snr11_tolerance_0.01": "the same for SNR >= 11 within 0.01 s",
    "detection_ratio_tolerance_1.0_minus_0.05": "detection ratio within 1 s minus that within 0.05 s",
    "inverse_false_positive_rate_tolerance_1.0_over_0.05": "time a false positive, tolerance 1 s over 0.05 s",
    "exposure_s": "time really evaluated: times at which a candidate can lie",
}
NO_FALSE_POSITIVE = "no false positive was seen: only a lower limit is known"


class Score(NamedTuple):
    """All results of one network on one set."""

    metrics: dict[str, Any]
    by_snr: pd.DataFrame
    by_tolerance: pd.DataFrame
    by_postprocessing: pd.DataFrame
    triggers: pd.DataFrame


def score(
    outputs: Source,
    truth: Source,
    network: str,
    point: Mapping[str, Any],
    recipe: str,
    tolerance_s: float = TOLERANCE_S,
    n_bootstrap: int = 1000,
    extra: Mapping[str, Any] | None = None,
) -> Score:
    """Metrics and tables of a network on a test set.

    Args:
        outputs: its logits on the set (array ``logit``, table ``id`` and ``gps_start``), a folder or
            `DataSet`.
        truth: the set itself.
        network: name in the tables.
        point: operating point with ``threshold`` and ``window``, chosen on another set.
        recipe: "corrected" or "faithful".
        tolerance_s: of a coincidence in the scalar metrics, the triggers and `by_postprocessing`.
        n_bootstrap: redraws of the bootstrap intervals.
        extra: further scalar metrics (n_parameters, ...): numbers, or entries with value, low, high, n,
            definition.

    Returns:
        Score; by_snr and by_tolerance at the operating point.

    Raises:
        OneClassOnly: if the set has no injection or no noise example.
        GridMismatch: if outputs and set do not belong together.
    """
    outputs, truth = open_set(outputs), open_set(truth)
    threshold, window = float(point["threshold"]), int(point["window"])
    counts = tally(
        outputs,
        truth,
        sorted({*WINDOWS, DEFAULT_WINDOW, window}),
        sorted({*THRESHOLDS, DEFAULT_THRESHOLD, threshold}),
        recipe,
    )
    results = scalar_metrics(counts, threshold, window, tolerance_s, n_bootstrap)
    default = scalar_metrics(counts, DEFAULT_THRESHOLD, DEFAULT_WINDOW, tolerance_s, n_bootstrap)
    return Score(
        metrics=metrics_json(results, default, extra),
        by_snr=by_snr(counts, network, threshold, window),
        by_tolerance=by_tolerance(counts, network, threshold, window),
        by_postprocessing=by_postprocessing(counts, network, tolerance_s),
        triggers=trigger_table(outputs, truth, threshold, window, recipe, tolerance_s),
    )


def score_to_files(
    outputs: str | Path,
    truth: str | Path,
    files: Mapping[str, str | Path],
    provenance: Mapping[str, Any] | None = None,
    **settings: Any,
) -> None:
    """`score`, written to disk.

    Args:
        outputs: folder or shard of logits.
        truth: folder or shard of the set.
        files: destination of each field of `Score` that is wanted: metrics (JSON), by_snr, by_tolerance,
            by_postprocessing (CSV), triggers (parquet).
        provenance: stored in the JSON under "provenance".
        **settings: of `score`.
    """
    unknown = set(files) - set(Score._fields)
    if unknown:
        raise GridMismatch(
            f"files {sorted(unknown)} are not results of score; expected some of {Score._fields}."
        )
    result = score(outputs, truth, **settings)
    for name, path in files.items():
        content = getattr(result, name)
        if name == "metrics":
            tables.write_json(content | ({"provenance": dict(provenance)} if provenance else {}), path)
        elif name == "triggers":
            tables.write_parquet(content, path)
        else:
            tables.write_csv(content, path)


def choose_and_score(
    network: str,
    inputs: Any,
    outputs: Any,
    recipe: str,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Choose a network's operating point on the validation set, then score it on the testing set.

    Args:
        network: name in the tables.
        inputs: with attributes validation_outputs, validation, testing_outputs, testing (data sets) and card
            (of the trained network, may be empty; n_parameters and best_epoch are taken over from it).
        outputs: with attributes point and the fields of `Score`: files to write.
        recipe: "corrected" or "faithful".
        settings: target_ifpr_s, and optionally criterion, tolerance_s, n_bootstrap.
        provenance: stored in both JSON files.
    """
    rest = {key: settings[key] for key in ("criterion", "tolerance_s") if key in settings}
    point = operating_point(
        inputs.validation_outputs, inputs.validation, settings["target_ifpr_s"], recipe, **rest
    )
    card = json.loads(Path(str(inputs.card)).read_text()) if inputs.card else {}
    scored = {key: settings[key] for key in ("n_bootstrap", "tolerance_s") if key in settings}
    scored["extra"] = {key: card[key] for key in ("n_parameters", "best_epoch") if card.get(key) is not None}
    files = {name: getattr(outputs, name) for name in Score._fields}
    scored |= {"network": network, "point": point, "recipe": recipe}
    score_to_files(inputs.testing_outputs, inputs.testing, files, provenance, **scored)
    tables.write_json(point | ({"provenance": dict(provenance)} if provenance else {}), outputs.point)


def scalar_metrics(
    counts: Tally, threshold: float, window: int, tolerance_s: float = TOLERANCE_S, n_bootstrap: int = 1000
) -> dict[str, dict[str, Any]]:
    """The numbers of `DEFINITIONS` at one setting of the post-processing."""
    detected = counts.detected(threshold, window, tolerance_s)
    false = counts.false_positives(threshold, window, tolerance_s)
    injected, parent = counts.injected, parents(counts.truth)
    exposure, n_false, n_detected = counts.exposure_s(window), int(false.sum()), int(detected.sum())
    rate = metrics.poisson_rate(n_false, exposure)
    rng = [generator(0, "evaluate", name) for name in ("detection", "false positives")]
    per_example_s = exposure / len(false)
    found = metrics.bootstrap(metrics.weighted_share(detected, injected), parent, n_bootstrap, rng[0])
    wrong = metrics.bootstrap(metrics.weighted_share(false / per_example_s), parent, n_bootstrap, rng[1])
    snr = counts.truth["snr"].to_numpy(float)
    loud, faint = injected & (snr >= 11), injected & (snr >= 7.5) & (snr < 8)
    return {
        "detection_ratio": metrics.binomial(n_detected, int(injected.sum())),
        "detection_ratio_bootstrap": found,
        "detection_ratio_above_snr11": metrics.binomial(int(detected[loud].sum()), int(loud.sum())),
        "detection_ratio_at_snr7.79": metrics.binomial(int(detected[faint].sum()), int(faint.sum())),
        "false_positive_ratio": metrics.binomial(n_false, n_false + n_detected),
        "false_positive_rate_per_s": rate,
        "false_positive_rate_bootstrap_per_s": wrong,
        "inverse_false_positive_rate_s": metrics.inverse(rate),
        "inverse_false_positive_rate_paper_s": metrics.inverse(
            metrics.poisson_rate(n_false, counts.exposure_s(window, "paper"))
        ),
        "exposure_s": metrics.interval(exposure, exposure, exposure, len(false)),
        **_against_tolerance(counts, threshold, window, loud, n_bootstrap),
    } | {"_settings": {"threshold": threshold, "window": window, "tolerance_s": tolerance_s}}


def _against_tolerance(
    counts: Tally, threshold: float, window: int, loud: np.ndarray, n_bootstrap: int
) -> dict[str, Any]:
    """What the paper says about the tolerance in words (its Figs. 4 and 5)."""
    narrow = counts.detected(threshold, window, 0.01) & loud
    usual, wide = (counts.detected(threshold, window, tolerance) for tolerance in (0.05, 1.0))
    false, false_wide = (counts.false_positives(threshold, window, tolerance) for tolerance in (0.05, 1.0))
    parent, injected = parents(counts.truth), counts.injected

    def times(weights: np.ndarray) -> float:
        left = weights @ false_wide
        return float(weights @ false / left) if left else np.nan

    within_1, within_005 = metrics.weighted_share(wide, injected), metrics.weighted_share(usual, injected)
    rng = [generator(0, "evaluate", name) for name in ("tolerance difference", "tolerance ratio")]
    return {
        "detection_ratio_above_snr11_tolerance_0.01": metrics.binomial(int(narrow.sum()), int(loud.sum())),
        "detection_ratio_tolerance_1.0_minus_0.05": metrics.paired_difference(
            within_1, within_005, parent, n_bootstrap, rng[0]
        ),
        "inverse_false_positive_rate_tolerance_1.0_over_0.05": metrics.bootstrap(
            times, parent, n_bootstrap, rng[1]
        ),
    }


def metrics_json(
    point: Mapping[str, Any], default: Mapping[str, Any] | None = None, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Scalar metrics in the form of the metric files.

    Args:
        point: `scalar_metrics` at the operating point.
        default: the same at the paper's threshold and window; these get the suffix ``_default``.
        extra: further numbers or entries, taken as they are.

    Returns:
        metric -> value, low, high, n, definition and, where there is no value, reason.
    """
    out: dict[str, Any] = {}
    for suffix, results in (("", point), ("_default", default or {})):
        if not results:
            continue
        settings = results["_settings"]
        where = f"; threshold {settings['threshold']:.6g}, window {settings['window']}"
        for name, entry in results.items():
            if name in DEFINITIONS:
                text = DEFINITIONS[name].format(tolerance=settings["tolerance_s"])
                out[name + suffix] = _with_reason(name, {**entry, "definition": text + where})
    for name, entry in (extra or {}).items():
        is_entry = isinstance(entry, Mapping)
        out[name] = (
            dict(entry)
            if is_entry
            else {"value": entry, "low": entry, "high": entry, "n": 1, "definition": name}
        )
    return out


def by_snr(
    counts: Tally, network: str, threshold: float, window: int, tolerances_s: Sequence[float] = TOLERANCES_S
) -> pd.DataFrame:
    """Detection ratio in 30 bins of the network SNR from 5 to 20, for each tolerance (the paper's Fig. 4).

    Returns:
        Columns network, tolerance_s, snr_low, snr_high, n, detected, value, low, high.
    """
    snr = counts.truth["snr"].to_numpy(float)[counts.injected]
    # Rounded like the edges: 5 + 3 * 0.5 must fall into the bin that begins there. The last bin includes its
    # upper edge.
    number = np.searchsorted(SNR_EDGES, snr, side="right") - 1
    number[snr == SNR_EDGES[-1]] = len(SNR_EDGES) - 2
    inside = (number >= 0) & (number < len(SNR_EDGES) - 1)
    n = np.bincount(number[inside], minlength=len(SNR_EDGES) - 1)
    rows = []
    for tolerance in tolerances_s:
        hit = counts.detected(threshold, window, tolerance)[counts.injected]
        k = np.bincount(number[inside & hit], minlength=len(n))
        share = metrics.binomial(k, n)
        rows.append(
            pd.DataFrame({"snr_low": SNR_EDGES[:-1], "snr_high": SNR_EDGES[1:], "n": n, "detected": k})
            .assign(network=network, tolerance_s=tolerance)
            .assign(**{key: share[key] for key in ("value", "low", "high")})
        )
    columns = ["network", "tolerance_s", "snr_low", "snr_high", "n", "detected", "value", "low", "high"]
    return pd.concat(rows, ignore_index=True)[columns]


def by_tolerance(
    counts: Tally, network: str, threshold: float, window: int, tolerances_s: Sequence[float] = TOLERANCES_S
) -> pd.DataFrame:
    """Time per false positive against the tolerance, in both conventions of exposure (the paper's Fig. 5).

    Returns:
        Columns network, tolerance_s, exposure, false_positives, exposure_s, value, low, high (s; infinite for
        none).
    """
    rows = []
    for tolerance in tolerances_s:
        n_false = int(counts.false_positives(threshold, window, tolerance).sum())
        for convention in ("paper", "evaluated"):
            exposure = counts.exposure_s(window, convention)
            time = metrics.inverse(metrics.poisson_rate(n_false, exposure))
            rows.append(
                {
                    "network": network,
                    "tolerance_s": tolerance,
                    "exposure": convention,
                    "false_positives": n_false,
                }
                | {"exposure_s": exposure}
                | {key: time[key] for key in ("value", "low", "high")}
            )
    return pd.DataFrame(rows)


def by_postprocessing(counts: Tally, network: str, tolerance_s: float = TOLERANCE_S) -> pd.DataFrame:
    """Detection ratio and time per false positive over thresholds and windows (the paper's Fig. 6).

    The faithful recipe repeats what the published script did, and exposes 8 s an example: noise examples keep
    the default threshold and window at every point (spec A6.1), so that a quarter of the data answers for
    other settings.

    Returns:
        Columns network, threshold, window, detection_ratio, detection_low, detection_high, false_positives,
        exposure_s, value, low, high (s per false positive).
    """
    faithful, injected = counts.recipe == "faithful", counts.injected
    rows = []
    for threshold in THRESHOLDS:
        for window in WINDOWS:
            false = counts.false_positives(threshold, window, tolerance_s)
            if faithful:
                false = np.where(
                    injected, false, counts.false_positives(DEFAULT_THRESHOLD, DEFAULT_WINDOW, tolerance_s)
                )
            n_false = int(false.sum())
            exposure = counts.exposure_s(window, "paper" if faithful else "evaluated")
            n_detected = int(counts.detected(threshold, window, tolerance_s).sum())
            share = metrics.binomial(n_detected, int(injected.sum()))
            time = metrics.inverse(metrics.poisson_rate(n_false, exposure))
            rows.append(
                {
                    "network": network,
                    "threshold": threshold,
                    "window": window,
                    "detection_ratio": share["value"],
                }
                | {"detection_low": share["low"], "detection_high": share["high"]}
                | {"false_positives": n_false, "exposure_s": exposure}
                | {key: time[key] for key in ("value", "low", "high")}
            )
    return pd.DataFrame(rows)


def margin(
    triggers: pd.DataFrame, baseline: pd.DataFrame, truth: Source, seed: int = 0, n_bootstrap: int = 1000
) -> dict[str, Any]:
    """Detection ratio of a network minus that of a baseline on the same injections, with a paired interval.

    Args:
        triggers: trigger table of the network, with ``example`` and ``detected``.
        baseline: trigger table of the baseline, at its own operating point.
        truth: the set that both were evaluated on.
        seed: of the bootstrap by parent.
        n_bootstrap: redraws.

    Returns:
        A metric entry.
    """
    table = open_set(truth).table
    injected = table["label"].to_numpy() == 1
    hits = [
        metrics.weighted_share(
            np.isin(table["id"], found.loc[found["detected"].astype(bool), "example"]), injected
        )
        for found in (triggers, baseline)
    ]
    difference = metrics.paired_difference(
        hits[0], hits[1], parents(table), n_bootstrap, generator(seed, "evaluate", "margin")
    )
    text = "detection ratio minus that of the excess-power baseline, each at its own operating point"
    return {**difference, "definition": text + "; bootstrap by parent"}


def _with_reason(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    if np.isfinite(entry["value"]):
        return entry
    return entry | {
        "reason": NO_FALSE_POSITIVE if name.startswith("inverse") else "no example to measure it on"
    }
