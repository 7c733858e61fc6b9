"""Examples of one data set: background, an injection in most of them, conditioned and cropped."""

import importlib.metadata
import math
import sys
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import fft
from tqdm import tqdm

from skyneedle.core import store
from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.core.workers import in_order
from skyneedle.strain import preprocess
from skyneedle.strain.simulate import projection, waveforms
from skyneedle.strain.simulate.background import (
    FAITHFUL_EVENT_S,
    N_RAW,
    RAW_RATE,
    Background,
    background,
    shared_out,
)
from skyneedle.strain.simulate.settings import F_LOW_HZ, SNR_DETECTORS, Settings
from skyneedle.strain.simulate.snr import optimal_snrs, weights_of_measured

FAITHFUL_ANTENNA_GPS = 100.0  # the published code takes antenna patterns and delays at this time
_CHUNK = 8  # examples that a worker makes at a time
_MOST_BYTES = 1 << 30  # of one shard in memory


class Example(NamedTuple):
    """One example.

    Attributes:
        strain: conditioned crop, shape (detector, 16384), float32, not normalised.
        row: its line in the table of the data set.
        raw: the 16-s window it was made from, shape (detector, 65536), 4096 Hz.
        signal: the injected signal in that window, likewise; None without.
    """

    strain: np.ndarray
    row: dict[str, Any]
    raw: np.ndarray
    signal: np.ndarray | None


class Injection(NamedTuple):
    """A signal of its SNR, shape (detector, m), the raw sample of the window where it starts, its truth."""

    strain: np.ndarray
    start: int
    truth: dict[str, float]


def example(example_id: int, settings: Settings, seed: int) -> Example:
    """Make one example; depends on nothing but its id, the settings and the seed.

    Args:
        example_id: global id, unique over all sets.
        settings: how.
        seed: root seed.

    Returns:
        The example.
    """
    window = background(example_id, settings, seed)
    row = _row(example_id, settings, window)
    raw, signal_strain = window.strain, None
    if has_injection(example_id, settings.share_injection, seed):
        event_index = _event_index(example_id, settings, seed)
        injection = _inject(example_id, settings, seed, window, event_index)
        signal_strain = np.zeros_like(raw)
        projection.add_clipped(signal_strain, injection.strain, injection.start)
        raw = raw + signal_strain
        row |= {"label": 1, "event_index": event_index} | injection.truth
    conditioned = preprocess.condition(raw, settings.recipe)
    strain = preprocess.crop(conditioned, settings.recipe).astype(np.float32)
    return Example(strain, row, raw, signal_strain)


def has_injection(example_id: int, share: float, seed: int) -> bool:
    """Whether an example contains a signal; the share is exact in blocks of ids as long as its divisor."""
    fraction = Fraction(share).limit_denominator(100)
    block, place = divmod(example_id, fraction.denominator)
    order = generator(seed, "share", block).permutation(fraction.denominator)
    return bool(order[place] < fraction.numerator)


def _event_index(example_id: int, settings: Settings, seed: int) -> int:
    """Sample of the event in the crop (2048 Hz)."""
    if settings.position_s is not None:
        return round(settings.position_s * preprocess.SAMPLE_RATE)
    if settings.recipe == "faithful":
        return FAITHFUL_EVENT_S * preprocess.SAMPLE_RATE - preprocess.crop_start("faithful")
    # 0.25 s more than the half receptive field on either side, so that the whole label is judged.
    margin = preprocess.RECEPTIVE_FIELD // 2 + preprocess.SAMPLE_RATE // 4
    return int(generator(seed, example_id, "event").integers(margin, preprocess.N_CROP - margin + 1))


def _inject(
    example_id: int, settings: Settings, seed: int, window: Background, event_index: int
) -> Injection:
    event = 2 * (preprocess.crop_start(settings.recipe) + event_index)  # raw sample in the window
    gps_h1 = window.gps_start + event / RAW_RATE
    parameters, wave, redrawn = waveforms.draw_source(settings, seed, example_id)
    snr = float(generator(seed, example_id, "snr").uniform(*settings.snr_range))
    antenna_gps = FAITHFUL_ANTENNA_GPS if settings.recipe == "faithful" else gps_h1
    n = projection.buffer_length(len(wave.plus), window.least_n if settings.recipe == "corrected" else N_RAW)
    spectra, offset, delay_h1 = project(wave, parameters, settings.detectors, antenna_gps, n)
    start = event + offset
    signals = fft.irfft(spectra, n, axis=-1)
    f_low = F_LOW_HZ[settings.recipe]
    if settings.recipe == "faithful":
        weights = _contaminated_weights(window.strain, signals, start, n, f_low)
    else:
        weights = window.weights(n, f_low)
    snrs = optimal_snrs(spectra, weights, n, RAW_RATE)
    in_network = [settings.detectors.index(name) for name in SNR_DETECTORS]
    scale = snr / float(np.sqrt((snrs[in_network] ** 2).sum()))
    signals *= scale
    # Three times that are easily taken for one another, and differ by more than the finest tolerance.
    peak = start + int(np.abs(signals[settings.detectors.index("H1")]).argmax())
    truth = {
        "gps_h1": gps_h1,
        "gps_geocentre": gps_h1 - delay_h1,
        "gps_peak_h1": window.gps_start + peak / RAW_RATE,
        "snr": snr,
    }
    truth |= {
        f"snr_{name}": float(value * scale) for name, value in zip(settings.detectors, snrs, strict=True)
    }
    return Injection(signals, start, truth | parameters | {"redrawn": redrawn})


