import functools
import json
import math
import shutil
import textwrap
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from skyneedle import cli
from skyneedle.core import inference
from skyneedle.core.errors import DiskTooSmall, FolderBusy, SourceUnavailable
from skyneedle.core.runtime import exclusive
from skyneedle.strain import networks, preprocess
from skyneedle.strain.fetch import archive
from skyneedle.strain.fetch.gwosc_files import write_gwosc
from skyneedle.strain.fetch.names import parse_name
from skyneedle.strain.scan import intervals, outputs, search, trained
from skyneedle.strain.scan.plan import make

START = 1126259446
RATE = 4096


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 1e-21 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def write_network(stem, network, **card):
    """Weights and card as training writes them."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    n = card.pop("n_detectors", 2)
    save_file(network.state_dict(), f"{stem}.safetensors")
    entries = {
        "name": stem.name,
        "source": "fcn",
        "options": {"detectors": n, "channels": 4},
        "registry": "skyneedle.strain.networks",
        "n_parameters": sum(p.numel() for p in network.parameters()),
        "normalisation": {"mean": [0.0] * n, "std": [32.0] * n},
        "detectors": ["H1", "L1", "V1"][:n],
        "recipe": "corrected",
        "scale": "smoke",
    }
    stem.with_name(f"{stem.name}.json").write_text(json.dumps(entries | card))
    return stem


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network that has learned nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = networks.build("fcn", detectors=2, channels=4)
    return write_network(tmp_path_factory.mktemp("weights") / "tiny", network)


@pytest.fixture(scope="module")
def loudness(tmp_path_factory):
    """A network of one's own whose output at a sample is the loudness of the first detector there."""
    folder = tmp_path_factory.mktemp("loudness")
    source = folder / "loud.py"
    source.write_text(
        textwrap.dedent(
            """
            import torch

            class Loud(torch.nn.Module):
                receptive_field, output_offset, step = 2048, 1023, 1

                def __init__(self):
                    super().__init__()
                    self.floor = torch.nn.Parameter(torch.tensor(12.0))

                def forward(self, x):
                    return x[:, 0, 1023 : x.shape[2] - 1024].abs() - self.floor
            """
        )
    )
    network = inference.build(f"{source}:Loud", {}, "skyneedle.strain.networks")
    return write_network(folder / "loud", network, source=f"{source}:Loud", options={})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """45.5 s of noise: H1 in two files, L1 in one."""
    folder = tmp_path_factory.mktemp("pair")
    h1, l1 = noise(45.5, 1), noise(45.5, 2)
    write_gwosc(folder / "h1" / "b.hdf5", h1[21 * RATE :], START + 21, "H1")
    write_gwosc(folder / "h1" / "a.hdf5", h1[: 21 * RATE], START, "H1")
    write_gwosc(folder / "l1.hdf5", l1, START, "L1")
    return {"H1": [folder / "h1"], "L1": [folder / "l1.hdf5"]}, np.stack([h1, l1])


def planned(given, stem, out, gps=None, tell=lambda _: None, mirrors=()):
    return make(given, gps, mirrors, (stem, None, None), out, "cpu", tell)


def logits_of(given, stem, out, **options):
    plan = planned(given, stem, out, **options)
    return plan, np.array(outputs.judge_all(plan, lambda _: None))


# --- outputs


def test_chunks_give_the_outputs_of_single_passes(pair, weights, tmp_path):
    given, strain = pair
    plan, logits = logits_of(given, weights, tmp_path)
    network, card = inference.load(weights)
    expected, at = np.full_like(logits, np.nan), plan.stretches[0].windows[0].first
    for window in preprocess.windows(strain.shape[1]):
        whole = preprocess.condition(strain[:, window.start : window.start + preprocess.N_RAW], "corrected")
        scaled = torch.from_numpy(preprocess.normalise(whole, card["normalisation"]))
        with torch.no_grad():
            single = network(scaled[None])[0].numpy()  # all 16 s at once, by the network as it was trained
        shift = preprocess.OUTPUT_OFFSET + window.start // 2
        expected[window.first - at : window.last - at] = single[window.first - shift : window.last - shift]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(logits, expected, atol=2e-5)
    assert len(logits) == (45.5 - 6.5) * 2048
    assert plan.stretches[0].gps_start == START + 3.25


