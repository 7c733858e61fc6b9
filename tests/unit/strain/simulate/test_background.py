"""Archive data as background: times, disjointness, PSD of the neighbourhood, bad plans."""

import dataclasses
import json

import numpy as np
import pytest

from skyneedle.core.errors import BadSetting, NoQuietTime, NotAStrainFile, StrainHasNaN, WrongSampleRate
from skyneedle.core.seeds import generator
from skyneedle.strain.fetch.gwosc_files import write_gwosc
from skyneedle.strain.simulate import background, examples, noise
from skyneedle.strain.simulate.settings import Settings

NAME = "aLIGOEarlyHighSensitivityP1200087"
START = 1126073344
SETS = {"training": {"first_id": 0, "n_examples": 12}, "validation": {"first_id": 12, "n_examples": 4}}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """300 s of noise of two detectors as archive files, and a plan: training before validation."""
    folder = tmp_path_factory.mktemp("archive")
    files = {}
    for detector in ("H1", "L1"):
        path = folder / f"{detector[0]}-{detector}_TEST_4_V1-{START}-300.hdf5"
        strain = noise.coloured_noise(generator(0, detector), NAME, 300 * 4096)
        write_gwosc(path, strain, START, detector)
        files[detector] = str(path)
    plan = folder / "plan.json"
    common = {"gps_start": START, "duration": 300, "files": files}
    blocks = [
        {"set": "training", "valid": [[START, START + 100], [START + 110, START + 200]]} | common,
        {"set": "validation", "valid": [[START + 216, START + 300]]} | common,
    ]
    plan.write_text(json.dumps(blocks))
    return plan


@pytest.fixture(scope="module")
def settings(archive):
    return Settings(source="gwosc", plan=str(archive), sets=SETS, share_injection=1.0)


def _starts(settings, ids):
    return np.array([background.background(number, settings, 2).gps_start for number in ids])


def test_corrected_windows_are_disjoint_and_within_their_sets_intervals(settings):
    training = np.sort(
        _starts(settings, range(10))
    )  # 100 s and 90 s hold 5 windows each, with room for a random start
    assert (np.diff(training) >= 16).all()
    for start in training:
        assert START <= start <= START + 84 or START + 110 <= start <= START + 184
    validation = _starts(settings, range(12, 16))
    assert (validation >= START + 216).all()
    assert (validation <= START + 284).all()
    assert validation.min() - training.max() >= 16
    assert any(start % 1 for start in training)
    assert all((start * 4096).is_integer() for start in training)


def test_when_windows_run_out_crops_still_do_not_overlap(settings):
    crops = np.sort(_starts(settings, range(12)) + 4)
    assert (np.diff(crops) >= 8).all()


def test_faithful_draws_whole_seconds_independently(settings):
    faithful = dataclasses.replace(
        settings, recipe="faithful", sets={"training": {"first_id": 0, "n_examples": 60}}
    )
    starts = _starts(faithful, range(60))
    assert all(start.is_integer() for start in starts)
    assert (np.diff(np.sort(starts)) < 16).any()
    assert starts.max() <= START + 184


def test_example_is_the_file_plus_the_signal(settings, archive):
    example = examples.example(3, settings, 2)
    block = json.loads(archive.read_text())[0]
    for row, detector in enumerate(("H1", "L1")):
        strain = background.read_samples(block["files"][detector], example.row["window_gps"], 65536)
        assert np.array_equal(example.raw[row], strain + example.signal[row])
    assert example.row["parent"] in (START, START + 110)
    again = examples.example(3, settings, 2)
    assert np.array_equal(example.strain, again.strain)


def test_snr_from_neighbouring_data_is_close_to_the_true_one(settings):
    """Spec F1: 64 s and more of signal-free data measure the SNR a few per cent high."""
    psd = noise.on_grid(noise.noise_psd(NAME), 65536, 4096.0)
    ratios = []
    for number in range(6):
        example = examples.example(number, settings, 2)
        true = examples.optimal_snrs(
            np.fft.rfft(example.signal), np.stack([_inverse(psd)] * 2), 65536, 4096.0
        )
        ratios.append(example.row["snr"] / np.hypot(*true))
    assert 0.99 < np.mean(ratios) < 1.05


def _inverse(psd):
    frequency = np.arange(len(psd)) / 16
    return np.where((frequency >= 20) & (frequency < 1024), 1 / psd, 0)


def test_psd_data_contain_the_window_and_stay_in_the_interval():
    stretch = background.Stretch(1000, 2000, 0, ())
    for start in (1000.0, 1250.3, 1500.0, 1984.0):
        first, length = background._psd_span(stretch, start, 256.0)
        assert length == 256
        assert 1000 <= first <= 1744
        assert first <= start + 8 <= first + 256
    assert background._psd_span(background.Stretch(0, 70, 0, ()), 10.0, 256.0) == (0, 70)


@pytest.mark.parametrize("content", ["{", '{"set": 1}', '[{"set": "training"}]', "[3]"])
def test_bad_plans_are_named(tmp_path, content):
    plan = tmp_path / "plan.json"
    plan.write_text(content)
    with pytest.raises(BadSetting, match=r"plan\.json"):
        background.stretches(str(plan), "training", 64)


def test_a_set_without_quiet_time_is_named(archive):
    with pytest.raises(NoQuietTime, match="testing"):
        background.stretches(str(archive), "testing", 64)
    with pytest.raises(NoQuietTime, match="95"):
        background.stretches(str(archive), "validation", 95)


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "H-H1_TEST-100-20.hdf5"
    write_gwosc(path, np.random.default_rng(0).standard_normal(20 * 4096), 100, "H1")
    with pytest.raises(NotAStrainFile, match="the file holds 100"):
        background.read_samples(str(path), 110.0, 65536)
    values = np.random.default_rng(0).standard_normal(20 * 4096)
    values[7 * 4096] = np.nan
    write_gwosc(path, values, 100, "H1")
    with pytest.raises(StrainHasNaN, match="107-108"):
        background.read_samples(str(path), 100.0, 65536)
    write_gwosc(path, np.random.default_rng(0).standard_normal(20 * 16384), 100, "H1", sample_rate=16384)
    with pytest.raises(WrongSampleRate, match="16384"):
        background.read_samples(str(path), 100.0, 65536)


def test_real_files_can_be_background(real_strain, tmp_path):
    files = {
        name: str(next(real_strain.glob(f"{name[0]}-{name}_*-1128678884-32.hdf5"))) for name in ("H1", "L1")
    }
    plan = tmp_path / "plan.json"
    gps = 1128678884
    plan.write_text(
        json.dumps(
            [{"set": "a", "gps_start": gps, "duration": 32, "files": files, "valid": [[gps, gps + 32]]}]
        )
    )
    settings = Settings(
        source="gwosc",
        plan=str(plan),
        sets={"a": {"first_id": 0, "n_examples": 4}},
        share_injection=1.0,
        psd_span_s=(32, 32),
    )
    example = examples.example(0, settings, 1)
    assert np.isfinite(example.strain).all()
    assert 25 < example.strain.std() < 50
