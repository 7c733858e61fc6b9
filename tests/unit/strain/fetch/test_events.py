import json
import shutil
from pathlib import Path

import pytest

from skyneedle.core.errors import BadSetting, SourceUnavailable
from skyneedle.strain.fetch import archive as questions
from skyneedle.strain.fetch import events
from skyneedle.strain.fetch.gwosc_files import read
from skyneedle.strain.fetch.names import best_common, in_folders, parse_name

DATASETS = Path(__file__).resolve().parents[4] / "config" / "datasets.tsv"
QUICK = {"timeout_s": 0.4, "retries": 1, "backoff_s": 0.01}


def test_the_catalogue():
    assert len(events.GWTC1) == 11
    assert [e.gps for e in events.GWTC1] == sorted(e.gps for e in events.GWTC1)
    assert [e.name for e in events.GWTC1 if e.kind == "BNS"] == ["GW170817"]
    # Names carry the UTC date: the GPS time must fall on that day.
    from skyneedle.strain.fetch.gwosc_files import utc

    for event in (*events.GWTC1, *events.CANDIDATES):
        day = event.name.removeprefix("GW")[:6]
        assert utc(event.gps)[2:10].replace("-", "") == day
        if "_" in event.name:
            assert utc(event.gps)[11:].replace(":", "") == event.name[-6:]


def test_times_agree_with_the_table_of_the_tutorial(real_strain):
    table = json.loads((real_strain / "BBH_events_v3.json").read_text())
    for name, ours in [("GW150914", "GW150914"), ("LVT151012", "GW151012"), ("GW151226", "GW151226")]:
        assert events.find(ours).gps == pytest.approx(table[name]["tevent"], abs=0.06)


def test_unknown_event():
    with pytest.raises(BadSetting, match=r"GW150915.*GW150914"):
        events.find("GW150915")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("H-H1_LOSC_4_V2-1126259446-32.hdf5", ("H1", 1126259446, 32)),
        ("https://gwosc.org/x/L-L1_GWOSC_4KHZ_R1-1126257415-4096.hdf5", ("L1", 1126257415, 4096)),
        ("/a/V-V1_GWOSC_O2_4KHZ_R1-1187008867-32.txt.gz", ("V1", 1187008867, 32)),
        ("H-H1_LOSC_16_V2-1126259446-32.hdf5", None),
        ("H-H1_GWOSC_16KHZ_R1-1126259447-32.hdf5", None),
        ("BBH_events_v3.json", None),
        ("gwfast_o1.txt", None),
    ],
)
def test_file_names(name, expected):
    parsed = parse_name(name)
    assert (parsed and (parsed.detector, parsed.gps_start, parsed.duration)) == expected


def test_longer_and_newer_files_of_one_span_are_preferred():
    names = [
        "H-H1_LOSC_4_V1-100-32.hdf5",
        "H-H1_LOSC_4_V2-100-32.hdf5",
        "L-L1_LOSC_4_V2-100-32.hdf5",
        "H-H1_LOSC_4_V1-0-4096.hdf5",  # longer, but there is none of L1
    ]
    found = best_common([parse_name(n) for n in names], ["H1", "L1"], 108, 124)
    assert {d: f.name for d, f in found.items()} == {"H1": names[1], "L1": names[2]}
    found = best_common(
        [parse_name(n) for n in [*names, "L-L1_LOSC_4_V1-0-4096.hdf5"]], ["H1", "L1"], 108, 124
    )
    assert {f.duration for f in found.values()} == {4096}
    assert best_common([parse_name(n) for n in names], ["H1", "L1"], 90, 106)["H1"].duration == 4096


def test_event_found_in_a_mirror(real_strain, tmp_path):
    status = events.fetch_event(
        "GW150914",
        [tmp_path / "nothing", real_strain],
        False,
        tmp_path / "out",
        status_path=tmp_path / "GW150914.json",
    )
    assert status == json.loads((tmp_path / "GW150914.json").read_text())
    assert status["status"] == "fetched"
    assert status["reason"] == ""
    assert set(status["path"]) == {"H1", "L1"}
    assert status["sha256"]["H1"] == "fa170ebc577652bfeb5c4b9d2a2d713eef8a4b2996b198b749692446fa7a163c"
    strain = read(status["path"]["L1"])
    assert strain.gps_start + 8 <= status["gps"] <= strain.gps_end - 8
    assert len(in_folders([tmp_path / "out"])) == 2


