"""The network's answer for every object, in a file that a killed run goes on from."""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from skyneedle.core import inference, plotting
from skyneedle.core.errors import BadScores, ConstantStamp, SkyneedleError
from skyneedle.core.progress import progress
from skyneedle.lenses import preprocess
from skyneedle.lenses.classify import oddities
from skyneedle.lenses.classify.objects import Group, LeftOut, Tell, how_many, left_out
from skyneedle.lenses.classify.oddities import Odd
from skyneedle.lenses.classify.sources import Found
from skyneedle.lenses.classify.trained import Trained
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import NISP, PIXELS, Scaling
from skyneedle.lenses.training import BATCH


@dataclass(frozen=True)
class Plan:
    """All that a run is about."""

    trained: Trained
    found: Found
    out: Path
    device: str

    @property
    def state(self) -> Path:
        """Folder of what a killed run goes on from."""
        return self.out / ".classify"


# --- scaling


class Scaled(NamedTuple):
    """An object as the network takes it.

    Attributes:
        values: shape (band, size, size).
        odd: what is odd about its stamp, which is scored all the same.
    """

    values: np.ndarray
    odd: list[Odd]


class Scaler:
    """Network input of a group's stamps, with the noise of its own sky.

    Args:
        group: whose stamps.
        scaling: of the network.
    """

    def __init__(self, group: Group, scaling: Scaling):
        self.group, self.scaling = group, scaling
        self._by_unit: dict[str, Scaling] = {}
        self._refusal = ""
        if scaling.recipe == "faithful":
            return
        known = group.sky_sigma
        if known:
            self.scaling = replace(scaling, sky_sigma=tuple(known[band] for band in scaling.bands))
            return
        try:
            self._measure(range(len(group)))
        except ConstantStamp as error:
            self._refusal = str(error)

    def __call__(self, place: int) -> Scaled:
        """Input for one object of the group.

        Raises:
            SkyneedleError: whatever is wrong with it.
        """
        bands, scaling = self.scaling.bands, self.scaling
        stamp = self.group.read(place, bands)
        if self._refusal:
            raise ConstantStamp(self._refusal)
        if scaling.recipe == "corrected" and not self.group.sky_sigma:
            if stamp.unit not in self._by_unit:  # so rare that it was not among those looked at
                self._measure([place])
            scaling = self._by_unit[stamp.unit]
        nisp = np.zeros((1, len(NISP), PIXELS["J"], PIXELS["J"]), np.float32)
        for i, band in enumerate(NISP):
            if band in bands:
                nisp[0, i] = stamp.planes[band]
        values = scaling(stamp.planes["VIS"][None] if "VIS" in bands else None, nisp)[0]
        # The other recipe takes neither level nor unit into account.
        corrected = scaling.recipe == "corrected"
        return Scaled(values, oddities.find(stamp.planes, bands, scaling.sky_sigma) if corrected else [])

    def _measure(self, places: Sequence[int]) -> None:
        for unit, sigma in _skies(self.group, places, self.scaling.bands).items():
            self._by_unit[unit] = replace(self.scaling, sky_sigma=sigma)


