"""What networks say to the known compound lenses: Table 7 and Fig. 3."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from skyneedle.core import inference, metrics, tables
from skyneedle.core.store import DataSet
from skyneedle.lenses import preprocess, training
from skyneedle.lenses.evaluate import answers
from skyneedle.lenses.fetch.compounds import KNOWN
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling

N_TURNS = 8
PRINTED = ("ou66", "ou200")  # networks of Table 7


def asked(
    weights: Mapping[str, str | Path], shards: Sequence[str | Path], device: str = "cpu"
) -> pd.DataFrame:
    """Scores of each lens in its eight orientations.

    The images are of several surveys with their own units, so each is scaled by its own sky noise; networks
    of the recipe "faithful" scale each image from 0 to 1 anyway, as the paper did.

    Args:
        weights: trained networks by name.
        shards: of the data set of ``fetch.known``.
        device: "cpu" or "cuda:0".

    Returns:
        Columns network, id, name, turn (0 is the image as it is), score and logit.
    """
    data = DataSet(shards)
    rows: list[dict[str, Any]] = []
    for network, path in weights.items() if len(data) else ():
        built, card = inference.load(path)
        prepared, scaling = inference.prepare(built, device), training.scaling_of(card)
        for row, truth in enumerate(data.table.itertuples(index=False)):
            raw = preprocess.read(data, scaling.bands, np.array([row]))
            turned = {
                name: np.concatenate([training.turned(array, turn) for turn in range(N_TURNS)])
                for name, array in raw.items()
            }
            logits = prepared(torch.from_numpy(_for_image(scaling, raw)(**turned)))
            logit = lens_logit(logits.double()).numpy()
            rows += [
                {"network": network, "id": int(truth.id), "name": truth.name, "turn": turn}
                | {"score": float(metrics.probability(one)), "logit": float(one)}
                for turn, one in enumerate(logit)
            ]
    return pd.DataFrame(rows, columns=["network", "id", "name", "turn", "score", "logit"])


def _for_image(scaling: Scaling, raw: Mapping[str, np.ndarray]) -> Scaling:
    """A scaling with the sky noise of this one image."""
    if scaling.recipe == "faithful":
        return scaling
    noise = [
        float(preprocess.sky_noise(preprocess.select(band, raw.get("vis"), raw.get("nisp")))[0])
        for band in scaling.bands
    ]
    return replace(scaling, sky_sigma=tuple(noise))


def tiles(data: DataSet, table: pd.DataFrame) -> pd.DataFrame:
    """The image that stands for VIS of each of the four, or the reason why there is none.

    Returns:
        Columns id, name, filter, label, reason (empty where there is an image), scores (of ``PRINTED``, in
        words), n (pixels a side), sky_sigma and vis.
    """
    rows = []
    places = {name: row for row, name in enumerate(data.table["name"])}
    plain = table[table["turn"] == 0]
    for number, one in enumerate(KNOWN):
        row: dict[str, Any] = {"id": number, "name": one.name, "label": 1, "n": 0, "sky_sigma": np.nan}
        row |= {
            "filter": one.filters(data.attributes["recipe"])["VIS"],
            "scores": "",
            "vis": np.zeros(0, np.float32),
        }
        row["reason"] = _in_short(data.attributes["missing"].get(one.name, ""))
        if one.name in places:
            vis = data.read("vis", places[one.name])
            scores = plain[plain["name"] == one.name].set_index("network")["score"]
            said = [f"{name} {scores[name]:.2f}" for name in PRINTED if name in scores]
            row |= {"n": vis.shape[0], "vis": vis.ravel(), "scores": ", ".join(said)}
            row["sky_sigma"] = float(preprocess.sky_noise(vis[None])[0])
        rows.append(row)
    return pd.DataFrame(rows)


def _in_short(reason: str) -> str:
    """The last part of a reason, without what stands in brackets: panels are small."""
    return re.sub(r" \([^)]*\)", "", reason).rsplit(": ", 1)[-1]


def write(
    weights: Mapping[str, str | Path],
    shards: Sequence[str | Path],
    *,
    table: str | Path,
    pictures: str | Path,
    out: str | Path,
    device: str = "cpu",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write answers (CSV), the images of Fig. 3 (parquet) and metrics (JSON).

    Args:
        weights: as of ``asked``.
        shards: likewise.
        table: of ``asked``.
        pictures: of ``tiles``.
        out: of ``answers.measured``.
        device: as of ``asked``.
        provenance: stored in the metrics.
    """
    data = DataSet(shards)
    found = asked(weights, shards, device)
    tables.write_csv(found, table)
    tables.write_parquet(tiles(data, found), pictures)
    metrics = answers.measured(found, list(weights), data.attributes["missing"])
    tables.write_json(metrics | {"provenance": dict(provenance or {})}, out)
