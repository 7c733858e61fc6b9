"""Train one network for each fold, let it judge, and keep of it what is small.

The network of a fold judges that fold; the next fold chooses its epoch; it learns from all others. What is
finished lies in a folder beside the outputs, which a killed run takes up again.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from torch import nn

from skyneedle.core import inference, metrics, tables
from skyneedle.core.batches import Examples
from skyneedle.core.classes import WeightedCrossEntropy, accuracy, class_weights, log_odds
from skyneedle.core.errors import OneClassOnly
from skyneedle.core.files import appearing
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.transfer import networks
from skyneedle.transfer.examples import ITSELF, Division, Reader, Source, others, scores

BATCH = 32  # of predictions
DONE = "done.json"  # written last in the folder of a fold


@dataclass(frozen=True)
class Outputs:
    """Files of a cross-validation.

    Attributes:
        models: folder of ``fold<k>.safetensors`` and ``fold<k>.json``, ``history.csv`` and
            ``history.timing.csv``.
        divided: parquet of the out-of-fold scores, see ``examples.scores``.
        others: parquet of the scores of other sets, one row for each example and fold network.
        metrics: JSON of how much was trained.
    """

    models: str | Path
    divided: str | Path
    others: str | Path
    metrics: str | Path


@dataclass(frozen=True)
class Run:
    """A cross-validation: what is the same in all of its folds.

    Attributes:
        spec: name, source, options and registry of the network, see ``core.training.fit``.
        training: ``core.task.Settings``, and maybe ``max_examples``, which a fold learns from at most.
        source: inputs of the divided set.
        division: its examples and folds.
        draws: whether what is learned from is a copy drawn anew in each epoch.
        seed: root of all that is random.
        job: device, threads and provenance.
        others: inputs of sets that every fold network judges too.
        about: goes into cards.
    """

    spec: Mapping[str, Any]
    training: Mapping[str, Any]
    source: Source
    division: Division
    draws: bool
    seed: int
    job: Job
    others: Mapping[str, Source] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self, k: int) -> str:
        """Of code, settings, inputs and folds: what is finished must not be taken for something else."""
        words = [self.job.provenance.get("code", ""), self.job.provenance.get("settings", "")]
        words += [self.source.hash(), *(source.hash() for source in self.others.values())]
        told = [self.spec, self.training, self.draws, self.seed, self.about, k]
        return " ".join([*words, self.division.hash(), json.dumps(told, sort_keys=True, default=str)])


def cross_validate(run: Run, n_judged: int, out: Outputs, state_dir: Path) -> pd.DataFrame:
    """Train the network of each of the first folds, and write what they judge and what is kept of them.

    A killed run goes on within the fold in which it stopped.

    Args:
        n_judged: folds; those that are not judged have no scores.
        state_dir: of this run alone; deleted at the end.

    Returns:
        The scores of the divided set.
    """
    folders = [train_fold(run, k, state_dir / f"fold{k}") for k in range(n_judged)]
    cards = [json.loads((folder / "network.json").read_text()) for folder in folders]
    attributes = {
        "network": run.spec["name"],
        "n_folds": run.division.n_folds,
        "n_judged": n_judged,
        "n_trained": [card["training"]["n_examples"] for card in cards],
        **{key: value for key, value in run.about.items() if key in ("recipe", "max_examples")},
        "provenance": dict(run.job.provenance),
    }
    found = _together(folders)
    tables.write_parquet(found, out.divided, attributes)
    if run.others:
        more = [pd.read_parquet(folder / "others.parquet") for folder in folders]
        tables.write_parquet(pd.concat(more, ignore_index=True), out.others, attributes)
    models = Path(out.models)
    for k, folder in enumerate(folders):
        for ending in ("safetensors", "json"):
            with appearing(models / f"fold{k}.{ending}") as partial:
                shutil.copyfile(folder / f"network.{ending}", partial)
    for name in ("history.csv", "history.timing.csv"):
        each = [pd.read_csv(folder / name).assign(fold=k) for k, folder in enumerate(folders)]
        tables.write_csv(pd.concat(each, ignore_index=True), models / name)
    tables.write_json(how_much(attributes, len(run.division.row)), out.metrics)
    forget(state_dir)
    return found


def out_of_fold(run: Run, state_dir: Path) -> pd.DataFrame:
    """Out-of-fold scores alone, for a study that keeps no network; ``forget`` comes after it."""
    return _together([train_fold(run, k, state_dir / f"fold{k}") for k in range(run.division.n_folds)])


def forget(state_dir: str | Path) -> None:
    """Delete what a cross-validation needed to go on after an interruption, when its outputs are there."""
    shutil.rmtree(state_dir, ignore_errors=True)


def _together(folders: Sequence[Path]) -> pd.DataFrame:
    found = pd.concat([pd.read_parquet(folder / "divided.parquet") for folder in folders])
    return found.sort_values(["id", "copy"], ignore_index=True)


def how_much(attributes: Mapping[str, Any], n_examples: int) -> dict[str, Any]:
    """Metrics of what a cross-validation was restricted to, from the attributes of its scores."""
    n_trained, n_folds, n_judged = (attributes[name] for name in ("n_trained", "n_folds", "n_judged"))
    most = attributes.get("max_examples")
    mean, least, largest = np.mean(n_trained), min(n_trained), max(n_trained)
    limit = "no limit" if most is None else f"at most {most}"
    return {
        "examples_trained": metrics.interval(mean, least, largest, n_examples)
        | {"definition": f"examples that a fold learned from ({limit}): mean, least and largest over folds"},
        "folds_judged": metrics.interval(n_judged, n_judged, n_judged, n_folds)
        | {"definition": "folds that a network was trained for, of n"},
    }


def train_fold(run: Run, k: int, folder: Path) -> Path:
    """Train the network of one fold and let it judge, unless that is done already.

    Returns:
        The folder with ``network.safetensors`` (what is kept), ``network.json``, ``history.csv``,
        ``history.timing.csv``, ``divided.parquet`` and, if there are other sets, ``others.parquet``.

    Raises:
        OneClassOnly: if training or validation lack a class.
    """
    key = run.fingerprint(k)
    done = folder / DONE
    if done.is_file() and json.loads(done.read_text())["fingerprint"] == key:
        return folder
    done.unlink(missing_ok=True)
    unfinished = folder / "training"  # the only place where a trunk lies on disk
    _fit(run, k, folder, unfinished, key)
    network, card = inference.load(unfinished / "network")
    _keep(network, card, folder / "network")
    _judge(run, k, network, folder)
    tables.write_json({"fingerprint": key}, done)
    shutil.rmtree(unfinished)
    return folder


def _fit(run: Run, k: int, folder: Path, unfinished: Path, key: str) -> None:
    # Lightning takes 4 s to import, which reading what is finished need not pay for.
    from skyneedle.core import training

    n_most = run.training.get("max_examples")
    learns = Reader.of(run.source, run.division, run.division.training(k, n_most), run.draws)
    chooses = Reader.of(run.source, run.division, run.division.choosing(k))
    for what, reader in (("learns from", learns), ("chooses its epoch by", chooses)):
        _check_classes(f"{run.spec['name']}, fold {k} {what}", reader.label)
    loss = WeightedCrossEntropy(class_weights(learns.label))
    settings = {name: value for name, value in run.training.items() if name != "max_examples"}
    training.fit(
        run.spec,
        Examples(len(learns.row), learns),
        Examples(len(chooses.row), chooses),
        training.Settings(**settings),
        out=unfinished / "network",
        state_dir=unfinished / "state",
        history=folder / "history.csv",
        seed=int(generator(run.seed, "training", run.spec["name"], k).integers(2**31)),
        device=run.job.device,
        threads=run.job.threads,
        provenance=run.job.provenance | dict(run.about) | {"fold": k, "class_weights": list(loss.weights)},
        fingerprint=key,
        loss=loss,
        metrics={"accuracy": accuracy},
    )


def _check_classes(what: str, label: np.ndarray) -> None:
    if label.min(initial=1) == label.max(initial=0):
        raise OneClassOnly(
            f"{what} {len(label)} examples, {int(label.sum())} of them lenses; both classes are needed. "
            "Raise n_examples of the set or max_examples, or lower folds."
        )


def _judge(run: Run, k: int, network: nn.Module, folder: Path) -> None:
    judges = logits_of(network, run.job.device)
    division = run.division
    chosen = division.judged(k)
    row, copy = division.row[chosen], division.copy[chosen]
    found = scores(run.source.table, row, copy, k, judges(run.source, row, copy))
    # Not the label of the set's table: what was to be learned may be another one.
    tables.write_parquet(found.assign(label=division.label[chosen]), folder / "divided.parquet")
    more = []
    for name, source in run.others.items():
        rows = np.arange(len(source.table))
        more.append(others(name, source.table, k, judges(source, rows, np.full(len(rows), ITSELF))))
    if more:
        tables.write_parquet(pd.concat(more, ignore_index=True), folder / "others.parquet")


def _keep(network: nn.Module, card: Mapping[str, Any], stem: Path) -> None:
    weights = {name: tensor.contiguous() for name, tensor in networks.kept(network).items()}
    with appearing(stem.with_suffix(".safetensors")) as partial:
        partial.write_bytes(save(weights))
    tables.write_json(card, stem.with_suffix(".json"))


def logits_of(
    network: nn.Module, device: str, batch_size: int = BATCH
) -> Callable[[Source, np.ndarray, np.ndarray], np.ndarray]:
    """A function from a source, rows and copies to log odds of being a lens, shape (n,), double precision."""
    prepared = inference.prepare(network.to(memory_format=torch.channels_last), device)

    def judge(source: Source, row: np.ndarray, copy: np.ndarray) -> np.ndarray:
        found = np.empty(len(row))
        for start in range(0, len(row), batch_size):
            here = slice(start, start + batch_size)
            x = torch.from_numpy(source.inputs(row[here], copy[here]))
            if x.ndim == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            found[here] = log_odds(prepared(x).double()).numpy()
        return found

    return judge