def test_event_files_are_held_to_the_published_checksums(real_strain, tmp_path):
    names = ["H-H1_LOSC_4_V2-1126259446-32.hdf5", "L-L1_LOSC_4_V2-1126259446-32.hdf5"]
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in names:
        shutil.copy(real_strain / name, mirror / name)
    status = events.fetch_event("GW150914", [mirror], False, tmp_path / "out", datasets=DATASETS)
    assert status["status"] == "fetched"
    data = (real_strain / names[1]).read_bytes()
    assert b"Strain data" in data  # of the description: the file opens as before, and has its size
    (mirror / names[1]).chmod(0o644)
    (mirror / names[1]).write_bytes(data.replace(b"Strain data", b"strain data"))
    status = events.fetch_event("GW150914", [mirror], False, tmp_path / "other", datasets=DATASETS)
    assert status["status"] == "missing"
    assert "sha256" in status["reason"]
    assert names[1] in status["reason"]
    assert [path.name for path in (tmp_path / "other").iterdir()] == [names[0]]


def test_event_that_nobody_has_says_so(real_strain, tmp_path):
    status = events.fetch_event(
        "GW170814", [real_strain], False, tmp_path / "out", status_path=tmp_path / "x.json"
    )
    assert status["status"] == "missing"
    assert status["reason"].startswith("GW170814: no file of H1 covers GPS 1186741853.5 to 1186741869.5")
    assert "network is switched off" in status["reason"]
    assert status["mirrors"] == [str(real_strain)]
    assert (tmp_path / "x.json").is_file()


def test_one_detector_is_not_enough(real_strain, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    shutil.copy(real_strain / "H-H1_LOSC_4_V2-1126259446-32.hdf5", mirror)
    status = events.fetch_event("GW150914", [mirror], False, tmp_path / "out")
    assert status["status"] == "missing"
    assert "no file of L1" in status["reason"]


@pytest.fixture
def portal(archive, make_strain, tmp_path):
    """The archive's answers for GW150914, as its client asks for them, and the two files."""
    results = []
    for detector in ("H1", "L1"):
        path = make_strain(tmp_path / "origin", detector, 1126259447, 32)
        name = path.name.replace("LOSC_4_V1", "GWOSC_4KHZ_R1")
        archive.files[name] = path.read_bytes()
        url = f"{archive.url}/eventapi/json/GWTC-1-confident/GW150914/v3/{name}"
        results.append({"detector": detector, "gps_start": 1126259447, "duration": 32, "download_url": url})

    def strain_files(query):
        assert query["sample-rate"] == ["4"]
        assert query["file-format"] == ["hdf"]
        assert query["duration"] == ["32"]
        return {"results": results, "next": None, "num_pages": 1}

    base = "/api/v2/event-versions/GW150914@GWTC-1-confident"
    archive.answers[f"{base}/strain-files"] = strain_files
    archive.answers[base] = {"name": "GW150914", "gps": 1126259462.4, "run": "O1"}
    return archive


def test_event_from_the_archive(portal, tmp_path):
    status = events.fetch_event(
        "GW150914",
        [tmp_path / "empty"],
        True,
        tmp_path / "out",
        host=portal.url,
        manifest=tmp_path / "manifest.tsv",
        **QUICK,
    )
    assert status["status"] == "fetched", status["reason"]
    assert read(status["path"]["H1"]).gps_start == 1126259447
    assert (tmp_path / "manifest.tsv").read_text().count("GWOSC_4KHZ_R1-1126259447-32.hdf5\thttp://") == 2
    assert questions.event_gps("GW150914", portal.url) == events.find("GW150914").gps


def test_event_unknown_to_the_archive(portal, tmp_path):
    status = events.fetch_event("GW170823", [], True, tmp_path / "out", host=portal.url, **QUICK)
    assert status["status"] == "missing"
    assert "get_event_urls('GW170823',) got no usable answer" in status["reason"]
    assert portal.url in status["mirrors"]


def test_base_address_without_a_listing(archive, make_strain, tmp_path):
    """A mirror on the web cannot be listed: the portal's name of the file is tried."""
    for detector in ("H1", "L1"):
        path = make_strain(tmp_path / "origin", detector, 1186741846, 32)
        archive.files[path.name.replace("LOSC_4_V1", "GWOSC_4KHZ_R1")] = path.read_bytes()
    status = events.fetch_event(
        "GW170814", [f"{archive.url}/mirror"], True, tmp_path / "out", host="http://127.0.0.1:9", **QUICK
    )
    assert status["status"] == "fetched", status["reason"]


def test_archive_that_does_not_answer():
    with pytest.raises(SourceUnavailable, match=r"http://127.0.0.1:9 does not answer \(ConnectionError\)"):
        questions.segments("H1_CBC_CAT3", 0, 1, "http://127.0.0.1:9", 0.3)
