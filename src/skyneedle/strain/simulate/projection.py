"""From the two polarizations to the strain at each detector."""

from functools import cache

import numpy as np
from scipy import fft

from skyneedle.core.errors import DetectorMismatch

LEAD = 256  # empty samples on both sides of a waveform: 62 ms at 4096 Hz, light crosses the Earth in 43
_BLOCK = 256
Angle = np.ndarray | float


@cache
def detector_geometry(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Response tensor (3, 3) and location in metres (3,) of a detector, both in the Earth-fixed frame.

    Raises:
        DetectorMismatch: if LAL has no such detector.
    """
    import lal

    for detector in lal.CachedDetectors:
        if detector.frDetector.prefix == name:
            return np.asarray(detector.response, dtype=float), np.asarray(detector.location, dtype=float)
    raise DetectorMismatch(f"There is no detector {name!r}; known names are like H1, L1, V1.")


def sidereal_time(gps: np.ndarray | float) -> np.ndarray:
    """Greenwich mean sidereal time in radians for GPS times in seconds, same shape."""
    import lal

    gps = np.asarray(gps, dtype=float)
    # Whole seconds and the rest apart: a float has 0.2 microseconds at today's GPS times, which is enough
    # here.
    flat = [lal.GreenwichMeanSiderealTime(lal.LIGOTimeGPS(float(time))) for time in gps.ravel()]
    return np.array(flat).reshape(gps.shape)


def antenna_pattern(
    detectors: tuple[str, ...], ra: Angle, dec: Angle, polarization: Angle, gmst: Angle
) -> tuple[np.ndarray, np.ndarray]:
    """Response of each detector to the plus and to the cross polarization.

    Args:
        detectors: names.
        ra: right ascension in radians, any shape (...).
        dec: declination in radians.
        polarization: polarization angle in radians.
        gmst: Greenwich mean sidereal time in radians.

    Returns:
        F_plus and F_cross, each of shape (..., detector).

    Source: Anderson et al. 2001, Eq. B4 to B8, the convention of LAL.
    """
    hour, dec, psi = np.broadcast_arrays(
        *(np.asarray(a, dtype=float) for a in (np.subtract(gmst, ra), dec, polarization))
    )
    x = np.stack(
        [
            -np.cos(psi) * np.sin(hour) - np.sin(psi) * np.cos(hour) * np.sin(dec),
            -np.cos(psi) * np.cos(hour) + np.sin(psi) * np.sin(hour) * np.sin(dec),
            np.sin(psi) * np.cos(dec),
        ],
        axis=-1,
    )
    y = np.stack(
        [
            np.sin(psi) * np.sin(hour) - np.cos(psi) * np.cos(hour) * np.sin(dec),
            np.sin(psi) * np.cos(hour) + np.cos(psi) * np.sin(hour) * np.sin(dec),
            np.cos(psi) * np.cos(dec),
        ],
        axis=-1,
    )
    response = np.stack([detector_geometry(name)[0] for name in detectors])
    plus = np.einsum("...i,dij,...j->...d", x, response, x) - np.einsum("...i,dij,...j->...d", y, response, y)
    cross = np.einsum("...i,dij,...j->...d", x, response, y) + np.einsum(
        "...i,dij,...j->...d", y, response, x
    )
    return plus, cross


def geocentre_delay(detectors: tuple[str, ...], ra: Angle, dec: Angle, gmst: Angle) -> np.ndarray:
    """Arrival time at each detector minus that at the centre of the Earth.

    Args:
        detectors: names.
        ra: right ascension in radians, any shape (...).
        dec: declination in radians.
        gmst: Greenwich mean sidereal time in radians.

    Returns:
        Seconds, shape (..., detector); at most 21.3 ms in size.
    """
    hour, dec = np.broadcast_arrays(np.subtract(gmst, ra), np.asarray(dec, dtype=float))
    source = np.stack([np.cos(dec) * np.cos(hour), -np.cos(dec) * np.sin(hour), np.sin(dec)], axis=-1)
    location = np.stack([detector_geometry(name)[1] for name in detectors])
    return -np.einsum("...i,di->...d", source, location) / 299792458.0


def phase_ramp(n_frequencies: int, cycles_per_bin: float) -> np.ndarray:
    """exp(-2 pi i k c) for k = 0 ... n - 1, with few calls of the exponential; shape (n_frequencies,)."""
    coarse = np.exp(-2j * np.pi * cycles_per_bin * _BLOCK * np.arange(-(-n_frequencies // _BLOCK)))
    fine = np.exp(-2j * np.pi * cycles_per_bin * np.arange(_BLOCK))
    return np.multiply.outer(coarse, fine).ravel()[:n_frequencies]


def buffer_length(n_waveform: int, n_least: int) -> int:
    """Power of two that holds a waveform with room for its shifts on both sides."""
    return max(n_least, 1 << (n_waveform + 2 * LEAD - 1).bit_length())


def detector_spectra(
    plus: np.ndarray,
    cross: np.ndarray,
    start_s: float,
    patterns: tuple[np.ndarray, np.ndarray],
    delays: np.ndarray,
    n: int,
    sample_rate: float,
) -> tuple[np.ndarray, int]:
    """Project a waveform and delay it by fractions of a sample.

    The waveform stands in a buffer with at least ``LEAD`` empty samples on both sides, so that the circular
    shift by a phase moves nothing around the end.

    Args:
        plus, cross: polarizations, shape (m,).
        start_s: time of their first sample relative to the event, in seconds.
        patterns: F_plus and F_cross, each of shape (detector,).
        delays: arrival times relative to the event's reference time in seconds, shape (detector,).
        n: length of the buffer.
        sample_rate: in Hz.

    Returns:
        Fourier transforms of the detectors' buffers, shape (detector, n // 2 + 1), and the sample, relative
        to that of the event, at which the buffers start.
    """
    buffer = np.zeros((2, n))
    buffer[0, LEAD : LEAD + len(plus)] = plus
    buffer[1, LEAD : LEAD + len(cross)] = cross
    plus_spectrum, cross_spectrum = fft.rfft(buffer, axis=-1, overwrite_x=True)
    whole = int(np.floor(start_s * sample_rate))
    rest = start_s - whole / sample_rate
    out = np.empty((len(delays), n // 2 + 1), dtype=complex)
    for row, (f_plus, f_cross, delay) in enumerate(zip(*patterns, delays, strict=True)):
        np.multiply(plus_spectrum, f_plus, out=out[row])
        out[row] += f_cross * cross_spectrum
        out[row] *= phase_ramp(n // 2 + 1, (delay + rest) * sample_rate / n)
    return out, whole - LEAD


def add_clipped(target: np.ndarray, signal: np.ndarray, start: int) -> None:
    """Add a signal that starts at sample ``start`` of the last axis, even before it; the outside is cut."""
    first, last = max(start, 0), min(start + signal.shape[-1], target.shape[-1])
    if first < last:
        target[..., first:last] += signal[..., first - start : last - start]
