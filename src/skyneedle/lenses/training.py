"""Train and run the networks of lenses: what ``core.training`` cannot know, which is bands and classes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from skyneedle.core import inference
from skyneedle.core.batches import Examples, turned
from skyneedle.core.classes import WeightedCrossEntropy, accuracy, class_weights
from skyneedle.core.errors import NotADataSet, OneClassOnly, SkyneedleError, UnknownNetwork
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest
from skyneedle.lenses import preprocess, score_table
from skyneedle.lenses.networks import lens_logit
from skyneedle.lenses.preprocess import Scaling

REGISTRY = "skyneedle.lenses.networks"
BATCH = 16  # of predictions; the first maps of OU-200 take 8 MB an image


def train(
    network: Mapping[str, Any],
    train_shards: Sequence[str | Path],
    validation_shards: Sequence[str | Path],
    *,
    recipe: str,
    scale: str,
    out: str | Path,
    state_dir: str | Path,
    job: Job,
) -> dict[str, Any]:
    """Train one network of the configuration, or go on where a killed training stopped.

    Args:
        network: name, source, options, training (``core.task.Settings`` and ``max_examples``: the first so
            many examples of the training set), and maybe ``without``: a kind of impostor that is left out.
        train_shards: files of the training set.
        validation_shards: files of the validation set, which chooses the best epoch and nothing else.
        recipe: "corrected", or "faithful": scaled image by image as published, never turned.
        scale: name of the scale, for the card.
        out: stem of weights and card.
        state_dir: folder of the resume state.
        job: seed, device, threads and provenance.

    Returns:
        The card of the trained network; its ``normalisation`` holds the ``Scaling``.

    Raises:
        OneClassOnly: if training or validation lack lenses or non-lenses.
        NotADataSet: if a set has no labels of 0 and 1.
        UnknownNetwork: if the network does not say which bands and size it takes.
        MissingBand, WrongStampSize, StampHasNaN: if the stamps are not as the network needs them.
    """
    from skyneedle.core import training  # Lightning takes 4 s to import, which predicting need not pay for

    train_set, validation_set = DataSet(train_shards), DataSet(validation_shards)
    settings = dict(network["training"])
    if recipe == "faithful":
        settings |= {"batch_norm": False, "dropout_from_epoch": 0}
    n_most, without = settings.pop("max_examples", None), network.get("without")
    rows, validation_rows = rows_of(train_set, without, n_most), rows_of(validation_set, without)
    labels, validation_labels = labels_of(train_set, rows), labels_of(validation_set, validation_rows)
    bands, size = takes(inference.build(network["source"], network["options"], REGISTRY), network["source"])
    if recipe == "faithful":
        scaling = Scaling(bands, size, recipe)
    else:
        scaling = preprocess.measure(train_set, bands, size, rows)
    turns = int(generator(job.seed, "turns").integers(2**31)) if recipe == "corrected" else None
    loss = WeightedCrossEntropy(class_weights(labels))
    arrays = list(preprocess.read(train_set, bands, np.arange(1)))
    return training.fit(
        {key: network[key] for key in ("name", "source", "options")} | {"registry": REGISTRY},
        Examples(len(rows), Stamps(train_set, scaling, rows, labels, turns)),
        Examples(len(validation_rows), Stamps(validation_set, scaling, validation_rows, validation_labels)),
        training.Settings(**settings),
        out=out,
        state_dir=state_dir,
        seed=int(generator(job.seed, "training", network["name"]).integers(2**31)),
        device=job.device,
        threads=job.threads,
        normalisation=asdict(scaling),
        provenance=job.provenance
        | {"recipe": recipe, "scale": scale, "class_weights": list(loss.weights), "without": without},
        fingerprint=" ".join(
            (
                job.provenance["code"],
                job.provenance["settings"],
                *(digest(data, arrays) for data in (train_set, validation_set)),
            )
        ),
        loss=loss,
        metrics={"accuracy": accuracy},
    )


def takes(network: nn.Module, source: str) -> tuple[tuple[str, ...], int]:
    """Bands, in the order of its channels, and pixels a side that a network says it takes.

    Raises:
        UnknownNetwork: if it does not.
    """
    bands, size = getattr(network, "bands", None), getattr(network, "size", None)
    if not bands or isinstance(bands, str) or not isinstance(size, int):
        raise UnknownNetwork(
            f"{source}: the network needs the attributes 'bands', names out of {', '.join(preprocess.BANDS)} "
            "in the order of its channels, and 'size', pixels a side; set both in __init__."
        )
    return tuple(bands), size


# --- labels


def rows_of(data: DataSet, without: str | None = None, n_most: int | None = None) -> np.ndarray:
    """Rows of a set to learn from: the first so many, less those of one kind of impostor.

    Raises:
        NotADataSet: if a kind is to be left out of a set that tells no kinds.
    """
    rows = np.arange(min(n_most or len(data), len(data)))
    if not without:
        return rows
    if "kind" not in data.table:
        raise NotADataSet(
            f"{data.shards[0].parent}: its table has no column 'kind' to leave '{without}' out."
        )
    return rows[(data.table["kind"] != without).to_numpy()[rows]]


def labels_of(data: DataSet, rows: np.ndarray) -> np.ndarray:
    """Labels of some rows of a set to learn from, 1 for lenses, shape (n,), integer.

    Raises:
        NotADataSet: if the table has no labels, or others than 0 and 1.
        OneClassOnly: if all are the same.
    """
    folder = data.shards[0].parent
    if "label" not in data.table or not data.table["label"].isin([0, 1]).all():
        raise NotADataSet(f"{folder}: its table has no column 'label' of 0 (non-lens) and 1 (lens).")
    labels = data.table["label"].to_numpy(dtype=np.int64)[rows]
    if labels.min(initial=1) == labels.max(initial=0):
        raise OneClassOnly(
            f"{folder}: {int(labels.sum())} lenses among {len(labels)} examples; training needs lenses and "
            "non-lenses. Raise n_examples or change share_negatives."
        )
    return labels


# --- inputs


@dataclass(frozen=True)
class Stamps:
    """Scaled stamps with their labels.

    Attributes:
        data: examples.
        scaling: to the input of the network.
        among: rows of the set that there are to choose from, shape (n,).
        labels: of these, shape (n,), 1 for lenses.
        turns: seed of rotations and reflections; None leaves the stamps as they are.
    """

    data: DataSet
    scaling: Scaling
    among: np.ndarray
    labels: np.ndarray
    turns: int | None = None

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, band, size, size), single precision, and label (n,) of some of those ``among``."""
        labels, rows = self.labels[rows], self.among[rows]
        images = scaled(self.data, self.scaling, rows)
        if self.turns is not None:
            # By row and epoch, never by class: a turn must not tell what an image shows.
            draws = [generator(self.turns, "turn", epoch, int(row)).integers(8) for row in rows]
            images = np.stack([turned(image, int(draw)) for image, draw in zip(images, draws, strict=True)])
        return images, labels