def test_strain_read_in_windows_is_the_strain_in_memory(pair, weights, tmp_path):
    given, strain = pair
    _, logits = logits_of(given, weights, tmp_path)
    network, card = inference.load(weights)
    pieces = preprocess.stream(strain, "corrected")
    prepared = inference.prepare(network)
    direct = [inference.slide(prepared, preprocess.normalise(x, card["normalisation"])) for _, x in pieces]
    assert np.array_equal(logits, np.concatenate(direct))


def test_text_files_give_the_same_as_hdf5(pair, weights, tmp_path):
    given, strain = pair
    header = f"# strain for L1\n# 4096 samples per second\n# starting GPS {START} duration 20\n"
    np.savetxt(tmp_path / "l1.txt", strain[1, : 20 * RATE], header=header, comments="", fmt="%.17e")
    span = (START, START + 20)
    _, text = logits_of(given | {"L1": [tmp_path / "l1.txt"]}, weights, tmp_path / "text", gps=span)
    _, hdf5 = logits_of(given, weights, tmp_path / "hdf5", gps=span)
    assert len(text) == 13.5 * 2048
    assert np.array_equal(text, hdf5)


def test_gaps_and_missing_seconds_end_a_stretch(weights, tmp_path):
    h1, l1 = noise(80, 1), noise(80, 2)
    h1[40 * RATE + 7] = np.nan  # costs second 40
    h1[41 * RATE : 42 * RATE] = 0.0
    write_gwosc(tmp_path / "h1.hdf5", h1, START, "H1")
    write_gwosc(tmp_path / "l1" / "a.hdf5", l1[: 20 * RATE], START, "L1")
    write_gwosc(tmp_path / "l1" / "b.hdf5", l1[23 * RATE : 77 * RATE], START + 23, "L1")
    told = []
    given = {"H1": [tmp_path / "h1.hdf5"], "L1": [tmp_path / "l1"]}
    plan, logits = logits_of(given, weights, tmp_path / "out", tell=told.append)
    spans = [(0, 20), (23, 40), (42, 77)]
    assert [(s.first / RATE - START, s.n_outputs / 2048) for s in plan.stretches] == [
        (a, b - a - 6.5) for a, b in spans
    ]
    text = "\n".join(told)
    assert "H1: left out 1 s missing (NaN), 1 s constant." in text
    assert "3 stretches" in text
    assert "H1: 6.000 s are left out, the other detectors lack them." in text
    assert "L1: 2.000 s are left out" in text
    for (a, b), stretch in zip(spans, plan.stretches, strict=True):
        write_gwosc(tmp_path / "h1.alone.hdf5", h1[a * RATE : b * RATE], START + a, "H1")
        write_gwosc(tmp_path / "l1.alone.hdf5", l1[a * RATE : b * RATE], START + a, "L1")
        alone = {"H1": [tmp_path / "h1.alone.hdf5"], "L1": [tmp_path / "l1.alone.hdf5"]}
        _, expected = logits_of(alone, weights, tmp_path / f"alone{a}")
        assert np.array_equal(logits[stretch.offset : stretch.offset + stretch.n_outputs], expected)


def test_overlapping_files_are_read_once(pair, weights, tmp_path):
    given, strain = pair
    write_gwosc(tmp_path / "again.hdf5", strain[0, 10 * RATE : 30 * RATE], START + 10, "H1")
    told = []
    more = given | {"H1": [*given["H1"], tmp_path / "again.hdf5"]}
    _, logits = logits_of(more, weights, tmp_path / "more", tell=told.append)
    _, expected = logits_of(given, weights, tmp_path / "plain")
    assert np.array_equal(logits, expected)
    assert any("in two files" in line for line in told)


def test_masks_are_told(weights, pair, tmp_path):
    given, strain = pair
    quality, injections = np.full(45, 127), np.full(45, 31)
    quality[3:5] = 0b0111
    injections[10] = 0b11110
    write_gwosc(tmp_path / "h1.hdf5", strain[0, : 45 * RATE], START, "H1", 4096, quality, injections)
    told = []
    planned(given | {"H1": [tmp_path / "h1.hdf5"]}, weights, tmp_path / "out", tell=told.append)
    assert "H1: 2 s below CBC_CAT3 are searched all the same." in told
    assert "H1: 1 s with an injected merger are searched all the same." in told


