"""The practical tool: a trained network over strain of any length; triggers and pictures out.

The one room that walks through the others (fetch, preprocess, inference, evaluate) in one process. Memory
does not grow with the length: strain is read window by window, and outputs go to a file, from which a killed
scan goes on.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import plotting
from skyneedle.core.errors import FolderBusy, SkyneedleError
from skyneedle.core.progress import progress
from skyneedle.core.runtime import exclusive
from skyneedle.strain import preprocess
from skyneedle.strain.evaluate import postprocess
from skyneedle.strain.fetch.gwosc_files import utc
from skyneedle.strain.scan import pictures as drawing
from skyneedle.strain.scan.outputs import conditioned, judge_all
from skyneedle.strain.scan.plan import FINE, Plan, make
from skyneedle.strain.scan.sources import RATE, Tell

SHOWN_S = 2  # on each side of a trigger
COLUMNS = ("gps", "utc", "statistic", "duration_s")


def scan(
    sources: Mapping[str, Sequence[str | os.PathLike]],
    *,
    gps: tuple[float, float] | None = None,
    mirrors: Sequence[str | os.PathLike] = (),
    weights: str | Path | None = None,
    threshold: float | None = None,
    window: int | None = None,
    out: str | os.PathLike = "scan",
    device: str = "cpu",
    pictures: bool = True,
    tell: Tell = print,
) -> pd.DataFrame:
    """Search strain with a trained network; write ``triggers.csv``, one picture a trigger, and ``scan.json``
    about what was searched with what.

    Args:
        sources: files and folders by detector; empty to fetch ``gps``.
        gps: interval in s that is cut out or fetched.
        mirrors: folders and base addresses that are tried before the archive.
        weights: trained network; None for the one that comes with the package.
        threshold: of the smoothed output; None for the operating point.
        window: of the smoothing, in samples at 2048 Hz; None likewise.
        out: folder for the results; appears when all input has been looked through.
        device: "cpu" or "cuda".
        pictures: whether to draw.
        tell: gets one sentence at a time about what is done and left out.

    Returns:
        Triggers: gps (s), utc, statistic (peak of the smoothed output), duration_s.

    Raises:
        SkyneedleError: whatever is wrong with the input; nothing stays half-written.
    """
    out = Path(out)
    is_new = not out.exists()
    try:
        plan = make(sources, gps, mirrors, (weights, threshold, window), out, device, tell)
        with exclusive(plan.state / "lock"):
            table = _carry_out(plan, pictures, tell)
    except FolderBusy:
        raise
    except SkyneedleError:
        for folder in (out / "strain", out) if is_new else ():
            with suppress(OSError):  # what is not empty stays: complete downloads
                folder.rmdir()
        raise
    return table


def _carry_out(plan: Plan, pictures: bool, tell: Tell) -> pd.DataFrame:
    try:
        logits = judge_all(plan, tell)
        table = _triggers(plan, logits)
        _tell_triggers(plan, table, tell)
        _write(plan, table, logits if pictures else None, tell)
    except SkyneedleError:  # the same command would end here again
        shutil.rmtree(plan.state)
        raise
    shutil.rmtree(plan.state)
    return table


# --- triggers


def _triggers(plan: Plan, logits: np.ndarray) -> pd.DataFrame:
    point, recipe = plan.point, plan.trained.recipe
    found = [
        postprocess.triggers_from_logits(
            logits[stretch.offset : stretch.offset + stretch.n_outputs],
            stretch.gps_start,
            point.threshold,
            point.window,
            recipe,
        )
        for stretch in plan.stretches
    ]
    table = pd.concat(found, ignore_index=True).rename(columns={"duration": "duration_s"})
    return table.assign(utc=[_utc(gps) for gps in table["gps"]])[list(COLUMNS)]


def _utc(gps: float) -> str:
    milliseconds = round(gps * 1000)
    return f"{utc(milliseconds // 1000)}.{milliseconds % 1000:03d}"


def _tell_triggers(plan: Plan, table: pd.DataFrame, tell: Tell, shown: int = 10) -> None:
    tell(f"Triggers expected from noise alone: {plan.point.expected(plan.judged_s)}.")
    tell(f"Triggers found: {len(table)}." + (" The loudest:" if len(table) > shown else ""))
    for row in table.nlargest(shown, "statistic").sort_values("gps").itertuples():
        tell(f"  GPS {row.gps:.4f}  UTC {row.utc}  statistic {row.statistic:.4f}  {row.duration_s:.3f} s")


def _write(plan: Plan, table: pd.DataFrame, logits: np.ndarray | None, tell: Tell) -> None:
    """Pictures first, then the table: a table on disk means that the scan is complete."""
    final, drawn = plan.out / "pictures", plan.state / "pictures"
    shutil.rmtree(drawn, ignore_errors=True)
    if logits is not None and len(table):
        for row in progress(table.itertuples(), len(table), "pictures"):
            length = f"{row.duration_s:.3f} s above the threshold"
            when = f"GPS {row.gps:.3f}, {row.utc.replace('T', ' ')} UTC"
            title = f"Trigger at {when}: statistic {row.statistic:.3f}, {length}"
            trace = _trace(plan, logits, row.gps)
            path = drawn / f"trigger_{row.gps:.3f}.png"
            after = f"time after GPS {row.gps:.3f} (s)"
            drawing.draw(path, trace, plan.trained.detectors, plan.point.threshold, title, after)
    shutil.rmtree(final, ignore_errors=True)  # those of an earlier scan into this folder
    if drawn.is_dir():
        os.replace(drawn, final)
    shown = table.assign(
        gps=table["gps"].map("{:.4f}".format),
        statistic=table["statistic"].map("{:.6f}".format),
        duration_s=table["duration_s"].map("{:.6f}".format),
    )
    about = json.dumps(_about(plan, len(table)), indent=2, sort_keys=True)
    plotting.write_bytes(plan.out / "scan.json", f"{about}\n".encode())
    text = shown.to_csv(index=False, lineterminator="\n")
    plotting.write_bytes(plan.out / "triggers.csv", text.encode())
    tell(
        f"Written: {plan.out / 'triggers.csv'}, {plan.out / 'scan.json'}"
        + (f", {final}/trigger_*.png" if final.is_dir() else "")
        + "."
    )


def _about(plan: Plan, n_triggers: int) -> dict[str, Any]:
    """What a table of triggers needs beside it to be understood later."""
    trained, point = plan.trained, plan.point
    return {
        "network": {
            "name": trained.card.get("name", trained.stem.name),
            "weights": str(trained.weights),
            "weights_sha256": hashlib.sha256(trained.weights.read_bytes()).hexdigest(),
            "detectors": list(trained.detectors),
            "recipe": trained.recipe,
            "scale": trained.scale,
            "provenance": trained.card.get("provenance"),
        },
        "operating_point": {
            "threshold": point.threshold,
            "window": point.window,
            "origin": point.origin,
        },
        "strain": {
            track.detector: [[part.path, part.first / RATE, part.last / RATE] for part in track.parts]
            for track in plan.tracks
        },
        "stretches_gps": [
            [stretch.gps_start, stretch.gps_start + stretch.n_outputs / FINE] for stretch in plan.stretches
        ],
        "judged_s": plan.judged_s,
        "expected_from_noise": point.expected(plan.judged_s),
        "n_triggers": n_triggers,
        "device": plan.device,
    }


def _trace(plan: Plan, logits: np.ndarray, gps: float) -> drawing.Trace:
    """Strain and outputs around a trigger, as far as they are judged."""
    stretch = max((s for s in plan.stretches if s.gps_start <= gps), key=lambda s: s.first)
    recipe, width = plan.trained.recipe, plan.point.window
    origin = stretch.windows[0].first
    centre = round((gps - stretch.gps_start) * FINE)
    low, high = max(0, centre - SHOWN_S * FINE), min(stretch.n_outputs, centre + SHOWN_S * FINE + 1)
    strain = np.empty((len(plan.tracks), high - low))
    for window in stretch.windows:
        first, last = max(window.first - origin, low), min(window.last - origin, high)
        if first < last:
            shift = origin - window.start * FINE // RATE
            strain[:, first - low : last - low] = conditioned(plan, stretch, window)[
                :, first + shift : last + shift
            ]
    wide = slice(max(0, low - width), min(stretch.n_outputs, high + width))
    raw = postprocess.probability(logits[stretch.offset : stretch.offset + stretch.n_outputs][wide])
    smoothed = postprocess.smooth(raw, width, "corrected")
    # The published code assigns a mean to the sample after the middle of an even window.
    late = width // 2 if recipe == "faithful" else (width - 1) / 2
    at = (wide.start + np.arange(len(smoothed)) + late - centre) / FINE
    shown = np.abs(at) <= SHOWN_S
    return drawing.Trace(
        (np.arange(low, high) - centre) / FINE,
        preprocess.normalise(strain, plan.trained.card["normalisation"]),
        raw[low - wide.start : high - wide.start],
        at[shown],
        smoothed[shown],
    )
