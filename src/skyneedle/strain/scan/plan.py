"""What a scan is about: network, operating point, strain, and where its outputs go."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from skyneedle.core.device import check_device
from skyneedle.core.errors import BadSetting, DetectorMismatch
from skyneedle.strain import preprocess
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.scan import intervals
from skyneedle.strain.scan import sources as files
from skyneedle.strain.scan.sources import RATE, Span, Tell, Track
from skyneedle.strain.scan.trained import Point, Trained, find, operating_point

FINE = preprocess.SAMPLE_RATE


class Stretch(NamedTuple):
    """Strain without a gap, and where its outputs begin in the file of all outputs."""

    first: int  # raw sample since GPS 0
    windows: list[preprocess.Window]
    offset: int

    @property
    def n_outputs(self) -> int:
        """Outputs in the stretch."""
        return self.windows[-1].last - self.windows[0].first

    @property
    def gps_start(self) -> float:
        """GPS time of the first output, in s."""
        return self.first / RATE + self.windows[0].first / FINE


@dataclass(frozen=True)
class Plan:
    """All that a scan is about."""

    trained: Trained
    point: Point
    tracks: tuple[Track, ...]  # in the order of the network's input
    stretches: list[Stretch]
    out: Path
    device: str

    @property
    def state(self) -> Path:
        """Folder of what a killed scan goes on from."""
        return self.out / ".scan"

    @property
    def judged_s(self) -> float:
        """Time in which a trigger can be, in s."""
        count = postprocess.evaluated_outputs
        recipe, window = self.trained.recipe, self.point.window
        return sum(count(stretch.n_outputs, window, recipe) for stretch in self.stretches) / FINE


def make(
    sources: Mapping[str, Sequence[str | os.PathLike]],
    gps: tuple[float, float] | None,
    mirrors: Sequence[str | os.PathLike],
    search: tuple[str | Path | None, float | None, int | None],
    out: Path,
    device: str,
    tell: Tell,
) -> Plan:
    """Look through all input and decide what to do.

    Args:
        sources, gps, mirrors, out, device, tell: see `search.scan`.
        search: weights, threshold and window, as there.

    Raises:
        SkyneedleError: whatever is wrong with the input; nothing but complete downloads was written.
    """
    trained = find(search[0], sources)
    point = operating_point(trained, *search[1:])
    span = None if gps is None else _span(*gps)
    check_device(device)
    tracks = _tracks(trained, sources, span, mirrors, out, tell)
    stretches, offset = [], 0
    for first, last in files.common(tracks, tell):
        stretches.append(Stretch(first, preprocess.windows(last - first), offset))
        offset += stretches[-1].n_outputs
    plan = Plan(trained, point, tuple(tracks.values()), stretches, out, device)
    card = trained.card
    tell(
        f"Network {card.get('name', trained.stem.name)}: {trained.weights} "
        f"({card.get('n_parameters', 'unknown number of')} parameters; "
        f"detectors {', '.join(trained.detectors)}; recipe {trained.recipe}; scale {trained.scale})."
    )
    tell(f"Operating point: threshold {point.threshold:g}, window {point.window} samples; {point.origin}.")
    return plan


def _span(start: float, end: float) -> Span:
    if not (math.isfinite(start) and math.isfinite(end) and end - start >= preprocess.WINDOW_S):
        raise BadSetting(
            f"The GPS interval {start:.3f} to {end:.3f} has {end - start:.3f} s; at least "
            f"{preprocess.WINDOW_S} s are needed, the end after the start."
        )
    return round(start * RATE), round(end * RATE)


def _tracks(
    trained: Trained,
    sources: Mapping[str, Sequence[str | os.PathLike]],
    span: Span | None,
    mirrors: Sequence[str | os.PathLike],
    out: Path,
    tell: Tell,
) -> dict[str, Track]:
    """Strain of the detectors that the network takes, in its order."""
    needed = trained.detectors
    if not sources:
        if span is None:
            raise BadSetting(
                "There is no strain to scan: give DETECTOR=PATH words, or --gps START END to fetch."
            )
        paths = intervals.fetch(needed, span, mirrors, out / "strain", tell)
    else:
        lacking = [detector for detector in needed if detector not in sources]
        if lacking:
            raise DetectorMismatch(
                f"{trained.stem.name}: the network needs {', '.join(needed)}, there is no strain of "
                f"{', '.join(lacking)}; add {' '.join(f'{name}=PATH' for name in lacking)}, or name a "
                "network for the detectors at hand with --weights."
            )
        for detector in sources:
            if detector not in needed:
                tell(f"{detector}: not used, the network takes {', '.join(needed)}.")
        paths = {name: files.files_of(name, sources[name], span, tell) for name in needed}
    return {detector: files.track(detector, paths[detector], span) for detector in needed}
