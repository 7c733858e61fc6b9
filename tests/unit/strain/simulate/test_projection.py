"""Antenna patterns and delays against PyCBC, shifts by fractions of a sample, clipping."""

import numpy as np
import pytest

from skyneedle.core.errors import DetectorMismatch
from skyneedle.strain.simulate import projection

NAMES = ("H1", "L1", "V1")
GPS = 1126259462.42


@pytest.fixture(scope="module")
def sky():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 2 * np.pi, 20), np.arcsin(rng.uniform(-1, 1, 20)), rng.uniform(0, 2 * np.pi, 20)


def test_antenna_patterns_equal_pycbc(sky):
    from pycbc.detector import Detector

    ra, dec, psi = sky
    plus, cross = projection.antenna_pattern(NAMES, ra, dec, psi, projection.sidereal_time(GPS))
    for column, name in enumerate(NAMES):
        their_plus, their_cross = Detector(name).antenna_pattern(ra, dec, psi, GPS)
        assert plus[:, column] == pytest.approx(their_plus, abs=2e-4)
        assert cross[:, column] == pytest.approx(their_cross, abs=2e-4)


def test_antenna_patterns_equal_lal(sky):
    """LAL directly, without PyCBC's shortened sidereal time."""
    import lal

    ra, dec, psi = (values[0] for values in sky)
    gmst = projection.sidereal_time(GPS)
    detector = lal.CachedDetectors[lal.LHO_4K_DETECTOR]
    theirs = lal.ComputeDetAMResponse(detector.response, ra, dec, psi, float(gmst))
    ours = projection.antenna_pattern(("H1",), ra, dec, psi, gmst)
    assert [values[0] for values in ours] == pytest.approx(theirs, abs=1e-6)


def test_delays_equal_pycbc(sky):
    from pycbc.detector import Detector

    ra, dec, _ = sky
    delays = projection.geocentre_delay(NAMES, ra, dec, projection.sidereal_time(GPS))
    for column, name in enumerate(NAMES):
        theirs = [
            Detector(name).time_delay_from_earth_center(*place, GPS) for place in zip(ra, dec, strict=True)
        ]
        assert delays[:, column] == pytest.approx(theirs, abs=2e-6)
    between = [
        Detector("L1").time_delay_from_detector(Detector("H1"), *p, GPS) for p in zip(ra, dec, strict=True)
    ]
    assert delays[:, 1] - delays[:, 0] == pytest.approx(between, abs=2e-6)


def test_delays_are_bounded_by_light_travel_time():
    rng = np.random.default_rng(1)
    delays = projection.geocentre_delay(
        NAMES,
        rng.uniform(0, 2 * np.pi, 5000),
        np.arcsin(rng.uniform(-1, 1, 5000)),
        rng.uniform(0, 2 * np.pi, 5000),
    )
    between = np.abs(delays[:, 1] - delays[:, 0])
    assert 0.0099 < between.max() < 0.01002
    assert np.abs(delays).max() < 0.0214


def test_sidereal_day():
    gmst = projection.sidereal_time(np.array([GPS, GPS + 86164.0905]))
    assert np.sin(gmst[1] - gmst[0]) == pytest.approx(0, abs=1e-5)
    assert np.cos(gmst[1] - gmst[0]) == pytest.approx(1)


def test_unknown_detector_is_named():
    with pytest.raises(DetectorMismatch, match="X9"):
        projection.detector_geometry("X9")


def test_fractional_delay_of_a_pulse():
    """A smooth pulse, whose value between samples is known, delayed by fractions of a sample."""
    time = np.arange(400) / 4096 - 0.05

    def pulse(t):
        return np.exp(-((t / 0.004) ** 2)) * np.cos(2 * np.pi * 150 * t)

    patterns = np.array([1.0, -0.5]), np.array([0.0, 0.25])
    delays = np.array([0.0, 0.00537])
    start_s = -0.05 + 0.3 / 4096  # the event lies between samples
    n = 2048
    spectra, offset = projection.detector_spectra(
        pulse(time + 0.3 / 4096), 0 * time, start_s, patterns, delays, n, 4096.0
    )
    signals = np.fft.irfft(spectra, n)
    grid = (offset + np.arange(n)) / 4096
    assert signals[0] == pytest.approx(pulse(grid), abs=1e-9)
    assert signals[1] == pytest.approx(-0.5 * pulse(grid - 0.00537), abs=1e-9)


def test_polarizations_add_with_their_patterns():
    rng = np.random.default_rng(2)
    plus, cross = rng.standard_normal((2, 64))
    patterns = np.array([0.3]), np.array([-0.8])
    spectra, offset = projection.detector_spectra(plus, cross, -0.25, patterns, np.zeros(1), 1024, 4096.0)
    signal = np.fft.irfft(spectra[0], 1024)
    first = -1024 - offset
    assert signal[first : first + 64] == pytest.approx(0.3 * plus - 0.8 * cross, abs=1e-12)
    assert np.abs(signal[:first]).max() < 1e-12


def test_phase_ramp_is_the_exponential():
    assert projection.phase_ramp(1001, 0.00123) == pytest.approx(
        np.exp(-2j * np.pi * 0.00123 * np.arange(1001)), abs=1e-12
    )


def test_buffer_has_room_for_light_to_cross_the_earth():
    for length in (1, 3000, 16384 - 512, 16384 - 511, 40000):
        n = projection.buffer_length(length, 16384)
        assert n >= length + 2 * projection.LEAD
        assert n & (n - 1) == 0
    assert projection.LEAD / 4096 > 2 * 6378137 / 299792458


@pytest.mark.parametrize(
    ("start", "expected"),
    [(1, [0, 1, 2, 3, 0]), (-1, [2, 3, 0, 0, 0]), (3, [0, 0, 0, 1, 2]), (-5, [0] * 5), (9, [0] * 5)],
)
def test_add_clipped_cuts_at_the_edges(start, expected):
    target = np.zeros((2, 5))
    projection.add_clipped(target, np.array([[1, 2, 3], [1, 2, 3]]), start)
    assert target.tolist() == [expected, expected]
