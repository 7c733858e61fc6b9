"""Bad input of every kind at every way in: one sentence that says what and where, and nothing half-written.

Bad strain given to `skyneedle scan` has a table of its own in scan/test_scan.py, misspelt configuration in
tests/workflow/test_plans.py, labels of one class in evaluate/test_score.py and test_training.py.
"""

import json
import shutil

import h5py
import numpy as np
import pytest

from skyneedle.core import errors
from skyneedle.strain.fetch import background, events, select
from skyneedle.strain.fetch.gwosc_files import write_gwosc
from skyneedle.strain.simulate import examples, streams
from skyneedle.strain.simulate.settings import Settings

START = 1126260000  # in O1, more than 16 s from every catalogued event
SECONDS = 96
CHOICE = select.Settings(n_files=1, shares={"training": 1.0})
SETS = {"training": {"first_id": 0, "n_examples": 4}}


def name_of(detector, start=START, seconds=SECONDS):
    return f"{detector[0]}-{detector}_LOSC_4_V1-{start}-{seconds}.hdf5"


def write(folder, detector, change=None, start=START, rate=4096, seconds=SECONDS, **masks):
    """A noise file of one detector, changed before it is written; returns its path."""
    strain = 1e-21 * np.random.default_rng(ord(detector[0])).standard_normal(seconds * rate)
    if change:
        change(strain)
    path = folder / name_of(detector, start, seconds)
    write_gwosc(path, strain, start, detector, rate, **masks)
    return path


def every_ten_seconds(value):
    """Leaves no 16 s without a bad one."""

    def change(strain):
        for second in range(5, SECONDS, 10):
            strain[second * 4096 : (second + 1) * 4096] = value

    return change


def put(folder, kind):
    """The H1 file of a mirror, bad in one way."""
    if kind in ("nan", "constant"):
        write(folder, "H1", every_ten_seconds(np.nan if kind == "nan" else 2e-21))
    elif kind == "below CBC_CAT3":
        write(folder, "H1", quality=np.full(SECONDS, 7))
    elif kind == "injections":
        write(folder, "H1", injections=np.full(SECONDS, 30))
    elif kind == "short gaps":
        quality = np.full(SECONDS, 127)
        quality[::12] = 0
        write(folder, "H1", quality=quality)
    elif kind == "wrong rate":
        write(folder, "H1", rate=2048)
    elif kind == "other time":
        write(folder, "H1", start=START + 4096)
    elif kind == "only one detector":
        return
    elif kind == "other detector":
        write(folder, "V1").rename(folder / name_of("H1"))
    elif kind == "shorter than its name":
        write(folder, "H1", seconds=40).rename(folder / name_of("H1"))
    else:
        damage(write(folder, "H1"), kind)


def damage(path, kind):
    """Spoil a whole file."""
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "html":
        path.write_text("<!DOCTYPE html>\n<html><body>Not Found</body></html>")
    elif kind == "not strain":
        with h5py.File(path, "w") as file:
            file["images"] = np.zeros(3)
    elif kind == "gone":
        path.unlink()


def one_sentence(caught, folder, before, *texts):
    """What every refusal has to be."""
    sentence = str(caught.value)
    assert isinstance(caught.value, errors.SkyneedleError)
    assert "\n" not in sentence
    for text in texts:
        assert text in sentence, sentence
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


# --- background of the archive

BACKGROUND = {
    "nan": (errors.NoQuietTime, "10 s nan"),
    "constant": (errors.NoQuietTime, "10 s constant"),
    "below CBC_CAT3": (errors.NoQuietTime, "96 s quality"),
    "injections": (errors.NoQuietTime, "96 s injections"),
    "short gaps": (errors.NoQuietTime, "8 s quality, 88 s short"),
    "wrong rate": (errors.SourceUnavailable, "2048 Hz, 4096 Hz were expected"),
    "other time": (errors.NoQuietTime, "no file of H1 and L1 at the same time"),
    "only one detector": (errors.NoQuietTime, "no file of H1 and L1 at the same time"),
    "other detector": (errors.SourceUnavailable, "the file holds V1"),
    "shorter than its name": (errors.SourceUnavailable, "for 40 s"),
    "truncated": (errors.SourceUnavailable, "ends early"),
    "empty": (errors.SourceUnavailable, "empty"),
    "html": (errors.SourceUnavailable, "HTML page"),
    "not strain": (errors.SourceUnavailable, "holds images"),
}


@pytest.mark.parametrize("kind", BACKGROUND)
def test_bad_background(kind, tmp_path):
    mirror = tmp_path / "mirror"
    put(mirror, kind)
    write(mirror, "L1")
    error, text = BACKGROUND[kind]
    before = files(mirror)
    with pytest.raises(error) as caught:
        background.to_file(tmp_path / "index.json", CHOICE, [mirror], tmp_path / "strain", network=False)
    # What arrived whole is kept for the next try.
    kept = [
        path for path in files(tmp_path / "strain") if path.read_bytes() == (mirror / path.name).read_bytes()
    ]
    one_sentence(caught, tmp_path, sorted(before + kept), text)
    assert str(mirror) in str(caught.value) or "background of O1" in str(caught.value)


