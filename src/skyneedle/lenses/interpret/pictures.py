"""Dreams and kernels of one trained network, as tables that figures are drawn from."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, metrics, tables
from skyneedle.core.runtime import Job
from skyneedle.core.store import DataSet
from skyneedle.lenses.interpret import dreams, kernels
from skyneedle.lenses.interpret.dreams import Bounds, Dreams
from skyneedle.lenses.interpret.kernels import Kernel
from skyneedle.lenses.preprocess import Scaling
from skyneedle.lenses.training import BATCH, for_survey, scaled, scaling_of


class Subject(NamedTuple):
    """A trained network with what it is to be looked at with.

    Attributes:
        network: in evaluation mode.
        name: of the network.
        scaling: of its inputs, for the survey of the images.
        limits: range of its training inputs.
        data: images that chose nothing.
        recipe: "corrected" or "faithful".
        seed: root seed.
        device: "cpu" or "cuda:0".
    """

    network: nn.Module
    name: str
    scaling: Scaling
    limits: Bounds
    data: DataSet
    recipe: str
    seed: int
    device: str


def write(
    weights: str | Path,
    shards: Sequence[str | Path],
    train_shards: Sequence[str | Path],
    out: Mapping[str, str | Path],
    *,
    recipe: str,
    settings: Mapping[str, Any],
    job: Job,
) -> None:
    """Look at one network, and write what is seen.

    Args:
        weights: trained network, see ``core.inference.load``.
        shards: of the set whose images are shown.
        train_shards: of the training set.
        out: parquet files to write: "dreams" (see ``dream_table``), "activations" (id, label, and one column
            <layer>:<kernel> for each kernel) and "kernels" (see ``kernel_table``); and "summary", CSV (see
            ``kernels.summary``).
        recipe: "corrected" or "faithful".
        settings: class_image_steps, deep_dream_steps, kernel_steps, n_images and n_kernels.
        job: seed, device, threads and provenance.
    """
    torch.set_num_threads(job.threads)
    network, card = inference.load(weights)
    data, training_set = DataSet(shards), DataSet(train_shards)
    scaling = scaling_of(card)
    limits = dreams.bounds(training_set, for_survey(scaling, training_set))
    seen = Subject(
        network=network.to(job.device),
        name=card["name"],
        scaling=for_survey(scaling, data),
        limits=limits,
        data=data,
        recipe=recipe,
        seed=job.seed,
        device=job.device,
    )
    attributes = {"network": seen.name, "recipe": recipe, "provenance": dict(job.provenance)}
    steps = (settings["class_image_steps"], settings["deep_dream_steps"])
    tables.write_parquet(dream_table(seen, *steps), out["dreams"], attributes)
    values, summary = activation_tables(seen, settings["n_images"])
    tables.write_parquet(values, out["activations"], attributes)
    tables.write_csv(summary, out["summary"])
    shown = kernels.selective(summary, settings["n_kernels"])
    tables.write_parquet(kernel_table(seen, shown, settings["kernel_steps"]), out["kernels"], attributes)


# --- dreams


def dream_table(seen: Subject, class_image_steps: int, deep_dream_steps: int) -> pd.DataFrame:
    """Class-generated images, and Deep Dreams of one non-lens and one lens towards either class.

    Returns:
        One row an image: network, method ("class image" or "deep dream"), target (1 for lens), id and label
        of the image that was started from (-1 for noise), bands, size, before and after (row by row, band by
        band, as of ``shown``), score_before, score_after (probability of a lens), logit_before, logit_after,
        change (root mean square of the change in standard deviations of the training inputs) and steps.
    """
    grown = dreams.class_images(
        seen.network,
        seen.scaling,
        seen.limits,
        recipe=seen.recipe,
        steps=class_image_steps,
        seed=seen.seed,
        device=seen.device,
    )
    rows = _dream_rows(seen, "class image", grown, (0, 1), [-1, -1], class_image_steps)
    places = [place for place in examples(seen.data.table) for _ in (0, 1)]
    if places:
        targets = (0, 1) * (len(places) // 2)
        dreamt = dreams.dream(
            seen.network,
            scaled(seen.data, seen.scaling, np.array(places)),
            targets,
            seen.scaling,
            seen.limits,
            recipe=seen.recipe,
            steps=deep_dream_steps,
            device=seen.device,
        )
        rows += _dream_rows(seen, "deep dream", dreamt, targets, places, deep_dream_steps)
    return pd.DataFrame(rows)


def examples(table: pd.DataFrame) -> list[int]:
    """Places of the images that Deep Dream starts from: a non-lens and a lens, as far as there are.

    The non-lens is the first galaxy with nothing around it, so that all that a lens needs has to be added;
    the lens is the one whose lensed images cover most pixels. Where the table does not say, the first one.
    """
    if "label" not in table:
        return []
    found = []
    non_lenses, lenses = table[table["label"] == 0], table[table["label"] == 1]
    if len(non_lenses):
        plain = non_lenses[non_lenses["kind"] == "elliptical"] if "kind" in table else non_lenses
        found.append(int((plain if len(plain) else non_lenses).index[0]))
    if len(lenses):
        found.append(int(lenses["n_pix_source"].idxmax() if "n_pix_source" in table else lenses.index[0]))
    return found


def _dream_rows(
    seen: Subject, method: str, made: Dreams, targets: Sequence[int], places: Sequence[int], steps: int
) -> list[dict[str, Any]]:
    rows = []
    change = (made.after - made.before) / seen.limits.spread[:, None, None]
    for i, (target, place) in enumerate(zip(targets, places, strict=True)):
        rows.append(
            {"network": seen.name, "method": method, "target": target, "steps": steps}
            | _truth(seen, place)
            | {
                "bands": ",".join(seen.scaling.bands),
                "size": seen.scaling.size,
                "before": shown(seen.scaling, made.before[i]).ravel(),
                "after": shown(seen.scaling, made.after[i]).ravel(),
                "logit_before": made.logit_before[i],
                "logit_after": made.logit_after[i],
                "score_before": float(metrics.probability(made.logit_before[i])),
                "score_after": float(metrics.probability(made.logit_after[i])),
                "change": float(np.sqrt(np.square(change[i]).mean())),
            }
        )
    return rows


def _truth(seen: Subject, place: int) -> dict[str, int]:
    """Id and label of an image; -1 for noise, or where the set has no labels."""
    if place < 0:
        return {"id": -1, "label": -1}
    row = seen.data.table.iloc[place]
    return {"id": int(row["id"]), "label": int(row["label"]) if "label" in row else -1}


def shown(scaling: Scaling, images: np.ndarray) -> np.ndarray:
    """Network input on a scale of the same zero and unit in all bands, so that bands make colours.

    Args:
        scaling: of the network.
        images: shape (..., band, size, size).

    Returns:
        As 0 ... 1 of each band ("faithful"), or the inverse hyperbolic sine of the brightness in units of
        ``softening`` times the sky noise ("corrected"); single precision.
    """
    if scaling.recipe == "faithful":
        return images.astype(np.float32)
    std, mean = (np.array(values)[:, None, None] for values in (scaling.std, scaling.mean))
    return (images * std + mean).astype(np.float32)


# --- kernels


def activation_tables(seen: Subject, n_images: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Activation values of every kernel for the first images of the set, and their summary.

    Returns:
        Tables as of ``write``.
    """
    rows = np.arange(min(n_images, len(seen.data)))
    ids = seen.data.table["id"].to_numpy()[rows]
    labels = seen.data.table["label"].to_numpy()[rows] if "label" in seen.data.table else None
    values = kernels.activations(
        seen.network, _batches(seen, rows), recipe=seen.recipe, seed=seen.seed, ids=ids.tolist()
    )
    named = kernels.kernels_of(seen.network)
    columns = [f"{layer}:{kernel}" for layer, kernel in named]
    truth = pd.DataFrame({"id": ids, "label": -1 if labels is None else labels})
    wide = pd.concat([truth, pd.DataFrame(values, columns=columns)], axis=1)
    return wide, kernels.summary(named, values, labels, ids)


