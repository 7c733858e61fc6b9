"""A small bank of whitened templates, and signals from the same prior, as the network would see them.

Waveforms and noise curves come from PyCBC, independently of the simulation of the data.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import fft, signal

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.strain import preprocess

BEFORE, AFTER = 4096, 2048  # samples that a template reaches before and after its event
N_TEMPLATE = BEFORE + AFTER
F_LOW_HZ = 20.0  # of templates and inner products: below it the high-pass leaves nothing
_RAW_RATE = preprocess.RAW_SAMPLE_RATE
_N_RAW = preprocess.N_RAW  # a waveform stands in a buffer of 16 s
_EVENT_RAW = _N_RAW * 3 // 4
_MOST_REDRAWS = 20
_TAPER_S = 0.1  # at the start of a waveform


class Template(NamedTuple):
    """Whitened plus and cross polarization in each detector, shape (detector, 2, 6144), and its parameters.

    Scaled so that white noise of unit variance above 20 Hz is the noise; the event is at sample ``BEFORE``.
    """

    series: np.ndarray
    parameters: dict[str, float]


def template_bank(
    n_templates: int, settings: Mapping[str, Any], detectors: Sequence[str], recipe: str, seed: int
) -> list[Template]:
    """Templates drawn from the prior of masses and aligned spins.

    Args:
        n_templates: size of the bank.
        settings: ``mass_range_msun``, ``spin_range``, ``approximant``, ``f_lower_hz``, ``psd``,
            ``psd_file_holds``, as the data set gives them.
        detectors: names.
        recipe: decides, as for the data, whether noise above 1024 Hz is folded onto the band.
        seed: root seed.

    Returns:
        The templates; their amplitude has no meaning.
    """
    asds = [_asd(*_noise_curve(settings, name), recipe) for name in detectors]
    return [_template(settings, asds, seed, "template", number) for number in range(n_templates)]


def signals(
    n_signals: int, settings: Mapping[str, Any], detectors: Sequence[str], recipe: str, seed: int
) -> np.ndarray:
    """Signals from the prior at random places in the sky, projected onto the detectors.

    Args:
        n_signals: how many.
        settings, detectors, recipe, seed: as for ``template_bank``; another random stream than that of the
            bank.

    Returns:
        Whitened strain, shape (signal, detector, 6144), with the event in the first detector at ``BEFORE``;
        the amplitude has no meaning, but that between detectors has.
    """
    from pycbc.detector import Detector

    asds = [_asd(*_noise_curve(settings, name), recipe) for name in detectors]
    made = [Detector(name) for name in detectors]
    out = np.empty((n_signals, len(detectors), N_TEMPLATE))
    for number in range(n_signals):
        series = _template(settings, asds, seed, "signal", number).series
        rng = generator(seed, "signal", number, "sky")
        ra, polarization = rng.uniform(0, 2 * np.pi, 2)
        dec, cosine = np.arcsin(rng.uniform(-1, 1)), rng.uniform(-1, 1)
        gps = 1126051217.0  # any time: the sky is drawn uniformly
        for row, detector in enumerate(made):
            plus, cross = detector.antenna_pattern(ra, dec, polarization, gps)
            wave = plus * (1 + cosine**2) / 2 * series[row, 0] + cross * cosine * series[row, 1]
            delay = detector.time_delay_from_detector(made[0], ra, dec, gps)
            out[number, row] = _delayed(wave, delay * preprocess.SAMPLE_RATE)
    return out


def _delayed(wave: np.ndarray, samples: float) -> np.ndarray:
    padded = fft.rfft(wave, 2 * len(wave))
    phase = np.exp(-2j * np.pi * samples * fft.rfftfreq(2 * len(wave)))
    return fft.irfft(padded * phase, 2 * len(wave))[: len(wave)]


def _template(
    settings: Mapping[str, Any], asds: Sequence[np.ndarray], seed: int, *keys: str | int
) -> Template:
    for attempt in range(_MOST_REDRAWS):
        rng = generator(seed, *keys, attempt)
        (low, high), (spin_low, spin_high) = settings["mass_range_msun"], settings["spin_range"]
        masses = np.sort(rng.uniform(low, high, 2))[::-1]
        spins = rng.uniform(spin_low, spin_high, 2)
        names = ("mass1", "mass2", "spin1z", "spin2z")
        parameters = {name: float(value) for name, value in zip(names, (*masses, *spins), strict=True)}
        try:
            spectra = _spectra(parameters, settings)
        except RuntimeError:  # LAL cannot do a few corners of the prior
            continue
        return Template(np.stack([_whitened(spectra, asd) for asd in asds]), parameters)
    raise BadSetting(
        f"{settings['approximant']} failed for {_MOST_REDRAWS} draws in a row; widen the ranges of the prior."
    )


def _spectra(parameters: Mapping[str, float], settings: Mapping[str, Any]) -> np.ndarray:
    """Fourier transforms of both polarizations, face-on, at 4096 Hz, the event at sample ``_EVENT_RAW``."""
    from pycbc.waveform import get_td_waveform

    waves = get_td_waveform(
        approximant=settings["approximant"],
        **parameters,
        delta_t=1 / _RAW_RATE,
        f_lower=settings["f_lower_hz"],
        inclination=0.0,
        distance=100.0,
    )
    buffer = np.zeros((2, _N_RAW))
    for row, wave in zip(buffer, waves, strict=True):
        values = wave.numpy().copy()
        n_taper = min(int(_TAPER_S * _RAW_RATE), len(values) // 8)
        values[:n_taper] *= np.sin(np.linspace(0, np.pi / 2, n_taper)) ** 2
        start = _EVENT_RAW + round(float(wave.start_time) * _RAW_RATE)
        first = max(0, -start)
        n = min(len(values), _N_RAW - start)
        row[start + first : start + n] = values[first:n]
    return fft.rfft(buffer, axis=-1)


def _whitened(spectra: np.ndarray, asd: np.ndarray) -> np.ndarray:
    """From strain at 4096 Hz to whitened strain at 2048 Hz around the event, shape (2, 6144).

    With the strain h(f) and the one-sided PSD S, sum(w**2) of w = h / sqrt(S) at the rate r is the square of
    the optimal SNR times r / 2; the variance of noise whitened likewise is r / 2. So w is divided by sqrt(r /
    2).
    """
    n = preprocess.N_WINDOW
    white = spectra[:, : n // 2 + 1] / asd
    white[:, fft.rfftfreq(n, 1 / preprocess.SAMPLE_RATE) < F_LOW_HZ] = 0
    white[:, -1] = 0
    # 4096-Hz samples hold twice as many terms of the sum that irfft divides by.
    series = fft.irfft(white, n, axis=-1) * (preprocess.SAMPLE_RATE / _RAW_RATE)
    event = _EVENT_RAW * preprocess.SAMPLE_RATE // _RAW_RATE
    return series[:, event - BEFORE : event + AFTER] / np.sqrt(preprocess.SAMPLE_RATE / 2)


def _noise_curve(settings: Mapping[str, Any], detector: str) -> tuple[str, str]:
    psd = settings["psd"]
    return (psd if isinstance(psd, str) else psd[detector]), settings.get("psd_file_holds", "psd")


@cache
def _asd(name: str, holds: str, recipe: str) -> np.ndarray:
    """Amplitude spectral density of the noise as it is whitened, at 2048 Hz in steps of 1/16 Hz."""
    import pycbc.psd

    step = 1 / preprocess.WINDOW_S
    n = _N_RAW // 2 + 1
    try:
        if Path(name).is_file():
            curve = pycbc.psd.from_txt(name, n, step, 10.0, is_asd_file=holds == "asd")
        else:
            curve = pycbc.psd.from_string(name, n, step, 10.0)
    except ValueError as error:
        raise BadSetting(
            f"psd is {name!r}: neither a noise curve of PyCBC nor a readable file ({error})."
        ) from error
    psd = np.array(curve.numpy(), dtype=float)
    last = np.flatnonzero(psd > 0)[-1]
    psd[last:] = psd[last]
    half = preprocess.N_WINDOW // 2
    kept = psd[: half + 1].copy()
    if recipe == "faithful":
        # Every second sample is taken: noise from above 1024 Hz comes on top, as far as the files reach.
        kept += (psd * _archive_response(np.arange(n) * step) ** 2)[half:][::-1]
    first = np.flatnonzero(kept > 0)[0]
    kept[:first] = kept[first]
    return np.sqrt(kept)


def _archive_response(frequency: np.ndarray) -> np.ndarray:
    """Response of the low-pass of the archive's 4-kHz files, which simulated strain has too (spec F2)."""
    sections = signal.cheby1(8, 0.05, 0.8 * _RAW_RATE / 2, fs=4 * _RAW_RATE, output="sos")
    return np.abs(signal.sosfreqz(sections, frequency, fs=4 * _RAW_RATE)[1]) ** 2
