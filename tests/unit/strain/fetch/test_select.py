import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from skyneedle.core.errors import BadSetting, DiskTooSmall, NoQuietTime
from skyneedle.strain.fetch import download as fetching
from skyneedle.strain.fetch import select
from skyneedle.strain.fetch.background import background_index, fetch_planned
from skyneedle.strain.fetch.gwosc_files import read
from skyneedle.strain.fetch.select import (
    Settings,
    injections_pass,
    intersect,
    plan,
    quality_passes,
    split,
    valid_intervals,
    volume,
)

START = 1126256640  # a 4096-s boundary of O1's files


@pytest.mark.parametrize(
    ("mask", "corrected", "faithful"),
    [
        (127, True, True),
        (
            15,
            True,
            False,
        ),  # DATA and CBC_CAT1-3 without any burst bit: good, thrown away by the published code
        (31, True, True),
        (113, False, True),  # DATA and BURST_CAT1-3, no CBC category: bad, let in by the published code
        (7, False, False),  # fails CBC_CAT3
        (126, False, True),  # no DATA
        (1, False, False),
        (0, False, False),
    ],
)
def test_quality_bits(mask, corrected, faithful):
    assert bool(quality_passes(mask, "corrected")) is corrected
    assert bool(quality_passes(np.array([mask], dtype=np.uint32), "faithful")[0]) is faithful


@pytest.mark.parametrize(
    ("mask", "without_cw", "with_cw"),
    [(31, True, True), (23, False, True), (30, False, False), (27, False, False), (15, False, False)],
)
def test_injection_bits(mask, without_cw, with_cw):
    assert bool(injections_pass(mask, False)) is without_cw
    assert bool(injections_pass(mask, True)) is with_cw


def test_l1_of_gw150914_has_continuous_wave_injections(real_strain):
    strain = read(real_strain / "L-L1_LOSC_4_V2-1126259446-32.hdf5")
    masks = (strain.quality, strain.injections, [], [])
    corrected, left_out = valid_intervals(*masks, gps_start=1126259446, settings=Settings())
    assert corrected == []
    assert left_out["injections"] == 32
    faithful, _ = valid_intervals(*masks, gps_start=1126259446, settings=Settings(recipe="faithful"))
    assert faithful == [(1126259446, 1126259478)]
    allowed, _ = valid_intervals(
        *masks, gps_start=1126259446, settings=Settings(allow_cw_injections=True, event_margin_s=0)
    )
    assert allowed == faithful


def good(n):
    return np.full((2, n), 127, dtype=np.uint32), np.full((2, n), 31, dtype=np.uint32)


def test_one_bad_second_in_one_detector_splits_the_time():
    quality, injections = good(100)
    quality[1, 40] = 7
    injections[0, 70] = 30
    valid, left_out = valid_intervals(
        quality, injections, [1090, 5000], [], gps_start=1000, settings=Settings()
    )
    # 1071-1090 has 19 s; 1091-1100 has 9 s, less than a window
    assert valid == [(1000, 1040), (1041, 1070), (1071, 1090)]
    assert left_out == {"quality": 1, "injections": 1, "nan": 1, "constant": 0, "events": 0, "short": 9}
    total = sum(b - a for a, b in valid) + sum(left_out.values())
    assert total == 100


def test_events_are_kept_out_with_their_margin():
    quality, injections = good(200)
    settings = Settings(event_margin_s=16)
    valid, left_out = valid_intervals(quality, injections, [], [1100.4], gps_start=1000, settings=settings)
    assert valid == [(1000, 1084), (1117, 1200)]
    assert left_out["events"] == 33
    for start, end in valid:
        assert end <= 1100.4 - 16 or start >= 1100.4 + 16
    # An event outside the stretch casts its margin into it.
    valid, _ = valid_intervals(quality, injections, [], [995.0, 1210.5], gps_start=1000, settings=settings)
    assert valid == [(1012, 1194)]


def test_room_for_the_psd_is_part_of_the_window():
    quality, injections = good(60)
    quality[0, 30] = 0
    settings = Settings(psd_context_s=16)
    assert valid_intervals(quality, injections, [], [], gps_start=0, settings=settings)[0] == []
    assert len(valid_intervals(quality, injections, [], [], gps_start=0, settings=Settings())[0]) == 2


def test_intersect_against_sets_of_seconds():
    rng = np.random.default_rng(3)
    for _ in range(50):
        lists = []
        for _ in range(2):
            edges = np.sort(rng.choice(60, size=2 * rng.integers(0, 6), replace=False)).tolist()
            lists.append(list(zip(edges[::2], edges[1::2], strict=True)))
        seconds = [{s for a, b in spans for s in range(a, b)} for spans in lists]
        found = intersect(*lists)
        assert {s for a, b in found for s in range(a, b)} == seconds[0] & seconds[1]


