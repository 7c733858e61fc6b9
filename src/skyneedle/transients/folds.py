"""Scores of every example by a network that has not seen its group: one training for each fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transients import split, training
from skyneedle.transients.labels import suspects
from skyneedle.transients.samples import Sample, fewer, sample

VALIDATION_SHARE = 0.1  # of what a fold does not hold out


def train_folds(
    network: Mapping[str, Any],
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path,
    labels: str | Path | None = None,
    *,
    names: str | Sequence[str] | None = None,
    n_folds: int = 4,
    n_passes: int = 1,
    recipe: str,
    scale: str,
    out: str | Path,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Score each example by a network that never saw its group: one training for each fold of groups.

    Where one kind of object often has the wrong label, a network learns just that, and never doubts it
    strongly. So each pass but the first learns without the suspects of the one before (the rule
    ``out_of_fold`` of ``labels.suspects``), and scores them all the same. Which of the others are left out
    was decided by networks that may have seen an example; its label has no other way into its score.

    A killed run goes on within the fold in which it stopped.

    Args:
        network, shards, labels, recipe, scale, job: as of ``training.train``; ``max_examples`` is for each
            fold.
        split_file: whose groups are kept together, see ``split.write``.
        names: of the splits that take part; None takes all.
        n_folds: parts, each scored by what the others taught; a tenth of the groups of these chooses the best
            epoch.
        n_passes: see above.
        out: parquet to write: ``id``, ``fold``, ``label`` (as given), ``score``, ``logit``.
        state_dir: folder of networks and resume states, one each pass and fold.

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
    # Who chooses the epoch is drawn from all groups, the same in each pass.
    chooses = [_choosing(group[fold != k], generator(job.seed, "folds", k)) for k in range(n_folds)]
    found = pd.DataFrame()
    for turn in range(n_passes):
        doubted = suspects.find(found, "out_of_fold")["id"] if turn else []
        parts = []
        for k in range(n_folds):
            rest = everything.where(fold != k)
            trusted = ~np.isin(rest.ids, doubted)
            learnt = fewer(rest.where(~chooses[k] & trusted), n_most)
            task = _Fold(k, learnt, rest.where(chooses[k] & trusted), everything.where(fold == k))
            parts.append(task.run(network, recipe, scale, Path(state_dir, f"pass{turn}", f"fold{k}"), job))
        found = pd.concat(parts, ignore_index=True).sort_values("id", ignore_index=True)
    attributes = {
        "network": network["name"],
        "n_folds": n_folds,
        "n_passes": n_passes,
        "names": names if names is None or isinstance(names, str) else list(names),
        "provenance": dict(job.provenance),
    }
    tables.write_parquet(found, out, attributes)
    return found


def _choosing(group: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Which examples choose the epoch, in whole groups; boolean, shape (n,)."""
    codes = pd.factorize(group)[0]
    return split.assign(np.bincount(codes), [1 - VALIDATION_SHARE, VALIDATION_SHARE], random)[codes] == 1


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
        taught = training.fingerprint(self.learnt, self.validation, job)
        key = f"{taught} {self.held_out.hash()} {job.seed} {network}"
        if done.is_file():
            found = pd.read_parquet(done)
            if found.attrs.get("fingerprint") == key:
                return found
        options: dict[str, Any] = {"recipe": recipe, "scale": scale, "job": job}
        training.fit(
            network,
            self.learnt,
            self.validation,
            out=folder / "network",
            state_dir=folder / "state",
            **options,
        )
        held = self.held_out
        found, _ = training.scores(folder / "network", held.data, held.rows, held.labels, job)
        found.insert(1, "fold", self.number)
        tables.write_parquet(found, done, {"fingerprint": key})
        return found
