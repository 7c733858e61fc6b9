"""Train and run the networks of strain: what ``core.training`` cannot know, which is labels and detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from skyneedle.core import inference
from skyneedle.core.batches import Examples
from skyneedle.core.errors import BadSetting, DetectorMismatch, OneClassOnly
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest
from skyneedle.strain import preprocess
from skyneedle.strain.networks import output_grid

KINDS = ("sequence", "piece")
REGISTRY = "skyneedle.strain.networks"


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
        network: name, source, options, detectors, targets (``Targets``) and training (``core.task.Settings``
            and ``max_examples``: the first so many examples of the training set).
        train_shards: files of the training set.
        validation_shards: files of the validation set.
        recipe: "corrected" or "faithful".
        scale: name of the scale, for the card.
        out: stem of weights and card.
        state_dir: folder of the resume state.
        job: seed, device, threads and provenance.

    Returns:
        The card of the trained network.
    """
    from skyneedle.core import training  # Lightning takes 4 s to import, which predicting need not pay for

    train_set, validation_set = DataSet(train_shards), DataSet(validation_shards)
    targets, settings = Targets(**network["targets"]), dict(network["training"])
    n = settings.pop("max_examples") or len(train_set)
    if recipe == "faithful":
        settings["epochs"] -= 1  # the published loop runs over range(1, epochs)
    channels = channels_of(train_set, network["detectors"])
    normalisation = {
        key: [values[channel] for channel in channels]
        for key, values in preprocess.normalisation(train_set).items()
    }
    fresh = inference.build(network["source"], network["options"], REGISTRY)
    step = getattr(fresh, "training_step", 1)
    samples = output_grid(fresh, train_set.shape("strain")[-1], len(channels)).numpy()
    learn, check = (
        examples(
            data, network["detectors"], normalisation, targets, samples, recipe, job.seed, n_examples, step
        )
        for data, n_examples in ((train_set, n), (validation_set, None))
    )
    return training.fit(
        {key: network[key] for key in ("name", "source", "options")} | {"registry": REGISTRY},
        learn,
        check,
        training.Settings(**settings),
        out=out,
        state_dir=state_dir,
        seed=int(generator(job.seed, "training", network["name"]).integers(2**31)),
        device=job.device,
        threads=job.threads,
        normalisation=normalisation | {"detectors": list(network["detectors"])},
        provenance=job.provenance | {"recipe": recipe, "scale": scale},
        fingerprint=" ".join(
            (
                job.provenance["code"],
                job.provenance["settings"],
                *(digest(data, ["strain"]) for data in (train_set, validation_set)),
            )
        ),
    )


def predict(weights: str | Path, shards: Sequence[str | Path], folder: str | Path, *, job: Job) -> None:
    """Write the logits of a trained network for the examples of a set, see ``core.inference.predict_set``."""
    data = DataSet(shards)
    _, card = inference.load(weights)
    inference.predict_set(
        weights,
        data,
        folder,
        channels=channels_of(data, card["normalisation"]["detectors"]),
        device=job.device,
        provenance=job.provenance,
    )


@dataclass(frozen=True)
class Targets:
    """How a network's examples are cut and labelled.

    Attributes:
        kind: "sequence" for networks that answer for each time, "piece" for those that judge a whole window.
        label_width_s: width of the label around the event, in s (sequence).
        crop_s: length of the part of each example that training sees in its first epochs, in s; it holds the
            event where there is one (sequence). In whole examples one output in 40 is positive and a network
            stays at the constant answer for long; in 3 s it is one in 7. None takes whole examples.
        crop_epochs: epochs with such parts; whole examples follow, since only they have the true share.
        flips: turn the sign of half of the examples, other ones in each epoch (sequence).
        curriculum_snr: SNR that signals must have in the first epoch; falls linearly to the lowest of the set
            (sequence). None takes all signals from the start.
        curriculum_epochs: epochs until all signals are in.
        share: of pieces with a signal (piece).
        position_s: place of the merger in its piece, uniform in this range, in s (piece).
        piece_s: length of a piece, in s.
        pieces_an_epoch: as a multiple of the number of examples (piece).
    """

    kind: str = "sequence"
    label_width_s: float = 0.2
    crop_s: float | None = None
    crop_epochs: int = 0
    flips: bool = False
    curriculum_snr: float | None = None
    curriculum_epochs: int = 0
    share: float = 0.5
    position_s: Sequence[float] = (0.75, 1.0)
    piece_s: float = 1.0
    pieces_an_epoch: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadSetting(f"kind is '{self.kind}'; choose among {', '.join(KINDS)}.")
        if not 0 < self.share < 1:
            raise BadSetting(f"share is {self.share}; expected a number between 0 and 1.")
        if not 0 <= self.position_s[0] < self.position_s[1] <= self.piece_s:
            raise BadSetting(f"position_s is {self.position_s}; expected a range within {self.piece_s} s.")