# --- triggers


def test_a_burst_is_found_where_it_was_put(pair, loudness, tmp_path):
    given, strain = pair
    times, strain = [8.0, 20.97, 30.3337], strain[0].copy()
    for second in times:  # one sits where the two files meet, one off the grid
        t = np.arange(len(strain)) / RATE - second
        strain += 3e-20 * np.exp(-((t / 0.002) ** 2)) * np.cos(2 * np.pi * 200 * t)
    write_gwosc(tmp_path / "h1" / "a.hdf5", strain[: 21 * RATE], START, "H1")
    write_gwosc(tmp_path / "h1" / "b.hdf5", strain[21 * RATE :], START + 21, "H1")
    told = []
    found = search.scan(
        {"H1": [tmp_path / "h1"], "L1": given["L1"]},
        weights=loudness,
        threshold=0.05,
        window=41,
        out=tmp_path / "out",
        tell=told.append,
    )
    np.testing.assert_allclose(found["gps"] - START, times, atol=1 / 2048)
    table = pd.read_csv(tmp_path / "out" / "triggers.csv")
    assert list(table) == ["gps", "utc", "statistic", "duration_s"]
    np.testing.assert_allclose(table["gps"], found["gps"], atol=5.1e-5)
    # GW150914 was at GPS 1126259462.4, 2015-09-14 09:50:45.4 UTC: 16.4 s after the start of these files.
    seconds = (pd.to_datetime(table["utc"]) - pd.Timestamp("2015-09-14T09:50:45.4")).dt.total_seconds()
    np.testing.assert_allclose(seconds, table["gps"] - START - 16.4, atol=6e-4)
    images = sorted((tmp_path / "out" / "pictures").iterdir())
    assert len(images) == len(found)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in images)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pictures", "triggers.csv"]
    assert any("loud" in line and "corrected" in line and "smoke" in line for line in told)
    assert any("threshold 0.05, window 41 samples; given" in line for line in told)


def test_a_picture_shows_what_made_the_trigger(pair, weights, tmp_path):
    given, strain = pair
    plan, logits = logits_of(given, weights, tmp_path)
    for gps in (START + 12.0, START + 4.0, START + 41.7):
        trace = search._trace(plan, logits, gps)
        centre = np.argmin(np.abs(trace.time))
        index = round((gps - plan.stretches[0].gps_start) * 2048)
        assert trace.raw[centre] == pytest.approx(1 / (1 + math.exp(-logits[index])), rel=1e-6)
        half = np.argmin(np.abs(trace.smoothed_time))
        around = 1 / (1 + np.exp(-logits[index - 128 : index + 128].astype(float)))
        assert trace.smoothed[half] == pytest.approx(around.mean(), abs=1e-4)
        assert trace.strain.shape == (2, len(trace.time))
        assert trace.time[0] == pytest.approx(max(-2, START + 3.25 - gps))
    # The strain is that of the window which judged the time: seconds 8 to 24 for second 12.5.
    window = preprocess.condition(strain[:, 8 * RATE : 24 * RATE], "corrected")[:, 4 * 2048 + 1024]
    trace = search._trace(plan, logits, START + 12.5)
    centre = np.argmin(np.abs(trace.time))
    np.testing.assert_allclose(trace.strain[:, centre], window / 32, rtol=1e-5)


def test_a_new_scan_leaves_no_pictures_of_the_old_one(pair, weights, tmp_path):
    given, _ = pair
    options = {"weights": weights, "out": tmp_path / "out", "tell": lambda _: None}
    everywhere = search.scan(given, threshold=1e-9, **options)
    assert everywhere["duration_s"].tolist() == [39 - 255 / 2048]  # one run, all that is judged
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 1
    assert not len(search.scan(given, threshold=1 - 1e-9, **options))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["triggers.csv"]
    assert (tmp_path / "out" / "triggers.csv").read_text() == "gps,utc,statistic,duration_s\n"


