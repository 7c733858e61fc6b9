"""Raw strain to network input: the only place that resamples, whitens, high-passes, crops, labels and scales.

Every piece of data, training example or file to be scanned, is conditioned in windows of 16 s on its own, so
that what the network sees in a search is what it saw in training.

Source: Gebhard et al. 2019, Sec. IV C; PyCBC ``TimeSeries.whiten`` and ``TimeSeries.highpass_fir``.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, signal

from skyneedle.core.errors import BadSetting, ConstantStrain, GridMismatch, StrainHasNaN, StrainTooShort

if TYPE_CHECKING:
    from skyneedle.core.store import DataSet

SAMPLE_RATE = 2048  # Hz, network input
RAW_SAMPLE_RATE = 4096  # Hz, archive and simulation
WINDOW_S = 16
CROP_S = 8
RECEPTIVE_FIELD = 4096  # samples
OUTPUT_OFFSET = 2047  # output j belongs to input sample j + 2047
VALID_MARGIN_S = 2.25  # 2 s of whitening filter and 0.25 s of high-pass at either end of a window
N_RAW = WINDOW_S * RAW_SAMPLE_RATE
N_WINDOW = WINDOW_S * SAMPLE_RATE
N_CROP = CROP_S * SAMPLE_RATE

_STEP_S = 8  # distance of neighbouring windows of a stretch
SEGMENT_S = 4  # of Welch segments and of the whitening filter
_SEGMENT = SEGMENT_S * SAMPLE_RATE
_MEDIAN_OF_7 = (
    (0, 5),
    (0, 3),
    (1, 6),
    (2, 4),
    (0, 1),
    (3, 5),
    (2, 6),
    (2, 3),
    (3, 6),
    (4, 5),
    (1, 4),
    (1, 3),
    (3, 4),
)
_CROP_START_S = {"corrected": 4.0, "faithful": 2.5}
HIGHPASS_HZ, _HIGHPASS_ORDER, _HIGHPASS_BETA = 20.0, 512, 5.0
# PyCBC's fir_zero_filter undoes the filter's delay of 512 samples with a roll by 513; corrected data stay in
# place.
_HIGHPASS_ADVANCE = {"corrected": 0, "faithful": 1}
_ANTIALIAS_TAPS, _ANTIALIAS_BETA = 81, 8.0  # +-10 ms of support; flat below 850 Hz, -80 dB above 1200 Hz


class Window(NamedTuple):
    """One 16-s window of a longer stretch.

    Attributes:
        start: first raw sample of the window.
        first: first output that it delivers, as index of the input sample on the 2048-Hz grid of the whole
            stretch.
        last: one past the last output that it delivers, likewise.
    """

    start: int
    first: int
    last: int


def condition(strain: np.ndarray, recipe: str) -> np.ndarray:
    """Resample to 2048 Hz, whiten and high-pass windows of 16 s.

    ``faithful`` resamples by taking every second sample, as the published code does, which folds noise from
    above 1024 Hz onto the signal band; ``corrected`` filters before. Whitening and high-pass are PyCBC's
    ``whiten(4, 4, remove_corrupted=False)`` and ``highpass_fir(20, 512)``: Welch median of 7 segments of 4 s,
    filter cut to 4 s.

    Args:
        strain: raw strain at 4096 Hz, shape (..., 65536).
        recipe: "corrected" or "faithful".

    Returns:
        Dimensionless strain at 2048 Hz with a standard deviation of about 32, shape (..., 32768), float64.
        The outer ``VALID_MARGIN_S`` at both ends are corrupted.

    Raises:
        StrainTooShort, GridMismatch: if the last axis is not one window long.
        StrainHasNaN: if samples are missing.
        ConstantStrain: if a detector does not vary, over the window or in most of its segments.

    Source: spec A1, F2; Gebhard et al. 2019, Sec. IV C.
    """
    _check_recipe(recipe)
    strain = np.asarray(strain, dtype=np.float64)
    _check_window(strain)
    out = np.empty((*strain.shape[:-1], N_WINDOW))
    # One series at a time: it fits the cache, and a result cannot depend on what else is in the batch.
    for index in np.ndindex(strain.shape[:-1]):
        series, spectrum = _resample(strain[index], recipe)
        spectrum *= _whitening_response(series)
        spectrum *= _highpass_response(recipe)
        out[index] = fft.irfft(spectrum, N_WINDOW, overwrite_x=True)
    return out


def welch(series: np.ndarray, sample_rate: float) -> np.ndarray:
    """PSD as the median over Hann-windowed segments of 4 s that overlap by half.

    Args:
        series: strain, shape (n,).
        sample_rate: in Hz.

    Returns:
        One-sided PSD in 1/Hz at multiples of 0.25 Hz, the median's bias divided out.

    Source: Allen et al. 2012, Sec. V, and its reference for the bias, Allen 2005, appendix B; as PyCBC's
    ``welch``.
    """
    n = int(SEGMENT_S * sample_rate)
    window = _hann(n)
    segments = np.lib.stride_tricks.sliding_window_view(series, n)[:: n // 2]
    power = np.empty((len(segments), n // 2 + 1))
    for row, segment in enumerate(segments):
        spectrum = fft.rfft(segment * window)
        np.add(spectrum.real**2, spectrum.imag**2, out=power[row])
    # The bias for an even number of segments is taken as that of the odd number below it, as PyCBC has it.
    bias = sum((-1) ** (k + 1) / k for k in range(1, len(segments) + len(segments) % 2))
    psd = _median(power) * (2 / sample_rate / (window**2).sum() / bias)
    psd[[0, -1]] /= 2
    return psd


def crop_start(recipe: str) -> int:
    """First sample of the 8-s crop in the conditioned 16-s window (2048 Hz)."""
    _check_recipe(recipe)
    return int(_CROP_START_S[recipe] * SAMPLE_RATE)


def crop(conditioned: np.ndarray, recipe: str) -> np.ndarray:
    """The 8 s of a conditioned window that become an example, shape (..., 32768) to (..., 16384)."""
    start = crop_start(recipe)
    return conditioned[..., start : start + N_CROP]


def n_outputs(n_inputs: int) -> int:
    """Number of outputs of the fully convolutional network for an input of ``n_inputs`` samples."""
    if n_inputs < RECEPTIVE_FIELD:
        raise StrainTooShort(
            f"An input of {n_inputs} samples gives no output; give it at least {RECEPTIVE_FIELD}."
        )
    return n_inputs - RECEPTIVE_FIELD + 1


def labels(
    event_index: np.ndarray,
    n_inputs: int,
    recipe: str,
    width_s: float = 0.2,
    samples: np.ndarray | None = None,
) -> np.ndarray:
    """Target time series: one within half the width of the event, zero elsewhere.

    Args:
        event_index: sample of the event in the input (2048 Hz), shape (n,); -1 where there is none.
        n_inputs: length of the input in samples.
        recipe: "faithful" has the 410 samples [e - 205, e + 205) of the published code, half a sample off the
            event; "corrected" the 409 samples [e - 204, e + 204].
        width_s: width of the target in seconds.
        samples: input samples that the outputs are about, shape (n_outputs,); if left out, those of the
            published network.

    Returns:
        float32, shape (n, n_outputs).

    Source: spec A2; Gebhard et al. 2019, Sec. V A.
    """
    _check_recipe(recipe)
    event = np.asarray(event_index, dtype=np.int64).reshape(-1, 1)
    half = width_s / 2 * SAMPLE_RATE
    below, above = (
        (round(half), round(half) - 1) if recipe == "faithful" else (int(half + 1e-9), int(half + 1e-9))
    )
    sample = OUTPUT_OFFSET + np.arange(n_outputs(n_inputs)) if samples is None else np.asarray(samples)
    inside = (sample >= event - below) & (sample <= event + above) & (event >= 0)
    return inside.astype(np.float32)


def normalisation(dataset: "DataSet", name: str = "strain") -> dict[str, list[float]]:
    """Scale of a training set: medians over its examples of their own mean and standard deviation.

    Args:
        dataset: the training set.
        name: array of shape (n, detector, sample).

    Returns:
        ``mean`` and ``std``, one number for each detector.

    Source: spec A1 (normalisation).
    """
    mean, std = [], []
    for _, block in dataset.blocks(name, 64):
        mean.append(block.mean(axis=-1, dtype=np.float64))
        std.append(block.std(axis=-1, dtype=np.float64))
    return {
        "mean": np.median(np.concatenate(mean), axis=0).tolist(),
        "std": np.median(np.concatenate(std), axis=0).tolist(),
    }


def normalise(x: np.ndarray, normalisation: Mapping[str, list[float]]) -> np.ndarray:
    """Scale conditioned strain of shape (..., detector, sample) to network input, float32."""
    mean, std = (np.asarray(normalisation[key], dtype=np.float64)[:, None] for key in ("mean", "std"))
    if x.shape[-2] != len(mean):
        raise GridMismatch(
            f"Input has {x.shape[-2]} detectors, the normalisation {len(mean)}; give as many as trained."
        )
    return ((x - mean) / std).astype(np.float32)


def windows(n_raw: int) -> list[Window]:
    """The 16-s windows that cover a stretch, and which outputs each of them delivers.

    Windows start every 8 s. A window delivers the outputs of its seconds 4 to 12; the first and the last one
    also those towards the ends of the stretch whose receptive field keeps off the corrupted margins (from
    3.25 s, to 12.75 s). A last window is moved back so that it ends with the data. The outputs join without
    gap or overlap.

    Args:
        n_raw: number of raw samples (4096 Hz).

    Returns:
        Windows in order of time.

    Raises:
        StrainTooShort: if there is not even one window.
    """
    if n_raw < N_RAW:
        raise StrainTooShort(
            f"The stretch has {n_raw / RAW_SAMPLE_RATE:.3f} s; at least {WINDOW_S} s without gap are needed."
        )
    factor = RAW_SAMPLE_RATE // SAMPLE_RATE
    step = _STEP_S * RAW_SAMPLE_RATE
    end = (n_raw - N_RAW) // factor * factor  # start of the last window, on the 2048-Hz grid
    starts = list(range(0, end + 1, step))
    if starts[-1] != end:
        starts.append(end)
    margin = int(VALID_MARGIN_S * SAMPLE_RATE) + RECEPTIVE_FIELD // 2
    quarter = N_WINDOW // 4
    out, first = [], margin
    for number, start in enumerate(starts):
        is_last = number == len(starts) - 1
        last = start // factor + N_WINDOW - (margin if is_last else quarter)
        out.append(Window(start, first, last))
        first = last
    return out


def stream(strain: np.ndarray, recipe: str, start_sample: int = 0) -> Iterator[tuple[float, np.ndarray]]:
    """Network input for strain of any length, piece by piece.

    Args:
        strain: raw strain at 4096 Hz, shape (detector, n_raw); may be a memory map or HDF5 data set.
        recipe: "corrected" or "faithful".
        start_sample: raw sample at which the first window starts; even, so that the 2048-Hz grid stays.

    Yields:
        The time of the first output, in seconds after sample 0 of ``strain``, and the conditioned piece of
        shape (detector, n), float64 and not normalised, that gives exactly ``n - 4095`` outputs.
    """
    factor = RAW_SAMPLE_RATE // SAMPLE_RATE
    if start_sample % factor:
        raise GridMismatch(
            f"start_sample is {start_sample}; it must be a multiple of {factor} to stay on the grid."
        )
    for window in windows(strain.shape[-1] - start_sample):
        start = start_sample + window.start
        conditioned = condition(strain[:, start : start + N_RAW], recipe)
        first, last = (sample - window.start // factor for sample in (window.first, window.last))
        piece = conditioned[:, first - OUTPUT_OFFSET : last + RECEPTIVE_FIELD - 1 - OUTPUT_OFFSET]
        yield start_sample / RAW_SAMPLE_RATE + window.first / SAMPLE_RATE, piece


def _check_recipe(recipe: str) -> None:
    if recipe not in _CROP_START_S:
        raise BadSetting(f"recipe is {recipe!r}; expected one of {sorted(_CROP_START_S)}.")


def _check_window(strain: np.ndarray) -> None:
    n = strain.shape[-1]
    if n != N_RAW:
        error = StrainTooShort if n < N_RAW else GridMismatch
        raise error(
            f"A window has {n} samples; expected {N_RAW} ({WINDOW_S} s at {RAW_SAMPLE_RATE} Hz): cut it."
        )
    if not np.isfinite(strain).all():
        missing = int((~np.isfinite(strain)).sum())
        raise StrainHasNaN(
            f"A window has {missing} samples that are NaN or infinite; choose a time without gaps."
        )
    if (strain == strain[..., :1]).all(axis=-1).any():
        raise ConstantStrain(
            "Strain of a detector is constant over 16 s, so it cannot be whitened; choose another time."
        )


def _resample(series: np.ndarray, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    """One window at 2048 Hz, and its Fourier transform."""
    if recipe == "faithful":
        series = np.ascontiguousarray(series[::2])
        return series, fft.rfft(series)
    # The FIR filter followed by taking every second sample, in the frequency domain: the upper half of the
    # filtered spectrum folds onto the lower one. Circular, which reaches 10 ms into the corrupted margins.
    filtered = fft.rfft(series)
    filtered *= _antialias_response()
    half = N_WINDOW // 2
    spectrum = filtered[: half + 1] + filtered[half:][::-1].conj()
    return fft.irfft(spectrum, N_WINDOW), spectrum


@cache
def _antialias_response() -> np.ndarray:
    taps = signal.firwin(
        _ANTIALIAS_TAPS, SAMPLE_RATE / 2, window=("kaiser", _ANTIALIAS_BETA), fs=RAW_SAMPLE_RATE
    )
    return _zero_phase_response(taps, N_RAW) * (SAMPLE_RATE / RAW_SAMPLE_RATE)


@cache
def _highpass_response(recipe: str) -> np.ndarray:
    taps = signal.firwin(
        2 * _HIGHPASS_ORDER + 1,
        HIGHPASS_HZ,
        window=("kaiser", _HIGHPASS_BETA),
        pass_zero=False,
        fs=SAMPLE_RATE,
    )
    response = _zero_phase_response(taps, N_WINDOW)
    advance = _HIGHPASS_ADVANCE[recipe]
    return response * np.exp(2j * np.pi * advance * fft.rfftfreq(N_WINDOW)) if advance else response


def _zero_phase_response(taps: np.ndarray, n: int) -> np.ndarray:
    kernel = np.zeros(n)
    kernel[: len(taps)] = taps
    return fft.rfft(np.roll(kernel, -(len(taps) // 2))).real


@cache
def _truncation_window() -> tuple[np.ndarray, np.ndarray]:
    window = np.hanning(_SEGMENT)
    return window[_SEGMENT // 2 :], window[: _SEGMENT // 2]


def _whitening_response(series: np.ndarray) -> np.ndarray:
    """Response of the whitening filter, estimated from the window itself, shape (16385,)."""
    psd = welch(series, SAMPLE_RATE)
    if not psd[1:-1].all():
        raise ConstantStrain(
            "Strain is constant over most of 16 s, so it cannot be whitened; choose another time."
        )
    inverse_asd = np.zeros(N_WINDOW // 2 + 1)
    inverse_asd[1:-1] = 1 / np.sqrt(_four_times_finer(psd)[1:-1])
    kernel = fft.irfft(inverse_asd, N_WINDOW)
    right, left = _truncation_window()
    kernel[: len(right)] *= right
    kernel[-len(left) :] *= left
    kernel[len(right) : -len(left)] = 0
    return np.abs(fft.rfft(kernel))


def _median(power: np.ndarray) -> np.ndarray:
    """Median along the first axis; of the seven segments of a window by a sorting network (faster)."""
    if len(power) != 7:
        return np.median(power, axis=0)
    rows = list(power)
    for low, high in _MEDIAN_OF_7:
        rows[low], rows[high] = np.minimum(rows[low], rows[high]), np.maximum(rows[low], rows[high])
    return rows[3]


@cache
def _hann(n: int) -> np.ndarray:
    return np.hanning(n)


def _four_times_finer(psd: np.ndarray) -> np.ndarray:
    """Linear interpolation from the grid of a 4-s segment to that of the 16-s window."""
    fine = np.empty(4 * (len(psd) - 1) + 1)
    step = np.diff(psd) / 4
    for part in range(4):
        fine[part:-1:4] = psd[:-1] + part * step
    fine[-1] = psd[-1]
    return fine