def project(
    wave: waveforms.Waveform, parameters: dict[str, float], detectors: tuple[str, ...], gps: float, n: int
) -> tuple[np.ndarray, int, float]:
    """Strain at the detectors in the frequency domain, with the event's reference time at H1.

    Args:
        wave: polarizations.
        parameters: ra, dec and polarization in radians.
        detectors: names.
        gps: time of antenna patterns and delays, GPS s.
        n: length of the buffer in samples.

    Returns:
        Spectra of shape (detector, n // 2 + 1), the start of the buffer in samples relative to the event at
        H1, and the delay from the centre of the Earth to H1 in seconds.
    """
    gmst = projection.sidereal_time(gps)
    ra, dec = parameters["ra"], parameters["dec"]
    patterns = projection.antenna_pattern(detectors, ra, dec, parameters["polarization"], gmst)
    delays = projection.geocentre_delay(("H1", *detectors), ra, dec, gmst)
    spectra, offset = projection.detector_spectra(
        wave.plus, wave.cross, wave.start_s, patterns, delays[1:] - delays[0], n, waveforms.SAMPLE_RATE
    )
    return spectra, offset, float(delays[0])


def _contaminated_weights(
    noise: np.ndarray, signals: np.ndarray, start: int, n: int, f_low: float
) -> np.ndarray:
    """Inverse PSDs of the published code: from the same 16 s, with the signal at 100 Mpc in it (spec F1)."""
    loud = noise.copy()
    projection.add_clipped(loud, signals, start)
    psds = [preprocess.welch(np.ascontiguousarray(series[::2]), preprocess.SAMPLE_RATE) for series in loud]
    return np.stack([weights_of_measured(psd, n, RAW_RATE, f_low) for psd in psds])


def _row(example_id: int, settings: Settings, window: Background) -> dict[str, Any]:
    """Line of the table for an example without a signal."""
    crop_s = preprocess.crop_start(settings.recipe) / preprocess.SAMPLE_RATE
    row: dict[str, Any] = {
        "id": example_id,
        "label": 0,
        "event_index": -1,
        "window_gps": window.gps_start,
        "crop_gps": window.gps_start + crop_s,
    }
    names = [
        "gps_h1",
        "gps_geocentre",
        "gps_peak_h1",
        "snr",
        *(f"snr_{name}" for name in settings.detectors),
        *waveforms.PARAMETERS,
    ]
    row |= dict.fromkeys(names, math.nan)
    inside = [
        (glitch.kind, name)
        for name, found in zip(settings.detectors, window.glitches, strict=True)
        for glitch in found
        if 0 <= glitch.time_s - crop_s < preprocess.CROP_S
    ]
    row["glitch"] = "+".join(sorted({kind for kind, _ in inside}))
    row["glitch_detector"] = "+".join(sorted({name for _, name in inside}))
    return row | {"parent": window.parent, "redrawn": 0}


# --- shards


def write_shard(
    path: str | Path, set_name: str, ids: range, settings: Settings, seed: int, workers: int = 1
) -> None:
    """Make the examples of one shard and write them; the bytes do not depend on the number of workers.

    Args:
        path: file to write.
        set_name: of the set, written into the attributes.
        ids: global ids of the shard's examples.
        settings: how.
        seed: root seed.
        workers: processes; each uses one core.

    Raises:
        BadSetting: if the shard would not fit in memory.
    """
    shape = (len(ids), len(settings.detectors), preprocess.N_CROP)
    if math.prod(shape) * 4 > _MOST_BYTES:
        raise BadSetting(
            f"{path}: {len(ids)} examples in one shard do not fit in 1 GiB; raise the number of shards."
        )
    if sentence := shared_out(set_name, settings, seed):
        print(sentence, flush=True)
    strain = np.empty(shape, dtype=np.float32)
    rows: list[dict[str, Any]] = []
    chunks = [ids[first : first + _CHUNK] for first in range(0, len(ids), _CHUNK)]
    # A bar on a terminal; in a log, a line now and then.
    with tqdm(
        total=len(ids), desc=f"simulate {set_name}", mininterval=0.5 if sys.stderr.isatty() else 30
    ) as progress:
        for block, block_rows in in_order(_make, chunks, workers, settings, seed):
            strain[len(rows) : len(rows) + len(block)] = block
            rows += block_rows
            progress.update(len(block))
    store.write(path, {"strain": strain}, pd.DataFrame(rows), attributes(set_name, settings, seed))


def attributes(set_name: str, settings: Settings, seed: int) -> dict[str, Any]:
    """What a data set says about itself."""
    return {
        "set": set_name,
        "seed": seed,
        "detectors": list(settings.detectors),
        "sample_rate": float(preprocess.SAMPLE_RATE),
        "recipe": settings.recipe,
        "source": settings.source,
        "settings": _plain(asdict(settings) | {"plan": None}),
        "versions": {name: importlib.metadata.version(name) for name in ("lalsuite", "numpy", "scipy")},
    }


def _plain(value: Any) -> Any:
    """Tuples and mappings as JSON knows them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _make(ids: range, settings: Settings, seed: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    made = [example(number, settings, seed) for number in ids]
    return np.stack([one.strain for one in made]), [one.row for one in made]