def test_real_event_files_are_judged(real_strain, weights, tmp_path, capsys):
    h1 = real_strain / "H-H1_LOSC_4_V2-1126259446-32.hdf5"
    words = [f"H1={h1}", f"L1={real_strain}", "--gps", "1126259446", "1126259478", "--weights", str(weights)]
    assert cli.main(["scan", *words, "--out", str(tmp_path / "out"), "--no-pictures"]) == 0
    said = capsys.readouterr().out
    assert "25.5 s of outputs" in said
    assert "25.375 s judged" in said  # the smoothing window of 256 samples must fit
    assert (tmp_path / "out" / "triggers.csv").is_file()


@pytest.mark.parametrize("n", [1, 3])
def test_one_and_three_detectors(n, tmp_path):
    names = ("H1", "L1", "V1")[:n]
    stem = write_network(
        tmp_path / "net", networks.build("fcn", detectors=n, channels=4), n_detectors=n, recipe="faithful"
    )
    strain = np.stack([noise(20, seed) for seed in range(n)])
    for name, series in zip(names, strain, strict=True):
        write_gwosc(
            tmp_path / "strain" / f"{name[0]}-{name}_GWOSC_4KHZ_R1-{START}-20.hdf5", series, START, name
        )
    given = {name: [tmp_path / "strain"] for name in reversed(names)}  # the network's order counts
    _, logits = logits_of(given, stem, tmp_path / "state")
    network, card = inference.load(stem)
    pieces = [
        inference.slide(network, x, card["normalisation"]) for _, x in preprocess.stream(strain, "faithful")
    ]
    np.testing.assert_allclose(logits, np.concatenate(pieces), atol=1e-5)
    out = tmp_path / "out"
    found = search.scan(given, weights=stem, threshold=1e-9, out=out, tell=lambda _: None)
    assert len(found) == len(list((out / "pictures").iterdir())) == 1


def test_of_a_folder_with_both_rates_the_4_khz_files_are_read(pair, weights, tmp_path):
    given, strain = pair
    many = np.repeat(strain[0, : 20 * RATE], 4)
    write_gwosc(tmp_path / f"H-H1_GWOSC_16KHZ_R1-{START}-20.hdf5", many, START, "H1", 16384)
    write_gwosc(tmp_path / f"H-H1_GWOSC_4KHZ_R1-{START}-20.hdf5", strain[0, : 20 * RATE], START, "H1")
    told = []
    plan = planned(given | {"H1": [tmp_path]}, weights, tmp_path / "out", tell=told.append)
    assert [part.path.count("4KHZ") for part in plan.tracks[0].parts] == [1]
    assert any("H1: 1 of 2 files" in line for line in told)


# --- killed and again


class Killed(BaseException):
    """Not an error that anything could tidy up after."""


def counted(monkeypatch, at_most=10**6):
    """The windows that are conditioned from now on; one more than ``at_most`` ends the process."""
    true, calls = outputs.conditioned, []

    def conditioned(*arguments):
        calls.append(arguments)
        if len(calls) > at_most:
            raise Killed
        return true(*arguments)

    monkeypatch.setattr(outputs, "conditioned", conditioned)
    return calls


def killed_scan(given, out, n_windows, **options):
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, n_windows)
        with pytest.raises(Killed):
            search.scan(given, out=out, **options, tell=lambda _: None)


@pytest.mark.parametrize("torn", [b"", b"\0" * 5001])
def test_a_killed_scan_goes_on(pair, weights, tmp_path, monkeypatch, torn):
    given, _ = pair
    options = {"weights": weights, "pictures": False, "threshold": 0.3, "window": 64}
    search.scan(given, out=tmp_path / "whole", **options, tell=lambda _: None)
    n_windows = len(preprocess.windows(round(45.5 * RATE)))
    killed_scan(given, tmp_path / "killed", n_windows - 2, **options)
    with open(tmp_path / "killed" / ".scan" / "logits.f32", "ab") as file:
        file.write(torn)  # a window that was being written
    assert not (tmp_path / "killed" / "triggers.csv").exists()
    told, calls = [], counted(monkeypatch)
    search.scan(given, out=tmp_path / "killed", **options, tell=told.append)
    assert len(calls) == 2
    assert any(f"{n_windows - 2} of {n_windows} windows" in line for line in told)
    tables = [(tmp_path / name / "triggers.csv").read_bytes() for name in ("whole", "killed")]
    assert tables[0] == tables[1]
    assert not (tmp_path / "killed" / ".scan").exists()


