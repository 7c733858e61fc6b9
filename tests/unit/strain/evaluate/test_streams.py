import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import DetectorMismatch, GridMismatch, OneClassOnly, StrainHasGap
from skyneedle.strain.evaluate import baseline, streams
from skyneedle.strain.evaluate.postprocess import Grid
from skyneedle.strain.evaluate.streams import Series, evaluate_stream
from skyneedle.strain.fetch import gwosc_files

START = 1126259446.0
POINT = {"threshold": 0.5, "window": 64}


def series_with(peaks, n=200 * 2048, start=START):
    logits = np.full(n, -12.0)
    for sample in peaks:
        logits[sample - 150 : sample + 151] = 12.0
    return Series(start, logits)


def injections_at(samples, start=START):
    return pd.DataFrame({"gps_h1": start + np.asarray(samples) / 2048})


def test_counts_and_exposure_by_hand():
    # Hit; 40 ms off; hit, and a false one 0.2 s later; missed; one more false; one injection outside.
    series = series_with([10_000, 50_082, 90_000, 90_410, 300_000])
    injections = injections_at([10_000, 50_000, 90_000, 200_000, 500_000])
    row, triggers = evaluate_stream([series], injections, "n", POINT, "corrected")
    assert (row["detected"], row["injections"], row["n_outside"], row["false_positives"]) == (3, 4, 1, 2)
    assert row["exposure_s"] == pytest.approx((200 * 2048 - 63) / 2048)
    assert row["value"] == pytest.approx(row["exposure_s"] / 2)
    assert row["detection_low"] < 0.75 < row["detection_high"]
    assert triggers["detected"].tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(triggers["offset_s"][:3], [0, 82 / 2048, 0], atol=1e-6)
    assert (triggers["example"] == -1).all()


def test_a_tolerance_in_gps_seconds_is_met_exactly():
    series, tolerance = series_with([50_100]), 100 / 2048
    for sample, hit in ((50_000, 1), (49_999, 0)):
        row, _ = evaluate_stream([series], injections_at([sample]), "n", POINT, "corrected", tolerance)
        assert row["detected"] == hit


def test_two_injections_share_no_trigger():
    row, _ = evaluate_stream(
        [series_with([50_000])], injections_at([49_990, 50_020]), "n", POINT, "corrected"
    )
    assert (row["detected"], row["false_positives"]) == (1, 0)


def test_stretches_with_a_gap_add_up():
    parts = [series_with([10_000]), series_with([20_000], start=START + 1000)]
    injections = pd.concat([injections_at([10_000]), injections_at([20_000], START + 1000)])
    row, triggers = evaluate_stream(parts, injections, "n", POINT, "corrected")
    assert row["detected"] == 2
    assert row["exposure_s"] == pytest.approx(2 * (200 * 2048 - 63) / 2048)
    assert triggers["gps"].is_monotonic_increasing


def test_no_injection_in_the_stretch_is_refused(tmp_path):
    with pytest.raises(OneClassOnly, match="None of the 1 injections"):
        evaluate_stream([series_with([])], injections_at([-5000]), "n", POINT, "corrected")


def test_a_silent_network_gives_a_row_with_limits(tmp_path):
    result = evaluate_stream([series_with([])], injections_at([10_000]), "n", POINT, "corrected")
    streams.streams_to_files([result], tmp_path / "row.csv", [tmp_path / "triggers.parquet"])
    row = pd.read_csv(tmp_path / "row.csv")
    assert row["detection_ratio"][0] == 0
    assert np.isnan(row["value"][0])  # infinite
    assert row["low"][0] == pytest.approx(row["exposure_s"][0] / 1.841, rel=1e-3)
    assert len(pd.read_parquet(tmp_path / "triggers.parquet")) == 0


def summing(field, step, offset):
    """A stand-in for a network: it sums what it sees."""

    def run(piece):
        total = np.cumsum(np.insert(piece.sum(axis=0), 0, 0.0))
        return (total[field:] - total[:-field])[::step]

    return streams.Scorer(run, field, Grid(step, offset))


def pieces_of(whole, cuts):
    return [((a + 2047) / 2048, whole[:, a : b + 4095]) for a, b in pairwise(cuts)]


def test_pieces_join_as_one_pass_over_the_whole():
    whole = np.random.default_rng(0).normal(size=(2, 30_000))
    fcn = summing(4096, 1, 2047)
    pieces = pieces_of(whole, [0, 9_000, 20_000, 30_000 - 4095])
    joined = streams.apply_to_stream(fcn, pieces, START, keep_strain=True)
    np.testing.assert_allclose(joined.logits, fcn.run(whole), atol=1e-8)
    np.testing.assert_array_equal(joined.strain, whole[:, 2047:-2048])
    assert joined.gps_start == joined.strain_gps == START + 2047 / 2048
    with pytest.raises(StrainHasGap, match="do not join"):
        streams.apply_to_stream(fcn, [pieces[0], pieces[2]], START)
    with pytest.raises(GridMismatch, match="expected"):
        streams.apply_to_stream(streams.Scorer(lambda piece: piece[0]), pieces, START)
    with pytest.raises(GridMismatch, match="no more than 4096"):
        streams.apply_to_stream(summing(8192, 1, 4095), pieces_of(whole, [0, 25_000]), START)
    with pytest.raises(StrainHasGap, match="no piece"):
        streams.apply_to_stream(fcn, [], START)


