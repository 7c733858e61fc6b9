"""Short disturbances of one detector: blips, arches of scattered light, drifting power lines."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import fft, signal

from skyneedle.strain.simulate.projection import add_clipped
from skyneedle.strain.simulate.snr import optimal_snrs, weights_of_smooth

_LINE_HZ = 60.0
_F_LOW_HZ = 20.0


class Glitch(NamedTuple):
    """One disturbance; ``time_s`` is that of its centre from the start of the stretch, ``snr`` optimal."""

    kind: str
    time_s: float
    snr: float
    shape: dict[str, float]


def draw_glitches(
    rng: np.random.Generator, glitches: Mapping[str, Mapping[str, Any]], duration_s: float
) -> list[Glitch]:
    """Poisson-distributed glitches of one detector.

    Args:
        rng: source of randomness.
        glitches: for each kind ``rate_hz`` and ``snr_range``.
        duration_s: length of the stretch.

    Returns:
        Glitches, kind by kind.
    """
    out = []
    for kind in sorted(glitches):
        rate, (low, high) = glitches[kind]["rate_hz"], glitches[kind]["snr_range"]
        for _ in range(rng.poisson(rate * duration_s)):
            time_s = float(rng.uniform(0, duration_s))
            snr = float(np.exp(rng.uniform(np.log(low), np.log(high))))
            out.append(Glitch(kind, time_s, snr, _SHAPES[kind](rng)))
    return out


def add_glitches(
    strain: np.ndarray,
    glitches: list[Glitch],
    psd: np.ndarray,
    start_s: float = 0.0,
    sample_rate: float = 4096.0,
) -> None:
    """Add glitches to the strain of one detector, in place.

    Args:
        strain: shape (n,).
        glitches: their times count from the start of the stretch.
        psd: of the noise at multiples of 0.25 Hz, which gives the SNR its meaning.
        start_s: time of the first sample of ``strain`` in the stretch.
        sample_rate: in Hz.
    """
    for glitch in glitches:
        values = waveform(glitch, psd, sample_rate)
        centre = round((glitch.time_s - start_s) * sample_rate)
        add_clipped(strain, values, centre - len(values) // 2)


def waveform(glitch: Glitch, psd: np.ndarray, sample_rate: float) -> np.ndarray:
    """Strain of a glitch, scaled to its optimal SNR above 20 Hz; its centre is the middle sample."""
    values = _WAVEFORMS[glitch.kind](sample_rate=sample_rate, **glitch.shape)
    n = max(1 << (len(values) - 1).bit_length(), int(4 * sample_rate))
    weights = weights_of_smooth(psd, n, sample_rate, _F_LOW_HZ)
    return values * (glitch.snr / optimal_snrs(fft.rfft(values, n), weights, n, sample_rate))


def _time(half_s: float, sample_rate: float) -> np.ndarray:
    n = int(half_s * sample_rate)
    return np.arange(-n, n + 1) / sample_rate


def _draw_blip(rng: np.random.Generator) -> dict[str, float]:
    frequency = float(np.exp(rng.uniform(np.log(40), np.log(400))))
    return {
        "frequency_hz": frequency,
        "quality": float(rng.uniform(2, 6)),
        "phase": float(rng.uniform(0, 2 * np.pi)),
    }


def _blip(frequency_hz: float, quality: float, phase: float, sample_rate: float) -> np.ndarray:
    """Sine-Gaussian of a few cycles."""
    tau = quality / (np.sqrt(2) * np.pi * frequency_hz)
    time = _time(6 * tau, sample_rate)
    return np.exp(-((time / tau) ** 2)) * np.cos(2 * np.pi * frequency_hz * time + phase)


def _draw_scattered_light(rng: np.random.Generator) -> dict[str, float]:
    return {
        "top_hz": float(rng.uniform(25, 70)),
        "arch_s": float(rng.uniform(1.0, 4.0)),
        "n_arches": float(rng.integers(1, 4)),
        "phase": float(rng.uniform(0, 2 * np.pi)),
    }


def _scattered_light(
    top_hz: float, arch_s: float, n_arches: float, phase: float, sample_rate: float
) -> np.ndarray:
    """Light from a swinging surface: the frequency follows the surface's speed, |sin|, arch after arch.

    Source: Accadia et al. 2010, Eq. 1 and 2.
    """
    length = arch_s * n_arches
    time = _time(length / 2, sample_rate)
    speed = np.abs(np.sin(np.pi * (time + length / 2) / arch_s))
    angle = 2 * np.pi * top_hz * np.cumsum(speed) / sample_rate
    return signal.windows.tukey(len(time), 0.2) * np.sin(angle + phase)


def _draw_power_line(rng: np.random.Generator) -> dict[str, float]:
    return {
        "length_s": float(rng.uniform(2, 8)),
        "drift_hz": float(rng.uniform(-0.5, 0.5)),
        "third": float(rng.uniform(0, 0.5)),
        "phase": float(rng.uniform(0, 2 * np.pi)),
    }


def _power_line(
    length_s: float, drift_hz: float, third: float, phase: float, sample_rate: float
) -> np.ndarray:
    """Mains hum at 60 Hz and its third harmonic that swells, drifts and fades."""
    time = _time(length_s / 2, sample_rate)
    angle = 2 * np.pi * (_LINE_HZ * time + drift_hz * time**2 / length_s) + phase
    return signal.windows.hann(len(time)) * (np.sin(angle) + third * np.sin(3 * angle))


_SHAPES: dict[str, Callable[..., dict[str, float]]] = {
    "blip": _draw_blip,
    "scattered_light": _draw_scattered_light,
    "power_line": _draw_power_line,
}
_WAVEFORMS: dict[str, Callable[..., np.ndarray]] = {
    "blip": _blip,
    "scattered_light": _scattered_light,
    "power_line": _power_line,
}