def test_outputs_of_other_weights_are_not_gone_on_with(pair, weights, tmp_path):
    given, _ = pair
    killed_scan(given, tmp_path / "out", 2, weights=weights)
    other = write_network(tmp_path / "other", networks.build("fcn", detectors=2, channels=4))
    told = []
    search.scan(given, out=tmp_path / "out", weights=other, tell=told.append, pictures=False)
    assert not any("Going on" in line for line in told)


def test_two_scans_do_not_write_into_one_folder(pair, weights, tmp_path):
    out = tmp_path / "out"
    with exclusive(out / ".scan" / "lock"):
        with pytest.raises(FolderBusy, match="another process"):
            search.scan(pair[0], out=out, weights=weights, tell=lambda _: None)
        assert (out / ".scan" / "lock").is_file()


# --- networks and operating points


def test_the_network_that_comes_along_fits_the_detectors_given(tmp_path):
    for name, n in (("fcn", 2), ("fcn_h1", 1), ("fcn_h1l1v1", 3)):
        write_network(tmp_path / name, networks.build("fcn", detectors=n, channels=4), n_detectors=n)
        (tmp_path / f"operating_point_{name}.json").write_text("{}")
    found = {
        given: trained.find(None, given.split(), tmp_path).stem.name
        for given in ("H1", "H1 L1", "L1 H1 V1", "", "L1")
    }
    assert found == {"H1": "fcn_h1", "H1 L1": "fcn", "L1 H1 V1": "fcn_h1l1v1", "": "fcn", "L1": "fcn"}


def test_operating_point_beside_the_weights_gives_the_expectation(weights, tmp_path):
    stem = write_network(tmp_path / "fcn", inference.load(weights)[0])
    beside = tmp_path / "operating_point_fcn.json"
    there = {
        "threshold": 0.4,
        "window": 128,
        "reached": 200.0,
        "low": 100.0,
        "high": 400.0,
        "set": "validation",
    }
    beside.write_text(json.dumps(there))
    found = trained.find(stem)
    point = trained.operating_point(found)
    assert (point.threshold, point.window) == (0.4, 128)
    assert str(beside) in point.origin
    assert point.expected(1000.0) == "5 (68 % interval 2.5 to 10)"
    assert "unknown" in trained.operating_point(found, threshold=0.3).expected(1000.0)
    assert trained.operating_point(found, threshold=0.4) == point
    # No false alarm was seen: the time per false alarm is infinite, which JSON writes as null.
    beside.write_text(json.dumps(there | {"reached": None, "high": None}))
    assert trained.operating_point(found).expected(1000.0) == "0 (68 % interval 0 to 10)"


def test_without_operating_point_the_papers_defaults_are_named(weights):
    point = trained.operating_point(trained.find(weights))
    assert (point.threshold, point.window) == (0.5, 256)
    assert "paper's defaults" in point.origin
    assert "unknown" in point.expected(10)


def test_operating_point_of_a_results_folder(weights, tmp_path):
    stem = write_network(tmp_path / "strain/models/fcn/seed0", inference.load(weights)[0], name="fcn")
    path = tmp_path / "strain/metrics/operating_point_fcn.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"threshold": 0.7, "window": 32, "reached": 9, "low": 8, "high": 10}))
    assert trained.operating_point(trained.find(stem)).threshold == 0.7


# --- GPS intervals


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(archive, "_unreachable", lambda host, timeout_s: "ConnectionError")


@pytest.fixture
def mirror(pair, tmp_path):
    strain = pair[1]
    for detector, row in zip(("H1", "L1"), strain, strict=True):
        for a, b in ((0, 24), (24, 45)):
            name = f"{detector[0]}-{detector}_LOSC_4_V1-{START + a}-{b - a}.hdf5"
            write_gwosc(tmp_path / "mirror" / name, row[a * RATE : b * RATE], START + a, detector)
    return tmp_path / "mirror"


def test_an_interval_is_cut_out_of_a_mirror(pair, mirror, weights, tmp_path, offline):
    options = {"gps": (START + 4.5, START + 40.25)}
    plan, logits = logits_of({}, weights, tmp_path / "a", mirrors=[mirror], **options)
    assert plan.stretches[0].first / RATE == START + 4.5
    assert len(logits) == (35.75 - 6.5) * 2048
    _, expected = logits_of(pair[0], weights, tmp_path / "b", **options)
    assert np.array_equal(logits, expected)
    assert {part.path for track in plan.tracks for part in track.parts} == {
        str(path) for path in mirror.iterdir()
    }


