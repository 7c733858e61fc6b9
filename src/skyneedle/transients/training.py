"""Train and run networks of transients: what ``core.training`` cannot know, which is planes and labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, metrics, tables
from skyneedle.core.batches import Examples, turned
from skyneedle.core.errors import BadSetting, SkyneedleError, UnknownNetwork
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest
from skyneedle.transients import preprocess, split
from skyneedle.transients.preprocess import CHANNELS, SIZE, Scaling
from skyneedle.transients.samples import Sample, labels_of, sample

REGISTRY = "skyneedle.transients.networks"
BATCH = 64  # of predictions
WEIGHTS = {"corrected": "best", "faithful": "last"}  # which epoch's weights judge
FAITHFUL = {"amsgrad": False, "schedule": "step", "plateau_factor": 0.5, "step_epochs": 10}


# --- training


def train(
    network: Mapping[str, Any],
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path,
    labels: str | Path | None = None,
    *,
    training_split: str | Sequence[str] = "training",
    validation_split: str | Sequence[str] = "validation",
    start: str | Path | None = None,
    recipe: str,
    scale: str,
    out: str | Path,
    state_dir: str | Path,
    job: Job,
) -> dict[str, Any]:
    """Train one network of the configuration, or go on where a killed training stopped.

    Args:
        network: name, source, options, training (``core.task.Settings`` and ``max_examples``, at most so many
            of the training set), and maybe ``flips`` (rotations and reflections; the recipe's choice if not
            there) and ``softening`` of the stretch.
        shards: of the data set.
        split_file: see ``split.write``.
        labels: see ``samples.sample``; validation has labels of the same kind as training.
        training_split, validation_split: names of splits; validation chooses the best epoch and nothing else.
        start: stem of a trained network of the same kind; this one begins with its weights and scales stamps
            as it does. None draws weights and measures the scaling on the training set.
        recipe: "corrected", or "faithful": 8-bit values as they are, never turned, learning rate halved every
            ten epochs, weights of the last epoch.
        scale: name of the scale, for the card.
        out: stem of weights and card: ``<out>.safetensors`` holds the best epoch, ``<out>.last.safetensors``
            the last.
        state_dir: folder of the resume state.
        job: seed, device, threads and provenance.

    Returns:
        The card: ``normalisation`` holds the ``Scaling``; ``best_epoch``, ``best_loss``, ``epochs_trained``
        and ``last_loss`` tell both ends; ``provenance.weights`` says which of both judges.

    Raises:
        BadSplit, NoLabel, OneClassOnly: see ``samples.sample``.
        UnknownNetwork: if the network does not say which channels and size it takes.
        WrongPixelMode: if the recipe does not go with the pixels.
    """
    data = DataSet(shards)
    n_most = network["training"].get("max_examples")
    return fit(
        network,
        sample(data, split_file, training_split, labels, n_most),
        sample(data, split_file, validation_split, labels),
        start=start,
        recipe=recipe,
        scale=scale,
        out=out,
        state_dir=state_dir,
        job=job,
    )


def fit(
    network: Mapping[str, Any],
    learnt: Sample,
    validation: Sample,
    *,
    start: str | Path | None = None,
    recipe: str,
    scale: str,
    out: str | Path,
    state_dir: str | Path,
    job: Job,
    after_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train one network on some examples; see ``train``, and ``core.training.fit`` for ``after_epoch``."""
    from skyneedle.core import training  # Lightning takes 4 s to import, which predicting need not pay for

    settings = settings_of(network, recipe)
    channels = takes(inference.build(network["source"], network["options"], REGISTRY), network["source"])
    begins, card = inference.load(start) if start else (None, {})
    softening = network.get("softening", Scaling.softening)
    scaling = (
        scaling_of(card)
        if start
        else preprocess.measure(learnt.data, learnt.rows, channels, recipe, softening)
    )
    flips = network.get("flips", recipe == "corrected")
    turns = int(generator(job.seed, "turns").integers(2**31)) if flips else None
    return training.fit(
        {key: network[key] for key in ("name", "source", "options")} | {"registry": REGISTRY},
        Examples(len(learnt.rows), Stamps(learnt, scaling, turns)),
        Examples(len(validation.rows), Stamps(validation, scaling)),
        settings,
        out=out,
        state_dir=state_dir,
        history=f"{out}.history.csv",  # several trainings of a network lie in one folder
        seed=int(generator(job.seed, "training", network["name"]).integers(2**31)),
        device=job.device,
        threads=job.threads,
        normalisation=asdict(scaling),
        provenance=job.provenance
        | {
            "recipe": recipe,
            "scale": scale,
            "weights": WEIGHTS[recipe],
            "flips": flips,
            "training_ids": learnt.hash(),
            "n_without_label": learnt.n_without_label,
        },
        fingerprint=fingerprint(learnt, validation, job) + f" {scaling} {turns}",
        metrics={"accuracy": accuracy},
        after_epoch=after_epoch,
        start=begins,
    )


def settings_of(network: Mapping[str, Any], recipe: str) -> Any:
    """``core.task.Settings`` of a network of the configuration under a recipe.

    Source of the faithful ones: spec A1 (Adam, binary cross-entropy, learning rate halved every ten epochs).
    """
    from skyneedle.core.task import Settings

    if recipe not in WEIGHTS:
        raise BadSetting(f"The recipe is '{recipe}', expected one of {', '.join(WEIGHTS)}.")
    settings = {key: value for key, value in network["training"].items() if key != "max_examples"}
    return Settings(**settings | (FAITHFUL if recipe == "faithful" else {}))


def fingerprint(learnt: Sample, validation: Sample, job: Job) -> str:
    """Of code, settings, stamps, rows and labels: a training must not go on with others."""
    words = [job.provenance["code"], job.provenance["settings"], digest(learnt.data, ["stamps"])]
    return " ".join([*words, learnt.hash(), validation.hash()])


