"""The network's outputs over all stretches, window by window, in a file that a killed scan goes on from."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from skyneedle.core import plotting
from skyneedle.core.errors import SkyneedleError, UnknownNetwork
from skyneedle.core.progress import progress
from skyneedle.strain import preprocess
from skyneedle.strain.scan.plan import FINE, Plan, Stretch
from skyneedle.strain.scan.sources import RATE, Tell


def judge_all(plan: Plan, tell: Tell) -> np.ndarray:
    """Outputs of all stretches, one after the other, on disk; windows that are there already are kept.

    Returns:
        Logits, float32, shape (sum of the stretches' n_outputs,).
    """
    from skyneedle.core import inference

    path, key = plan.state / "logits.f32", plan.state / "plan.json"
    jobs = [(stretch, window) for stretch in plan.stretches for window in stretch.windows]
    sizes = np.cumsum([window.last - window.first for _, window in jobs])
    wanted = _key(plan)
    if not (key.is_file() and key.read_text() == wanted):
        path.unlink(missing_ok=True)
        plotting.write_bytes(key, wanted.encode())
    there = path.stat().st_size // 4 if path.is_file() else 0
    n_done = int(np.searchsorted(sizes, there, side="right"))
    if n_done:
        tell(f"Going on after {n_done} of {len(jobs)} windows that an earlier run has finished.")
    network, card = inference.load(plan.trained.stem)
    prepared = inference.prepare(network, "cuda:0" if plan.device == "cuda" else "cpu")
    start = time.perf_counter()
    with open(path, "ab") as file:
        file.truncate(4 * int(sizes[n_done - 1]) if n_done else 0)
        for stretch, window in progress(jobs[n_done:], len(jobs) - n_done, "windows"):
            piece = preprocess.normalise(_piece(plan, stretch, window), card["normalisation"])
            file.write(_judge(inference.slide, prepared, piece).astype("<f4").tobytes())
            file.flush()
    seconds = time.perf_counter() - start
    run_s = float(sizes[-1] - (sizes[n_done - 1] if n_done else 0)) / FINE
    tell(
        f"{plan.judged_s:.3f} s judged"
        + (
            f"; {run_s:.1f} s of outputs took {seconds:.1f} s, {run_s / seconds:.1f} times real time"
            if run_s
            else ""
        )
        + f" (precision {prepared.precision} on {plan.device})."
    )
    return np.memmap(path, dtype="<f4", mode="r")


def _key(plan: Plan) -> str:
    """What the outputs depend on; threshold and window do not matter to them."""
    parts = [
        [part.path, part.first, part.last, os.stat(part.path).st_size, os.stat(part.path).st_mtime_ns]
        for track in plan.tracks
        for part in track.parts
    ]
    content = {
        "weights": hashlib.sha256(plan.trained.weights.read_bytes()).hexdigest(),
        "card": plan.trained.card,
        "parts": parts,
        "stretches": [[stretch.first, stretch.n_outputs] for stretch in plan.stretches],
        "device": plan.device,
    }
    return json.dumps(content, sort_keys=True, default=str)


def conditioned(plan: Plan, stretch: Stretch, window: preprocess.Window) -> np.ndarray:
    """One 16-s window at 2048 Hz, not normalised, shape (detector, 32768)."""
    first = stretch.first + window.start
    strain = np.stack([track.read(first, first + preprocess.N_RAW) for track in plan.tracks])
    try:
        return preprocess.condition(strain, plan.trained.recipe)
    except SkyneedleError as error:
        paths = ", ".join(
            part.path
            for track in plan.tracks
            for part in track.parts
            if part.first < first + preprocess.N_RAW and part.last > first
        )
        end = (first + preprocess.N_RAW) / RATE
        raise type(error)(f"{paths}: GPS {first / RATE:.3f} to {end:.3f}: {error}") from None


def _piece(plan: Plan, stretch: Stretch, window: preprocess.Window) -> np.ndarray:
    """What the published network needs for the outputs of one window, as `preprocess.stream` cuts it."""
    first = window.first - window.start * FINE // RATE - preprocess.OUTPUT_OFFSET
    last = first + window.last - window.first + preprocess.RECEPTIVE_FIELD - 1
    return conditioned(plan, stretch, window)[:, first:last]


def _judge(slide: Callable[..., np.ndarray], prepared: Any, piece: np.ndarray) -> np.ndarray:
    """Outputs of one piece about the same samples as the published network's."""
    n = piece.shape[-1] - preprocess.RECEPTIVE_FIELD + 1
    skipped = preprocess.OUTPUT_OFFSET - prepared.output_offset
    logits = slide(prepared, piece)
    if prepared.step != 1 or skipped < 0 or len(logits) < skipped + n:
        raise UnknownNetwork(
            f"The network gives {len(logits)} outputs for {piece.shape[-1]} samples; a scan needs one "
            f"for each sample, from no more than {preprocess.RECEPTIVE_FIELD} samples around it: name "
            "another with --weights."
        )
    return logits[skipped : skipped + n]
