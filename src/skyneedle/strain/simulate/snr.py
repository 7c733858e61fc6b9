"""Optimal matched-filter SNR, and the weights that a PSD puts on frequencies."""

import numpy as np
from scipy import fft

from skyneedle.core.errors import GridMismatch
from skyneedle.strain.simulate.noise import PSD_STEP_HZ, on_grid

F_HIGH_HZ = 1024.0  # beyond it the network sees nothing
_FINE_STEP_HZ = 1 / 128  # step of the published integral


def network_snr(signals: np.ndarray, psds: np.ndarray, sample_rate: float, f_low: float) -> np.ndarray:
    """Optimal matched-filter SNR of each signal in a detector network.

    Args:
        signals: strain at the detectors, shape (batch, detector, time).
        psds: one-sided power spectral densities in 1/Hz, shape (detector, frequency).
        sample_rate: in Hz.
        f_low: lower limit of the integral, in Hz.

    Returns:
        Square root of the sum of squares over detectors, shape (batch,); dimensionless.

    Raises:
        GridMismatch: if the frequency grid does not match the signal length.

    Source: Gebhard et al. 2019, Sec. IV B; Cutler & Flanagan 1994, Eq. 2.
    """
    n = signals.shape[-1]
    if psds.shape != (signals.shape[-2], n // 2 + 1):
        raise GridMismatch(
            f"PSDs have shape {psds.shape}; signals of {signals.shape[-2]} detectors and {n} samples need "
            f"{(signals.shape[-2], n // 2 + 1)}."
        )
    frequency = fft.rfftfreq(n, 1 / sample_rate)
    inside = (frequency >= f_low) & (frequency < sample_rate / 2)
    weights = np.zeros(psds.shape)
    weights[:, inside] = 1 / psds[:, inside]
    return np.sqrt((optimal_snrs(fft.rfft(signals, axis=-1), weights, n, sample_rate) ** 2).sum(axis=-1))


def optimal_snrs(spectra: np.ndarray, weights: np.ndarray, n: int, sample_rate: float) -> np.ndarray:
    """Optimal SNR in each detector.

    Args:
        spectra: Fourier transforms of ``n`` samples, shape (..., detector, n // 2 + 1).
        weights: inverse PSDs in Hz, zero outside the band, shape (detector, n // 2 + 1).
        n: number of samples.
        sample_rate: in Hz.

    Returns:
        Shape (..., detector).
    """
    power = spectra.real**2 + spectra.imag**2
    power *= weights
    return np.sqrt(4 / (n * sample_rate) * power.sum(axis=-1))


def weights_of_smooth(psd: np.ndarray, n: int, sample_rate: float, f_low: float) -> np.ndarray:
    """Inverse of a PSD without scatter (the true one) on the grid of ``n`` samples.

    Args:
        psd: in 1/Hz at multiples of 0.25 Hz.
        n: number of samples of the signals.
        sample_rate: of the signals, in Hz.
        f_low: lower limit, in Hz; the upper one is 1024 Hz.

    Returns:
        Weights in Hz, shape (n // 2 + 1,).
    """
    frequency = fft.rfftfreq(n, 1 / sample_rate)
    inside = (frequency >= f_low) & (frequency < F_HIGH_HZ)
    return np.where(inside, 1 / on_grid(psd, n, sample_rate), 0.0)


def weights_of_measured(psd: np.ndarray, n: int, sample_rate: float, f_low: float) -> np.ndarray:
    """Inverse of a measured PSD, which scatters from bin to bin, on the grid of ``n`` samples.

    The published integral has steps of 1/128 Hz on a PSD that is interpolated linearly between the bins of
    4-s segments. Its inverse is far from smooth at that scale, so coarser steps would bias the SNR by per
    cents. Signals are short,
    hence smooth between the bins of their own grid: the fine inverse PSD is collected onto that grid, which
        gives the same
    sum with fewer terms.

    Args:
        psd: in 1/Hz at multiples of 0.25 Hz.
        n: number of samples of the signals; at least 1 / 0.25 Hz long.
        sample_rate: of the signals, in Hz.
        f_low: lower limit, in Hz; the upper one is 1024 Hz.

    Returns:
        Weights in Hz, shape (n // 2 + 1,).

    Source: spec A1 (SNR scaling), F1.
    """
    step = sample_rate / n
    ratio = round(step / _FINE_STEP_HZ)
    if ratio < 1 or abs(ratio * _FINE_STEP_HZ - step) > 1e-9 * step:
        raise GridMismatch(
            f"Signals of {n} samples at {sample_rate:g} Hz have bins of {step:g} Hz; n must be a power of 2."
        )
    coarse = psd[: int(F_HIGH_HZ / PSD_STEP_HZ) + 1]
    parts = round(PSD_STEP_HZ / _FINE_STEP_HZ)
    rise = np.arange(parts) / parts
    fine = coarse[:-1, None] + np.diff(coarse)[:, None] * rise
    inverse = np.zeros(fine.size)
    first = int(f_low / _FINE_STEP_HZ)
    inverse[first:] = 1 / fine.ravel()[first:]
    cells = inverse.reshape(-1, ratio)
    share = np.arange(ratio) / ratio
    weights = np.zeros(n // 2 + 1)
    weights[: len(cells)] = np.einsum("ij,j->i", cells, 1 - share)
    weights[1 : len(cells) + 1] += np.einsum("ij,j->i", cells, share)
    return weights / ratio