@pytest.mark.parametrize("n_files", [1, 2, 3, 8, 40])
def test_sets_are_apart_including_their_support(n_files):
    rng = np.random.default_rng(n_files)
    starts = 4096 * np.sort(rng.choice(200, size=n_files, replace=False))
    spans = [(int(a), int(a) + 4096) for a in starts]
    shares = {"training": 0.6, "validation": 0.1, "testing": 0.3}
    guard = 48
    sets = split(spans, shares, guard)
    assert list(sets) == ["training", "validation", "testing"]
    total = 4096 * n_files
    for name, share in shares.items():
        seconds = sum(b - a for a, b in sets[name])
        assert seconds == pytest.approx(share * total, abs=guard + 2)
        for a, b in sets[name]:
            assert any(low <= a < b <= high for low, high in spans)
    for before, after in pairwise(sets.values()):
        assert min(a for a, _ in after) - max(b for _, b in before) >= guard
    # The whitening reaches at most one window (16 s) around a window that touches the end of its set.
    reach = [{s for a, b in spans for s in range(a - 16, b + 16)} for spans in sets.values()]
    assert reach[0].isdisjoint(reach[1] | reach[2])
    assert reach[1].isdisjoint(reach[2])


def test_settings_are_checked():
    with pytest.raises(BadSetting, match="guard_s"):
        Settings(guard_s=20, psd_context_s=8)
    with pytest.raises(BadSetting, match="recipe"):
        Settings(recipe="fixed")
    with pytest.raises(BadSetting, match="O9"):
        Settings(run="O9")
    with pytest.raises(BadSetting, match=r"V1 did not observe in O1; set .*\['H1', 'L1'\]"):
        Settings(detectors=("H1", "L1", "V1"))


RATE = 16  # The masks are what matters here.


@pytest.fixture
def mirror(make_strain, tmp_path, monkeypatch):
    """Six times of 256 s; L1 lacks the third and always has CW injections, the fifth has a bad stretch."""
    monkeypatch.setattr(fetching, "SAMPLE_RATE", RATE)
    folder = tmp_path / "mirror"
    for k in range(6):
        start = START + 4096 * k
        quality = np.full(256, 127)
        if k == 4:
            quality[100:150] = 7
        make_strain(folder, "H1", start, 256, rate=RATE, quality=quality)
        if k != 2:
            make_strain(folder, "L1", start, 256, rate=RATE, injections=np.full(256, 23))
    return folder


def test_plan_and_index_from_a_local_mirror(mirror, tmp_path):
    settings = Settings(n_files=4, allow_cw_injections=True)
    background = plan(settings, [mirror])
    assert json.loads(json.dumps(background)) == background
    assert background["n_candidates"] == 5
    starts = sorted({f["gps_start"] for f in background["files"]})
    assert starts == [START + 4096 * k for k in (0, 1, 4, 5)]
    assert len(background["files"]) == 8

    statuses = fetch_planned(background, tmp_path / "out", [mirror], network=False)
    index = background_index(background, statuses, settings)
    assert json.loads(json.dumps(index)) == index
    assert index[0]["set"] == "training"
    assert {entry["set"] for entry in index} == {"training", "validation", "testing"}
    by_set = {}
    for entry in index:
        assert set(entry["files"]) == {"H1", "L1"}
        for a, b in entry["valid"]:
            assert entry["gps_start"] <= a < b <= entry["gps_start"] + entry["duration"]
            assert b - a >= 16
            by_set.setdefault(entry["set"], []).append((a, b))
        fifth = START + 4096 * 4
        if entry["gps_start"] == fifth:
            assert entry["left_out_s"]["quality"] == 50
            assert all(b <= fifth + 100 or a >= fifth + 150 for a, b in entry["valid"])
    assert max(by_set["training"])[1] + 32 <= min(by_set["validation"])[0]
    assert max(by_set["validation"])[1] + 32 <= min(by_set["testing"])[0]


def test_injection_policy_reaches_the_index(mirror, tmp_path):
    settings = Settings(n_files=4)
    background = plan(settings, [mirror])
    statuses = fetch_planned(background, tmp_path / "out", [mirror], network=False)
    with pytest.raises(NoQuietTime, match=r"testing, training, validation.*1024 s injections"):
        background_index(background, statuses, settings)
    assert background_index(background, statuses, replace(settings, recipe="faithful"))


