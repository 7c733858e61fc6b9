"""Strain without signals: coloured noise with glitches, or archive data, for an example id."""

import json
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skyneedle.core.errors import BadSetting, NoQuietTime, SourceUnavailable, WrongSampleRate
from skyneedle.core.seeds import generator
from skyneedle.strain import preprocess
from skyneedle.strain.fetch.gwosc_files import read_gwosc
from skyneedle.strain.simulate import glitches
from skyneedle.strain.simulate.noise import PSD_STEP_HZ, coloured_noise, noise_psd
from skyneedle.strain.simulate.settings import Settings, set_of
from skyneedle.strain.simulate.snr import weights_of_measured, weights_of_smooth

O1_START = 1126051217  # GPS s, start of the first observing run
BLOCK_S = 32
RAW_RATE = preprocess.RAW_SAMPLE_RATE
N_RAW = preprocess.N_RAW
FAITHFUL_EVENT_S = 8  # seconds into the window, a whole GPS second


class Background(NamedTuple):
    """Raw strain of one 16-s window.

    Attributes:
        strain: shape (detector, 65536), 4096 Hz.
        gps_start: GPS time of the first sample.
        weights: function (n, f_low) to inverse PSDs on the frequency grid of n samples, shape (detector, n //
            2 + 1), that set the SNR of an injection.
        least_n: shortest signal buffer whose frequency grid resolves these PSDs.
        glitches: for each detector, what disturbs it; times in s after ``gps_start``.
        parent: what must not be shared between sets: the GPS second at which the block of data starts.
    """

    strain: np.ndarray
    gps_start: float
    weights: Callable[[int, float], np.ndarray]
    least_n: int
    glitches: tuple[list[glitches.Glitch], ...]
    parent: int


def background(example_id: int, settings: Settings, seed: int) -> Background:
    """Background of one example; depends on nothing but its id, the settings and the seed.

    Args:
        example_id: global id.
        settings: ``source`` decides where the strain comes from.
        seed: root seed.

    Returns:
        The window.
    """
    return (_simulated if settings.source == "simulated" else _gwosc)(example_id, settings, seed)


# --- simulated


def _simulated(example_id: int, settings: Settings, seed: int) -> Background:
    block = O1_START + BLOCK_S * example_id
    if settings.recipe == "faithful":
        offset = BLOCK_S / 2 - FAITHFUL_EVENT_S
    else:
        room = (BLOCK_S - preprocess.WINDOW_S) * RAW_RATE
        offset = int(generator(seed, example_id, "window").integers(room + 1)) / RAW_RATE
    strain = np.empty((len(settings.detectors), N_RAW))
    disturbances = []
    for row, detector in enumerate(settings.detectors):
        psd_name = settings.psd_of(detector)
        rng = generator(seed, example_id, "noise", detector)
        strain[row] = coloured_noise(rng, psd_name, N_RAW, RAW_RATE, settings.psd_file_holds)
        rng = generator(seed, example_id, "glitches", detector)
        disturbances.append(glitches.draw_glitches(rng, settings.glitches, preprocess.WINDOW_S))
        if disturbances[-1]:
            psd = noise_psd(psd_name, RAW_RATE, settings.psd_file_holds)
            glitches.add_glitches(strain[row], disturbances[-1], psd)

    def weights(n: int, f_low: float) -> np.ndarray:
        names = tuple(settings.psd_of(detector) for detector in settings.detectors)
        return true_weights(names, settings.psd_file_holds, n, f_low)

    least_n = int(RAW_RATE / PSD_STEP_HZ)
    return Background(strain, block + offset, weights, least_n, tuple(disturbances), block)


@lru_cache(maxsize=16)
def true_weights(psd_names: tuple[str, ...], file_holds: str, n: int, f_low: float) -> np.ndarray:
    """Inverse of the PSDs that the noise is drawn from, shape (detector, n // 2 + 1)."""
    psds = [noise_psd(name, RAW_RATE, file_holds) for name in psd_names]
    return np.stack([weights_of_smooth(psd, n, RAW_RATE, f_low) for psd in psds])


# --- archive data


class Stretch(NamedTuple):
    """Valid interval of archive data: from ``start`` to ``end`` (GPS s), with the files that hold it."""

    start: int
    end: int
    file_start: int
    files: tuple[tuple[str, str], ...]