def test_a_network_with_a_step_is_judged_over_the_same_time():
    # A 1-s classifier moved by 16 samples: its outputs are about samples 1023, 1039, ... of each piece.
    whole = np.random.default_rng(0).normal(size=(2, 40_000))
    classifier = summing(2048, 16, 1023)
    joined = streams.apply_to_stream(classifier, pieces_of(whole, [0, 8_192, 16_384, 30_000]), START)
    everything = classifier.run(whole)
    first = 64  # 1023 + 64 * 16 = 2047, the first sample that the fully convolutional network judges
    np.testing.assert_allclose(joined.logits, everything[first : first + len(joined.logits)], atol=1e-8)
    assert joined.gps_start == START + 2047 / 2048
    assert len(joined.logits) == 30_000 / 16
    start, end = streams.judged_span(joined, 256, "corrected")
    assert end - start == pytest.approx((30_000 / 16 - 15) * 16 / 2048)


def test_networks_side_by_side_on_raw_strain(tmp_path):
    # White noise with a loud burst, through the real conditioning: excess power finds it where it is.
    rng = np.random.default_rng(3)
    strain = rng.normal(0, 1e-21, (2, 40 * 4096))
    burst = np.arange(40 * 4096) / 4096 - 20.0
    strain += 2e-21 * np.exp(-((burst / 0.05) ** 2)) * np.sin(2 * np.pi * 100 * burst)
    card = {
        "settings": asdict(baseline.Settings()),
        "power": [320.0, 320.0],
        "location": np.log(2),
        "scale": 0.08,
    }
    injections = pd.DataFrame({"gps_h1": [START + 20.0]})
    scorers = {"excess_power": streams.baseline_scorer(card)}
    results = streams.score_streams(
        [(START, strain)], injections, scorers, {"excess_power": POINT}, "corrected"
    )
    row, triggers = results[0]
    assert row["detected"] == 1
    assert abs(triggers["offset_s"][triggers["detected"]].iloc[0]) < 0.03
    assert row["exposure_s"] == pytest.approx(40 - 6.5 - 63 / 2048)

    # The same from files, two of each detector.
    injections.to_csv(tmp_path / "injections.csv", index=False)
    (tmp_path / "point.json").write_text(json.dumps(POINT))
    for row_of, detector in enumerate(("H1", "L1")):
        for start, stop in ((0, 16), (16, 40)):
            name = f"{detector[0]}-{detector}_TEST-{START + start:.0f}-{stop - start}.hdf5"
            part = strain[row_of, start * 4096 : stop * 4096]
            gwosc_files.write_gwosc(tmp_path / name, part, START + start, detector)
    stretch = streams.read_stretch(tmp_path, ("H1", "L1"), gwosc_files.read, gwosc_files.join)
    files = tmp_path / "point.json", "corrected", tmp_path / "row.csv", tmp_path / "triggers.parquet"
    streams.score_stretch("excess_power", stretch, scorers["excess_power"], *files)
    assert pd.read_csv(tmp_path / "row.csv")["exposure_s"][0] == pytest.approx(row["exposure_s"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "triggers.parquet"), triggers)
    with pytest.raises(DetectorMismatch, match="no strain file of V1"):
        streams.read_stretch(tmp_path, ("H1", "V1"), gwosc_files.read, gwosc_files.join)


def test_a_trained_network_runs_over_a_stream(tmp_path):
    from safetensors.torch import save_file

    from skyneedle.strain import networks, preprocess

    network = networks.build("fcn", channels=2)
    save_file(network.state_dict(), tmp_path / "seed0.safetensors")
    scale = {"mean": [0.0, 0.0], "std": [32.0, 32.0]}
    card = {
        "name": "fcn",
        "source": "fcn",
        "options": {"channels": 2},
        "registry": "skyneedle.strain.networks",
    }
    (tmp_path / "seed0.json").write_text(json.dumps(card | {"normalisation": scale}))
    scorer = streams.network_scorer(tmp_path / "seed0.json")
    assert (scorer.receptive_field, scorer.grid) == (4096, Grid(1, 2047))
    strain = np.random.default_rng(0).normal(0, 1e-21, (2, 24 * 4096))
    joined = streams.apply_to_stream(scorer, preprocess.stream(strain, "corrected"), START, keep_strain=True)
    assert joined.gps_start == START + 3.25
    assert joined.logits.shape == (17.5 * 2048,)
    assert joined.strain.shape == (2, 17.5 * 2048)
