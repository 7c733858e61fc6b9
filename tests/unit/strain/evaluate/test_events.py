import json
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.strain.evaluate import baseline, events
from skyneedle.strain.evaluate.streams import Scorer, Series, baseline_scorer

START = 1126259450.0
POINT = {"threshold": 0.5, "window": 64}
GPS = 1126259462.42


def series_with(peaks, n=25 * 2048):
    """Plateaus of 301 samples (logit, GPS)."""
    logits = np.full(n, -12.0)
    for height, gps in peaks:
        middle = round((gps - START) * 2048)
        logits[middle - 150 : middle + 151] = height
    strain = np.random.default_rng(0).normal(0, 32, (2, n))
    return Series(START, logits, strain=strain, strain_gps=START)


def evaluate(peaks, **settings):
    settings = {"catalogue_s": 0.0} | settings
    return events.evaluate_event(series_with(peaks), "GW150914", GPS, POINT, "corrected", **settings)


def test_found_with_its_rank_and_the_others_expected():
    row = evaluate([(3.0, GPS + 0.01), (1.0, GPS - 5), (6.0, GPS + 5)], false_positive_rate=1 / 180)
    assert row["status"] == "found"
    assert row["offset_s"] == pytest.approx(0.01, abs=1 / 2048)
    assert row["statistic"] == pytest.approx(1 / (1 + np.exp(-3)))
    assert (row["n_above_threshold"], row["rank"]) == (2, 2)
    assert row["judged_s"] == pytest.approx(25 - 63 / 2048)
    assert row["n_expected"] == pytest.approx(row["judged_s"] / 180)
    assert set(row) == set(events.COLUMNS)


def test_the_tolerance_allows_for_the_way_from_the_centre_of_the_earth():
    assert evaluate([(3.0, GPS + 0.070)])["status"] == "found"
    row = evaluate([(3.0, GPS + 0.080)])
    assert row["status"] == "missed"
    assert "0.0713" in row["reason"]
    assert row["n_above_threshold"] == 1  # the trigger beside it is one of the others
    assert evaluate([(3.0, GPS + 0.080)], catalogue_s=0.05)["status"] == "found"


def test_a_missed_event_shows_how_close_it_came():
    row = evaluate([(-1.0, GPS), (2.0, GPS - 3)])
    assert row["status"] == "missed"
    assert row["statistic"] == pytest.approx(1 / (1 + np.exp(1)))
    assert row["rank"] == 2
    assert np.isnan(row["gps_found"])


def test_an_event_outside_the_judged_time_is_missing():
    row = events.evaluate_event(series_with([]), "GW150914", START + 40, POINT, "corrected")
    assert row["status"] == "missing"
    assert "1126259450.02" in row["reason"]


def test_traces_show_16_s_with_all_stages():
    table = events.event_traces(series_with([(3.0, GPS)]), "GW150914", GPS, POINT, "corrected", ["H1", "L1"])
    assert len(table) == 16 * 2048
    assert list(table) == ["event", "gps", "H1", "L1", "raw", "smoothed", "above"]
    assert table["gps"].iloc[0] == pytest.approx(GPS - 8, abs=1 / 2048)
    shown = table[table["above"] == 1]
    assert shown["gps"].mean() == pytest.approx(GPS, abs=1 / 2048)
    assert (shown["smoothed"] >= 0.5).all()


