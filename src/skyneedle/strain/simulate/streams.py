"""Continuous stretches of simulated strain with injections, written as the archive writes its files."""

import math
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import fft
from tqdm import tqdm

from skyneedle.core.errors import BadSetting
from skyneedle.core.files import appearing
from skyneedle.core.seeds import generator
from skyneedle.strain.simulate import glitches, projection, waveforms
from skyneedle.strain.simulate.background import BLOCK_S, O1_START, RAW_RATE, true_weights
from skyneedle.strain.simulate.examples import project
from skyneedle.strain.simulate.noise import PSD_STEP_HZ, noise_psd, on_grid
from skyneedle.strain.simulate.settings import F_LOW_HZ, SNR_DETECTORS, Settings
from skyneedle.strain.simulate.snr import optimal_snrs

STREAM_START = O1_START + BLOCK_S * 1_000_000  # GPS s, beyond every example's block
_CHUNK_S = 32  # noise is coloured piece by piece
_FILTER_S = 2  # half length of the colouring filter
_FILE_S = 4096  # length of the archive's files
_SIGNAL_S = 16  # the longest signal of the prior, with room
_EDGE_S = 8.0  # no event closer than this to either end


class StreamSignal(NamedTuple):
    """A scaled signal, shape (detector, m), and the raw sample of the stretch at which it starts."""

    strain: np.ndarray
    start: int