@cache
def stretches(plan: str, set_name: str, least_s: float) -> tuple[Stretch, ...]:
    """Valid intervals of one set, in order of time.

    Args:
        plan: JSON file with a list of {"set", "gps_start", "duration", "files": {detector: path}, "valid":
            [[start, end]]}.
        set_name: of the set.
        least_s: shorter intervals are left out.

    Raises:
        BadSetting: if the file is not such a list.
        NoQuietTime: if the set has no interval.
    """
    try:
        with open(plan, encoding="utf-8") as file:
            blocks = [block for block in json.load(file) if block["set"] == set_name]
        found = [
            Stretch(
                int(np.ceil(start)),
                int(np.floor(end)),
                int(block["gps_start"]),
                tuple(sorted(block["files"].items())),
            )
            for block in blocks
            for start, end in block["valid"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSetting(
            f"{plan}: not a plan of archive data ({error!r}); run the fetch step again."
        ) from error
    found = sorted(stretch for stretch in found if stretch.end - stretch.start >= least_s)
    if not found:
        raise NoQuietTime(
            f"{plan}: set '{set_name}' has no valid interval of at least {least_s:g} s; fetch more files."
        )
    return tuple(found)


def window_start(
    number: int, stretches: tuple[Stretch, ...], seed: int, set_name: str, recipe: str
) -> tuple[int, float]:
    """Where in a set's data the window of its example ``number`` starts.

    ``corrected`` lays windows of 16 s end to end from a random sub-second start in each interval and hands
    them out in random order; only when all are gone come those halfway between, whose 8-s crops still share
    nothing with the first. ``faithful`` draws whole seconds independently, so that examples may overlap.

    Args:
        number: of the example within its set.
        stretches: valid intervals.
        seed: root seed.
        set_name: of the set.
        recipe: "corrected" or "faithful".

    Returns:
        Index of the interval, and GPS start of the window.
    """
    length = preprocess.WINDOW_S
    if recipe == "faithful":
        starts = np.cumsum([0] + [stretch.end - stretch.start - length + 1 for stretch in stretches])
        drawn = int(generator(seed, set_name, "time", number).integers(starts[-1]))
        index = int(np.searchsorted(starts, drawn, side="right")) - 1
        return index, float(stretches[index].start + drawn - starts[index])
    for lap in range(number + 1):
        slots = _slots(stretches, seed, set_name, lap)
        if number < len(slots):
            break
        number -= len(slots)
    index, offset = slots[number]
    return int(index), stretches[int(index)].start + offset / RAW_RATE


@lru_cache(maxsize=8)
def _slots(stretches: tuple[Stretch, ...], seed: int, set_name: str, lap: int) -> np.ndarray:
    """Windows of one lap over the data, in random order: (interval, start in raw samples), shape (n, 2)."""
    # Half a window later each second lap; then quarters, which cannot but overlap with what was there.
    shift = (0, N_RAW // 2, N_RAW // 4, 3 * N_RAW // 4)[lap % 4]
    out = []
    for index, stretch in enumerate(stretches):
        room = (stretch.end - stretch.start) * RAW_RATE
        offset = int(generator(seed, set_name, "phase", stretch.start, lap // 4).integers(room % N_RAW or 1))
        starts = np.arange(offset + shift, room - N_RAW + 1, N_RAW)
        out.append(np.stack([np.full(len(starts), index), starts], axis=-1))
    slots = np.concatenate(out)
    return generator(seed, set_name, "order", lap).permutation(slots, axis=0)


def shared_out(set_name: str, settings: Settings, seed: int) -> str:
    """How often a set's archive data are used by its examples, in a sentence; empty for simulated noise."""
    if settings.source != "gwosc" or settings.recipe == "faithful":
        return ""
    assert settings.plan
    assert settings.sets
    n_examples = settings.sets[set_name]["n_examples"]
    available = stretches(settings.plan, set_name, settings.psd_span_s[0])
    n_windows = len(_slots(available, seed, set_name, 0))
    laps = n_examples / n_windows
    overlap = "; crops overlap, as each second is used more than twice: take more files" if laps > 2 else ""
    return (
        f"{set_name}: {n_examples} examples on {n_windows} windows of real strain, {laps:.1f} laps{overlap}."
    )


def _gwosc(example_id: int, settings: Settings, seed: int) -> Background:
    assert settings.plan  # Settings has checked both
    assert settings.sets
    set_name, number = set_of(settings.sets, example_id)
    least_s = settings.psd_span_s[0] if settings.recipe == "corrected" else preprocess.WINDOW_S
    available = stretches(settings.plan, set_name, least_s)
    index, start = window_start(number, available, seed, set_name, settings.recipe)
    stretch = available[index]
    files = dict(stretch.files)
    missing = [detector for detector in settings.detectors if detector not in files]
    if missing:
        raise BadSetting(
            f"{settings.plan}: the block at GPS {stretch.file_start} has no file of {missing[0]}."
        )
    paths = tuple(files[detector] for detector in settings.detectors)
    strain = np.stack([read_samples(path, start, N_RAW) for path in paths])
    span = _psd_span(stretch, start, settings.psd_span_s[1])

    def weights(n: int, f_low: float) -> np.ndarray:
        return np.stack(
            [weights_of_measured(_measured_psd(path, *span), n, RAW_RATE, f_low) for path in paths]
        )

    return Background(strain, start, weights, N_RAW, tuple([] for _ in paths), stretch.start)


def _psd_span(stretch: Stretch, start: float, longest_s: float) -> tuple[int, int]:
    """Start and length (s) of the data around a window that give its PSD; few distinct ones, to cache."""
    length = int(min(longest_s, stretch.end - stretch.start))
    centre = start + preprocess.WINDOW_S / 2
    first = stretch.start + int((centre - stretch.start) // length) * length
    return min(first, stretch.end - length), length


@lru_cache(maxsize=1024)  # 64 kB each
def _measured_psd(path: str, start: int, length_s: int) -> np.ndarray:
    return preprocess.welch(read_samples(path, start, length_s * RAW_RATE), RAW_RATE)


def read_samples(path: str, gps_start: float, n: int) -> np.ndarray:
    """Part of a GWOSC HDF5 file, without reading the rest.

    Raises:
        WrongSampleRate: if the file is not sampled at 4096 Hz.
        StrainHasNaN: if samples are missing.
        SourceUnavailable: if the file is gone.
        NotHDF5, TruncatedFile, NotAStrainFile: if the file is not what was fetched, or does not reach that
            far.
    """
    if not Path(path).is_file():
        raise SourceUnavailable(
            f"{path}: was fetched before, but is gone; delete strain/fetched/background.json of your "
            "results, and the same command fetches it again."
        )
    strain = read_gwosc(path, span=(gps_start, gps_start + n / RAW_RATE))
    if strain.sample_rate != RAW_RATE:
        raise WrongSampleRate(
            f"{path}: sampled at {strain.sample_rate:g} Hz; expected {RAW_RATE} Hz, fetch the 4 kHz version."
        )
    return strain.values
