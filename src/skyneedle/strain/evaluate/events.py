"""Catalogued events: found, missed, or not at hand (Gebhard et al. 2019, Sec. VII C)."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics
from skyneedle.core.errors import (
    DetectorMismatch,
    GridMismatch,
    SkyneedleError,
    StrainHasGap,
    WrongSampleRate,
)
from skyneedle.core.tables import write_csv, write_json, write_parquet
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.evaluate.match import TOLERANCE_S
from skyneedle.strain.evaluate.streams import Scorer, Series, apply_to_stream, judged_span, scorer_of
from skyneedle.strain.preprocess import RAW_SAMPLE_RATE, SAMPLE_RATE, normalise, stream

# Catalogues give the time at the Earth's centre; a detector on its surface sees the wave up to 21.3 ms
# earlier or later.
EARTH_CROSSING_S = 0.0213
CATALOGUE_ROUNDING_S = 0.05  # the portal rounds to 0.1 s
SHOWN_S = 16.0  # around the event, as in the paper's Fig. 7
COLUMNS = [
    *("event", "status", "reason", "gps_catalogue", "gps_found", "offset_s", "statistic", "threshold"),
    *("n_above_threshold", "n_expected", "judged_s", "rank"),
]

Read = Callable[[str], Any]  # path -> strain with values, gps_start, sample_rate, detector


def evaluate_event(
    series: Series,
    name: str,
    gps: float,
    point: Mapping[str, Any],
    recipe: str,
    false_positive_rate: float = float("nan"),
    tolerance_s: float = TOLERANCE_S,
    catalogue_s: float = CATALOGUE_ROUNDING_S,
) -> dict[str, Any]:
    """Whether a network finds an event, and what else it finds in the same stretch.

    Args:
        series: outputs of the network over the event's file.
        name: of the event.
        gps: its time in the catalogue, at the Earth's centre, in s.
        point: operating point with ``threshold`` and ``window``.
        recipe: "corrected" or "faithful".
        false_positive_rate: per s of time really evaluated, from the test set.
        tolerance_s: of a coincidence, for a time at the detector; the Earth's radius (21.3 ms) is added.
        catalogue_s: how far the catalogue's time may be rounded, added likewise; 0 for an exact time.

    Returns:
        One row with `COLUMNS`. The event's trigger is the loudest within the tolerance. n_above_threshold
        counts the other triggers of the stretch, n_expected how many of them the test set's rate predicts;
        rank is 1 if none of them has a higher statistic than the event's peak. A missed event shows the
        highest smoothed output within the tolerance as its statistic; an event outside the judged time is
        "missing".
    """
    threshold, window = float(point["threshold"]), int(point["window"])
    start, end = judged_span(series, window, recipe)
    row = dict.fromkeys(COLUMNS, np.nan) | {
        "event": name,
        "reason": "",
        "gps_catalogue": gps,
        "threshold": threshold,
    }
    row |= {"judged_s": end - start, "n_expected": false_positive_rate * (end - start)}
    reach = tolerance_s + EARTH_CROSSING_S + catalogue_s
    if not start <= gps < end:
        return row | {
            "status": "missing",
            "reason": f"the strain at hand can be judged from GPS {start:.2f} to {end:.2f}",
        }
    triggers = postprocess.triggers_from_logits(
        series.logits, series.gps_start, threshold, window, recipe, grid=series.grid
    )
    near = triggers[(triggers["gps"] - gps).abs() <= reach]
    if len(near):
        best = near.loc[near["statistic"].idxmax()]
        row |= {
            "status": "found",
            "gps_found": best["gps"],
            "offset_s": best["gps"] - gps,
            "statistic": best["statistic"],
        }
        others = triggers.drop(index=best.name)
    else:
        smoothed, times = _smoothed(series, window, recipe)
        inside = smoothed[np.abs(times - gps) <= reach]
        peak = float(inside.max()) if len(inside) else float("nan")
        reason = f"no trigger within {reach:.4f} s; the smoothed output peaks there at {peak:.4f}"
        row |= {"status": "missed", "statistic": peak, "reason": reason}
        others = triggers
    louder = int((others["statistic"] > row["statistic"]).sum())
    return row | {"n_above_threshold": len(others), "rank": 1 + louder}


def event_traces(
    series: Series,
    name: str,
    gps: float,
    point: Mapping[str, Any],
    recipe: str,
    detectors: Sequence[str],
    normalisation: Mapping[str, list[float]] | None = None,
    shown_s: float = SHOWN_S,
) -> pd.DataFrame:
    """What a figure of an event shows: strain and three stages of the output, around the event at 2048 Hz.

    Args:
        series: with its strain kept.
        name, gps, point, recipe: see `evaluate_event`.
        detectors: names of the channels.
        normalisation: scale of the network's input; left out, strain is shown as conditioned.
        shown_s: length in s.

    Returns:
        Columns event, gps, one for each detector, raw, smoothed (NaN where the window does not fit), above (0
        or 1). The smoothed value of an even window stands half a sample late, on the nearest output;
        candidate times do not.
    """
    if series.strain is None:
        raise GridMismatch(f"{name}: the series has no strain to show; run it with keep_strain.")
    smoothed, at = _smoothed(series, int(point["window"]), recipe)
    raw = postprocess.probability(series.logits)
    times = series.strain_gps + np.arange(series.strain.shape[1]) / SAMPLE_RATE
    shown = slice(*np.searchsorted(times, [gps - shown_s / 2, gps + shown_s / 2]))
    strain = series.strain[:, shown]
    strain = normalise(strain, normalisation) if normalisation else strain
    table: dict[str, Any] = {"event": name, "gps": times[shown]}
    table |= {detector: strain[k].astype(np.float32) for k, detector in enumerate(detectors)}
    table["raw"] = _held(raw, series.gps_start, series.grid.rate, times[shown])
    table["smoothed"] = _held(smoothed, at[0], series.grid.rate, times[shown])
    return pd.DataFrame(table | {"above": (table["smoothed"] >= float(point["threshold"])).astype(np.int8)})


def find_events(
    statuses: Sequence[str | Path],
    model: str | Path,
    point: str | Path,
    metrics_file: str | Path,
    recipe: str,
    read: Read,
    outputs: Any,
    device: str = "cpu",
) -> None:
    """Look for all events with one network; writes table, traces and metrics.

    Args:
        statuses: status files of the events.
        model: weights of the network.
        point: JSON of its operating point.
        metrics_file: its metrics on the testing set, for the rate of false positives.
        recipe: "corrected" or "faithful".
        read: reads a strain file (`skyneedle.strain.fetch`).
        outputs: with attributes table, traces and metrics: files to write.
        device: "cpu" or "cuda:0".
    """
    scorer, detectors, scale = scorer_of(model, device)
    rate = json.loads(Path(metrics_file).read_text())["false_positive_rate_per_s"]["value"]
    results = evaluate_events(
        [json.loads(Path(path).read_text()) for path in statuses],
        scorer,
        read,
        detectors,
        json.loads(Path(point).read_text()),
        recipe,
        scale,
        false_positive_rate=rate,
    )
    events_to_files(results, outputs.table, outputs.traces, outputs.metrics)


def evaluate_events(
    events: Sequence[Mapping[str, Any]],
    scorer: Scorer,
    read: Read,
    detectors: Sequence[str],
    point: Mapping[str, Any],
    recipe: str,
    normalisation: Mapping[str, list[float]] | None = None,
    **settings: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All events, those without data included.

    Args:
        events: status files as `skyneedle.strain.fetch` writes them: ``event``, ``gps``, ``status``
            ("fetched" or "missing"), ``reason`` and ``path``, the strain file of each detector.
        scorer: the network, see `streams.network_scorer`.
        read: reads a strain file (`skyneedle.strain.fetch`).
        detectors: that the network takes, in its order.
        point: operating point.
        recipe: "corrected" or "faithful".
        normalisation: scale of the network's input, for the traces.
        **settings: of `evaluate_event`.

    Returns:
        The table of events (`COLUMNS`), and the traces of those that have data.
    """
    rows, traces = [], []
    for event in events:
        name, gps = event["event"], float(event["gps"])
        if event.get("status") == "missing":
            rows.append(_missing(name, gps, point, event.get("reason") or "no strain file"))
            continue
        try:
            strain, start = read_event(event, detectors, read)
            pieces = list(stream(strain, recipe))
        except SkyneedleError as error:  # one bad file must not cost the other events
            rows.append(_missing(name, gps, point, str(error)))
            continue
        series = apply_to_stream(scorer, pieces, start, keep_strain=True)
        rows.append(evaluate_event(series, name, gps, point, recipe, **settings))
        traces.append(event_traces(series, name, gps, point, recipe, detectors, normalisation))
    empty = pd.DataFrame(columns=["event", "gps", *detectors, "raw", "smoothed", "above"])
    joined = pd.concat(traces, ignore_index=True) if traces else empty
    return pd.DataFrame(rows, columns=COLUMNS), joined


