"""One picture for each trigger: what the network saw, and what it said."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from scipy import signal

from skyneedle.core import plotting
from skyneedle.strain.preprocess import SAMPLE_RATE

BAND_HZ = (30.0, 400.0)  # where mergers of black holes are loud; drawn over the strain for the eye
CLOSE_S = 0.25  # on each side of the trigger, in the right column


class Trace(NamedTuple):
    """What is drawn; times in s after the trigger.

    Attributes:
        time: of strain and raw output, shape (n,).
        strain: as the network saw it: whitened, in standard deviations, shape (detector, n).
        raw: output as a probability, shape (n,).
        smoothed_time: shape (m,).
        smoothed: shape (m,).
    """

    time: np.ndarray
    strain: np.ndarray
    raw: np.ndarray
    smoothed_time: np.ndarray
    smoothed: np.ndarray


def draw(
    path: Path,
    trace: Trace,
    detectors: tuple[str, ...],
    threshold: float,
    title: str,
    time_label: str = "time after the trigger (s)",
) -> None:
    """Write the picture of one trigger, whole or not at all: all of the trace, and closer by.

    Args:
        path: PNG file.
        trace: see there.
        detectors: names of the rows of strain.
        threshold: of the smoothed output.
        title: above the picture.
        time_label: of the time axis.
    """
    with plotting.style():
        figure = plotting.new(plotting.PAGE_IN, 1.25 * len(detectors) + 2.0)
        panels = figure.subplots(
            len(detectors) + 1, 2, sharex="col", sharey="row", width_ratios=[1.5, 1], squeeze=False
        )
        for column in panels.T:
            for k, detector in enumerate(detectors):
                _strain(column[k], trace.time, trace.strain[k], plotting.PALETTE[k], detector)
            _output(column[-1], trace, threshold)
        for (left, _), detector in zip(panels, detectors, strict=False):
            left.set_ylabel(f"{detector}, whitened\n(standard dev.)")
        panels[-1, 0].set(ylabel="network output\n(probability)", ylim=(-0.03, 1.03))
        panels[-1, 0].set_xlim(trace.time[0], trace.time[-1])
        panels[-1, 1].set_xlim(max(-CLOSE_S, trace.time[0]), min(CLOSE_S, trace.time[-1]))
        figure.suptitle(title, fontsize=8)
        figure.supxlabel(time_label, fontsize=8)
        panels[0, 0].legend(loc="lower left", ncols=2)
        panels[-1, 0].legend(loc="upper left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    plotting.write_bytes(path, buffer.getvalue())


def _strain(axes: Axes, time: np.ndarray, strain: np.ndarray, color: str, detector: str) -> None:
    low, high = BAND_HZ
    band = signal.butter(4, BAND_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
    axes.plot(time, strain, color=color, linewidth=0.4, alpha=0.45, label=f"{detector} as the network has it")
    axes.plot(
        time,
        signal.sosfiltfilt(band, strain),
        color=color,
        linewidth=0.9,
        label=f"{low:g} to {high:g} Hz",
    )
    axes.axvline(0, color=plotting.REFERENCE, linewidth=0.6, linestyle=":")


def _output(axes: Axes, trace: Trace, threshold: float) -> None:
    axes.plot(trace.time, trace.raw, color=plotting.PALE, linewidth=0.6, label="each sample")
    axes.plot(trace.smoothed_time, trace.smoothed, color=plotting.INK, label="smoothed")
    axes.axhline(threshold, color=plotting.REFERENCE, linestyle="--", label=f"threshold {threshold:g}")
    axes.axvline(0, color=plotting.REFERENCE, linewidth=0.6, linestyle=":")
