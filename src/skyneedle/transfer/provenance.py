"""A leak of another kind: lenses of one source and non-lenses of another, which tells them apart for free.

The set "hst" stands for simulations, the set "hard" for real stamps: the thesis took its lenses from
simulations and from one catalogue, its non-lenses from another archive. All stamps are taken as they are:
augmented copies are smoother than stamps, which would tell the sources apart on its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.transfer import crossvalidation, split, training
from skyneedle.transfer.examples import ITSELF, Division, Embeddings

SOURCES = ("hst", "hard")  # of the lenses and of the non-lenses of the mixture
COLUMNS = ("case", "id", "parent_id", "label", "fold", "score", "logit")
CASES = {
    "source": "non-lenses alone, by a network that learned which source each is of (label 1: the second)",
    "mixed_apparent": "lenses of the first source, non-lenses of the second, by a network trained on such",
    "mixed_first": "lenses and non-lenses of the first source, by the network trained on the mixture",
    "mixed_second": "lenses and non-lenses of the second source, by the network trained on the mixture",
    "within_first": "lenses and non-lenses of the first source, by a network trained on such",
    "within_second": "lenses and non-lenses of the second source, by a network trained on such",
}


def measure(
    network: Mapping[str, Any],
    embeddings: Mapping[str, str | Path],
    n_folds: int,
    out: str | Path,
    *,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Score stamps of two sources by heads that learned from both, mixed, and from one.

    Args:
        network: as of ``leak.measure``.
        embeddings: file by name of each of ``SOURCES``.
        n_folds: how many, by parent in each source.
        out: parquet to write, columns ``COLUMNS``: out-of-fold scores of each of ``CASES``.
        state_dir: folder of what is finished; deleted at the end.
        job: seed, device, threads and provenance.

    Returns:
        The table.
    """
    seed = int(generator(job.seed, "provenance").integers(2**31))
    both, second, fold = together([Embeddings.read(embeddings[name]) for name in SOURCES], n_folds, seed)
    label = both.table["label"].to_numpy(dtype=np.int64)
    mixture = label != second  # lenses of the first source, non-lenses of the second
    source, everything = second.astype(np.int64), np.ones(len(label), bool)
    parts = []
    for name, learned, learns, judged in (
        ("source", source, label == 0, label == 0),
        ("mixed", label, mixture, everything),
        ("within_first", label, ~second, ~second),
        ("within_second", label, second, second),
    ):
        rows = np.flatnonzero(judged)
        run = crossvalidation.Run(
            spec=training.head_spec(network, both.n_features),
            training=training.head_training(network["training"]) | {"max_examples": None},
            source=both,
            division=Division(
                rows, np.full(len(rows), ITSELF), learned[rows], fold[rows], n_folds, learns[rows]
            ),
            draws=False,
            seed=seed,
            job=job,
        )
        found = crossvalidation.out_of_fold(run, Path(state_dir) / name)
        parts += split_cases(name, found, both.table["id"].to_numpy()[second])
    whole = pd.concat(parts, ignore_index=True)[list(COLUMNS)]
    attributes = {"network": network["name"], "sources": list(SOURCES), "cases": CASES, "n_folds": n_folds}
    tables.write_parquet(whole, out, attributes | {"provenance": dict(job.provenance)})
    crossvalidation.forget(state_dir)
    return whole


def together(sources: list[Embeddings], n_folds: int, seed: int) -> tuple[Embeddings, np.ndarray, np.ndarray]:
    """Stamps of two sources in one set, whether each is of the second, and its fold within its source."""
    first, other = sources
    both = Embeddings(
        table=pd.concat([first.table, other.table], ignore_index=True),
        plain=np.concatenate([first.plain, other.plain]),
        copies=None,
        fingerprint=f"{first.fingerprint} {other.fingerprint}",
    )
    second = np.repeat([False, True], [len(first.table), len(other.table)])
    fold = np.concatenate([split.folds(one.table, n_folds, seed) for one in sources])
    return both, second, fold


def split_cases(name: str, found: pd.DataFrame, second_ids: np.ndarray) -> list[pd.DataFrame]:
    """Scores of one training as the cases that they belong to.

    Args:
        name: "mixed", or a case.
        found: scores of all that was judged.
        second_ids: ids of the stamps of the second source.
    """
    if name != "mixed":
        return [found.assign(case=name)]
    second = found["id"].isin(second_ids)
    apparent = (found["label"] == 1) != second
    cases = {"mixed_apparent": apparent, "mixed_first": ~second, "mixed_second": second}
    return [found[chosen].assign(case=case) for case, chosen in cases.items()]