def write_stream(
    folder: str | Path,
    settings: Settings,
    seed: int,
    duration_s: int,
    injections_every_s: float = 24.0,
    jitter_s: float = 6.0,
    gps_start: int = STREAM_START,
) -> list[Path]:
    """Write a continuous stretch: coloured noise, glitches, and signals at random intervals.

    Files have at most 4096 s and are named and laid out like those of the archive; ``injections.csv`` beside
    them is written last, so a folder that has it is complete.

    Args:
        folder: to write into.
        settings: noise, glitches and prior; the corrected conventions whatever the recipe.
        seed: root seed.
        duration_s: whole seconds, at least 32.
        injections_every_s: mean interval between events, in seconds; 0 leaves them out.
        jitter_s: intervals are uniform within this of the mean.
        gps_start: GPS second of the first sample.

    Returns:
        The strain files.

    Raises:
        BadSetting: if the stretch is too short or the intervals can be negative.
    """
    from skyneedle.strain.fetch.gwosc_files import write_gwosc

    if duration_s != int(duration_s) or duration_s < 32:
        raise BadSetting(f"duration_s is {duration_s}; a stretch needs at least 32 whole seconds.")
    if injections_every_s and not 0 <= jitter_s < injections_every_s:
        raise BadSetting(
            f"jitter_s is {jitter_s}; expected less than injections_every_s, {injections_every_s}."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table, signals = _injections(settings, seed, duration_s, injections_every_s, jitter_s, gps_start)
    paths = []
    for row, detector in enumerate(settings.detectors):
        for first in range(0, int(duration_s), _FILE_S):
            length = min(_FILE_S, int(duration_s) - first)
            strain = _noise(settings, detector, seed, first, length, int(duration_s))
            for signal in signals:
                projection.add_clipped(strain, signal.strain[row], signal.start - first * RAW_RATE)
            path = folder / f"{detector[0]}-{detector}_SIMULATED_4_V1-{gps_start + first}-{length}.hdf5"
            write_gwosc(path, strain, gps_start + first, detector, sample_rate=RAW_RATE)
            paths.append(path)
    with appearing(folder / "injections.csv") as partial:
        table.to_csv(partial, index=False)
    return paths


def _injections(
    settings: Settings, seed: int, duration_s: float, every_s: float, jitter_s: float, gps_start: int
) -> tuple[pd.DataFrame, list[StreamSignal]]:
    rng = generator(seed, "stream", "times")
    times, time = [], _EDGE_S
    while every_s:
        time += float(rng.uniform(every_s - jitter_s, every_s + jitter_s))
        if time > duration_s - _EDGE_S:
            break
        times.append(round(time * RAW_RATE) / RAW_RATE)  # on the grid; delays are not
    rows, signals = [], []
    bar = tqdm(times, desc="signals of the stretch", mininterval=0.5 if sys.stderr.isatty() else 30)
    for number, time in enumerate(bar):
        row, signal = _signal(settings, seed, number, time, gps_start)
        rows.append(row)
        signals.append(signal)
    columns = ["gps_h1", "gps_geocentre", "snr", *(f"snr_{name}" for name in settings.detectors)]
    return pd.DataFrame(rows, columns=[*columns, *waveforms.PARAMETERS, "redrawn"]), signals


def _signal(
    settings: Settings, seed: int, number: int, time_s: float, gps_start: int
) -> tuple[dict[str, Any], StreamSignal]:
    parameters, wave, redrawn = waveforms.draw_source(settings, seed, "stream", number)
    snr = float(generator(seed, "stream", number, "snr").uniform(*settings.snr_range))
    n = projection.buffer_length(len(wave.plus), int(RAW_RATE / PSD_STEP_HZ))
    gps_h1 = gps_start + time_s
    spectra, offset, delay_h1 = project(wave, parameters, settings.detectors, gps_h1, n)
    names = tuple(settings.psd_of(detector) for detector in settings.detectors)
    weights = true_weights(names, settings.psd_file_holds, n, F_LOW_HZ["corrected"])
    snrs = optimal_snrs(spectra, weights, n, RAW_RATE)
    scale = snr / float(np.sqrt(sum(snrs[settings.detectors.index(name)] ** 2 for name in SNR_DETECTORS)))
    row = {"gps_h1": gps_h1, "gps_geocentre": gps_h1 - delay_h1, "snr": snr, "redrawn": redrawn} | parameters
    row |= {f"snr_{name}": float(value * scale) for name, value in zip(settings.detectors, snrs, strict=True)}
    return row, StreamSignal(fft.irfft(spectra, n, axis=-1) * scale, round(time_s * RAW_RATE) + offset)


def _noise(
    settings: Settings, detector: str, seed: int, first_s: int, length_s: int, duration_s: int
) -> np.ndarray:
    """Noise and glitches of one detector for part of the stretch; parts join wherever they are cut."""
    name, holds = settings.psd_of(detector), settings.psd_file_holds
    strain = np.empty(length_s * RAW_RATE)
    for chunk in range(first_s // _CHUNK_S, math.ceil((first_s + length_s) / _CHUNK_S)):
        piece = _coloured_chunk(name, holds, seed, detector, chunk)
        start = (chunk * _CHUNK_S - first_s) * RAW_RATE
        low, high = max(start, 0), min(start + len(piece), len(strain))
        strain[low:high] = piece[low - start : high - start]
    rng = generator(seed, "stream", "glitches", detector)
    found = glitches.draw_glitches(rng, settings.glitches, duration_s)
    glitches.add_glitches(strain, found, noise_psd(name, RAW_RATE, holds), first_s)
    return strain


def _coloured_chunk(psd_name: str, holds: str, seed: int, detector: str, chunk: int) -> np.ndarray:
    """32 s of stationary noise: white noise, fixed for each chunk, filtered with the ASD as response."""
    margin = _FILTER_S * RAW_RATE
    before, here, after = (_white_chunk(seed, detector, chunk + step) for step in (-1, 0, 1))
    white = np.concatenate([before[-margin:], here, after[:margin]])
    spectrum = fft.rfft(white) * _colouring_response(psd_name, holds, len(white))
    return fft.irfft(spectrum, len(white))[margin:-margin]


def _white_chunk(seed: int, detector: str, chunk: int) -> np.ndarray:
    # Counted from 1: seeds have no negative keys, and the first chunk needs the one before.
    return generator(seed, "stream", "noise", detector, chunk + 1).standard_normal(_CHUNK_S * RAW_RATE)


@cache
def _colouring_response(psd_name: str, holds: str, n: int) -> np.ndarray:
    """Response of the colouring filter, cut to 2 s on either side; its square is the PSD of the noise."""
    half = _FILTER_S * RAW_RATE
    response = np.sqrt(on_grid(noise_psd(psd_name, RAW_RATE, holds), n, RAW_RATE) * RAW_RATE / 2)
    response[0] = 0
    kernel = np.roll(fft.irfft(response, n), n // 2)
    kernel[: n // 2 - half] = kernel[n // 2 + half + 1 :] = 0
    kernel[n // 2 - half : n // 2 + half + 1] *= np.hanning(2 * half + 1) ** 0.25  # gentle: the ASD is smooth
    return fft.rfft(np.roll(kernel, -(n // 2))).real
