"""Optimal SNR against PyCBC and by hand."""

import numpy as np
import pytest

from skyneedle.core.errors import GridMismatch
from skyneedle.core.seeds import generator
from skyneedle.strain import preprocess
from skyneedle.strain.simulate import noise, snr

NAME = "aLIGOEarlyHighSensitivityP1200087"


def _chirp(n=8192):
    time = np.arange(n) / 4096
    return 1e-22 * np.hanning(n) * np.sin(2 * np.pi * (30 * time + 40 * time**2))


def test_network_snr_of_a_sine_by_hand():
    """Amplitude A for T seconds at one frequency in white noise S: rho^2 = A^2 T / S."""
    time = np.arange(4096) / 4096
    sine = 3.0 * np.sin(2 * np.pi * 100 * time)
    psds = np.full((2, 2049), 0.5)
    found = snr.network_snr(np.stack([[sine, 2 * sine], [sine, 0 * sine]]), psds, 4096.0, 20.0)
    assert found == pytest.approx([np.sqrt(5 * 9 / 0.5), np.sqrt(9 / 0.5)])
    assert snr.network_snr(sine[None, None], psds[:1], 4096.0, 101.0)[0] == pytest.approx(0, abs=1e-6)


def test_network_snr_equals_pycbc_sigma():
    from pycbc.filter import sigma
    from pycbc.types import FrequencySeries, TimeSeries

    chirp = np.zeros(16384)
    chirp[2000 : 2000 + 8192] = _chirp()
    psd = noise.noise_psd(NAME)
    theirs = sigma(TimeSeries(chirp, delta_t=1 / 4096), FrequencySeries(psd, delta_f=0.25), 20.0)
    assert snr.network_snr(chirp[None, None], psd[None], 4096.0, 20.0)[0] == pytest.approx(theirs, rel=1e-4)


def test_grid_mismatch_is_named():
    with pytest.raises(GridMismatch, match="8192"):
        snr.network_snr(np.zeros((1, 1, 8192)), np.ones((1, 100)), 4096.0, 20.0)
    with pytest.raises(GridMismatch):
        snr.weights_of_measured(np.ones(4097), 3 * 4096, 4096.0, 20.0)


def test_measured_psd_gives_the_published_integral():
    """strain.psd(4), interpolated to 1/128 Hz, sigma from 18 Hz: all in PyCBC (spec A1)."""
    from pycbc.filter import sigma
    from pycbc.psd import interpolate
    from pycbc.types import TimeSeries

    strain = noise.coloured_noise(generator(3), NAME, 65536)[::2].copy()
    chirp = _chirp()
    padded = TimeSeries(np.concatenate([chirp[::2], np.zeros(128 * 2048 - 4096)]), delta_t=1 / 2048)
    psd = interpolate(TimeSeries(strain, delta_t=1 / 2048).psd(4), 1 / 128)
    theirs = sigma(padded, psd, low_frequency_cutoff=18.0)
    weights = snr.weights_of_measured(preprocess.welch(strain, 2048), 65536, 4096.0, 18.0)
    ours = snr.optimal_snrs(np.fft.rfft(chirp, 65536)[None], weights[None], 65536, 4096.0)[0]
    assert ours == pytest.approx(theirs, rel=3e-4)


def test_smooth_psd_gives_the_same_snr_on_every_grid():
    psd = noise.noise_psd(NAME)
    found = []
    for n in (16384, 65536, 262144):
        weights = snr.weights_of_smooth(psd, n, 4096.0, 20.0)
        found.append(snr.optimal_snrs(np.fft.rfft(_chirp(), n)[None], weights[None], n, 4096.0)[0])
    assert found == pytest.approx([found[-1]] * 3, rel=2e-4)
    measured = snr.weights_of_measured(psd, 65536, 4096.0, 20.0)
    again = snr.optimal_snrs(np.fft.rfft(_chirp(), 65536)[None], measured[None], 65536, 4096.0)[0]
    assert again == pytest.approx(found[-1], rel=2e-4)
