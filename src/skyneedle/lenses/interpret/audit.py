"""Attribution of one network: maps that figures show, and maps judged by the audit set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, tables
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, spread
from skyneedle.lenses import preprocess, training
from skyneedle.lenses.fetch.compounds import KNOWN
from skyneedle.lenses.interpret import gradients, occlusion, scores
from skyneedle.lenses.interpret.guided import guided_grad_cam
from skyneedle.lenses.interpret.occlusion import Grid
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling, resize
from skyneedle.lenses.simulate import gallery

METHODS = ("occlusion", "guided Grad-CAM", "Grad-CAM", "integrated gradients", "gradient")
N_PIXELS = preprocess.PIXELS["VIS"]


class Seen(NamedTuple):
    """A network with what its images need.

    Attributes:
        network: on its device.
        scaling: to its input.
        grid: of its occlusion masks.
        recipe: "corrected" or "faithful".
    """

    network: nn.Module
    scaling: Scaling
    grid: Grid
    recipe: str


def evidence(seen: Seen, image: torch.Tensor) -> dict[str, np.ndarray]:
    """Maps of one image, larger where a method says that the log odds of being a lens come from.

    Args:
        seen: network.
        image: scaled, shape (1, band, size, size).

    Returns:
        By method of ``METHODS``, shape (size, size): the loss of log odds under an occlusion mask; guided
        Grad-CAM, positive parts summed over bands; Grad-CAM; integrated gradients from an empty sky, summed
        over bands; the gradient's magnitude, summed over bands.
    """
    network, size = seen.network, seen.scaling.size
    fill = occlusion.sky_fill(seen.scaling)
    masked = occlusion.occlude(network, image, seen.grid, fill, lens_logit)
    cam = gradients.on_image(gradients.grad_cam(network, image, recipe=seen.recipe), size, seen.recipe)
    guided = guided_grad_cam(network, image, recipe=seen.recipe)
    found = {
        "occlusion": -seen.grid.to_pixels(masked)[0],
        "guided Grad-CAM": guided.product.clamp(min=0).sum(dim=1)[0],
        "Grad-CAM": cam[0],
        "integrated gradients": gradients.integrated_gradients(network, image, fill).sum(dim=1)[0],
        "gradient": gradients.gradient(network, image).abs().sum(dim=1)[0],
    }
    return {
        name: values.cpu().numpy() if isinstance(values, torch.Tensor) else values
        for name, values in found.items()
    }


# --- the audit set


def judged(
    seen: Seen, untrained: nn.Module, data: DataSet, *, name: str, n: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Every method on lenses whose source is known, on the trained network and on one with random weights.

    Args:
        seen: trained network.
        untrained: the same with fresh weights.
        data: set with the layer ``vis_source``.
        name: of the network, for the rows.
        n: lenses at most, evenly spread over the set.
        seed: root seed of the random maps.

    Yields:
        Rows of ``scores.summarise``, those of the references included.
    """
    sky = preprocess.survey_sky(data, ("VIS",))[0]
    parents = data.table["parent_id" if "parent_id" in data.table else "id"]
    for row in spread(np.flatnonzero(data.table["label"].to_numpy() == 1), n):
        mask = scores.source_mask(data.read("vis_source", int(row)), sky)
        if not mask.any():
            continue
        who = {"id": int(data.table["id"].iloc[row]), "parent_id": int(parents.iloc[row])}
        plain = scores.references(data.read("vis", int(row)), who["id"], seed)
        for line in scores.judge(plain, mask):
            yield {"network": scores.NO_NETWORK, "weights": "none"} | who | line
        image = _scaled(seen, data, int(row))
        trained = _on_vis(evidence(seen, image))
        random = _on_vis(evidence(seen._replace(network=untrained), image))
        for line in scores.judge(trained, mask):
            yield {"network": name, "weights": "trained"} | who | line
        for line in scores.judge(random, mask, trained):
            yield {"network": name, "weights": "random"} | who | line


