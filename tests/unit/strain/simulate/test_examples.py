"""Examples: what SNR they really have, where the event is, and that each rebuilds from its id alone."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.core.store import DataSet
from skyneedle.strain import preprocess
from skyneedle.strain.simulate import examples, noise, snr
from skyneedle.strain.simulate.settings import Settings

QUIET = Settings(glitches={}, share_injection=1.0)
LOUD = dataclasses.replace(QUIET, snr_range=(1000.0, 1000.0))
FAITHFUL = dataclasses.replace(QUIET, recipe="faithful")


def _true_snr(example, recipe):
    """Of the injected signal as it stands in the window, in the PSD of the noise after resampling."""
    psd = noise.on_grid(noise.noise_psd(QUIET.psd), 65536, 4096.0)
    if recipe == "faithful":  # every second sample: noise from above 1024 Hz folds
        psd = psd[:16385] + psd[16384:][::-1]
        return snr.network_snr(example.signal[None, :, ::2], np.stack([psd, psd]), 2048.0, 18.0)[0]
    return snr.network_snr(example.signal[None], np.stack([psd, psd]), 4096.0, 20.0)[0]


@pytest.fixture(scope="module")
def faithful():
    return [examples.example(number, FAITHFUL, 11) for number in range(24)]


# --- physics


def test_a_perfect_template_recovers_the_nominal_snr():
    """By an independent route, all PyCBC on the raw strain; so loud that the noise does not matter."""
    from pycbc.detector import Detector
    from pycbc.filter import matched_filter
    from pycbc.psd import from_string
    from pycbc.types import TimeSeries
    from pycbc.waveform import get_td_waveform

    psd = from_string(QUIET.psd, 32769, 1 / 16, 10.0)
    keys = ("mass1", "mass2", "spin1z", "spin2z", "inclination", "coa_phase")
    recovered, offsets = [], []
    for number in range(5):
        example = examples.example(number, LOUD, 3)
        row = example.row
        waves = get_td_waveform(
            approximant="SEOBNRv4_opt",
            distance=100,
            delta_t=1 / 4096,
            f_lower=18,
            **{key: row[key] for key in keys},
        )
        peaks = []
        for channel, name in enumerate(("H1", "L1")):
            angles = row["ra"], row["dec"], row["polarization"]
            plus, cross = Detector(name).antenna_pattern(*angles, row["gps_h1"])
            template = waves[0] * float(plus) + waves[1] * float(cross)
            template.resize(65536)
            shifted = template.cyclic_time_shift(waves[0].start_time)  # t = 0 to the first sample
            data = TimeSeries(example.raw[channel], delta_t=1 / 4096, epoch=row["window_gps"])
            series = abs(
                matched_filter(
                    shifted, data, psd=psd, low_frequency_cutoff=20.0, high_frequency_cutoff=1024.0
                )
            )
            peaks.append(series.numpy().max())
            arrival = row["gps_geocentre"] + Detector(name).time_delay_from_earth_center(
                *angles[:2], row["gps_h1"]
            )
            offsets.append(float(series.numpy().argmax()) / 4096 - (arrival - row["window_gps"]))
        recovered.append(np.hypot(*peaks) / row["snr"])
    assert np.mean(recovered) == pytest.approx(1, abs=0.01)
    assert recovered == pytest.approx([1] * 5, abs=0.02)
    assert np.abs(offsets).max() < 1.5 / 4096


def test_corrected_snr_is_the_true_one():
    for number in range(6):
        example = examples.example(number, QUIET, 4)
        assert 5 <= example.row["snr"] <= 20
        assert np.hypot(example.row["snr_H1"], example.row["snr_L1"]) == pytest.approx(example.row["snr"])
        assert _true_snr(example, "corrected") == pytest.approx(example.row["snr"], rel=5e-3)


def test_faithful_snr_is_a_per_cent_low_because_two_errors_cancel(faithful):
    """Spec F1: the PSD of the same 16 s with the loud signal in it; true is 1.010 (0.98 to 1.04) nominal."""
    ratio = np.array([_true_snr(example, "faithful") / example.row["snr"] for example in faithful])
    assert ratio.mean() == pytest.approx(1.010, abs=0.015)
    assert ((ratio > 0.9) & (ratio < 1.1)).all()


def test_clean_16_s_psd_would_make_injections_too_quiet(faithful):
    """Spec F1: seven segments without the signal measure the SNR about 11 % too high."""
    ratio = []
    for example in faithful:
        spectra = np.fft.rfft(example.signal)
        background = (example.raw - example.signal)[:, ::2]
        psds = [preprocess.welch(np.ascontiguousarray(series), 2048) for series in background]
        weights = np.stack([snr.weights_of_measured(psd, 65536, 4096.0, 18.0) for psd in psds])
        measured = np.sqrt((snr.optimal_snrs(spectra, weights, 65536, 4096.0) ** 2).sum())
        ratio.append(measured / _true_snr(example, "faithful"))
    assert np.mean(ratio) == pytest.approx(1.11, abs=0.03)


def test_virgo_does_not_enter_the_nominal_snr():
    three = dataclasses.replace(QUIET, detectors=("H1", "L1", "V1"))
    row = examples.example(0, three, 4).row
    assert np.hypot(row["snr_H1"], row["snr_L1"]) == pytest.approx(row["snr"])
    assert row["snr_V1"] > 0
    assert examples.example(0, QUIET, 4).row["snr_H1"] == row["snr_H1"]


def test_noise_of_the_detectors_is_independent():
    silent = dataclasses.replace(QUIET, share_injection=0.0)
    products = []
    for number in range(8):
        hanford, livingston = examples.example(number, silent, 5).strain.astype(float)
        products.append((hanford * livingston).mean() / hanford.std() / livingston.std())
    assert np.abs(products).max() < 5 / np.sqrt(16384)
    other = examples.example(8, silent, 5).strain[0]
    assert np.abs(np.corrcoef(other, hanford)[0, 1]) < 5 / np.sqrt(16384)


# --- where things are


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_whitened_template_peaks_at_the_event_index(recipe):
    settings = dataclasses.replace(LOUD, recipe=recipe, snr_range=(200.0, 200.0))
    for number in range(3):
        example = examples.example(number, settings, 6)
        # Correlate the crop with the noise-free signal, whitened with the true PSD and known to have t = 0 at
        # `event`.
        event = preprocess.crop_start(recipe) + example.row["event_index"]
        spectrum = np.fft.rfft(example.signal[0, ::2])
        asd = np.sqrt(noise.on_grid(noise.noise_psd(QUIET.psd), 32768, 2048.0))
        spectrum[np.fft.rfftfreq(32768, 1 / 2048) < 20] = 0
        template = np.roll(np.fft.irfft(spectrum / asd), -event)
        padded = np.zeros(32768)
        padded[:16384] = example.strain[0]
        correlation = np.fft.irfft(np.fft.rfft(padded) * np.fft.rfft(template).conj())
        assert abs(np.argmax(correlation[:16384]) - example.row["event_index"]) <= 2


def test_times_of_corrected_examples():
    rows = [examples.example(number, QUIET, 7).row for number in range(12)]
    for row in rows:
        block = 1126051217 + 32 * row["id"]
        assert row["parent"] == block
        assert block <= row["window_gps"] <= row["window_gps"] + 16 <= block + 32
        assert row["crop_gps"] == row["window_gps"] + 4
        assert row["gps_h1"] == pytest.approx(row["crop_gps"] + row["event_index"] / 2048, abs=1e-6)
        assert 2560 <= row["event_index"] <= 13824
        assert abs(row["gps_h1"] - row["gps_geocentre"]) < 0.0214
        assert (row["window_gps"] * 4096).is_integer()
    assert len({row["window_gps"] % 1 for row in rows}) == 12
    assert len({row["event_index"] for row in rows}) == 12


def test_the_three_times_of_an_event():
    """Spec F11: the strain in H1 is largest 1 to 10 ms before the reference time, which is not geocentric."""
    lead = []
    for number in range(8):
        example = examples.example(number, QUIET, 7)
        row = example.row
        largest = row["window_gps"] + np.abs(example.signal[0]).argmax() / 4096
        assert row["gps_peak_h1"] == pytest.approx(largest, abs=1e-6)
        lead.append(row["gps_h1"] - row["gps_peak_h1"])
    assert min(lead) > 0.0005
    assert max(lead) < 0.015
    assert np.std(lead) > 1 / 4096


def test_times_of_faithful_examples(faithful):
    for example in faithful:
        row = example.row
        assert row["event_index"] == 11264
        assert row["gps_h1"].is_integer()
        assert row["crop_gps"] == row["gps_h1"] - 5.5
        assert row["window_gps"] == row["gps_h1"] - 8


def test_faithful_sky_belongs_to_gps_100(faithful):
    """Published delays are those of GPS 100, corrected ones those of the event (spec F10)."""
    import lal

    location = lal.CachedDetectors[lal.LHO_4K_DETECTOR].location
    for recipe, example in (("faithful", faithful[0]), ("corrected", examples.example(0, QUIET, 11))):
        row = example.row
        place = row["ra"], row["dec"]
        then, now = (lal.TimeDelayFromEarthCenter(location, *place, gps) for gps in (100.0, row["gps_h1"]))
        expected = then if recipe == "faithful" else now
        assert row["gps_h1"] - row["gps_geocentre"] == pytest.approx(expected, abs=1e-6)
        assert abs(then - now) > 1e-4


def test_fixed_position():
    settings = dataclasses.replace(QUIET, position_s=4.0)
    assert examples.example(3, settings, 1).row["event_index"] == 8192


def test_intervals_of_different_ids_are_disjoint_with_their_support():
    silent = dataclasses.replace(QUIET, share_injection=0.0)
    starts = sorted(examples.background(number, silent, 8).gps_start for number in (0, 1, 2, 7, 8))
    assert (np.diff(starts) >= 16).all()


# --- shares and glitches


def test_share_of_injections_is_exact_in_every_block():
    flags = np.array([examples.has_injection(number, 0.75, 1) for number in range(400)])
    assert (flags.reshape(-1, 4).sum(axis=1) == 3).all()
    assert len({tuple(block) for block in flags.reshape(-1, 4)}) == 4  # not always the same one
    assert all(examples.has_injection(number, 1.0, 1) for number in range(5))
    assert not any(examples.has_injection(number, 0.0, 1) for number in range(5))


def test_glitches_are_named_and_fall_into_injections_too():
    many = {"blip": {"rate_hz": 0.3, "snr_range": [30.0, 30.0]}}
    settings = dataclasses.replace(QUIET, glitches=many)
    found = [examples.example(number, settings, 9) for number in range(3)]
    clean = [examples.example(number, QUIET, 9) for number in range(3)]
    assert all(example.row["glitch"] == "blip" and example.row["label"] == 1 for example in found)
    assert set("+".join(example.row["glitch_detector"] for example in found).split("+")) == {"H1", "L1"}
    # The same signal as without glitches: they only add.
    for with_glitch, without in zip(found, clean, strict=True):
        assert np.array_equal(with_glitch.signal, without.signal)
        assert not np.array_equal(with_glitch.strain, without.strain)
        assert without.row["glitch"] == ""


def test_noise_does_not_depend_on_the_curriculum():
    loud, quiet = (examples.example(2, settings, 9) for settings in (LOUD, QUIET))
    assert loud.raw - loud.signal == pytest.approx(quiet.raw - quiet.signal, abs=1e-24)
    assert {**loud.row, "snr": 0, "snr_H1": 0, "snr_L1": 0} == {
        **quiet.row,
        "snr": 0,
        "snr_H1": 0,
        "snr_L1": 0,
    }


# --- shards


def test_shard_rebuilds_from_ids_and_not_from_workers(tmp_path):
    settings = Settings(glitches={"blip": {"rate_hz": 0.05, "snr_range": [5, 50]}})
    ids = range(100, 118)
    digests = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.h5"
        examples.write_shard(path, "training", ids, settings, seed=1, workers=workers)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    data = DataSet(path)
    assert data.table["id"].tolist() == list(ids)
    assert data.attributes["detectors"] == ["H1", "L1"]
    assert data.attributes["sample_rate"] == 2048
    assert data.read("strain", 0).dtype == np.float32
    for place in (0, 7, 13):
        alone = examples.example(100 + place, settings, 1)
        assert np.array_equal(data.read("strain", place), alone.strain)
        pd.testing.assert_series_equal(data.table.iloc[place], pd.Series(alone.row), check_names=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.h5", "2.h5"]


def test_noise_rows_have_no_parameters():
    silent = dataclasses.replace(QUIET, share_injection=0.0)
    row = examples.example(0, silent, 1).row
    assert (row["label"], row["event_index"]) == (0, -1)
    assert all(np.isnan(row[name]) for name in ("snr", "mass1", "gps_h1", "snr_L1"))
    assert list(row) == list(examples.example(0, QUIET, 1).row)


def test_a_shard_too_big_for_memory_is_refused(tmp_path):
    with pytest.raises(BadSetting, match="shards"):
        examples.write_shard(tmp_path / "a.h5", "training", range(32768), QUIET, 1)
    assert not list(tmp_path.iterdir())
