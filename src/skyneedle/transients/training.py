"""Train and run networks of transients: what ``core.training`` cannot know, which is planes and labels."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from skyneedle.core import inference, metrics, tables
from skyneedle.core.batches import Examples, turned
from skyneedle.core.errors import BadSetting, NoLabel, OneClassOnly, SkyneedleError, UnknownNetwork
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest
from skyneedle.transients import preprocess, split
from skyneedle.transients.preprocess import CHANNELS, SIZE, Scaling

REGISTRY = "skyneedle.transients.networks"
BATCH = 64  # of predictions
WEIGHTS = {"corrected": "best", "faithful": "last"}  # which epoch's weights judge
FAITHFUL = {"amsgrad": False, "schedule": "step", "plateau_factor": 0.5, "step_epochs": 10}
VALIDATION_SHARE = 0.1  # of what a fold does not hold out


@dataclass(frozen=True)
class Sample:
    """Examples with labels out of a set.

    Attributes:
        data: the set.
        rows: ascending, shape (n,).
        labels: 1 artifact, 0 not, shape (n,).
        n_without_label: examples that were asked for and have none.
    """

    data: DataSet
    rows: np.ndarray
    labels: np.ndarray
    n_without_label: int = 0

    @property
    def ids(self) -> np.ndarray:
        """Ids, shape (n,)."""
        return self.data.table["id"].to_numpy(dtype=np.int64)[self.rows]

    def where(self, chosen: np.ndarray) -> "Sample":
        """Those of its examples that a mask of shape (n,) chooses."""
        return Sample(self.data, self.rows[chosen], self.labels[chosen])

    def hash(self) -> str:
        """Of ids and labels, whatever their order: networks and forest must learn from the same."""
        order = np.argsort(self.ids)
        both = np.stack([self.ids[order], self.labels[order]]).astype("<i8")
        return hashlib.sha256(both.tobytes()).hexdigest()[:16]


def sample(
    data: DataSet,
    split_file: str | Path | None,
    names: str | Sequence[str] | None,
    labels: str | Path | None,
    n_most: int | None = None,
) -> Sample:
    """Examples to learn from.

    Args:
        data: the set.
        split_file: see ``split.write``; None takes all.
        names: of the splits to take; None takes all of the file.
        labels: parquet of id and label, 1 artifact; None takes the given labels. Examples without a label
            there are left out.
        n_most: at most so many, drawn by id alone, the same for every network and seed.

    Raises:
        BadSplit: if a split is empty.
        NoLabel: if no example has a label.
        OneClassOnly: if all have the same.
    """
    rows = split.rows(data, split_file, names)
    label = labels_of(data, labels)[rows]
    labelled = ~np.isnan(label)
    where = f"{data.shards[0].parent}, {names or 'all'}"
    if not labelled.any():
        raise NoLabel(f"{where}: none of {len(rows)} examples has a label in {labels or 'its table'}.")
    n_without, rows, label = int((~labelled).sum()), rows[labelled], label[labelled].astype(np.int64)
    found = _fewer(Sample(data, rows, label, n_without), n_most)
    label = found.labels
    if label.min() == label.max():
        raise OneClassOnly(
            f"{where}: {int(label.sum())} artifacts among {len(label)} examples; training needs both "
            "artifacts and others. Take more examples."
        )
    return found


def labels_of(data: DataSet, labels: str | Path | None) -> np.ndarray:
    """Label of each example of a set, shape (n,), double precision, NaN where there is none.

    Raises:
        NoLabel: if there is another label than 0 and 1.
    """
    if labels is None:
        if "label_given" not in data.table:
            return np.full(len(data), np.nan)
        found, place = data.table["label_given"], str(data.shards[0].parent)
    else:
        table = (
            pd.read_parquet(labels, columns=["id", "label"]).drop_duplicates("id").set_index("id")["label"]
        )
        found, place = table.reindex(data.table["id"]), str(labels)
    values = found.to_numpy(dtype=float, na_value=np.nan)
    values = np.where(values == -1, np.nan, values) if labels is None else values
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise NoLabel(f"{place}: labels other than 0 (non-artifact) and 1 (artifact) are in it.")
    return values


def _fewer(learnt: Sample, n_most: int | None) -> Sample:
    """At most so many of them, drawn by the order of their ids alone."""
    if n_most is None or n_most >= len(learnt.rows):
        return learnt
    order = np.argsort(learnt.ids, kind="stable")
    chosen = np.zeros(len(order), bool)
    chosen[order[generator(0, "subset").permutation(len(order))[:n_most]]] = True
    return replace(learnt.where(chosen), n_without_label=learnt.n_without_label)


# --- training


def train(
    network: Mapping[str, Any],
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path,
    labels: str | Path | None = None,
    *,
    training_split: str | Sequence[str] = "training",
    validation_split: str | Sequence[str] = "validation",
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
        labels: see ``sample``; validation has labels of the same kind as training.
        training_split, validation_split: names of splits; validation chooses the best epoch and nothing else.
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
        BadSplit, NoLabel, OneClassOnly: see ``sample``.
        UnknownNetwork: if the network does not say which channels and size it takes.
        WrongPixelMode: if the recipe does not go with the pixels.
    """
    data = DataSet(shards)
    n_most = network["training"].get("max_examples")
    return fit(
        network,
        sample(data, split_file, training_split, labels, n_most),
        sample(data, split_file, validation_split, labels),
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
    softening = network.get("softening", Scaling.softening)
    scaling = preprocess.measure(learnt.data, learnt.rows, channels, recipe, softening)
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
        labels: that stand in the table, see ``sample``; examples without one are scored too.
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
    stem = Path(stem)
    network, card = inference.load(stem)
    if weights == "auto":
        weights = card["provenance"].get("weights", "best")
    if weights not in WEIGHTS.values():
        raise BadSetting(f"Weights are those of the epoch 'best' or 'last', not '{weights}'.")
    if weights == "last":
        network, _ = inference.load(stem.with_name(f"{stem.name.removesuffix('.safetensors')}.last"))
    logit = logits(network, scaling_of(card), data, rows, job.device, batch_size)
    table = pd.DataFrame(
        {
            "id": data.table["id"].to_numpy(dtype=np.int64)[rows],
            "label": pd.Series(labels, dtype="Float64").astype("Int8"),
            "score": metrics.probability(logit),
            "logit": logit,
        }
    )
    return table, card | {"weights": weights}


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


# --- out of fold


def train_folds(
    network: Mapping[str, Any],
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path,
    labels: str | Path | None = None,
    *,
    names: str | Sequence[str] | None = None,
    n_folds: int = 4,
    recipe: str,
    scale: str,
    out: str | Path,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Score each example by a network that never saw its group: one training for each fold of groups.

    A killed run goes on within the fold in which it stopped.

    Args:
        network, shards, labels, recipe, scale, job: as of ``train``; ``max_examples`` is for each fold.
        split_file: whose groups are kept together, see ``split.write``.
        names: of the splits that take part; None takes all.
        n_folds: parts, each scored by what the others taught; a tenth of the groups of these chooses the best
            epoch.
        out: parquet to write: ``id``, ``fold``, ``label`` (as learned from), ``score``, ``logit``.
        state_dir: folder of networks and resume states, one each fold.

    Returns:
        The table, ordered by id.

    Raises:
        BadSplit: if there are too few groups.
    """
    everything = sample(DataSet(shards), split_file, names, labels)
    n_most = network["training"].get("max_examples")
    group = pd.read_parquet(split_file, columns=["id", "group"]).set_index("id")["group"]
    group = group.reindex(everything.ids).to_numpy()
    fold = split.folds(group, n_folds, generator(job.seed, "folds"))
    parts = []
    for k in range(n_folds):
        rest = everything.where(fold != k)
        share = [1 - VALIDATION_SHARE, VALIDATION_SHARE]
        codes = pd.factorize(group[fold != k])[0]
        chooses = split.assign(np.bincount(codes), share, generator(job.seed, "folds", k))[codes] == 1
        learnt = _fewer(rest.where(~chooses), n_most)
        task = _Fold(k, learnt, rest.where(chooses), everything.where(fold == k))
        parts.append(task.run(network, recipe, scale, Path(state_dir, f"fold{k}"), job))
    found = pd.concat(parts, ignore_index=True).sort_values("id", ignore_index=True)
    attributes = {
        "network": network["name"],
        "n_folds": n_folds,
        "names": names if names is None or isinstance(names, str) else list(names),
        "provenance": dict(job.provenance),
    }
    tables.write_parquet(found, out, attributes)
    return found


@dataclass(frozen=True)
class _Fold:
    number: int
    learnt: Sample
    validation: Sample
    held_out: Sample

    def run(
        self, network: Mapping[str, Any], recipe: str, scale: str, folder: Path, job: Job
    ) -> pd.DataFrame:
        """Scores of what is held out; from disk where a run before this one wrote them."""
        for one in (self.learnt, self.validation):
            assert not np.isin(self.held_out.ids, one.ids).any()  # what this is all for
        done = folder / "scores.parquet"
        key = f"{fingerprint(self.learnt, self.validation, job)} {self.held_out.hash()} {job.seed} {network}"
        if done.is_file():
            found = pd.read_parquet(done)
            if found.attrs.get("fingerprint") == key:
                return found
        options: dict[str, Any] = {"recipe": recipe, "scale": scale, "job": job}
        fit(
            network,
            self.learnt,
            self.validation,
            out=folder / "network",
            state_dir=folder / "state",
            **options,
        )
        held = self.held_out
        found, _ = scores(folder / "network", held.data, held.rows, held.labels, job)
        found.insert(1, "fold", self.number)
        tables.write_parquet(found, done, {"fingerprint": key})
        return found
