"""Stationary Gaussian noise from a named or tabulated power spectral density."""

import math
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from scipy import fft, signal

from skyneedle.core.errors import BadSetting

PSD_STEP_HZ = (
    0.25  # grid of every PSD in this room: that of 4-s segments, so that noise forgets after about 4 s
)
_MEMORY_S = 4
_WALL_HZ = 10.0  # below it analytical curves diverge or are not defined; they are held constant there


@cache
def noise_psd(name: str, sample_rate: float = 4096.0, file_holds: str = "psd") -> np.ndarray:
    """One-sided PSD of a detector's noise.

    Args:
        name: of an analytical PSD in lalsimulation, or a file of two columns (frequency in Hz, value).
        sample_rate: in Hz; the PSD reaches to half of it.
        file_holds: "psd" or "asd".

    Returns:
        PSD in 1/Hz at multiples of 0.25 Hz; below 10 Hz and beyond the end of the curve the last value is
        held.

    Raises:
        BadSetting: if there is no such name or file, or the file does not hold a curve.
    """
    frequency = np.arange(int(sample_rate / 2 / PSD_STEP_HZ) + 1) * PSD_STEP_HZ
    wall = int(_WALL_HZ / PSD_STEP_HZ)
    if Path(name).is_file():
        psd = _from_file(name, frequency, file_holds)
    else:
        psd = _analytical(name, len(frequency))
        psd[:wall] = psd[wall]
        psd *= _archive_rolloff(frequency)
    above = np.flatnonzero(psd > 0)
    if not len(above) or not np.isfinite(psd).all():
        raise BadSetting(
            f"psd {name!r} is zero or not finite up to {sample_rate / 2:g} Hz; choose another one."
        )
    psd[above[-1] + 1 :] = psd[above[-1]]
    psd[: above[0]] = psd[above[0]]
    psd.flags.writeable = False
    return psd


def _from_file(path: str, frequency: np.ndarray, holds: str) -> np.ndarray:
    try:
        columns = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise BadSetting(
            f"{path}: not a table of numbers ({error}); expected frequency in Hz and {holds}."
        ) from error
    if (
        columns.shape[1] != 2
        or len(columns) < 2
        or (np.diff(columns[:, 0]) <= 0).any()
        or (columns < 0).any()
    ):
        raise BadSetting(
            f"{path}: expected two columns, rising frequency in Hz and {holds}, without negative values."
        )
    values = columns[:, 1] ** 2 if holds == "asd" else columns[:, 1]
    return np.interp(frequency, columns[:, 0], values)


def _analytical(name: str, n: int) -> np.ndarray:
    import lal
    import lalsimulation

    curve = getattr(lalsimulation, f"SimNoisePSD{name}", None)
    if curve is None:
        raise BadSetting(
            f"psd is {name!r}: neither a file nor a curve of lalsimulation; see SimNoisePSD* there."
        )
    try:  # tabulated curves fill a series, closed formulae take one frequency
        series = lal.CreateREAL8FrequencySeries(
            name, lal.LIGOTimeGPS(0), 0.0, PSD_STEP_HZ, lal.DimensionlessUnit, n
        )
        curve(series, _WALL_HZ)
        return series.data.data.copy()
    except TypeError:
        return np.array([0.0] + [curve(k * PSD_STEP_HZ) for k in range(1, n)])


def _archive_rolloff(frequency: np.ndarray) -> np.ndarray:
    """What is left of the PSD above 1638 Hz in the archive's 4-kHz files, which were decimated from 16 kHz.

    Without it, taking every second sample (the faithful recipe) would fold more noise than it did in the
    archive's data.

    Source: spec F2; the filter is that of ``scipy.signal.decimate``, applied forwards and backwards.
    """
    cut = 0.8 * 2048
    sections = signal.cheby1(8, 0.05, cut, fs=16384, output="sos")
    _, response = signal.sosfreqz(sections, np.minimum(frequency, 8192), fs=16384)
    return np.where(frequency > cut, np.abs(response) ** 4, 1.0)


def on_grid(psd: np.ndarray, n: int, sample_rate: float) -> np.ndarray:
    """A smooth PSD on the frequency grid of ``n`` samples, shape (n // 2 + 1,)."""
    frequency = fft.rfftfreq(n, 1 / sample_rate)
    return np.interp(frequency, np.arange(len(psd)) * PSD_STEP_HZ, psd)


@lru_cache(maxsize=16)
def _amplitude(name: str, n: int, sample_rate: float, file_holds: str) -> np.ndarray:
    """Standard deviation of real and imaginary part, in turn, of the Fourier coefficients."""
    amplitude = (
        np.sqrt(on_grid(noise_psd(name, sample_rate, file_holds), n, sample_rate) * sample_rate * n) / 2
    )
    amplitude[0] = 0
    return np.repeat(amplitude, 2)


def coloured_noise(
    rng: np.random.Generator, psd_name: str, n: int, sample_rate: float = 4096.0, file_holds: str = "psd"
) -> np.ndarray:
    """Gaussian noise with a given PSD, not circular.

    A longer stretch is drawn in the frequency domain, where it is periodic, and cut: the ends of the result
    are further apart on the circle than the noise remembers.

    Args:
        rng: source of randomness.
        psd_name: as for ``noise_psd``.
        n: number of samples.
        sample_rate: in Hz.
        file_holds: as for ``noise_psd``.

    Returns:
        Strain, shape (n,).
    """
    drawn = fft.next_fast_len(n + math.ceil(_MEMORY_S * sample_rate), real=True)
    drawn += drawn % 2
    amplitude = _amplitude(psd_name, drawn, sample_rate, file_holds)
    spectrum = rng.standard_normal(len(amplitude))
    spectrum *= amplitude
    spectrum[-1] = 0
    return fft.irfft(spectrum.view(np.complex128), drawn, overwrite_x=True)[:n]