def _on_vis(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Maps with the pixels of VIS, in which the truth is."""
    return {name: resize(values, N_PIXELS) for name, values in maps.items()}


def _scaled(seen: Seen, data: DataSet, row: int) -> torch.Tensor:
    device = next(seen.network.parameters()).device
    image = training.scaled(data, _for_stamp(seen.scaling, data, row), np.array([row]))
    return torch.from_numpy(image).to(device)


def _for_stamp(scaling: Scaling, data: DataSet, row: int) -> Scaling:
    """A scaling with the sky noise of the set, or of the one stamp where each has a unit of its own."""
    if scaling.recipe == "faithful" or "sky_sigma" in data.attributes:
        return training.for_survey(scaling, data)
    return replace(scaling, sky_sigma=preprocess.sky_of(data, scaling.bands, np.array([row])))


# --- maps to be shown


def shown(seen: Seen, data: DataSet, rows: np.ndarray, panel: str) -> Iterator[dict[str, Any]]:
    """Occlusion map and guided Grad-CAM of some images.

    Args:
        seen: network.
        data: set of stamps.
        rows: of the set.
        panel: name of the set in the figures.

    Yields:
        panel, id, name, label, kind, score (probability of being a lens), n, sky_sigma, vis (as before a
        stretch of its recipe), occlusion (change of the probability under each mask), kept (0 or 1: whether
        guided Grad-CAM shows a pixel), product_low, product_high and cut (see ``guided.GuidedCam``);
        images row by row.
    """
    for row in map(int, rows):
        truth = data.table.iloc[row]
        vis, image = gallery.light(data.read("vis", row), data.attributes), _scaled(seen, data, row)
        fill = occlusion.sky_fill(seen.scaling)
        with torch.no_grad():
            score = occlusion.lens_probability(seen.network(image)).item()
        guided = guided_grad_cam(seen.network, image, recipe=seen.recipe)
        yield {
            "panel": panel,
            "id": int(truth["id"]),
            "name": str(truth.get("name", truth["id"])),
            "label": int(truth["label"]),
            "kind": str(truth.get("kind", panel)),
            "score": score,
            "n": len(vis),
            "sky_sigma": _sky_shown(vis, data.attributes),
            "vis": vis.ravel().astype(np.float32),
            "occlusion": occlusion.occlude(seen.network, image, seen.grid, fill)[0].ravel(),
            "kept": guided.shown[0].cpu().numpy().ravel().astype(np.int8),
            "product_low": guided.product.min().item(),
            "product_high": guided.product.max().item(),
            "cut": guided.cut.item(),
        }


def _sky_shown(vis: np.ndarray, attributes: Mapping[str, Any]) -> float:
    """Sky noise of one image; of its set where a recipe cut off what is below zero, as too little is left."""
    if attributes.get("stretch", "linear") == "linear":
        return float(preprocess.sky_noise(vis[None])[0])
    return float(attributes["sky_sigma"][0])


def chosen(sets: Mapping[str, DataSet], n: int) -> dict[str, tuple[str, np.ndarray]]:
    """Which images are shown: set and rows by panel.

    Args:
        sets: testing, arcs, rings, and known where there is one.
        n: images of each panel: lenses and non-lenses of the testing set, arcs, rings, evenly spread over
            their sets, so that none is chosen by its look; known lenses all.
    """
    labels = sets["testing"].table["label"].to_numpy()
    picks = {
        "lens": ("testing", spread(np.flatnonzero(labels == 1), n)),
        "non-lens": ("testing", spread(np.flatnonzero(labels == 0), n)),
    }
    for name in ("arcs", "rings"):
        picks[name] = (name, spread(np.arange(len(sets[name])), n))
    if "known" in sets:
        picks["known"] = ("known", np.arange(len(sets["known"])))
    return picks


# --- the whole job


def attribute(
    weights: str | Path,
    shards: Mapping[str, Sequence[str | Path] | str | Path],
    *,
    tiles: str | Path,
    maps: str | Path,
    mask_pixels: int,
    n_occlusion: int,
    n_audit: int,
    recipe: str,
    job: Job,
) -> None:
    """Attribute the answers of one trained network.

    Args:
        weights: trained network, see ``core.inference.load``.
        shards: files of testing, arcs, rings, audit, and known where there is one.
        tiles: parquet to write, rows of ``shown``; attributes network, mask_pixels, recipe, known, the
            names of the known compound lenses, and missing, the reason for each that is not there.
        maps: parquet to write, rows of ``judged``.
        mask_pixels: side and stride of the occlusion mask.
        n_occlusion: see ``chosen``.
        n_audit: lenses of the audit set.
        recipe: "corrected" or "faithful".
        job: seed, device and provenance.

    Raises:
        MissingBand, WrongStampSize, StampHasNaN: as of ``training.scaled``.
        BadSetting: if the mask does not fit, or the network has no convolution or no ReLU.
    """
    network, card = inference.load(weights)
    sets = {name: DataSet(paths) for name, paths in shards.items()}
    scaling = training.scaling_of(card)
    seen = Seen(network.to(job.device).eval(), scaling, Grid(scaling.size, mask_pixels, mask_pixels), recipe)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(job.seed, "random weights", card["name"]).integers(2**62)))
        untrained = inference.build(card["source"], card["options"], card["registry"])
    rows = [
        tile
        for panel, (name, places) in chosen(sets, n_occlusion).items()
        for tile in shown(seen, sets[name], places, panel)
    ]
    missing = sets["known"].attributes.get("missing", {}) if "known" in sets else {}
    tables.write_parquet(
        pd.DataFrame(rows),
        tiles,
        {
            "network": card["name"],
            "mask_pixels": mask_pixels,
            "recipe": recipe,
            "known": [one.name for one in KNOWN],
            "missing": missing,
            "provenance": dict(job.provenance),
        },
    )
    found = judged(
        seen,
        untrained.to(job.device).eval(),
        sets["audit"],
        name=card["name"],
        n=n_audit,
        seed=job.seed,
    )
    tables.write_parquet(pd.DataFrame(list(found)), maps, {"provenance": dict(job.provenance)})