@dataclass(frozen=True)
class Sequences:
    """Whole crops with a label for each output of a fully convolutional network.

    Attributes:
        data: examples.
        channels: which detectors of the data set, by index.
        normalisation: of those detectors.
        recipe: "corrected" or "faithful".
        width_s: of the label.
        samples: of the input that the network's outputs are about.
        step: only every so-many-th output is computed; in training the first is another one each time.
        draws: whether parts and signs are drawn, as in training; in validation examples stay as they are.
        seed: of these draws.
        flips: whether half of the examples have their sign turned, in each epoch other ones.
        crop: samples of the part that is seen in the first ``crop_epochs`` epochs; 0 for whole examples.
        crop_epochs: how many.
    """

    data: DataSet
    channels: tuple[int, ...]
    normalisation: Mapping[str, list[float]]
    recipe: str
    width_s: float
    samples: np.ndarray
    step: int = 1
    draws: bool = False
    seed: int = 0
    flips: bool = False
    crop: int = 0
    crop_epochs: int = 0

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, detector, time) and label (n, n_outputs), both float32."""
        strain = self.data.read("strain", rows)[:, self.channels]
        events = self.data.table["event_index"].to_numpy()[rows]
        crop = strain.shape[-1]
        if self.draws:
            # With a step, an example loses the samples by which its first output is put off.
            crop = self.crop if self.crop and epoch < self.crop_epochs else crop - self.step + 1
        lost = strain.shape[-1] - crop
        if lost:
            pairs = zip(rows, events, strict=True)
            starts = np.array([self._start(int(row), int(event), epoch, lost) for row, event in pairs])
            strain = np.stack([x[:, k : k + crop] for x, k in zip(strain, starts, strict=True)])
            events = np.where(events < 0, -1, events - starts)
        grid = int(self.samples[1] - self.samples[0])
        samples = self.samples[: len(self.samples) - lost // grid : self.step]
        labels = preprocess.labels(events, crop, self.recipe, self.width_s, samples)
        inputs = preprocess.normalise(strain, self.normalisation)
        if self.flips:
            # Noise and signals are as likely with the other sign: a signal's phase is uniform.
            turned = [generator(self.seed, "sign", epoch, int(row)).integers(2) for row in rows]
            inputs *= np.where(turned, -1, 1).astype(np.float32)[:, None, None]
        return inputs, labels

    def _start(self, row: int, event: int, epoch: int, last: int) -> int:
        """First sample, up to ``last``, of a part of an example; its outputs hold an event's whole label."""
        low, high = 0, last
        if event >= 0:
            # Outputs are about the samples from offset on, over a reach of the crop less the receptive field.
            offset, reach = int(self.samples[0]), int(self.samples[-1] - self.samples[0]) - last
            margin = min(round(self.width_s * preprocess.SAMPLE_RATE), reach // 2)
            low, high = event - offset - reach + margin, event - offset - margin
            low, high = min(max(low, 0), last), min(max(high, 0), last)
        return int(generator(self.seed, "crop", epoch, row).integers(low, max(low, high) + 1))


@dataclass(frozen=True)
class Pieces:
    """Windows of one second, with or without a merger, drawn anew in each epoch.

    Attributes:
        data: examples.
        channels: which detectors of the data set, by index.
        normalisation: of those detectors.
        targets: share, position and length.
        seed: of the draws.
        events: sample of the merger in each example that pieces are cut from, -1 for noise.
    """

    data: DataSet
    channels: tuple[int, ...]
    normalisation: Mapping[str, list[float]]
    targets: Targets
    seed: int
    events: np.ndarray

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Input (n, detector, time) and label (n, 1); a row's piece depends on row and epoch alone."""
        signals, noise = np.flatnonzero(self.events >= 0), np.flatnonzero(self.events < 0)
        n_samples = self.data.shape("strain")[-1]
        length = round(self.targets.piece_s * preprocess.SAMPLE_RATE)
        picked, starts, labels = [], [], []
        for row in rows:
            rng = generator(self.seed, "piece", epoch, int(row))
            positive = rng.random() < self.targets.share
            example = int(rng.choice(signals if positive else noise))
            if positive:
                position = (
                    rng.uniform(self.targets.position_s[0], self.targets.position_s[1])
                    * preprocess.SAMPLE_RATE
                )
                start = int(self.events[example] - position)
            else:
                start = int(rng.integers(0, n_samples - length + 1))
            picked.append(example)
            starts.append(min(max(start, 0), n_samples - length))
            labels.append(positive)
        strain = self.data.read("strain", picked)[:, self.channels]
        pieces = np.stack([x[:, start : start + length] for x, start in zip(strain, starts, strict=True)])
        return preprocess.normalise(pieces, self.normalisation), np.array(labels, dtype=np.float32)[:, None]


@dataclass(frozen=True)
class Curriculum:
    """Rows of each epoch: loud signals first, and all noise always (Gebhard et al. 2019, Sec. IV B)."""

    snr: np.ndarray
    start_snr: float
    epochs: int

    def __call__(self, epoch: int) -> np.ndarray:
        """Rows whose SNR is at least that of the epoch, or that hold no signal."""
        lowest = float(np.nanmin(self.snr))
        done = min(epoch / self.epochs, 1.0) if self.epochs else 1.0
        least = self.start_snr + (lowest - self.start_snr) * done
        return np.flatnonzero(np.isnan(self.snr) | (self.snr >= least))


def channels_of(data: DataSet, detectors: Sequence[str]) -> tuple[int, ...]:
    """Indices of detectors in a data set.

    Raises:
        DetectorMismatch: if the data set lacks one.
    """
    there = list(data.attributes["detectors"])
    missing = [detector for detector in detectors if detector not in there]
    if missing:
        raise DetectorMismatch(
            f"{data.shards[0].parent}: no strain of {', '.join(missing)}; there is {', '.join(there)}. "
            "Add the detector to strain.simulate.detectors."
        )
    return tuple(there.index(detector) for detector in detectors)


def examples(
    data: DataSet,
    detectors: Sequence[str],
    normalisation: Mapping[str, Any],
    targets: Targets,
    samples: np.ndarray,
    recipe: str,
    seed: int,
    n_training: int | None = None,
    step: int = 1,
) -> Examples:
    """The examples of a data set for ``core.training.fit``.

    Args:
        data: a set of simulated examples.
        detectors: that the network takes, in its order.
        normalisation: of those detectors.
        targets: kind and label.
        samples: of the input that the network's outputs are about.
        recipe: "corrected" or "faithful".
        seed: of what is drawn for pieces.
        n_training: number of examples to train on; None for the validation set, which stays whole.
        step: outputs from one to the next that the network gives while it is trained.

    Returns:
        Examples.

    Raises:
        OneClassOnly: if the set has no noise or no signals.
        DetectorMismatch: if the set lacks a detector.
    """
    n = len(data) if n_training is None else min(n_training, len(data))
    events = data.table["event_index"].to_numpy()[:n]
    if not (events >= 0).any() or not (events < 0).any():
        raise OneClassOnly(
            f"{data.shards[0].parent}: {(events >= 0).sum()} signals among {n} examples; training needs both "
            "signals and noise. Raise n_examples or change share_injection."
        )
    channels = channels_of(data, detectors)
    if targets.kind == "piece":
        draw = int(
            generator(seed, "pieces", "validation" if n_training is None else "training").integers(2**31)
        )
        pieces = Pieces(data, channels, normalisation, targets, draw, events)
        return Examples(n * targets.pieces_an_epoch, pieces)
    subset = None
    if targets.curriculum_snr is not None and n_training is not None:
        snr = data.table["snr"].to_numpy(dtype=float)[:n]
        subset = Curriculum(snr, targets.curriculum_snr, targets.curriculum_epochs)
    read = Sequences(data, channels, normalisation, recipe, targets.label_width_s, samples, step)
    if n_training is not None:
        read = replace(
            read,
            draws=True,
            seed=int(generator(seed, "crops").integers(2**31)),
            flips=targets.flips,
            crop=round((targets.crop_s or 0) * preprocess.SAMPLE_RATE),
            crop_epochs=targets.crop_epochs,
        )
    return Examples(n, read, subset)
