"""Examples per second and core: this package against the published recipe, written plainly with PyCBC calls.

Exit status 1 if it is less than 2.5 times faster, or outputs differ by more than 1e-3 of their deviation.

Both make the same examples (faithful recipe, same noise, same draws, SEOBNRv4_opt), one at a time, on one
core. The plain recipe gets its noise, at 2048 Hz and from a cached PSD, from PyCBC when it is timed, and ours
when outputs are compared.

Run: python benchmarks/bench_simulation.py [number of examples]
"""

import json
import resource
import sys
import time
from functools import cache

import lal
import numpy as np
from pycbc.detector import Detector
from pycbc.filter import sigma
from pycbc.noise import noise_from_psd
from pycbc.psd import from_string, interpolate
from pycbc.types import TimeSeries
from pycbc.waveform import get_td_waveform
from scipy.signal.windows import tukey

from skyneedle.strain import preprocess
from skyneedle.strain.simulate import examples, waveforms
from skyneedle.strain.simulate.background import background
from skyneedle.strain.simulate.settings import Settings

SEED = 1
RATE = 2048
SETTINGS = Settings(recipe="faithful", glitches={}, share_injection=1.0)
BUFFER_S = 128
TARGET_RATIO = 2.5
TARGET_DEVIATION = 1e-3
VALID = slice(int(2.25 * RATE), int(13.75 * RATE))


@cache
def _psd():
    return from_string(SETTINGS.psd, 16 * RATE // 2 + 1, 1 / 16, 10.0)


class _Detector(Detector):
    """With LAL's sidereal time; PyCBC's own differs by 0.2 s in 1980, which moves Livingston by 1 us."""

    def gmst_estimate(self, gps_time):
        return lal.GreenwichMeanSiderealTime(gps_time)


@cache
def _detector(name):
    return _Detector(name)


def plain_noise(number: int) -> list[TimeSeries]:
    return [noise_from_psd(16 * RATE, 1 / RATE, _psd(), seed=2 * number + row) for row in range(2)]


def plain_example(parameters: dict[str, float], snr: float, noise: list[TimeSeries]) -> np.ndarray:
    """One example after Gebhard et al. 2019 and spec A1, whole 16 s, shape (2, 32768)."""
    keys = ("mass1", "mass2", "spin1z", "spin2z", "inclination", "coa_phase")
    raw = get_td_waveform(
        approximant="SEOBNRv4_opt",
        distance=100,
        # Its integration differs from one rate to another by more than the outputs may: 4096 Hz, then every
        # second.
        delta_t=1 / 4096,
        f_lower=18,
        **{key: parameters[key] for key in keys},
    )
    start = float(raw[0].start_time)
    taper = tukey(len(raw[0]), 0.25)
    taper[len(taper) // 2 :] = 1
    polarizations = [series * taper for series in raw]
    for series in polarizations:
        series.resize(BUFFER_S * 4096)
    ra, dec, polarization = (parameters[key] for key in ("ra", "dec", "polarization"))
    signals = []
    for name in ("H1", "L1"):
        detector = _detector(name)
        plus, cross = detector.antenna_pattern(ra, dec, polarization, 100)
        delay = detector.time_delay_from_detector(_detector("H1"), ra, dec, 100)
        signal = polarizations[0] * float(plus) + polarizations[1] * float(cross)
        signal = signal.cyclic_time_shift(8 + start + delay)
        signals.append(TimeSeries(signal.numpy()[::2].copy(), delta_t=1 / RATE))
    squares = []
    for series, signal in zip(noise, signals, strict=True):
        loud = TimeSeries(series.numpy() + signal.numpy()[: len(series)], delta_t=1 / RATE)
        psd = interpolate(loud.psd(4), 1 / BUFFER_S)
        squares.append(sigma(signal, psd=psd, low_frequency_cutoff=18) ** 2)
    scale = snr / np.sqrt(sum(squares))
    out = []
    for series, signal in zip(noise, signals, strict=True):
        strain = TimeSeries(series.numpy() + scale * signal.numpy()[: len(series)], delta_t=1 / RATE)
        white = strain.whiten(4, 4, remove_corrupted=False)
        out.append(white.highpass_fir(20, 512, remove_corrupted=False).numpy())
    return np.stack(out)


def _parameters(number: int) -> dict[str, float]:
    row = examples.example(number, SETTINGS, SEED).row
    return {name: row[name] for name in waveforms.PARAMETERS}


def main(n_examples: int = 40) -> dict[str, float]:
    """Time both in turn, so that whatever else the machine does hits both, and compare their outputs."""
    seconds = {"plain": 0.0, "plain_noise": 0.0, "ours": 0.0, "waveform": 0.0}
    deviation = 0.0
    plain_example(_parameters(0), 10.0, plain_noise(0))  # imports, caches, plans of the Fourier transforms
    for number in range(n_examples):
        marks = [time.process_time()]
        ours = examples.example(number, SETTINGS, SEED)
        marks.append(time.process_time())
        parameters = {name: ours.row[name] for name in waveforms.PARAMETERS}
        noise = plain_noise(number)
        marks.append(time.process_time())
        plain_example(parameters, ours.row["snr"], noise)
        marks.append(time.process_time())
        waveforms.waveform(parameters, SETTINGS)
        marks.append(time.process_time())
        for name, taken in zip(("ours", "plain_noise", "plain", "waveform"), np.diff(marks), strict=True):
            seconds[name] += taken
        strain = background(number, SETTINGS, SEED).strain
        shared = [TimeSeries(row[::2].copy(), delta_t=1 / RATE) for row in strain]
        theirs = plain_example(parameters, ours.row["snr"], shared)
        whole = preprocess.condition(ours.raw, "faithful")
        deviation = max(deviation, np.abs(whole - theirs)[:, VALID].max() / theirs[:, VALID].std())
    plain = seconds["plain"] + seconds["plain_noise"]
    return {
        "examples": n_examples,
        "ours_per_s_per_core": n_examples / seconds["ours"],
        "plain_per_s_per_core": n_examples / plain,
        "ratio": plain / seconds["ours"],
        "ratio_without_noise_of_plain": seconds["plain"] / seconds["ours"],
        "waveform_share_of_ours": seconds["waveform"] / seconds["ours"],
        "max_deviation_over_std": float(deviation),
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    result = main(*map(int, sys.argv[1:2]))
    print(json.dumps(result, indent=1))
    sys.exit(not (result["ratio"] >= TARGET_RATIO and result["max_deviation_over_std"] <= TARGET_DEVIATION))
