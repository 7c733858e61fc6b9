"""What can be measured of an input: likeness to templates, SNR of what was added, likelihood as noise.

Everything is measured against examples of noise that were conditioned and normalised like the input. Above 20
Hz such noise is white. Its power is measured in bands, and divided out; what remains has unit variance for
each sample, so that a whitened signal w has the optimal SNR sqrt(sum(w**2)) (see ``bank`` for the factor),
overlaps are plain cosines, and the squares of Fourier amplitudes follow a chi-squared distribution.

Source: ours; asked for in Gebhard et al. 2019, last paragraph of Sec. VII D.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter1d

from skyneedle.core.errors import OneClassOnly
from skyneedle.strain import preprocess
from skyneedle.strain.interpret.bank import BEFORE, F_LOW_HZ, Template

# Bands of the measured power: narrow where the high-pass rises, else wide enough to average out the scatter.
EDGES_HZ = (0, 10, 20, 21, 22, 24, 32, 64, 128, 256, 512, 1024)
REPORTED_HZ = {"20_64hz": (20, 64), "64_256hz": (64, 256), "256_1024hz": (256, 1024)}
FIRST_EVENT, LAST_EVENT = (
    preprocess.OUTPUT_OFFSET,
    2 * preprocess.OUTPUT_OFFSET + 1,
)  # samples that outputs are about
LIGHT_TRAVEL_S = {2: 0.010, 3: 0.027}  # between H1 and L1, and between any of H1, L1 and V1
LEAST_SEGMENTS = 3
_ROWS_AT_ONCE = 16


class NoiseModel(NamedTuple):
    """What the noise's own examples look like.

    Attributes:
        power: mean squared Fourier amplitude over the number of samples, 1 for white noise of unit variance,
            shape (detector, frequency).
        chi2: of each segment, all detectors together, above 20 Hz, shape (segment,).
        chi2_below: likewise below 20 Hz.
    """

    power: np.ndarray
    chi2: np.ndarray
    chi2_below: np.ndarray


class Likeness(NamedTuple):
    """The best template for each row.

    Attributes:
        network: overlap with all detectors together, shape (row,), between 0 and 1.
        single: overlap in each detector alone, each with its own best template, shape (row, detector).
        template: number of the best template of the network.
        event: sample of its event in the first detector.
    """

    network: np.ndarray
    single: np.ndarray
    template: np.ndarray
    event: np.ndarray


# --- noise


def calibrate(segments: np.ndarray) -> NoiseModel:
    """Measure the power of noise in bands.

    Args:
        segments: noise, conditioned and normalised, shape (segment, detector, sample). Medians over them keep
            a glitch in a few from mattering.

    Raises:
        OneClassOnly: if there are too few.
    """
    if len(segments) < LEAST_SEGMENTS:
        raise OneClassOnly(
            f"{len(segments)} noise examples are too few to know the noise; give at least "
            f"{LEAST_SEGMENTS}: raise n_examples of the testing set."
        )
    n = segments.shape[-1]
    squares = np.abs(fft.rfft(segments.astype(np.float64), axis=-1)) ** 2 / n
    power = np.empty(squares.shape[1:])
    for inside in _bands(n, EDGES_HZ):
        power[:, inside] = np.median(squares[..., inside].mean(axis=-1), axis=0)[:, None]
    model = NoiseModel(power, np.empty(0), np.empty(0))
    chi2, _ = chi_squared(segments, model, F_LOW_HZ)
    below, _ = chi_squared(segments, model, 0, F_LOW_HZ)
    return NoiseModel(power, chi2, below)


def chi_squared(
    x: np.ndarray, model: NoiseModel, f_low: float, f_high: float = np.inf
) -> tuple[np.ndarray, int]:
    """Sum of squared Fourier amplitudes in a band, each divided by what is expected of Gaussian noise.

    Args:
        x: shape (row, detector, sample), normalised.
        model: of the noise.
        f_low, f_high: limits in Hz.

    Returns:
        Sums, shape (row,), and the number of degrees of freedom, which is their expectation for noise.
    """
    n = x.shape[-1]
    frequency = fft.rfftfreq(n, 1 / preprocess.SAMPLE_RATE)
    inside = (frequency >= f_low) & (frequency < min(f_high, preprocess.SAMPLE_RATE / 2))
    # Real and imaginary part are one degree of freedom each; at 0 Hz there is the real part alone.
    freedom = np.where(frequency[inside] == 0, 1, 2)
    squares = np.abs(fft.rfft(x.astype(np.float64), axis=-1)[..., inside]) ** 2 / n
    return (freedom * squares / model.power[:, inside]).sum(axis=(1, 2)), int(freedom.sum()) * x.shape[1]


def noise_likelihood(x: np.ndarray, model: NoiseModel) -> dict[str, np.ndarray]:
    """How likely inputs are as noise.

    Args:
        x: shape (row, detector, sample), normalised.
        model: of the noise.

    Returns:
        ``noise_loglik_z``: log-likelihood as Gaussian noise of the measured power above 20 Hz, less the
        median of the noise examples, in standard deviations (from the median deviation) of the noise
        examples; large inputs are below zero, inputs that are too quiet above. ``noise_share_beyond``: share
        of the noise examples that are at least as far from their median. ``chi2_z``: excess power above 20 Hz
        in standard deviations of Gaussian noise, and ``chi2_z_<band>`` likewise in bands.
        ``chi2_z_below_20hz``: excess power where the high-pass leaves almost nothing, in standard deviations
        of the noise examples, as what leaks there from above is not independent between frequencies.
    """
    chi2, freedom = chi_squared(x, model, F_LOW_HZ)
    middle, spread = _middle_and_spread(model.chi2)
    beyond = np.abs(model.chi2 - middle)[None] >= np.abs(chi2 - middle)[:, None]
    found = {
        "noise_loglik_z": -(chi2 - middle) / spread,
        "noise_share_beyond": beyond.mean(axis=1),
        "chi2_z": (chi2 - freedom) / np.sqrt(2 * freedom),
    }
    middle, spread = _middle_and_spread(model.chi2_below)
    found["chi2_z_below_20hz"] = (chi_squared(x, model, 0, F_LOW_HZ)[0] - middle) / spread
    for name, (low, high) in REPORTED_HZ.items():
        chi2, freedom = chi_squared(x, model, low, high)
        found[f"chi2_z_{name}"] = (chi2 - freedom) / np.sqrt(2 * freedom)
    return found


def _middle_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Median, and standard deviation from the median deviation: one glitch does not matter to either."""
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 1e-12)