def read_event(event: Mapping[str, Any], detectors: Sequence[str], read: Read) -> tuple[np.ndarray, float]:
    """Strain of an event in the order of the detectors, shape (detector, n), and its GPS start in s."""
    lacking = [detector for detector in detectors if detector not in event["path"]]
    if lacking:
        raise DetectorMismatch(
            f"{event['event']}: no strain of {', '.join(lacking)}; the network needs {list(detectors)}."
        )
    parts = [read(event["path"][detector]) for detector in detectors]
    start, n = parts[0].gps_start, len(parts[0].values)
    if any(part.gps_start != start or len(part.values) != n for part in parts):
        raise StrainHasGap(
            f"{event['event']}: the detectors' files do not cover the same time; give equal ones."
        )
    if any(part.sample_rate != RAW_SAMPLE_RATE for part in parts):
        raise WrongSampleRate(
            f"{event['event']}: strain at {parts[0].sample_rate} Hz; {RAW_SAMPLE_RATE} Hz are expected."
        )
    return np.stack([part.values for part in parts]), float(start)


def events_to_files(
    results: tuple[pd.DataFrame, pd.DataFrame],
    csv: str | Path,
    parquet: str | Path,
    metrics_json: str | Path | None = None,
) -> None:
    """Write what `evaluate_events` returns; the metrics too if a place for them is given."""
    write_csv(results[0], csv)
    write_parquet(results[1], parquet)
    if metrics_json is not None:
        write_json(events_metrics(*results), metrics_json)


