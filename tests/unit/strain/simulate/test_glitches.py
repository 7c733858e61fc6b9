"""Rates, loudness and shapes of glitches."""

import numpy as np
import pytest
from scipy import signal

from skyneedle.core.seeds import generator
from skyneedle.strain.simulate import glitches, noise, snr

PSD = noise.noise_psd("aLIGOEarlyHighSensitivityP1200087")
RATES = {
    "blip": {"rate_hz": 0.05, "snr_range": [5.0, 50.0]},
    "scattered_light": {"rate_hz": 0.02, "snr_range": [8.0, 8.0]},
    "power_line": {"rate_hz": 0.0, "snr_range": [5.0, 6.0]},
}


def test_numbers_are_poisson():
    counts = {kind: [] for kind in RATES}
    for number in range(500):
        found = glitches.draw_glitches(generator(0, number), RATES, 100.0)
        for kind in RATES:
            counts[kind].append(sum(glitch.kind == kind for glitch in found))
    for kind, expected in (("blip", 5.0), ("scattered_light", 2.0)):
        assert np.mean(counts[kind]) == pytest.approx(expected, abs=4 * np.sqrt(expected / 500))
        assert np.var(counts[kind]) == pytest.approx(expected, rel=0.25)
    assert not any(counts["power_line"])


def test_times_are_uniform_and_loudness_in_range():
    found = glitches.draw_glitches(generator(1), {"blip": {"rate_hz": 10.0, "snr_range": [5.0, 50.0]}}, 100.0)
    times, loudness = (np.array([getattr(glitch, name) for glitch in found]) for name in ("time_s", "snr"))
    assert times.mean() == pytest.approx(50, abs=4)
    assert loudness.min() >= 5
    assert loudness.max() <= 50
    assert np.median(loudness) == pytest.approx(np.sqrt(250), rel=0.1)


@pytest.mark.parametrize("kind", ["blip", "scattered_light", "power_line"])
def test_loudness_is_the_optimal_snr(kind):
    settings = {kind: {"rate_hz": 5.0, "snr_range": [20.0, 20.0]}}
    glitch = glitches.draw_glitches(generator(2), settings, 1.0)[0]
    strain = np.zeros(131072)
    glitches.add_glitches(strain, [glitch._replace(time_s=16.0)], PSD)
    found = snr.network_snr(strain[None, None], noise.on_grid(PSD, 131072, 4096.0)[None], 4096.0, 20.0)
    assert found[0] == pytest.approx(20, rel=0.01)
    assert np.abs(np.average(np.arange(131072) / 4096, weights=strain**2) - 16) < 0.3


def _band(kind, number):
    settings = {kind: {"rate_hz": 20.0, "snr_range": [20.0, 20.0]}}
    glitch = glitches.draw_glitches(generator(3, number), settings, 1.0)[0]
    values = glitches.waveform(glitch, PSD, 4096.0)
    frequency, power = signal.periodogram(values, 4096)
    share = np.cumsum(power) / power.sum()
    return len(values) / 4096, *(frequency[np.searchsorted(share, q)] for q in (0.05, 0.95))


def test_each_kind_looks_like_its_name():
    blips, arches, hums = (
        np.array([_band(kind, number) for number in range(10)])
        for kind in ("blip", "scattered_light", "power_line")
    )
    assert blips[:, 0].max() < 0.5  # short
    assert (arches[:, 2] < 75).all()  # low frequencies
    assert arches[:, 0].min() >= 1
    assert ((hums[:, 1] > 58) & (hums[:, 1] < 62)).all()  # the mains
    assert hums[:, 0].min() >= 2


def test_glitches_outside_are_cut_at_the_edge():
    glitch = glitches.Glitch("blip", -100.0, 10.0, {"frequency_hz": 100.0, "quality": 4.0, "phase": 0.0})
    strain = np.zeros(4096)
    glitches.add_glitches(strain, [glitch], PSD)
    assert not strain.any()
    glitches.add_glitches(strain, [glitch._replace(time_s=0.0)], PSD)
    assert strain[0] != 0