def test_missing_files_are_counted_not_fatal(mirror, tmp_path):
    settings = Settings(n_files=5, allow_cw_injections=True)
    background = plan(settings, [mirror])
    next(mirror.glob(f"L-L1*{START + 4096}*")).write_bytes(b"<html></html>")
    statuses = fetch_planned(background, tmp_path / "out", [mirror], network=False)
    missing = [s for s in statuses.values() if s["status"] == "missing"]
    assert len(missing) == 1
    assert "HTML" in missing[0]["reason"]
    index = background_index(background, statuses, settings)
    assert START + 4096 not in {entry["gps_start"] for entry in index}


def test_event_in_the_background_is_left_out(make_strain, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "SAMPLE_RATE", RATE)
    for detector in ("H1", "L1"):
        make_strain(tmp_path / "m", detector, 1126259334, 256, rate=RATE)  # GW150914 in the middle
    settings = Settings(shares={"training": 1.0})
    background = plan(settings, [tmp_path / "m"])
    statuses = fetch_planned(background, tmp_path / "out", [tmp_path / "m"], network=False)
    (entry,) = background_index(background, statuses, settings)
    assert entry["valid"] == [[1126259334, 1126259446], [1126259479, 1126259590]]


def test_nothing_in_the_mirror(tmp_path):
    with pytest.raises(NoQuietTime, match="no file of H1 and L1 at the same time"):
        plan(Settings(), [tmp_path])


@pytest.fixture
def run_archive(archive, monkeypatch, tmp_path):
    """Ten times of the archive's O1: the second is off in L1, the fourth is not published for L1."""
    monkeypatch.setitem(select.RUNS, "O1", (START, START + 40960))

    def strain_files(query):
        detector = query["detector"][0]
        times = [k for k in range(10) if not (detector == "L1" and k == 3)]
        names = [f"{detector[0]}-{detector}_LOSC_4_V1-{START + 4096 * k}-4096.hdf5" for k in times]
        results = [{"hdf5_url": f"{archive.url}/archive/data/O1/{n}"} for n in names]
        page = int(query.get("page", ["1"])[0])
        following = f"{archive.url}/api/v2/runs/O1/strain-files?detector={detector}&page=2"
        return {
            "results": results[:5] if page == 1 else results[5:],
            "next": following if page == 1 else None,
            "num_pages": 2,
        }

    archive.answers["/api/v2/runs/O1/strain-files"] = strain_files
    for detector, spans in {
        "H1": [(START, START + 40960)],
        "L1": [(START, START + 4096), (START + 8000, START + 40960)],
    }.items():
        results = [{"start": a, "stop": b} for a, b in spans]
        answer = {"results": results, "next": None, "num_pages": 1}
        archive.answers[f"/api/v2/timelines/{detector}_CBC_CAT3/segments"] = answer
    return archive


def test_plan_from_the_archive(run_archive):
    background = plan(Settings(n_files=3), network=True, host=run_archive.url, timeout_s=1)
    assert background["n_candidates"] == 8
    starts = sorted({f["gps_start"] for f in background["files"]})
    assert starts[0] == START
    assert starts[-1] == START + 9 * 4096  # from the first to the last, so evenly over the run
    assert {f["detector"] for f in background["files"]} == {"H1", "L1"}
    for file in background["files"]:
        assert file["url"] == f"{run_archive.url}/archive/data/O1/{file['name']}"
        assert file["sha256"] == ""
    assert background["segments"] == "H1_CBC_CAT3 and L1_CBC_CAT3"


def test_plan_goes_on_without_segments(run_archive):
    run_archive.answers = {k: v for k, v in run_archive.answers.items() if "timelines" not in k}
    background = plan(Settings(n_files=3), network=True, host=run_archive.url, timeout_s=1)
    assert background["n_candidates"] == 9
    assert background["segments"].startswith("unavailable")


def test_volume_is_checked_before_the_first_download(run_archive, tmp_path):
    background = plan(Settings(n_files=3), network=True, host=run_archive.url, timeout_s=1)
    assert volume(background, tmp_path) == 6 * 125_000_000  # no server tells: the estimate
    first = background["files"][0]["name"]
    run_archive.files[first] = bytes(1000)
    assert volume(background, tmp_path) == 6000
    (tmp_path / first).write_bytes(b"")
    assert volume(background, tmp_path) == 5 * 125_000_000
    huge = {"files": [dict(f, duration=4096 * 10**6) for f in background["files"]], "sets": {}}
    run_archive.files.clear()
    run_archive.requests.clear()
    with pytest.raises(DiskTooSmall, match="ask for fewer files"):
        fetch_planned(huge, tmp_path / "out", network=True, timeout_s=0.3)
    assert run_archive.asked("hdf5") == []  # sizes were asked for, nothing was fetched
