"""The way of real strain: an archive that serves it, the choice of good seconds, three sets of examples."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections import namedtuple
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from skyneedle.core.errors import DiskTooSmall, NoQuietTime, SourceUnavailable
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.strain.fetch import background, select
from skyneedle.strain.fetch.gwosc_files import write_gwosc
from skyneedle.strain.simulate import background as simulated
from skyneedle.strain.simulate import examples
from skyneedle.strain.simulate.noise import coloured_noise
from skyneedle.strain.simulate.settings import Settings

CONFIG = Path(__file__).resolve().parents[4] / "config"
CURVE = "aLIGOEarlyHighSensitivityP1200087"
BASE = 1126259334  # GW150914 comes 128.4 s later
SECOND = BASE + 4096
FILES = {BASE: 768, SECOND: 256}
CHOICE = select.Settings(
    n_files=2,
    shares={"training": 0.5, "validation": 0.2, "testing": 0.3},
    allow_cw_injections=True,
    psd_context_s=64,
    guard_s=96,
)
# By hand: 1024 s are cut at second 512 and 716.8 of the first file, 48 s are kept free on either side.
GOOD = {
    "training": [(0, 112), (145, 250), (254, 400)],  # GW150914; no data in H1; an injected merger in L1
    "validation": [(560, 664)],  # below CBC_CAT3 in L1
    "testing": [(4096, 4196), (4197, 4352)],  # below CBC_CAT3 in H1
}
SETS = {
    "training": {"first_id": 0, "n_examples": 20},
    "validation": {"first_id": 100, "n_examples": 6},
    "testing": {"first_id": 200, "n_examples": 12},
}
QUICK = {"timeout_s": 0.3, "retries": 1, "backoff_s": 0.01}


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """Four files as the archive has them, with one flaw of each kind."""
    folder = tmp_path_factory.mktemp("mirror")
    for start, duration in FILES.items():
        for detector in ("H1", "L1"):
            strain = coloured_noise(generator(0, detector, start), CURVE, duration * 4096)
            quality = np.full(duration, 127)
            # Continuous-wave injections run in L1, as they did in the first observing run.
            injections = np.full(duration, 31 if detector == "H1" else 23)
            if (detector, start) == ("H1", BASE):
                strain[250 * 4096 + 9 : 254 * 4096 - 9] = np.nan
            if (detector, start) == ("L1", BASE):
                injections[400] = 22
                quality[664:668] = 7
            if (detector, start) == ("H1", SECOND):
                quality[100] = 7
            name = f"{detector[0]}-{detector}_LOSC_4_V1-{start}-{duration}.hdf5"
            write_gwosc(folder / name, strain, start, detector, 4096, quality, injections)
    return folder


@pytest.fixture
def online(archive, mirror, monkeypatch):
    """The same files at the archive, with the answers that its client asks for."""
    monkeypatch.setitem(select.RUNS, "O1", (BASE, SECOND + 256))
    for path in mirror.iterdir():
        archive.files[path.name] = path.read_bytes()

    def strain_files(query):
        detector = query["detector"][0]
        names = sorted(name for name in archive.files if f"-{detector}_" in name)
        return {
            "results": [{"hdf5_url": f"{archive.url}/archive/data/O1/{name}"} for name in names],
            "next": None,
            "num_pages": 1,
        }

    archive.answers["/api/v2/runs/O1/strain-files"] = strain_files
    for detector in ("H1", "L1"):
        archive.answers[f"/api/v2/timelines/{detector}_CBC_CAT3/segments"] = {
            "results": [{"start": BASE, "stop": SECOND + 256}],
            "next": None,
            "num_pages": 1,
        }
    return archive


def fetched(folder, mirrors=(), archive=None, **options):
    """Run the fetch step as the workflow does; returns what it wrote."""
    options = QUICK | options | ({"host": archive.url} if archive else {})
    index = folder / "index.json"
    background.to_file(index, CHOICE, mirrors, folder / "strain", network=archive is not None, **options)
    return json.loads(index.read_text())


def simulate(folder):
    """Run the simulation of all sets on what was fetched into a folder."""
    settings = Settings(source="gwosc", plan=str(folder / "index.json"), sets=SETS)
    for name, ids in SETS.items():
        some = range(ids["first_id"], ids["first_id"] + ids["n_examples"])
        examples.write_shard(folder / f"{name}.h5", name, some, settings, seed=5)


def support(settings, set_name, gps):
    """GPS interval that an example depends on: its window, and the data whose PSD sets its SNR."""
    available = simulated.stretches(settings.plan, set_name, settings.psd_span_s[0])
    (stretch,) = (s for s in available if s.start <= gps <= s.end - 16)
    first, length = simulated._psd_span(stretch, gps, settings.psd_span_s[1])
    return min(gps, first), max(gps + 16, first + length)


@pytest.fixture(scope="module")
def ran(mirror, tmp_path_factory):
    """Folder of a run that had the files in a mirror."""
    folder = tmp_path_factory.mktemp("ran")
    fetched(folder, [mirror])
    simulate(folder)
    return folder


def test_archive_over_a_bad_line_and_mirror_give_the_same_bytes(ran, online, tmp_path, capsys):
    online.cut_at = {name: [70_000, 2_000_000] for name in online.files}
    fetched(tmp_path, archive=online)
    said = capsys.readouterr().out
    assert "2 files a detector (2 asked for, 2 to choose from); segments: H1_CBC_CAT3 and L1_CBC_CAT3" in said
    assert "4 files, 0.1 GB of them to fetch" in said
    assert "training: 363 good s in 3 stretches" in said
    simulate(tmp_path)
    assert "training: 20 examples on 2" in capsys.readouterr().out  # 21 to 22 windows of 16 s, by the phase
    for name in SETS:
        ours, theirs = (hashlib.sha256((at / f"{name}.h5").read_bytes()) for at in (ran, tmp_path))
        assert ours.digest() == theirs.digest()


def test_examples_lie_in_the_good_seconds_of_their_own_set(ran):
    index = json.loads((ran / "index.json").read_text())
    for name, spans in GOOD.items():
        found = [tuple(span) for entry in index if entry["set"] == name for span in entry["valid"]]
        assert found == [(BASE + a, BASE + b) for a, b in spans]
    settings = Settings(source="gwosc", plan=str(ran / "index.json"), sets=SETS)
    reach = {}
    for name in SETS:
        data = DataSet(ran / f"{name}.h5")
        assert len(data) == SETS[name]["n_examples"]
        assert np.isfinite(data.read("strain", slice(None))).all()
        starts = np.sort(data.table["window_gps"])
        for start in starts:
            assert any(BASE + a <= start and start + 16 <= BASE + b for a, b in GOOD[name])
            assert not start - 16 < 1126259462.4 < start + 32  # GW150914, 16 s from every window
        assert (np.diff(starts) >= 16).all()  # no two windows of a set share a sample
        reach[name] = [support(settings, name, gps) for gps in starts]
    for first, second in combinations(SETS, 2):
        gap = min(max(c - b, a - d) for a, b in reach[first] for c, d in reach[second])
        assert gap >= CHOICE.guard_s
    # In time order: what is tested comes after all that was trained on.
    assert max(b for _, b in reach["training"]) < min(a for a, _ in reach["validation"])
    assert max(b for _, b in reach["validation"]) < min(a for a, _ in reach["testing"])


@pytest.mark.parametrize("label", [0, 1])
def test_strain_outside_its_support_does_not_change_an_example(label, ran, tmp_path):
    settings = Settings(
        source="gwosc",
        plan=str(ran / "index.json"),
        sets=SETS,
        share_injection=float(label),
        psd_span_s=(64, 64),
    )
    before = examples.example(3, settings, 5)
    gps = before.row["window_gps"]
    first, last = (gps, gps + 16) if label == 0 else support(settings, "training", gps)
    changed = tmp_path / "changed"
    shutil.copytree(ran / "strain", changed)
    for path in changed.glob(f"*-{BASE}-768.hdf5"):
        with h5py.File(path, "r+") as file:
            strain = file["strain/Strain"][()]
            outside = np.ones(len(strain), dtype=bool)
            outside[round((first - BASE) * 4096) : round((last - BASE) * 4096)] = False
            assert 0.5 < outside.mean() < 1
            strain[outside] *= -7
            file["strain/Strain"][...] = strain
    text = (ran / "index.json").read_text().replace(str(ran / "strain"), str(changed))
    (tmp_path / "other.json").write_text(text)
    other = Settings(**{**vars(settings), "plan": str(tmp_path / "other.json")})
    after = examples.example(3, other, 5)
    assert np.array_equal(after.strain, before.strain)
    np.testing.assert_equal(after.row, before.row)


def test_killed_in_the_middle_of_a_download(mirror, online, tmp_path):
    """`kill -9` while a file arrives: the same command goes on at that byte, and ends with the same bytes."""
    last = f"L-L1_LOSC_4_V1-{SECOND}-256.hdf5"
    online.stall_at[last] = 2_500_000
    options = {"archive": online, "timeout_s": 30, "manifest": tmp_path / "manifest.tsv"}
    process = multiprocessing.get_context("fork").Process(target=fetched, args=(tmp_path,), kwargs=options)
    process.start()
    partial = tmp_path / "strain" / f"{last}.partial"
    deadline = time.monotonic() + 20
    while not partial.exists() or partial.stat().st_size < 2 << 20:  # written in whole MiB
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    online.released.set()
    assert not (tmp_path / "index.json").exists()
    kept = partial.stat().st_size

    fetched(tmp_path, archive=online, manifest=tmp_path / "manifest.tsv")
    assert online.asked(last) == ["", f"bytes={kept}-"]
    for path in mirror.iterdir():
        assert (tmp_path / "strain" / path.name).read_bytes() == path.read_bytes()
        assert len(online.asked(path.name)) == (2 if path.name == last else 1)
    assert not list((tmp_path / "strain").glob("*.partial"))
    assert (tmp_path / "manifest.tsv").read_text().count("http://") == 4


def break_archive(archive, kind, name, folder):
    """Let one file of the archive go wrong; returns further options of the fetch step."""
    if kind == "not found":
        listed = dict.fromkeys(archive.files)
        archive.answers["/api/v2/runs/O1/strain-files"] = lambda query: {
            "results": [
                {"hdf5_url": f"{archive.url}/archive/data/O1/{n}"}
                for n in sorted(listed)
                if f"-{query['detector'][0]}_" in n
            ],
            "next": None,
            "num_pages": 1,
        }
        del archive.files[name]
    elif kind == "html":
        archive.files[name] = b"<html><body>Please log in</body></html>"
    elif kind == "truncated":
        archive.files[name] = archive.files[name][:100_000]
    elif kind == "time-out":
        archive.silent.add(name)
    elif kind == "wrong rate":
        write_gwosc(folder / "a.hdf5", np.random.default_rng(0).normal(size=256 * 1024), SECOND, "L1", 1024)
        archive.files[name] = (folder / "a.hdf5").read_bytes()
    elif kind == "shorter than its name":
        write_gwosc(folder / "a.hdf5", np.random.default_rng(0).normal(size=100 * 4096), SECOND, "L1")
        archive.files[name] = (folder / "a.hdf5").read_bytes()
    elif kind == "checksum":
        (folder / "datasets.tsv").write_text(f"name\turl\tsha256\tbytes\n{name}\t\t{'0' * 64}\t\n")
        return {"datasets": folder / "datasets.tsv"}
    return {}


FAULTS = {
    "not found": "HTTP 404",
    "html": "HTML page",
    "truncated": "ends early",
    "time-out": "time-out after 2 tries",
    "checksum": "sha256",
    "wrong rate": "1024 Hz, 4096 Hz were expected",
    "shorter than its name": "the file holds L1",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_file_that_does_not_arrive_is_named_and_nothing_half_written_stays(kind, online, tmp_path):
    name = f"L-L1_LOSC_4_V1-{SECOND}-256.hdf5"
    good = dict(online.files), dict(online.answers)
    options = break_archive(online, kind, name, tmp_path)
    with pytest.raises(NoQuietTime) as caught:
        fetched(tmp_path, archive=online, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    # The first file holds training and validation, so it is the testing set that is left without.
    for text in (
        "stretch of 80 s for testing",
        "1 of 2 planned times",
        name,
        FAULTS[kind],
        "take more files",
    ):
        assert text in sentence
    left = {path.name for path in (tmp_path / "strain").iterdir()}
    assert left == set(good[0]) - {name}
    assert not (tmp_path / "index.json").exists()

    online.files, online.answers = good
    online.silent.clear()
    assert fetched(tmp_path, archive=online)
    assert all(len(online.asked(other)) == 1 for other in left)


def test_with_too_few_files_the_run_stops(online, tmp_path):
    for name in list(online.files):
        if f"-{SECOND}-" in name:
            online.silent.add(name)
    with pytest.raises(SourceUnavailable, match=r"2 of 4 planned files did not arrive.*goes on from there"):
        fetched(tmp_path, archive=online)
    assert len(list((tmp_path / "strain").glob("*.hdf5"))) == 2
    assert not (tmp_path / "index.json").exists()


def test_a_full_disk_is_seen_before_the_first_download(online, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40 - 2**29, 2**29))
    with pytest.raises(DiskTooSmall, match=r"the disk has 0\.5 GB left"):
        fetched(tmp_path, archive=online)
    assert online.asked("hdf5") == []
    assert not (tmp_path / "strain").exists()


def test_folders_that_hold_enough_come_before_the_archive(mirror, online, tmp_path):
    index = fetched(tmp_path, [mirror], archive=online)
    assert online.requests == []
    assert len(index) == 3


def test_folders_stand_in_for_an_archive_that_does_not_answer(mirror, tmp_path):
    more = select.Settings(**{**vars(CHOICE), "n_files": 3})
    plan = select.plan(more, [mirror], network=True, host="http://127.0.0.1:9", timeout_s=0.3)
    assert len(plan["files"]) == 4
    assert "does not answer" in plan["segments"]
    with pytest.raises(SourceUnavailable, match="does not answer"):
        select.plan(more, [tmp_path], network=True, host="http://127.0.0.1:9", timeout_s=0.3)


def test_what_is_to_be_copied_from_a_folder_is_counted_by_its_size(mirror, tmp_path):
    plan = select.plan(CHOICE, [mirror])
    sizes = sum(path.stat().st_size for path in mirror.iterdir())
    assert select.volume(plan, tmp_path, network=False) == sizes


# --- the published size


def scale(name):
    """Settings of a scale's background, as the workflow passes them on."""
    config = yaml.safe_load((CONFIG / "config.yaml").read_text())["strain"]
    overlay = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())["strain"] if name != "laptop" else {}
    merged = {**config["background"], **overlay.get("background", {})}
    return select.Settings(**merged, detectors=("H1", "L1"), recipe=config["recipe"])