def takes(network: nn.Module, source: str) -> tuple[str, ...]:
    """Channels, in the order of its input, that a network says it takes.

    Raises:
        UnknownNetwork: if it does not, or takes stamps of another size.
    """
    channels, size = getattr(network, "channels", None), getattr(network, "size", None)
    if not channels or isinstance(channels, str) or size != SIZE:
        raise UnknownNetwork(
            f"{source}: the network needs the attributes 'channels', names out of {', '.join(CHANNELS)} in "
            f"the order of its input, and 'size' = {SIZE}, pixels a side; set both in __init__."
        )
    return tuple(channels)


def accuracy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Share of examples on the right side of a score of 0.5; for the history."""
    return ((logits > 0) == (target > 0.5)).float().mean()


@dataclass(frozen=True)
class Stamps:
    """Scaled stamps with their labels.

    Attributes:
        sample: examples to choose from.
        scaling: to the input of the network.
        turns: seed of rotations and reflections; None leaves the stamps as they are.
    """

    sample: Sample
    scaling: Scaling
    turns: int | None = None

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, channel, 51, 51) and label (n,), single precision, of some of the examples."""
        wanted = self.sample.rows[rows]
        images = scaled(self.sample.data, self.scaling, wanted)
        if self.turns is not None:
            # By id and epoch, never by class: a turn must not tell what a stamp shows.
            ids = self.sample.data.table["id"].to_numpy()[wanted]
            drawn = [generator(self.turns, "turn", epoch, int(one)).integers(8) for one in ids]
            images = np.stack([turned(image, int(draw)) for image, draw in zip(images, drawn, strict=True)])
        return images, self.sample.labels[rows].astype(np.float32)


def scaled(data: DataSet, scaling: Scaling, rows: np.ndarray) -> np.ndarray:
    """Network input of some examples, shape (n, channel, 51, 51).

    Raises:
        WrongPixelMode, WrongStampSize: with the folder of the set.
    """
    try:
        return scaling(data.read("stamps", rows))
    except SkyneedleError as error:
        raise type(error)(f"{data.shards[0].parent}: {error}") from None


# --- predictions


def predict(
    stem: str | Path,
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path | None,
    names: str | Sequence[str] | None,
    labels: str | Path | None,
    out: str | Path,
    *,
    job: Job,
    weights: str = "auto",
    batch_size: int = BATCH,
) -> pd.DataFrame:
    """Write the scores of a trained network.

    Args:
        stem: trained network, see ``core.inference.load``.
        shards: of the data set.
        split_file, names: which examples, see ``split.rows``.
        labels: that stand in the table, see ``samples.sample``; examples without one are scored too.
        out: parquet to write: ``id``, ``label`` (1 artifact), ``score`` = P(artifact) in [0, 1], and
            ``logit``, its log odds, which still tell apart scores that round to 1.
        job: device and provenance.
        weights: "best" or "last" epoch; "auto" takes the one that the network's recipe judges by.
        batch_size: examples at once; so many are in memory.

    Returns:
        The table.

    Raises:
        WrongPixelMode: if the pixels are not of the kind that the network learned from.
    """
    data = DataSet(shards)
    rows = split.rows(data, split_file, names)
    found, card = scores(stem, data, rows, labels_of(data, labels)[rows], job, weights, batch_size)
    attributes = {"network": card["name"], "weights": card["weights"], "provenance": dict(job.provenance)}
    tables.write_parquet(found, out, attributes)
    return found


def scores(
    stem: str | Path,
    data: DataSet,
    rows: np.ndarray,
    labels: np.ndarray,
    job: Job,
    weights: str = "auto",
    batch_size: int = BATCH,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Scores of some rows of a set, and the card of the network with ``weights``, those that were taken."""
    network, card = load(stem, weights)
    logit = logits(network, scaling_of(card), data, rows, job.device, batch_size)
    table = pd.DataFrame(
        {
            "id": data.table["id"].to_numpy(dtype=np.int64)[rows],
            "label": pd.Series(labels, dtype="Float64").astype("Int8"),
            "score": metrics.probability(logit),
            "logit": logit,
        }
    )
    return table, card


def load(stem: str | Path, weights: str = "auto") -> tuple[nn.Module, dict[str, Any]]:
    """A trained network with the weights of one epoch, and its card with ``weights``, which these are.

    Args:
        stem: trained network, see ``core.inference.load``.
        weights: "best" or "last" epoch; "auto" takes the one that the network's recipe judges by.

    Raises:
        BadSetting: if there are no such weights.
    """
    stem = Path(stem)
    network, card = inference.load(stem)
    if weights == "auto":
        weights = card["provenance"].get("weights", "best")
    if weights not in WEIGHTS.values():
        raise BadSetting(f"Weights are those of the epoch 'best' or 'last', not '{weights}'.")
    if weights == "last":
        network, _ = inference.load(stem.with_name(f"{stem.name.removesuffix('.safetensors')}.last"))
    return network, card | {"weights": weights}


def logits(
    network: nn.Module,
    scaling: Scaling,
    data: DataSet,
    rows: np.ndarray,
    device: str = "cpu",
    batch_size: int = BATCH,
) -> np.ndarray:
    """Log odds of "artifact" of some rows of a set, shape (n,), double precision."""
    prepared = inference.prepare(network.to(memory_format=torch.channels_last), device)
    found = np.empty(len(rows))
    for start in range(0, len(rows), batch_size):
        images = torch.from_numpy(scaled(data, scaling, rows[start : start + batch_size]))
        x = images.contiguous(memory_format=torch.channels_last)
        found[start : start + batch_size] = prepared(x).double().numpy()
    return found


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