def scaled(data: DataSet, scaling: Scaling, rows: np.ndarray) -> np.ndarray:
    """Network input of some examples, shape (n, band, size, size).

    Raises:
        MissingBand, WrongStampSize, StampHasNaN: with the folder and the id of the example.
    """
    raw = preprocess.read(data, scaling.bands, rows)
    try:
        return scaling(**raw)
    except SkyneedleError:
        for i, row in enumerate(rows):
            try:
                scaling(**{name: array[i : i + 1] for name, array in raw.items()})
            except SkyneedleError as error:
                name = f"{data.shards[0].parent}, example {data.table['id'].iloc[int(row)]}"
                raise type(error)(f"{name}: {error}") from None
        raise


# --- predictions


def predict(
    weights: str | Path,
    shards: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    job: Job,
    batch_size: int = BATCH,
) -> None:
    """Write the scores of a trained network for the examples of a set.

    The scaling is that of the card, with the sky noise of the set itself: stamps of another survey have other
    units.

    Args:
        weights: trained network, see ``core.inference.load``.
        shards: of the set.
        out: parquet to write: ``id``, ``label`` (missing where the set has none), ``score`` in [0, 1], and
            ``logit``, the log odds of being a lens, which still tells apart scores that round to 1.
        job: device and provenance.
        batch_size: examples at once; so many are in memory.

    Raises:
        MissingBand, WrongStampSize, StampHasNaN: if a stamp is not as the network needs it.
    """
    data = DataSet(shards)
    network, card = inference.load(weights)
    scaling = for_survey(scaling_of(card), data)
    prepared = inference.prepare(network, job.device)
    logit = np.empty(len(data))
    for start in range(0, len(data), batch_size):
        rows = np.arange(start, min(start + batch_size, len(data)))
        logits = prepared(torch.from_numpy(scaled(data, scaling, rows)))
        logit[rows] = lens_logit(logits.double()).numpy()
    score_table.write(data, logit, out, card["name"], job.provenance)


def scaling_of(card: Mapping[str, Any]) -> Scaling:
    """The scaling that a network was trained with, from its card.

    Raises:
        UnknownNetwork: if the card holds none.
    """
    try:
        return Scaling(**card["normalisation"])
    except (TypeError, KeyError) as error:
        raise UnknownNetwork(
            f"The card of '{card.get('name')}' does not say how stamps are scaled ({error}); train it again."
        ) from None


def for_survey(scaling: Scaling, data: DataSet) -> Scaling:
    """A scaling with the sky noise of the stamps that it is used on."""
    if scaling.recipe == "faithful":
        return scaling
    return replace(scaling, sky_sigma=preprocess.survey_sky(data, scaling.bands))