def test_an_interval_that_is_there_in_part_is_told(mirror, weights, tmp_path, offline):
    told = []
    plan = planned({}, weights, tmp_path, (START + 20, START + 65), told.append, [mirror])
    assert plan.stretches[0].n_outputs == (25 - 6.5) * 2048
    assert sum("20.000 s of GPS" in line and "not available" in line for line in told) == 2


@pytest.fixture
def server(mirror):
    """The mirror's files over HTTP, as the archive delivers them."""
    handler = functools.partial(QuietHandler, directory=mirror)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_an_interval_is_fetched_from_the_archive(pair, mirror, server, weights, tmp_path, monkeypatch):
    def get_urls(detector, start, end, **_):
        assert (start, end) == (START + 10, START + 31)
        return [f"{server}/{path.name}" for path in sorted(mirror.glob(f"*-{detector}_*"))]

    monkeypatch.setattr(archive, "_unreachable", lambda host, timeout_s: "")
    monkeypatch.setattr("gwosc.locate.get_urls", get_urls)
    options = {"gps": (START + 10, START + 30.5)}
    plan, logits = logits_of({}, weights, tmp_path / "out", **options)
    assert {path.name for path in (tmp_path / "out" / "strain").glob("*.hdf5")} == {
        path.name for path in mirror.iterdir()
    }
    assert all(part.path.startswith(str(tmp_path / "out")) for track in plan.tracks for part in track.parts)
    _, expected = logits_of(pair[0], weights, tmp_path / "files", **options)
    assert np.array_equal(logits, expected)


def test_files_are_asked_of_the_archive_only_for_what_is_lacking(mirror, monkeypatch, tmp_path):
    asked = []

    def listed(detector, spans, host, timeout_s):
        asked.append((detector, spans))
        raise SourceUnavailable("the archive is closed")

    monkeypatch.setattr(intervals, "_listed", listed)
    span = ((START + 30) * RATE, (START + 50) * RATE)
    intervals.fetch(["H1"], span, [mirror], tmp_path, lambda _: None)
    assert asked == [("H1", [((START + 45) * RATE, (START + 50) * RATE)])]


def test_a_full_disk_is_seen_before_the_first_file_of_an_interval(mirror, server, monkeypatch, tmp_path):
    names = [parse_name(f"{server}/H-H1_GWOSC_4KHZ_R1-{START + 4096 * k}-4096.hdf5") for k in range(3)]
    monkeypatch.setattr(intervals, "_listed", lambda *_: names)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 10**9))
    span = (START * RATE, (START + 3 * 4096) * RATE)
    with pytest.raises(DiskTooSmall, match=r"0\.4 GB are to be fetched"):
        intervals.fetch(["H1"], span, [], tmp_path / "out", lambda _: None)
    assert not (tmp_path / "out").exists()


# --- bad input


def damage(kind, folder):
    """Words of a command line whose H1 (or something else) is bad."""
    path, start, rate, detector = folder / "h1.hdf5", START, 4096, "H1"
    strain = noise(20)
    if kind == "nan":
        strain[::8192] = np.nan
    elif kind in ("16 kHz", "2 kHz"):
        rate = {"16 kHz": 16384, "2 kHz": 2048}[kind]
        strain = np.resize(strain, 20 * rate)
    elif kind == "short":
        strain = strain[: 15 * RATE]
    elif kind == "constant":
        strain[:] = 1e-21
    elif kind == "other time":
        start += 4096
    elif kind == "other detector":
        detector = "L1"
    write_gwosc(path, strain, start, detector, rate)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "html":
        path.write_text("<!DOCTYPE html><html><body>Log in</body></html>")
    elif kind == "gap":
        path.unlink()
        path = folder / "h1"
        write_gwosc(path / "a.hdf5", strain[: 10 * RATE], START, "H1")
        write_gwosc(path / "b.hdf5", strain[11 * RATE :], START + 11, "H1")
    elif kind == "empty folder":
        path.unlink()
        path.mkdir()
    elif kind == "no file":
        path.unlink()
    elif kind == "text":
        path = path.rename(folder / "h1.txt")
        path.write_text("# frequency  asd\n10 1e-21\n")
    return [] if kind == "no detector" else [f"H1={path}"]


