"""One picture for each trigger: what the network saw, and what it said."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skyneedle.core import plotting


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


def draw(path: Path, trace: Trace, detectors: tuple[str, ...], threshold: float, title: str) -> None:
    """Write the picture of one trigger, whole or not at all.

    Args:
        path: PNG file.
        trace: see there.
        detectors: names of the rows of strain.
        threshold: of the smoothed output.
        title: above the picture.
    """
    with plotting.style():
        figure = plotting.new(plotting.PAGE_IN, 1.2 * len(detectors) + 1.6)
        rows = figure.subplots(len(detectors) + 1, 1, sharex=True)
        for k, detector in enumerate(detectors):
            rows[k].plot(trace.time, trace.strain[k], color=plotting.PALETTE[k], linewidth=0.5)
            rows[k].set_ylabel(f"{detector} (std)")
        rows[0].set_title(title)
        output = rows[-1]
        output.plot(trace.time, trace.raw, color=plotting.PALE, linewidth=0.6, label="output")
        output.plot(trace.smoothed_time, trace.smoothed, color=plotting.INK, label="smoothed")
        output.axhline(threshold, color=plotting.REFERENCE, linestyle="--", label=f"threshold {threshold:g}")
        output.set(ylim=(-0.03, 1.03), ylabel="probability", xlabel="time after the trigger (s)")
        output.legend(loc="upper right")
        for row in rows:
            row.axvline(0, color=plotting.REFERENCE, linewidth=0.5, linestyle=":")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    plotting.write_bytes(path, buffer.getvalue())