def _skies(group: Group, places: Sequence[int], bands: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Noise of the sky in each band by unit: the median over at most 200 objects, evenly spread.

    Raises:
        ConstantStamp: if a band has no noise in most of them.
    """
    picks = np.linspace(0, len(places) - 1, min(preprocess.SKY_FROM, len(places))).round().astype(int)
    noise: dict[str, list[list[float]]] = {}
    for pick in picks:
        try:
            stamp = group.read(places[pick], bands)
        except SkyneedleError:  # is named when its turn comes
            continue
        sigmas = [float(preprocess.sky_noise(stamp.planes[band][None])[0]) for band in bands]
        noise.setdefault(stamp.unit, []).append(sigmas)
    skies = {unit: np.median(sigmas, axis=0) for unit, sigmas in noise.items()}
    for unit, sky in skies.items():
        if not sky.min() > 0:
            raise ConstantStamp(
                f"{group.files[places[0]]}: {bands[int(sky.argmin())]} has no noise of the sky in most of "
                f"{len(noise[unit])} stamps beside it, which gives the scale; give stamps as observed, not "
                "cut to zero."
            )
    return {unit: tuple(sky.tolist()) for unit, sky in skies.items()}


# --- answers


class Answers(NamedTuple):
    """What there is to say about all objects, in the order of the groups.

    Attributes:
        logits: log odds, shape (number of objects,), NaN for what was left out.
        bad: why it was.
        odd: what is odd about the stamps that were scored, by place; those without are not in it.
    """

    logits: np.ndarray
    bad: list[LeftOut]
    odd: dict[int, list[Odd]]


def judge_all(plan: Plan, tell: Tell) -> Answers:
    """Judge every object; answers that are there already are kept."""
    path, reasons, oddly = (plan.state / name for name in ("logits.f64", "left_out.jsonl", "odd.jsonl"))
    key = plan.state / "plan.json"
    wanted = _key(plan)
    if not (key.is_file() and key.read_text() == wanted):
        path.unlink(missing_ok=True)
        reasons.unlink(missing_ok=True)
        oddly.unlink(missing_ok=True)
        plotting.write_bytes(key, wanted.encode())
    batches = [
        (number, first, min(first + BATCH, len(group)))
        for number, group in enumerate(plan.found.groups)
        for first in range(0, len(group), BATCH)
    ]
    ends = np.cumsum([last - first for _, first, last in batches])
    there = path.stat().st_size // 8 if path.is_file() else 0
    n_done = int(np.searchsorted(ends, there, side="right"))
    kept = int(ends[n_done - 1]) if n_done else 0
    if n_done:
        total = how_many(len(plan.found), "object")
        tell(f"Going on after {kept} of {total} that an earlier run has finished.")
    for lines in (reasons, oddly):
        _truncate_lines(lines, kept)
    prepared = inference.prepare(plan.trained.network, "cuda:0" if plan.device == "cuda" else "cpu")
    start, scaler = time.perf_counter(), None
    with open(path, "ab") as file, open(reasons, "a") as why, open(oddly, "a") as what:
        file.truncate(8 * kept)
        place = kept
        for number, first, last in progress(batches[n_done:], len(batches) - n_done, f"batches of {BATCH}"):
            if scaler is None or scaler.group is not plan.found.groups[number]:
                scaler = Scaler(plan.found.groups[number], plan.trained.scaling)
            logits, bad, odd = _judge(prepared, scaler, range(first, last))
            why.writelines(json.dumps([place + i, *one]) + "\n" for i, one in bad.items())
            what.writelines(json.dumps([place + i, *each]) + "\n" for i, each in odd.items())
            why.flush()  # before the answers, which say how far this run has come
            what.flush()
            file.write(logits.astype("<f8").tobytes())
            file.flush()
            place += last - first
    seconds = time.perf_counter() - start
    answers = np.fromfile(path, "<f8")
    n_new = int(np.isfinite(answers[kept:]).sum())
    if n_new:
        rate = f"{how_many(n_new, 'object')} took {seconds:.1f} s, {n_new / seconds:.1f} a second"
        tell(f"{rate} (precision {prepared.precision} on {plan.device}).")
    with open(reasons) as why, open(oddly) as what:
        named = [LeftOut(*json.loads(line)[1:]) for line in why]
        found = {place: [Odd(*one) for one in each] for place, *each in map(json.loads, what)}
    return Answers(answers, named, found)


def _judge(
    prepared: inference.Prepared, scaler: Scaler, places: range
) -> tuple[np.ndarray, dict[int, LeftOut], dict[int, list[Odd]]]:
    group, inputs, kept, bad, odd = scaler.group, [], [], {}, {}
    for i, place in enumerate(places):
        try:
            scaled = scaler(place)
        except SkyneedleError as error:
            bad[i] = left_out(group.names[place], group.files[place], error)
            continue
        inputs.append(scaled.values)
        kept.append(i)
        if scaled.odd:
            odd[i] = scaled.odd
    logits = np.full(len(places), np.nan)
    if inputs:
        logits[kept] = lens_logit(prepared(torch.from_numpy(np.stack(inputs))).double()).numpy()
    for i in kept:
        if not np.isfinite(logits[i]):
            overflow = BadScores(f"{group.files[places[i]]}: the network's answer is {logits[i]}, no number.")
            logits[i], bad[i] = np.nan, left_out(group.names[places[i]], group.files[places[i]], overflow)
            odd.pop(i, None)
    return logits, bad, odd


def _truncate_lines(path: Path, kept: int) -> None:
    """Drop what belongs to batches that were not finished, or half a line."""
    if not path.is_file():
        return
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    whole = [line for line in lines if json.loads(line)[0] < kept]
    plotting.write_bytes(path, "".join(whole).encode())


def _key(plan: Plan) -> str:
    """What the answers depend on."""
    files = hashlib.sha256()
    for group in plan.found.groups:
        files.update(json.dumps([group.kind, group.names, dict(group.sky_sigma)]).encode())
        for path in group.all_files or dict.fromkeys(group.files):
            try:
                about = os.stat(path)
                files.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
            except OSError:  # a link to nowhere, which is named when its turn comes
                files.update(f"{path}\0\0\0".encode())
    content = {"network": plan.trained.about(), "files": files.hexdigest(), "device": plan.device}
    return json.dumps(content, sort_keys=True, default=str)