def _batches(seen: Subject, rows: np.ndarray) -> Iterator[torch.Tensor]:
    for start in range(0, len(rows), BATCH):
        images = scaled(seen.data, seen.scaling, rows[start : start + BATCH])
        yield torch.from_numpy(images).to(seen.device)


def kernel_table(seen: Subject, chosen: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Kernels to show: an image grown for each, and the image of the set that activates it most.

    Args:
        seen: the network.
        chosen: rows of ``kernels.summary``.
        steps: of the growth.

    Returns:
        One row a kernel: network, layer, kernel, bands, auroc, size and generated (image as of ``shown``),
        top_size and top (likewise), id, label and score of that image, and sigma_generated, sigma_top: both
        activation values in standard deviations from the mean over the set.
    """
    named = zip(chosen["layer"], chosen["kernel"], strict=True)
    which = [Kernel(str(layer), int(kernel)) for layer, kernel in named]
    images, reached = kernels.generated(
        seen.network,
        which,
        seen.scaling,
        seen.limits,
        chosen["std"].to_list(),
        recipe=seen.recipe,
        steps=steps,
        seed=seen.seed,
        device=seen.device,
    )
    place_of = {int(one): place for place, one in enumerate(seen.data.table["id"])}
    tops = np.array([place_of[int(one)] for one in chosen["top1"]])
    inputs = scaled(seen.data, seen.scaling, tops)
    logits = inference.apply(seen.network, inputs, device=seen.device, precision="float32")
    logit = logits[:, 1].astype(float) - logits[:, 0]
    rows = []
    for i, row in enumerate(chosen.to_dict("records")):
        unit = row["std"] if row["std"] > 0 else np.nan
        rows.append(
            {"network": seen.name, "layer": which[i].layer, "kernel": which[i].kernel}
            | _truth(seen, int(tops[i]))
            | {
                "bands": ",".join(seen.scaling.bands),
                "auroc": row["auroc"],
                "size": images.shape[-1],
                "generated": shown(seen.scaling, images[i]).ravel(),
                "top_size": inputs.shape[-1],
                "top": shown(seen.scaling, inputs[i]).ravel(),
                "score": float(metrics.probability(logit[i])),
                "sigma_generated": (reached[i] - row["mean"]) / unit,
                "sigma_top": (row["value1"] - row["mean"]) / unit,
            }
        )
    return pd.DataFrame(rows)