def test_bad_and_missing_events_are_rows_with_a_reason(tmp_path):
    def read(path):
        n = {"short": 4096 * 10}.get(path, 4096 * 32)
        return SimpleNamespace(values=np.zeros(n), gps_start=START, sample_rate=4096, detector="H1")

    listed = [
        {"event": "GW170729", "gps": 1.0, "status": "missing", "reason": "no mirror has it"},
        {"event": "one", "gps": GPS, "status": "fetched", "path": {"H1": "a"}},
        {"event": "flat", "gps": GPS, "status": "fetched", "path": {"H1": "a", "L1": "a"}},
        {"event": "short", "gps": GPS, "status": "fetched", "path": {"H1": "short", "L1": "short"}},
        {"event": "uneven", "gps": GPS, "status": "fetched", "path": {"H1": "a", "L1": "short"}},
    ]
    results = events.evaluate_events(
        listed, Scorer(lambda piece: piece[0, 4095:]), read, ["H1", "L1"], POINT, "corrected"
    )
    table, traces = results
    assert (table["status"] == "missing").all()
    words = ["no mirror", "no strain of L1", "constant", "16 s", "same time"]
    assert [word in reason for word, reason in zip(words, table["reason"], strict=True)] == [True] * 5
    events.events_to_files(
        results, tmp_path / "events.csv", tmp_path / "events.parquet", tmp_path / "events.json"
    )
    content = json.loads((tmp_path / "events.json").read_text())
    assert content["n_found"]["value"] == 0
    assert content["GW170729_found"] == {"value": None, "low": None, "high": None, "n": 1} | {
        "definition": content["GW170729_found"]["definition"],
        "reason": "no mirror has it",
    }
    assert list(pd.read_csv(tmp_path / "events.csv")) == events.COLUMNS
    assert len(traces) == len(pd.read_parquet(tmp_path / "events.parquet")) == 0


def test_metrics_of_the_events_count_intervals():
    # Smoothing joins what thresholding alone would tear apart: the paper's remark on GW151226.
    series = series_with([(6.0, GPS)])
    middle = round((GPS - START) * 2048)
    series.logits[middle - 20 : middle + 20 : 10] = -6.0
    row = events.evaluate_event(series, "GW150914", GPS, POINT, "corrected")
    traces = events.event_traces(series, "GW150914", GPS, POINT, "corrected", ["H1", "L1"])
    content = events.events_metrics(pd.DataFrame([row], columns=events.COLUMNS), traces)
    assert content["GW150914_found"]["value"] == 1
    assert content["GW150914_intervals_smoothed"]["value"] == 1
    assert content["GW150914_intervals_raw"]["value"] == 5
    assert (content["n_events"]["value"], content["n_found"]["value"]) == (1, 1)
    assert "not both" in content["offset_GW151226_minus_GW150914_s"]["reason"]


def read_hdf5(path):
    with h5py.File(path) as file:
        values = file["strain/Strain"][()]
        return SimpleNamespace(
            values=values, gps_start=float(file["meta/GPSstart"][()]), sample_rate=4096, detector=""
        )


def test_excess_power_alone_finds_gw150914(real_strain, tmp_path):
    # White noise of the standard deviation that whitening gives, sqrt(fs / 2) = 32, is all it learns from.
    noise = np.random.default_rng(0).normal(0, 32, (8, 2, 16384)).astype(np.float32)
    table = pd.DataFrame({"id": range(8), "label": 0, "event_index": -1})
    store.write(tmp_path / "0.h5", {"strain": noise}, table, {"detectors": ["H1", "L1"]})
    card = baseline.fit(tmp_path / "0.h5")
    files = {
        detector: real_strain / f"{detector[0]}-{detector}_LOSC_4_V2-1126259446-32.hdf5"
        for detector in ("H1", "L1")
    }
    event = {"event": "GW150914", "gps": GPS, "status": "fetched", "reason": "", "path": files}
    rows, traces = events.evaluate_events(
        [event], baseline_scorer(card), read_hdf5, ["H1", "L1"], POINT, "corrected"
    )
    row = rows.iloc[0]
    assert row["status"] == "found"
    assert abs(row["offset_s"]) < 0.0713
    assert row["rank"] == 1
    assert row["judged_s"] == pytest.approx(32 - 6.5 - 63 / 2048)
    assert len(traces) == 16 * 2048
    assert traces["H1"].std() == pytest.approx(32, rel=0.15)