@pytest.mark.parametrize(("name", "n_files", "gigabytes"), [("laptop", 8, "2.0"), ("paper", 210, "52.5")])
def test_files_and_volume_of_a_scale(name, n_files, gigabytes, archive, tmp_path, monkeypatch, capsys):
    """The whole of O1 is on offer; where the detectors are good in half of each day, files are from there."""
    start, end = select.RUNS["O1"]
    times = range(-(-start // 4096) * 4096, end - 4096, 4096)
    archive.answers["/api/v2/runs/O1/strain-files"] = lambda query: {
        "results": [
            {"hdf5_url": f"{archive.url}/archive/data/O1/{d[0]}-{d}_LOSC_4_V1-{t}-4096.hdf5"}
            for d in query["detector"]
            for t in times
        ],
        "next": None,
        "num_pages": 1,
    }
    on = [(a, a + 43200) for a in range(start, end - 43200, 86400)]
    for detector in ("H1", "L1"):
        archive.answers[f"/api/v2/timelines/{detector}_CBC_CAT3/segments"] = {
            "results": [{"start": a, "stop": b} for a, b in on],
            "next": None,
            "num_pages": 1,
        }
    settings = scale(name)
    plan = select.plan(settings, network=True, host=archive.url, timeout_s=5)
    for detector in ("H1", "L1"):
        starts = [file["gps_start"] for file in plan["files"] if file["detector"] == detector]
        assert len(set(starts)) == n_files
        assert starts == sorted(starts)
        for first in starts:
            assert sum(max(0, min(b, first + 4096) - max(a, first)) for a, b in on) >= 1024
    seconds = {key: sum(b - a for a, b in spans) for key, spans in plan["sets"].items()}
    assert sum(seconds.values()) == pytest.approx(n_files * 4096, abs=2 * settings.guard_s + 4)

    class Begun(Exception):
        pass

    def download(*_, **__):
        raise Begun

    monkeypatch.setattr(background, "download", download)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**12))
    with pytest.raises(Begun):
        background.fetch_planned(plan, tmp_path / "strain", timeout_s=0.3)
    assert f"{2 * n_files} files, {gigabytes} GB of them to fetch" in capsys.readouterr().out
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**9))
    with pytest.raises(DiskTooSmall, match=f"{gigabytes} GB are to be fetched"):
        background.fetch_planned(plan, tmp_path / "strain", timeout_s=0.3)