BAD = {
    "nan": ("NaN", "choose another time"),
    "16 kHz": ("16384 Hz", "resample it to 4096 Hz"),
    "2 kHz": ("2048 Hz", "4096 Hz"),
    "short": ("15.000 s", "at least 16 s"),
    "gap": ("without a gap is 10.000 s", "at least 16 s"),
    "constant": ("constant", "choose another time"),
    "other time": ("different times", f"{START + 4096}"),
    "other detector": ("strain of L1, given as H1", "write L1="),
    "truncated": ("ends early", "fetch it again"),
    "html": ("HTML page", "fetch the file again"),
    "empty folder": ("no strain file of H1", "H-H1_GWOSC"),
    "no file": ("no such file", "H1 needs"),
    "text": ("samples per second", "h1.txt"),
    "no detector": ("no strain of H1", "add H1=PATH"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_strain_gets_one_sentence_and_leaves_nothing(kind, weights, tmp_path, capsys):
    words = damage(kind, tmp_path)
    write_gwosc(tmp_path / "l1.hdf5", noise(20, 1), START, "L1")
    before = sorted(tmp_path.rglob("*"))
    out = tmp_path / "out"
    command = ["scan", *words, f"L1={tmp_path / 'l1.hdf5'}", "--weights", str(weights), "--out", str(out)]
    assert cli.main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert all(text in error for text in BAD[kind]), error
    assert kind == "no detector" or str(tmp_path) in error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ("--weights nowhere/fcn", ("nowhere/fcn", "--weights STEM")),
        ("--threshold 1.5", ("1.5", "between 0 and 1")),
        ("--window 0", ("0 samples", "at least 1")),
        ("--window 1000000", ("1000000", "does not fit")),
        (f"--gps {START} {START + 10}", ("10.000 s", "at least 16 s")),
        ("--gps nan nan", ("GPS interval", "at least 16 s")),
        (f"--gps {START + 100} {START + 200}", ("different times", "interval")),
    ],
)
def test_bad_settings_get_one_sentence_and_leave_nothing(options, texts, pair, weights, tmp_path, capsys):
    given = [f"{detector}={paths[0]}" for detector, paths in pair[0].items()]
    words = ["scan", *given, "--out", str(tmp_path / "out"), "--weights", str(weights), *options.split()]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(text in error for text in texts), error
    assert not (tmp_path / "out").exists()


def test_an_interval_that_nobody_has(weights, tmp_path, capsys, offline):
    words = ["scan", "--gps", "1126259446", "1126259478", "--mirror", str(tmp_path)]
    assert cli.main([*words, "--weights", str(weights), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "H1: GPS 1126259446.000 to 1126259478.000 is not available" in error
    assert "--mirror" in error
    assert not (tmp_path / "out").exists()


def test_damaged_weights_leave_nothing(pair, tmp_path, capsys):
    stem = write_network(tmp_path / "fcn", networks.build("fcn", detectors=2, channels=8))  # the card says 4
    given = [f"{detector}={paths[0]}" for detector, paths in pair[0].items()]
    assert cli.main(["scan", *given, "--weights", str(stem), "--out", str(tmp_path / "out")]) == 2
    assert "does not fit its card" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_card_as_training_writes_it(tmp_path):
    stem = write_network(
        tmp_path / "seed0",
        networks.build("fcn", detectors=1, channels=4),
        n_detectors=1,
        detectors=None,
        recipe=None,
        scale=None,
        normalisation={"mean": [0.0], "std": [32.0], "detectors": ["L1"]},
        provenance={"recipe": "faithful"},
    )
    found = trained.find(stem)
    assert (found.detectors, found.recipe, found.scale) == (("L1",), "faithful", "not recorded")


def test_no_network_comes_along(tmp_path):
    with pytest.raises(trained.UnknownNetwork, match="make results"):
        trained.find(None, ["H1"], tmp_path)


def test_a_detector_that_the_network_does_not_take_is_told(pair, weights, tmp_path):
    told = []
    planned(pair[0] | {"V1": ["nowhere"]}, weights, tmp_path, tell=told.append)
    assert any(line.startswith("V1: not used") for line in told)
