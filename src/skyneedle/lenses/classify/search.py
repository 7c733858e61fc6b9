"""The practical tool: a trained network over the user's own stamps; scores and a contact sheet out.

The one room that walks through the others (fetch, preprocess, inference) in one process. Memory does not grow
with the number of pixels: stamps are read object by object, and answers go to a file, from which a killed run
goes on.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import errors, metrics, tables
from skyneedle.core.device import check_device
from skyneedle.core.errors import BadSetting, FolderBusy, SkyneedleError
from skyneedle.core.progress import progress
from skyneedle.core.runtime import exclusive
from skyneedle.lenses.classify import from_hdf5, oddities, sheet, trained
from skyneedle.lenses.classify.attribution import attribute, method
from skyneedle.lenses.classify.objects import Group, LeftOut, Tell, how_many
from skyneedle.lenses.classify.outputs import Answers, Plan, Scaler, judge_all
from skyneedle.lenses.classify.sources import Found, find
from skyneedle.lenses.preprocess import BANDS

TOP = 30  # objects on the sheet
MOST = 300
TOLD = 20  # left-out objects that are named on the terminal; the file names all
COLUMNS = ("name", "file", "label", "score", "logit", "warning")
SHEET, LEFT_OUT = "top.png", "left_out.csv"


def classify(
    paths: Sequence[str | os.PathLike],
    *,
    network: str | Path | None = None,
    top: int = TOP,
    attribution: bool = False,
    out: str | os.PathLike = "classify",
    device: str = "cpu",
    tell: Tell = print,
) -> pd.DataFrame:
    """Judge stamps with a trained network.

    Writes ``scores.csv`` and ``scores.parquet``, best first; ``left_out.csv``, what could not be judged and
    why; ``top.png``, the best in colour; and ``classify.json`` about what was judged with what.

    Args:
        paths: files and folders, see ``sources``.
        network: see ``trained.find``.
        top: objects on the sheet.
        attribution: whether the sheet shows where each answer comes from.
        out: folder for the results.
        device: "cpu" or "cuda".
        tell: gets one sentence at a time about what is done and left out.

    Returns:
        Scores: name, file, label (missing where unknown), score in [0, 1], logit, the log odds of being a
        lens, and warning: what is odd about the stamp, empty where nothing is.

    Raises:
        SkyneedleError: if nothing at all can be judged; nothing stays half-written.
    """
    if not 0 <= top <= MOST:
        raise BadSetting(f"--top is {top}; a sheet shows 0 to {MOST} objects.")
    if Path(out).exists() and not Path(out).is_dir():
        raise BadSetting(f"--out is {out}, which is a file; name a folder for the results.")
    check_device(device)
    chosen = trained.find(network)
    found = find(paths, chosen.scaling.bands)
    plan = Plan(chosen, found, Path(out), device)
    _tell_plan(plan, tell)
    is_new = not plan.out.exists()
    try:
        with exclusive(plan.state / "lock"):
            table = _carry_out(plan, top, attribution, tell)
    except FolderBusy:
        raise
    except SkyneedleError:
        if is_new:
            with suppress(OSError):  # what is not empty stays
                plan.out.rmdir()
        raise
    finally:
        from_hdf5.close()
    return table


def _tell_plan(plan: Plan, tell: Tell) -> None:
    chosen, scaling = plan.trained, plan.trained.scaling
    tell(
        f"Network {chosen.name}: {chosen.weights} (bands {', '.join(scaling.bands)}; "
        f"recipe {scaling.recipe}; scale {chosen.scale})."
    )
    for group in plan.found.groups:
        tell(f"{how_many(len(group), 'object')}, {group.kind}.")
    if plan.found.n_others:
        tell(f"{how_many(plan.found.n_others, 'file', 'are')} neither FITS nor HDF5 and not read.")


def _carry_out(plan: Plan, top: int, attribution: bool, tell: Tell) -> pd.DataFrame:
    try:
        answers = judge_all(plan, tell)
        bad = [*plan.found.refused, *answers.bad]
        _tell_left_out(plan, bad, tell)
        if np.isnan(answers.logits).all():
            raise _nothing(bad)
        table, places = _scores(plan.found, answers)
        warned = oddities.summary(list(answers.odd.values()))
        plan.out.mkdir(parents=True, exist_ok=True)
        if top:
            _sheet(plan, table[:top], places[:top], attribution)
        else:
            (plan.out / SHEET).unlink(missing_ok=True)  # of an earlier run into this folder
        _write(plan, table, bad, [SHEET] if top else [], warned, tell)
    except SkyneedleError:  # the same command would end here again
        shutil.rmtree(plan.state)
        raise
    shutil.rmtree(plan.state)
    return table


# --- scores


def _scores(found: Found, answers: Answers) -> tuple[pd.DataFrame, np.ndarray]:
    """Table of scores, best first, and the place of each row among all objects."""
    logits = answers.logits
    columns = {
        "name": [name for group in found.groups for name in group.names],
        "file": [file for group in found.groups for file in group.files],
        "label": np.concatenate([group.labels for group in found.groups]),
        "score": metrics.probability(logits),
        "logit": logits,
        "warning": [oddities.in_words(answers.odd.get(place, [])) for place in range(len(logits))],
    }
    table = pd.DataFrame(columns)[list(COLUMNS)]
    table["label"] = table["label"].where(table["label"].isin([0, 1])).astype("Int8")
    places = np.argsort(-logits, kind="stable")[: int(np.isfinite(logits).sum())]
    return table.iloc[places].reset_index(drop=True), places


def _tell_left_out(plan: Plan, bad: Sequence[LeftOut], tell: Tell) -> None:
    for one in bad[:TOLD]:
        tell(f"Left out: {one.reason}")
    if len(bad) > TOLD:
        tell(f"Left out: {len(bad) - TOLD} more, all of them in {plan.out / LEFT_OUT}.")


def _nothing(bad: Sequence[LeftOut]) -> SkyneedleError:
    """Why there is no score at all."""
    kind = getattr(errors, bad[0].error) if bad else errors.NotAStamp
    if not bad:
        return kind("There is no object in these files; give stamps as FITS or HDF5.")
    if len(bad) == 1:
        return kind(bad[0].reason)
    return kind(f"None of {len(bad)} objects and files can be classified; the first: {bad[0].reason}")


def _write(
    plan: Plan, table: pd.DataFrame, bad: Sequence[LeftOut], written: list[str], warned: str, tell: Tell
) -> None:
    """The scores come last: a table on disk means that all is there."""
    about = _about(plan, table, bad)
    if bad:
        tables.write_csv(pd.DataFrame(bad), plan.out / LEFT_OUT)
    else:
        (plan.out / LEFT_OUT).unlink(missing_ok=True)
    tables.write_json(about, plan.out / "classify.json")
    tables.write_parquet(table, plan.out / "scores.parquet", {"network": about["network"]})
    tables.write_csv(table, plan.out / "scores.csv")
    tell(f"{how_many(len(table), 'object', 'have')} a score, {len(bad)} left out.")
    if warned:
        tell(warned)
    point = plan.trained.point
    if point:
        above = int((table["logit"] >= point.threshold).sum())
        have = "has" if above == 1 else "have"
        tell(f"{above} {have} a score of at least {point.probability:.4f} ({point.origin}).")
    names = ["scores.csv", "scores.parquet", "classify.json", *written, *([LEFT_OUT] if bad else [])]
    tell(f"Written into {plan.out}: {', '.join(names)}.")


def _about(plan: Plan, table: pd.DataFrame, bad: Sequence[LeftOut]) -> dict[str, Any]:
    """What a table of scores needs beside it to be understood later."""
    point = plan.trained.point
    return {
        "network": plan.trained.about(),
        "operating_point": point and {"threshold": point.threshold, "origin": point.origin},
        "objects": [{"kind": group.kind, "n": len(group)} for group in plan.found.groups],
        "n_scored": len(table),
        "n_warned": int((table["warning"] != "").sum()),
        "n_left_out": len(bad),
        "n_other_files": plan.found.n_others,
        "device": plan.device,
    }


# --- sheet


def _sheet(plan: Plan, table: pd.DataFrame, places: np.ndarray, attribution: bool) -> None:
    """Draw the best objects; their stamps are read once more."""
    ends = np.cumsum([len(group) for group in plan.found.groups])
    scalers: dict[int, Scaler] = {}
    tiles = []
    rows = zip(table.itertuples(), places, strict=True)
    for row, place in progress(rows, len(table), "tiles"):
        number = int(np.searchsorted(ends, place, side="right"))
        group = plan.found.groups[number]
        inside = int(place - ends[number] + len(group))
        tile = sheet.Tile(
            row.name,
            row.score,
            row.logit,
            -1 if row.label is pd.NA else int(row.label),
            _planes(group, inside, plan.trained.scaling.bands),
        )
        if attribution:
            if number not in scalers:
                scalers[number] = Scaler(group, plan.trained.scaling)
            shown = scalers[number](inside).values
            chosen = plan.trained
            tile = tile._replace(attribution=attribute(chosen.network, chosen.scaling, shown, plan.device))
        tiles.append(tile)
    n = len(tiles)
    title = f"{plan.trained.name}: the {n} highest scores" if n > 1 else plan.trained.name
    sheet.draw(plan.out / SHEET, tiles, title, method(plan.trained.scaling) if attribution else "")


def _planes(group: Group, place: int, bands: Sequence[str]) -> dict[str, np.ndarray]:
    """All bands of an object, or those that the network needs where the others are not there or bad."""
    try:
        return dict(group.read(place, BANDS).planes)
    except SkyneedleError:
        return dict(group.read(place, bands).planes)
