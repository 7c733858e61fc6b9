"""Continuous stretches: spectrum, joins, injections where the table says."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from skyneedle.core.errors import BadSetting
from skyneedle.strain.fetch.gwosc_files import read_gwosc
from skyneedle.strain.simulate import noise, streams
from skyneedle.strain.simulate.settings import Settings

QUIET = Settings(glitches={}, snr_range=(200.0, 200.0))


@pytest.fixture(scope="module")
def stretch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    paths = streams.write_stream(folder, QUIET, 1, 128, injections_every_s=24.0)
    return folder, [read_gwosc(path) for path in paths]


def test_files_are_those_of_the_archive(stretch):
    folder, strains = stretch
    assert [strain.detector for strain in strains] == ["H1", "L1"]
    assert all(len(strain.values) == 128 * 4096 for strain in strains)
    assert all(strain.gps_start == streams.STREAM_START for strain in strains)
    assert not [path for path in folder.iterdir() if "partial" in path.name]


def test_events_are_where_the_table_says(stretch):
    from pycbc.filter import matched_filter
    from pycbc.psd import from_string
    from pycbc.types import TimeSeries
    from pycbc.waveform import get_td_waveform

    folder, strains = stretch
    table = pd.read_csv(folder / "injections.csv")
    assert 3 <= len(table) <= 6
    assert np.diff(table["gps_h1"]).min() >= 18
    assert np.diff(table["gps_h1"]).max() <= 30
    assert table["redrawn"].sum() == 0
    row = table.iloc[1]
    keys = ("mass1", "mass2", "spin1z", "spin2z", "inclination", "coa_phase")
    plus, _ = get_td_waveform(
        approximant="SEOBNRv4_opt",
        distance=100,
        delta_t=1 / 4096,
        f_lower=18,
        **{key: row[key] for key in keys},
    )
    start = int((row["gps_h1"] - 8 - streams.STREAM_START) * 4096)
    data = TimeSeries(strains[0].values[start : start + 65536], delta_t=1 / 4096)
    plus.resize(65536)
    psd = from_string(QUIET.psd, 32769, 1 / 16, 10.0)
    series = abs(
        matched_filter(plus.cyclic_time_shift(plus.start_time), data, psd=psd, low_frequency_cutoff=20.0)
    ).numpy()
    found = np.argmax(series) / 4096 + start / 4096 + streams.STREAM_START
    assert found == pytest.approx(row["gps_h1"], abs=1.5 / 4096)
    assert series.max() == pytest.approx(row["snr_H1"], rel=0.03)


def test_noise_has_its_psd_without_seams():
    strain = streams._noise(QUIET, "H1", 2, 0, 128, 128)
    psd = noise.noise_psd(QUIET.psd)
    _, found = signal.welch(strain, 4096, nperseg=16384)
    frequency = np.arange(8193) * 0.25
    for low, high in ((20, 40), (40, 100), (100, 400), (400, 1500)):
        band = (frequency >= low) & (frequency < high)
        assert (found[band] / psd[band]).mean() == pytest.approx(1, abs=0.08)
    # At the seams of the 32-s pieces nothing jumps: the high-passed noise there is as everywhere.
    high = signal.sosfiltfilt(signal.butter(6, 300, "highpass", fs=4096, output="sos"), strain)
    seams = np.concatenate([high[k * 32 * 4096 - 20 : k * 32 * 4096 + 20] for k in (1, 2, 3)])
    assert seams.std() == pytest.approx(high.std(), rel=0.35)


def test_parts_join_wherever_they_are_cut():
    whole = streams._noise(Settings(), "L1", 3, 0, 96, 96)
    part = streams._noise(Settings(), "L1", 3, 40, 30, 96)
    assert np.array_equal(whole[40 * 4096 : 70 * 4096], part)


def test_detectors_and_seeds_differ():
    noises = [streams._noise(QUIET, *which, 0, 8, 8) for which in (("H1", 1), ("L1", 1), ("H1", 2))]
    assert not np.array_equal(noises[0], noises[1])
    assert not np.array_equal(noises[0], noises[2])


def test_a_stretch_without_injections(tmp_path):
    streams.write_stream(tmp_path, QUIET, 1, 32, injections_every_s=0)
    table = pd.read_csv(tmp_path / "injections.csv")
    assert len(table) == 0
    assert {"gps_h1", "snr", "mass1", "snr_L1"} <= set(table.columns)


def test_bad_lengths_are_named(tmp_path):
    with pytest.raises(BadSetting, match="duration_s"):
        streams.write_stream(tmp_path / "a", QUIET, 1, 20)
    with pytest.raises(BadSetting, match="jitter_s"):
        streams.write_stream(tmp_path / "a", QUIET, 1, 64, injections_every_s=5.0)
    assert not (tmp_path / "a").exists()