def whitened(x: np.ndarray, model: NoiseModel) -> np.ndarray:
    """Normalised strain in units in which noise has unit variance above 20 Hz, without what is below.

    Shape (row, detector, sample), as ``x``.
    """
    n = x.shape[-1]
    spectrum = fft.rfft(x.astype(np.float64), axis=-1) / np.sqrt(model.power)
    return fft.irfft(_band_only(spectrum, n), n, axis=-1)


def coloured(w: np.ndarray, model: NoiseModel) -> np.ndarray:
    """The reverse of ``whitened``."""
    n = w.shape[-1]
    spectrum = fft.rfft(w, axis=-1) * np.sqrt(model.power)
    return fft.irfft(_band_only(spectrum, n), n, axis=-1)


def optimal_snr(x: np.ndarray, model: NoiseModel) -> np.ndarray:
    """Optimal SNR of strain that is added to noise, above 20 Hz.

    Args:
        x: normalised, shape (row, detector, sample).
        model: of the noise.

    Returns:
        Shape (row, detector); the network's is the root of the sum of squares.
    """
    return np.sqrt((whitened(x, model) ** 2).sum(axis=-1))


def _band_only(spectrum: np.ndarray, n: int) -> np.ndarray:
    spectrum[..., fft.rfftfreq(n, 1 / preprocess.SAMPLE_RATE) < F_LOW_HZ] = 0
    spectrum[..., -1] = 0  # 1024 Hz is beyond what was measured
    return spectrum


def _bands(n: int, edges: Sequence[float]) -> list[np.ndarray]:
    frequency = fft.rfftfreq(n, 1 / preprocess.SAMPLE_RATE)
    ends = [*edges[1:-1], np.inf]
    return [(frequency >= low) & (frequency < high) for low, high in zip(edges[:-1], ends, strict=True)]


# --- likeness to templates


def likeness(w: np.ndarray, bank: Sequence[Template]) -> Likeness:
    """Overlap with the best template: maximised over the bank, the time of the event, and phase and amplitude
    in each detector.

    The event has to be where the network's outputs are, detectors may differ by the light's travel time, and
    a template is normalised over that part of it which lies inside the input.

    Args:
        w: as from ``whitened``, shape (row, detector, 6144).
        bank: templates for the same detectors.

    Returns:
        The overlaps; 0 for a row that is zero everywhere.
    """
    n_rows, n_detectors, n = w.shape
    size = fft.next_fast_len(n + bank[0].series.shape[-1], real=True)
    norm = (w**2).sum(axis=-1)
    found = Likeness(
        np.zeros(n_rows), np.zeros((n_rows, n_detectors)), np.zeros(n_rows, int), np.zeros(n_rows, int)
    )
    # One template starts before the input for any of these times of its event.
    cut = BEFORE - np.arange(FIRST_EVENT, LAST_EVENT + 1)
    delay = round(LIGHT_TRAVEL_S.get(n_detectors, 0.027) * preprocess.SAMPLE_RATE) + 1
    spectra = fft.rfft(w.astype(np.float32), size, axis=-1)
    for number, template in enumerate(bank):
        inverse = _inverse_gram(template.series, cut)
        conjugate = fft.rfft(template.series.astype(np.float32), size, axis=-1).conj()
        for first in range(0, n_rows, _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            inner = fft.irfft(spectra[rows, :, None] * conjugate, size, axis=-1)[..., size - cut]
            squares = np.einsum("rdpe,dpqe,rdqe->rde", inner, inverse, inner)
            total = squares[:, 0].copy()
            for row in range(1, n_detectors):
                total += maximum_filter1d(squares[:, row], 2 * delay + 1, axis=-1)
            _keep_best(found, rows, number, squares, total, norm[rows])
    return found


def _inverse_gram(series: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Inverse of the inner products of plus and cross from ``cut`` on, shape (detector, 2, 2, event)."""
    products = series[:, :, None] * series[:, None]
    # What lies from each sample on to the end.
    tail = np.cumsum(products[..., ::-1], axis=-1)[..., ::-1][..., cut]
    return np.moveaxis(np.linalg.pinv(np.moveaxis(tail, -1, 1), hermitian=True), 1, -1)


def _keep_best(
    found: Likeness, rows: slice, number: int, squares: np.ndarray, total: np.ndarray, norm: np.ndarray
) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        single = np.nan_to_num(np.sqrt(np.maximum(squares.max(axis=-1), 0) / norm))
        network = np.nan_to_num(np.sqrt(np.maximum(total.max(axis=-1), 0) / norm.sum(axis=-1)))
    # Rounding alone takes a cosine above one.
    np.maximum(found.single[rows], np.minimum(single, 1), out=found.single[rows])
    better = network > found.network[rows]
    found.template[rows][better] = number
    found.event[rows][better] = FIRST_EVENT + total.argmax(axis=-1)[better]
    found.network[rows][better] = np.minimum(network, 1)[better]
