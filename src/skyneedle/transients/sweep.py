"""Networks and forests trained on labels with more and more errors, all on the same examples.

Source of the claim that this tests: Ayyar et al. 2022, Sec. 5.1; ``evaluate.noise`` judges.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import tables
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator

# Labels, the number of the training among those that differ in their random start, and scores to write.
Training = tuple[str | Path, int, str | Path]


def write_split(out: str | Path, split: str | Path, n_most: int | None, seed: int) -> None:
    """Write a split of which at most so many training examples are left, whole otherwise.

    Networks and forests that learn from it see the same examples, whatever their labels.

    Args:
        out: parquet to write, columns as in ``split``.
        split: parquet with id, group and split.
        n_most: training examples; None keeps all.
        seed: of the draw.
    """
    table = pd.read_parquet(split).sort_values("id", ignore_index=True)
    training = table.index[table["split"] == "training"].to_numpy()
    order = generator(seed, "sweep").permutation(len(training))
    left_out = training[order[n_most:]] if n_most is not None else training[:0]
    tables.write_parquet(table.drop(index=left_out), out, {"n_left_out": len(left_out), "seed": seed})


def train_networks(
    network: Mapping[str, Any],
    shards: Sequence[str | Path],
    split: str | Path,
    trainings: Iterable[Training],
    *,
    recipe: str,
    scale: str,
    state_dir: str | Path,
    job: Job,
) -> None:
    """Train a network on each version of the labels and write its scores of the testing set.

    A killed run goes on within the training in which it stopped.

    Args:
        network: entry of the configuration, see ``training.train``.
        shards: of the data set.
        split: see ``write_split``.
        trainings: see ``Training``.
        recipe, scale: see ``training.train``.
        state_dir: folder of networks and resume states; it may be deleted afterwards.
        job: seed, device, threads and provenance.
    """
    from skyneedle.transients import training  # torch, which forests need not pay for

    for labels, number, out in trainings:
        network_stem = stem(state_dir, labels, number)
        training.train(
            network,
            shards,
            split,
            labels,
            recipe=recipe,
            scale=scale,
            out=network_stem,
            state_dir=network_stem.parent / "state",
            job=replace(job, seed=job.seed + number),
        )
        training.predict(network_stem, shards, split, ["testing"], labels, out, job=job)


def stem(state_dir: str | Path, labels: str | Path, number: int) -> Path:
    """Where ``train_networks`` leaves a network, without ending; see there and ``Training``."""
    return Path(state_dir, Path(labels).stem, f"seed{number}", "network")


def train_forests(
    features: str | Path,
    split: str | Path,
    trainings: Iterable[Training],
    *,
    recipe: str,
    seed: int,
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Train a forest on each version of the labels and write its scores of the testing set.

    Args:
        features: parquet of ``features.table.write``.
        split: see ``write_split``.
        trainings: see ``Training``.
        recipe, seed, workers, provenance: see ``forest.train``.
    """
    from skyneedle.transients import forest

    for labels, number, out in trainings:
        forest.train_and_predict(
            *(features, split, labels, out),
            recipe=recipe,
            seed=seed + number,
            workers=workers,
            provenance=provenance,
        )