def events_metrics(table: pd.DataFrame, traces: pd.DataFrame | None = None) -> dict[str, Any]:
    """The table of events as metrics, for the scoreboard.

    Args:
        table: from `evaluate_events`.
        traces: likewise; with them the connected intervals above the threshold are counted.

    Returns:
        n_events, n_found, n_judged, and for each event <event>_found (1, 0, or no value with the reason),
        <event>_offset_s, <event>_rank, and, given the traces, <event>_intervals_smoothed and
        <event>_intervals_raw within 0.5 s of the catalogue's time; offset_GW151226_minus_GW150914_s where
        both were found.
    """
    judged = table[table["status"] != "missing"]
    found = table["status"] == "found"
    out = {
        "n_events": _exact(len(table), "events in the list"),
        "n_judged": _exact(len(judged), "events with strain that can be judged"),
        "n_found": _exact(int(found.sum()), f"events found, of the {len(judged)} that could be judged"),
    }
    for row in table.to_dict("records"):
        name, reason = row["event"], row["reason"] or ""
        entries = {
            "found": (float(row["status"] == "found"), "1 if a trigger lies at the catalogue's time, else 0"),
            "offset_s": (row["offset_s"], "trigger minus catalogue time (at the Earth's centre)"),
            "rank": (row["rank"], "1 if no other trigger of the stretch is as loud as the event's peak"),
        }
        for key, (value, text) in entries.items():
            out[f"{name}_{key}"] = _exact(np.nan if row["status"] == "missing" else value, text, reason)
        if traces is not None:
            out |= _intervals(row, traces[traces["event"] == name], reason)
    pair = [abs(out.get(f"{name}_offset_s", {}).get("value", np.nan)) for name in ("GW151226", "GW150914")]
    text = "distance of the trigger from the catalogue's time, GW151226 minus GW150914"
    out["offset_GW151226_minus_GW150914_s"] = _exact(pair[0] - pair[1], text, "not both of them were found")
    return out


def _intervals(row: Mapping[str, Any], traces: pd.DataFrame, reason: str) -> dict[str, Any]:
    near = traces[(traces["gps"] - row["gps_catalogue"]).abs() <= 0.5]
    out = {}
    for series in ("smoothed", "raw"):
        found = postprocess.candidates(near[series].to_numpy(float), row["threshold"])
        text = f"connected intervals of the {series} output above the threshold, within 0.5 s of the event"
        count = len(found.row) if len(near) else np.nan
        out[f"{row['event']}_intervals_{series}"] = _exact(count, text, reason)
    return out


def _exact(value: float, definition: str, reason: str = "") -> dict[str, Any]:
    entry = {**metrics.interval(value, value, value, 1), "definition": definition}
    return entry if np.isfinite(value) else entry | {"reason": reason or "the event was not found"}


def _smoothed(series: Series, window: int, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    width = series.grid.width(window)
    smoothed = postprocess.smooth(postprocess.probability(series.logits), width, recipe)
    first = postprocess.first_output(width, recipe)
    return smoothed, series.gps_start + (first + np.arange(len(smoothed))) / series.grid.rate


def _held(values: np.ndarray, start: float, rate: float, times: np.ndarray) -> np.ndarray:
    """The last value at or before each time (half a sample of the finer grid allowed); NaN outside."""
    index = np.floor((times - start) * rate + 0.5 * rate / SAMPLE_RATE).astype(int)
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[index.clip(0, len(values) - 1)], np.nan)


def _missing(name: str, gps: float, point: Mapping[str, Any], reason: str) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS, np.nan) | {"event": name, "status": "missing", "reason": reason}
    return row | {"gps_catalogue": gps, "threshold": float(point["threshold"])}