# --- what has become of it since


@pytest.fixture
def fetched(tmp_path):
    """Files and list of good seconds, fetched in order."""
    mirror = tmp_path / "mirror"
    for detector in ("H1", "L1"):
        write(mirror, detector)
    background.to_file(tmp_path / "index.json", CHOICE, [mirror], tmp_path / "strain", network=False)
    shutil.rmtree(mirror)
    return tmp_path


SINCE = {
    "nan": (errors.StrainHasNaN, "missing samples (NaN)"),
    "wrong rate": (errors.WrongSampleRate, "2048 Hz"),
    "truncated": (errors.TruncatedFile, "ends early"),
    "empty": (errors.TruncatedFile, "empty"),
    "html": (errors.NotHDF5, "HTML page"),
    "not strain": (errors.NotAStrainFile, "holds images"),
    "shorter than its name": (errors.NotAStrainFile, "the file holds"),
    "gone": (errors.SourceUnavailable, "is gone"),
}


# Errors of all kinds come out of a worker in the same way: one is enough.
@pytest.mark.parametrize(("kind", "workers"), [*((kind, 1) for kind in SINCE), ("truncated", 2)])
def test_bad_background_at_simulation(kind, workers, fetched):
    path = fetched / "strain" / name_of("H1")
    path.unlink()
    put(fetched / "strain", "whole" if kind in ("gone", "html", "truncated", "empty", "not strain") else kind)
    damage(path, kind)
    n = 4 if workers == 1 else 16
    sets = {"training": {"first_id": 0, "n_examples": n}}
    settings = Settings(source="gwosc", plan=str(fetched / "index.json"), sets=sets)
    before = files(fetched)
    error, text = SINCE[kind]
    with pytest.raises(error) as caught:
        examples.write_shard(fetched / "out" / "000.h5", "training", range(n), settings, 1, workers)
    one_sentence(caught, fetched, before, text, str(path))


@pytest.mark.parametrize("content", ["", "{", "[]", '[{"set": "training"}]', '{"set": "training"}'])
def test_bad_list_of_good_seconds(content, tmp_path):
    index = tmp_path / "index.json"
    index.write_text(content)
    settings = Settings(source="gwosc", plan=str(index), sets=SETS)
    before = files(tmp_path)
    with pytest.raises((errors.BadSetting, errors.NoQuietTime)) as caught:
        examples.write_shard(tmp_path / "000.h5", "training", range(4), settings, 1)
    one_sentence(caught, tmp_path, before, str(index))


# --- settings


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"psd": "NoSuchCurve"}, "NoSuchCurve"),
        ({"recipe": "fixed"}, "'fixed'; expected one of corrected, faithful"),
        ({"source": "archive"}, "'archive'"),
        ({"source": "gwosc"}, "needs plan"),
        ({"detectors": ["H1", "V1"]}, "L1 is needed"),
        ({"mass_range_msun": [80, 10]}, "mass_range_msun"),
        ({"snr_range": [5]}, "snr_range"),
        ({"share_injection": 1.5}, "1.5"),
        ({"position_s": 0.2}, "0.2"),
        ({"glitches": {"whistle": {"rate_hz": 1, "snr_range": [1, 2]}}}, "whistle"),
        ({"glitches": {"blip": {"rate_hz": -1, "snr_range": [1, 2]}}}, "rate_hz"),
        ({"approximant": "NoSuchModel"}, "NoSuchModel"),
    ],
)
def test_bad_settings_of_simulation(changes, text, tmp_path):
    with pytest.raises(errors.BadSetting) as caught:
        examples.write_shard(tmp_path / "000.h5", "training", range(4), Settings(**changes), 1)
    one_sentence(caught, tmp_path, [], text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"duration_s": 20}, "20"),
        ({"duration_s": 64.5}, "64.5"),
        ({"duration_s": 64, "jitter_s": 30}, "jitter_s is 30"),
    ],
)
def test_bad_settings_of_a_stretch(options, text, tmp_path):
    with pytest.raises(errors.BadSetting) as caught:
        streams.write_stream(tmp_path / "stretch", Settings(), 1, **options)
    one_sentence(caught, tmp_path, [], text)


# --- events: missing is an answer, with its reason

EVENT = {
    "truncated": "ends early",
    "html": "HTML page",
    "not strain": "holds images",
    "empty": "empty",
    "gone": "no file of H1 covers GPS",
}


@pytest.mark.parametrize("kind", EVENT)
def test_bad_event_files(kind, tmp_path):
    mirror = tmp_path / "mirror"
    for detector in ("H1", "L1"):
        write(mirror, detector, start=1126259446, seconds=32)
    damage(mirror / name_of("H1", 1126259446, 32), kind)
    status = events.fetch_event(
        "GW150914", [mirror], False, tmp_path / "strain", status_path=tmp_path / "GW150914.json"
    )
    assert json.loads((tmp_path / "GW150914.json").read_text()) == status
    assert status["status"] == "missing"
    assert EVENT[kind] in status["reason"]
    assert "\n" not in status["reason"]
    assert [path.name for path in files(tmp_path / "strain")] == [name_of("L1", 1126259446, 32)]
