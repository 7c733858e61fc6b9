"""What networks trained on simulated stamps say to real ones, beside what was published about these."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, metrics, scoreboard, tables
from skyneedle.core.errors import SkyneedleError
from skyneedle.transients import training
from skyneedle.transients.fetch import real
from skyneedle.transients.preprocess import Scaling
from skyneedle.transients.score import from_alerts
from skyneedle.transients.score.candidates import cut

DES, DECAM = "DES", "DECam alert"
TITLE = "Ours: real stamps, scored by networks that know simulated ones alone"
WORDS = (
    "Scores are P(artifact). `published` is what the paper's Model 1, trained on the real archive, said. The "
    "stamps of DES are public as 8-bit pictures only: networks on fluxes (`pixels` fits) take their values "
    "for fluxes, others (gif) learned from simulated pictures. Of the alert's 63 x 63 pixels the central "
    "51 x 51 are taken, never resampled; DECam took both, but with another subtraction."
)
NO_FLUXES = "not scored by networks that learned from 8-bit pictures: an alert holds fluxes"
Loaded = Mapping[str, tuple[nn.Module, Scaling]]


def answers(networks: Mapping[str, str | Path], status: str | Path, device: str = "cpu") -> pd.DataFrame:
    """Scores of all that is there.

    Args:
        networks: stems of trained networks by name.
        status: JSON of ``fetch.real.fetch``.
        device: "cpu" or "cuda:0".

    Returns:
        A row for each stamp and network: survey, candidate, label (1 artifact, missing where none is given),
        published, network, pixels ("fits" or "gif", which the network learned from), score, and note; where a
        survey has no stamps, or a network no score, one row with the reason as note.
    """
    files = json.loads(Path(status).read_text())
    loaded = {}
    for name, stem in networks.items():
        network, card = training.load(stem)
        loaded[name] = (inference.prepare(network, device), training.scaling_of(card))
    rows = _of_des(files, loaded) + _of_alert(files[real.ALERT], loaded)
    columns = ["survey", "candidate", "label", "published", "network", "pixels", "score", "note"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(label=table["label"].astype("Int8"))


def _of_des(files: Mapping[str, Any], loaded: Loaded) -> list[dict[str, Any]]:
    needed = [files[name] for name in (real.STAMPS, real.LABELS, real.SCORES)]
    reasons = dict.fromkeys(one["reason"] for one in needed if one["status"] != "fetched")
    if reasons:
        return [{"survey": DES, "note": "; ".join(reasons)}]
    try:
        found = real.read(*(one["path"] for one in needed))
    except SkyneedleError as error:
        return [{"survey": DES, "note": f"not scored: {error}"}]
    rows = []
    for name, (prepared, scaling) in loaded.items():
        as_fluxes = scaling.pixel_mode == "fits"
        scores = _scores(prepared, scaling, found.stamps.astype(np.float32) if as_fluxes else found.stamps)
        rows += [
            {"survey": DES, "candidate": str(number), "label": label, "published": published}
            | {"network": name, "pixels": scaling.pixel_mode, "score": score}
            | {"note": "8-bit values taken for fluxes" if as_fluxes else ""}
            for number, (label, published, score) in enumerate(
                zip(found.labels, found.scores, scores, strict=True)
            )
        ]
    return rows


def _of_alert(file: Mapping[str, Any], loaded: Loaded) -> list[dict[str, Any]]:
    if file["status"] != "fetched":
        return [{"survey": DECAM, "note": file["reason"]}]
    rows: list[dict[str, Any]] = []
    try:
        for candidate in from_alerts.source(Path(file["path"])).each():
            stamp, pixels = cut(candidate.load(), candidate.name)
            for name, (prepared, scaling) in loaded.items():
                if scaling.pixel_mode == "fits":
                    score = float(_scores(prepared, scaling, stamp[None])[0])
                    rows.append(
                        {"survey": DECAM, "candidate": candidate.name, "network": name, "pixels": "fits"}
                        | {"score": score, "note": f"centre of {pixels} pixels; no label is given"}
                    )
    except SkyneedleError as error:
        rows.append({"survey": DECAM, "note": f"not scored: {error}"})
    return rows or [{"survey": DECAM, "note": NO_FLUXES}]


def _scores(prepared: Any, scaling: Scaling, stamps: np.ndarray) -> np.ndarray:
    return metrics.probability(prepared(torch.from_numpy(scaling(stamps))).double().numpy())


def measured(table: pd.DataFrame, networks: Mapping[str, str | Path]) -> dict[str, Any]:
    """How many stamps each network puts on the side of their labels, as rows of the scoreboard.

    Returns:
        ``agree_published`` and ``agree_<network>``, a share with its binomial interval, or the reason why
        there is none; ``alert_<network>``, P(artifact) of the alert.
    """
    found: dict[str, Any] = {}
    des, alert = (table[table["survey"] == survey] for survey in (DES, DECAM))
    first = des[des["network"] == des["network"].iloc[0]] if len(des) else des
    parts = {"published": first.assign(score=first["published"])}
    parts |= {name: des[des["network"] == name] for name in networks}
    for name, part in parts.items():
        here = part.dropna(subset=["score", "label"])
        right = ((here["score"] > 0.5) == (here["label"] == 1)).sum()
        by = "the published Model 1" if name == "published" else name
        found[f"agree_{name}"] = (
            dict(metrics.binomial(int(right), len(here))) if len(here) else _without(des)
        ) | {"item": "Real stamps of DES", "quantity": f"share on the side of their labels, {by}"}
    for name in networks:
        here = alert[alert["network"] == name]
        found[f"alert_{name}"] = (
            {"value": float(here["score"].iloc[0])} if len(here) else _without(alert)
        ) | {"item": "Real alert of DECam", "quantity": f"P(artifact), {name}"}
    return found


def _without(rows: pd.DataFrame) -> dict[str, Any]:
    notes = [note for note in rows["note"].dropna().unique() if note.startswith("not ")]
    return {"value": None, "reason": "; ".join(notes) or NO_FLUXES}


def write(
    networks: Mapping[str, str | Path],
    status: str | Path,
    *,
    stem: str | Path,
    out: str | Path,
    device: str = "cpu",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the table (CSV and Markdown) and the metrics (JSON).

    Args:
        networks: as of ``answers``.
        status: likewise.
        stem: of the table, without ending.
        out: of ``measured``.
        device: as of ``answers``.
        provenance: stored in the metrics.
    """
    table = answers(networks, status, device)
    scoreboard.write(table.astype({"label": object}).fillna({"label": ""}), stem, TITLE, WORDS)
    tables.write_json(measured(table, networks) | {"provenance": dict(provenance or {})}, out)
