"""The practical tool: a trained network over the user's own candidates; scores and a page of pictures out.

The one room that walks through the others (fetch, preprocess, inference) in one process. Candidates are read
one batch at a time, and what is scored goes to files, from which a killed run goes on.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from skyneedle.core import errors, inference, metrics, plotting, tables
from skyneedle.core.device import check_device
from skyneedle.core.errors import BadScores, BadSetting, FolderBusy, SkyneedleError
from skyneedle.core.progress import progress
from skyneedle.core.runtime import exclusive
from skyneedle.transients.score import page, sources, trained
from skyneedle.transients.score.candidates import Candidate, Source, Tell, cut

BATCH = 64  # the first maps of cnn1 take 0.8 MB a stamp, several times over
PART = 64  # batches between two files of what is done
TOP, MOST = 60, 600
TOLD = 10  # candidates without a score that are named on the terminal; the table names all
COLUMNS = (
    *("name", "score_real", "logit_artifact", "label", "survey_score", "warning", "reason", "error"),
    *("file", "survey", "pixels", "network", "weights_sha256", "recipe"),
)


@dataclass(frozen=True)
class Plan:
    """All that a run is about."""

    trained: trained.Trained
    sources: list[Source]
    out: Path
    device: str

    @property
    def state(self) -> Path:
        """Folder of what a killed run goes on from."""
        return self.out / ".score"


def score(
    paths: Sequence[str | os.PathLike],
    *,
    network: str | Path | None = None,
    top: int = TOP,
    out: str | os.PathLike = "score",
    device: str = "cpu",
    tell: Tell = print,
) -> pd.DataFrame:
    """Score candidates with a trained network.

    Writes ``scores.csv`` and ``scores.parquet``, the most real first, those without a score last with
    the reason; ``candidates.html``, a page of pictures; and ``score.json`` about what was scored with what.

    Args:
        paths: files and folders, see ``sources``.
        network: see ``trained.find``.
        top: candidates on the page.
        out: folder for the results.
        device: "cpu" or "cuda".
        tell: gets one sentence at a time.

    Returns:
        Columns ``COLUMNS``: score_real is 1 - P(artifact), logit_artifact the log odds of "artifact"; both
        missing where reason says why.

    Raises:
        SkyneedleError: if nothing at all can be scored; nothing stays half-written.
    """
    if not 0 <= top <= MOST:
        raise BadSetting(f"--top is {top}; a page shows 0 to {MOST} candidates.")
    check_device(device)
    chosen = trained.find(network)
    plan = Plan(chosen, sources.find(paths, chosen.scaling.pixel_mode), Path(out), device)
    about = chosen.about
    tell(f"Network {chosen.name}: {chosen.weights} (recipe {about['recipe']}; scale {about['scale']}).")
    for source in plan.sources:
        tell(f"{source.path}: {source.kind}{f', {source.n} candidates' if source.n >= 0 else ''}.")
    is_new = not plan.out.exists()
    try:
        with exclusive(plan.state / "lock"):
            try:
                table = _carry_out(plan, top, tell)
            except SkyneedleError:  # the same command would end here again
                shutil.rmtree(plan.state)
                raise
            shutil.rmtree(plan.state)
    except FolderBusy:
        raise
    except SkyneedleError:
        if is_new:
            with suppress(OSError):  # what is not empty stays
                plan.out.rmdir()
        raise
    return table


def _carry_out(plan: Plan, top: int, tell: Tell) -> pd.DataFrame:
    table = _score_all(plan, tell)
    bad = table[table["score_real"].isna()]
    if len(bad) == len(table):
        raise _nothing(bad)
    for reason in bad["reason"][:TOLD]:
        tell(f"No score: {reason}")
    if len(bad) > TOLD:
        tell(f"No score: {len(bad) - TOLD} more, all of them in scores.csv.")
    warned = table["warning"] != ""
    if warned.any():
        tell(f"Warning: {_banner(plan, table)}")
    order = np.argsort(table["logit_artifact"].to_numpy(), kind="stable")  # NaN last
    table = table.iloc[order]
    best = table.index[: min(top, len(table) - len(bad))].tolist()
    table = table.reset_index(drop=True)
    written = ["scores.csv", "scores.parquet", "score.json"]
    if top:
        stamps = _stamps(plan, best)
        content = page.render(
            table,
            [stamps[place] for place in best],
            network=plan.trained.about,
            banner=_banner(plan, table) if warned.any() else "",
        )
        plotting.write_bytes(plan.out / "candidates.html", content.encode())
        written.append("candidates.html")
    else:
        (plan.out / "candidates.html").unlink(missing_ok=True)  # of an earlier run into this folder
    _write(plan, table, tell, written)
    return table


# --- scoring


def _score_all(plan: Plan, tell: Tell) -> pd.DataFrame:
    """All candidates in the order of the sources; parts that an earlier run has finished are kept."""
    key, wanted = plan.state / "plan.json", _key(plan)
    if not (key.is_file() and key.read_text() == wanted):
        for part in plan.state.glob("part*.parquet"):
            part.unlink()
        plotting.write_bytes(key, wanted.encode())
    parts = sorted(plan.state.glob("part*.parquet"))
    done = sum(len(pd.read_parquet(part, columns=["name"])) for part in parts)
    if done:
        tell(f"Going on after {done} candidates that an earlier run has finished.")
    prepared = inference.prepare(plan.trained.network, "cuda:0" if plan.device == "cuda" else "cpu")
    counts = [source.n for source in plan.sources]
    total = -(-max(sum(counts) - done, 0) // BATCH) if min(counts) >= 0 else 0
    each = islice(_each(plan.sources), done, None)
    batches = iter(lambda: list(islice(each, BATCH)), [])
    scored = (_score_batch(plan, prepared, batch) for batch in batches)
    told = progress(scored, max(total, 1), f"batches of {BATCH}")
    for number in count(len(parts)):
        waiting = list(islice(told, PART))
        if not waiting:
            break
        part = plan.state / f"part{number:06d}.parquet"
        tables.write_parquet(pd.concat(waiting, ignore_index=True), part)
    found = [pd.read_parquet(part) for part in sorted(plan.state.glob("part*.parquet"))]
    if not found:
        raise errors.NotAnArchive("There is no candidate in these files; give stamps or alerts.")
    return pd.concat(found, ignore_index=True)


def _each(found: Sequence[Source]) -> Iterator[tuple[Source, Candidate]]:
    for source in found:
        for candidate in source.each():
            yield source, candidate


def _score_batch(
    plan: Plan, prepared: inference.Prepared, batch: Sequence[tuple[Source, Candidate]]
) -> pd.DataFrame:
    rows, stamps, kept = [], [], []
    for place, (source, candidate) in enumerate(batch):
        row: dict[str, Any] = {"name": candidate.name, "file": candidate.file, "survey": candidate.survey}
        row |= {"label": candidate.label, "survey_score": candidate.survey_score}
        row |= {"reason": "", "error": "", "pixels": "", "warning": ""}
        try:
            stamp, row["pixels"] = cut(candidate.load(), candidate.name)
            row["warning"] = _warning(source, candidate, row["pixels"])
            stamps.append(stamp)
            kept.append(place)
        except SkyneedleError as error:
            row |= {"error": type(error).__name__, "reason": " ".join(str(error).split())}
        rows.append(row)
    logits = np.full(len(rows), np.nan)
    if stamps:
        inputs = torch.from_numpy(plan.trained.scaling(np.stack(stamps)))
        logits[kept] = prepared(inputs).double().numpy()
    for place in kept:
        if not np.isfinite(logits[place]):
            overflow = f"{rows[place]['name']}: the network's answer is {logits[place]}, no number."
            rows[place] |= {"error": BadScores.__name__, "reason": overflow, "warning": ""}
            logits[place] = np.nan
    about = plan.trained.about
    table = pd.DataFrame(rows)
    table["logit_artifact"] = logits
    table["score_real"] = metrics.probability(-logits)
    table["label"] = table["label"].where(table["label"].isin([0, 1])).astype("Int8")
    table["network"], table["recipe"] = about["name"], about["recipe"]
    table["weights_sha256"] = about["weights_sha256"][:16]
    return table[list(COLUMNS)]


def _warning(source: Source, candidate: Candidate, pixels: str) -> str:
    """Why a score is to be taken with care; empty where the stamp is as the network knows them."""
    if not source.is_native:
        survey = candidate.survey or "unknown"
        return f"other survey ({survey}) than the network learned from; centre of {pixels} pixels"
    return "" if pixels == "51 x 51" else f"centre of {pixels} pixels"


def _banner(plan: Plan, table: pd.DataFrame) -> str:
    """What holds for the warned candidates together."""
    warned = table[table["warning"] != ""]
    surveys = ", ".join(sorted(set(warned["survey"]) - {""})) or "not named"
    return (
        f"{len(warned)} of {len(table)} candidates come from another survey ({surveys}) or in other sizes "
        f"than what {plan.trained.name} learned from. Their central 51 x 51 pixels were scored as they are, "
        "without resampling: seeing, pixels, depth and subtraction differ, so check the scores against "
        "labels of that survey before a threshold is set."
    )


def _nothing(bad: pd.DataFrame) -> SkyneedleError:
    """Why there is no score at all."""
    kind = getattr(errors, bad["error"].iloc[0])
    if len(bad) == 1:
        return kind(bad["reason"].iloc[0])
    return kind(f"None of {len(bad)} candidates can be scored; the first: {bad['reason'].iloc[0]}")


def _key(plan: Plan) -> str:
    """What the scores depend on."""
    files = []
    for source in plan.sources:
        about = os.stat(source.path)
        files.append([source.kind, source.path, source.n, about.st_size, about.st_mtime_ns])
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    content = {"network": plan.trained.about, "files": digest, "device": plan.device}
    return json.dumps(content, sort_keys=True, default=str)


# --- results


def _stamps(plan: Plan, places: Sequence[int]) -> dict[int, np.ndarray]:
    """Stamps of candidates by their place; only these are read once more."""
    wanted = set(places)
    each = islice(_each(plan.sources), max(places, default=-1) + 1)
    return {
        place: cut(candidate.load(), candidate.name)[0]
        for place, (_, candidate) in enumerate(each)
        if place in wanted
    }


def _write(plan: Plan, table: pd.DataFrame, tell: Tell, written: Sequence[str]) -> None:
    """The scores come last: a table on disk means that all is there."""
    network = plan.trained.about
    n_bad = int(table["score_real"].isna().sum())
    about = {
        "network": network,
        "sources": [{"kind": source.kind, "path": source.path} for source in plan.sources],
        "n_scored": len(table) - n_bad,
        "n_without_score": n_bad,
        "n_with_warning": int((table["warning"] != "").sum()),
        "device": plan.device,
    }
    tables.write_json(about, plan.out / "score.json")
    tables.write_parquet(table, plan.out / "scores.parquet", {"network": network})
    tables.write_csv(table, plan.out / "scores.csv")
    tell(f"{len(table) - n_bad} candidates have a score, {n_bad} do not.")
    tell(f"Written into {plan.out}: {', '.join(written)}.")
