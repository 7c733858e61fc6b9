"""How much of a cross-validated score is leak: the same copies divided with regard to parents and without."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.transfer import crossvalidation, training
from skyneedle.transfer.examples import PROTOCOLS, Embeddings, divide, fewer

LABELS = ("true", "shuffled")
COLUMNS = ("protocol", "labels", "id", "parent_id", "copy", "label", "fold", "score", "logit")


def measure(
    network: Mapping[str, Any],
    embeddings: str | Path,
    n_parents: int,
    n_folds: int,
    out: str | Path,
    *,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Score the same copies by heads trained in the thesis' and in the grouped protocol.

    Each with the true labels and with labels shuffled by parent, where all that can be learned is the objects
    themselves. In both protocols copies are examples of their own, so that the division alone differs.

    Args:
        network: name, options and training of a network with a frozen trunk, see ``transfer_network`` of the
            rules.
        embeddings: of the set "hst", with those of copies.
        n_parents: objects that take part, one stamp of each, with all its copies.
        n_folds: how many.
        out: parquet to write, columns ``COLUMNS``; one row for each copy, protocol and version of labels.
        state_dir: folder of what is finished; deleted at the end.
        job: seed, device, threads and provenance.

    Returns:
        The table.

    Raises:
        BadSetting: if the set has fewer parents.
    """
    cached = Embeddings.read(embeddings, copies=True)
    chosen = cached.of(one_each(cached.table, n_parents, job.seed))
    seed = int(generator(job.seed, "leak").integers(2**31))
    parts = []
    for labels in LABELS:
        table = chosen.table if labels == "true" else shuffled(chosen.table, seed)
        for protocol in PROTOCOLS.values():
            run = crossvalidation.Run(
                spec=training.head_spec(network, chosen.n_features),
                training=training.head_training(network["training"]) | {"max_examples": None},
                source=replace(chosen, table=table),
                division=divide(table, protocol, n_folds, chosen.n_copies, seed),
                draws=False,
                seed=seed,
                job=job,
            )
            found = crossvalidation.out_of_fold(run, Path(state_dir) / f"{protocol}_{labels}")
            parts.append(found.assign(protocol=protocol, labels=labels))
    whole = pd.concat(parts, ignore_index=True)[list(COLUMNS)]
    attributes = {"network": network["name"], "n_parents": n_parents, "n_folds": n_folds}
    tables.write_parquet(whole, out, attributes | {"provenance": dict(job.provenance)})
    crossvalidation.forget(state_dir)
    return whole


def one_each(table: pd.DataFrame, n_parents: int, seed: int) -> np.ndarray:
    """Rows of one stamp of each of so many parents, ascending, with both labels in the proportion of all.

    Two stamps of one scene have different labels, which could not be shuffled by parent; one of both is left
    out, by chance.

    Raises:
        BadSetting: if there are fewer parents.
    """
    order = generator(seed, "one of each parent").permutation(len(table))
    first = np.sort(order[~table["parent_id"].iloc[order].duplicated().to_numpy()])
    if len(first) < n_parents:
        raise BadSetting(
            f"leak.n_parents is {n_parents}, but the set has stamps of {len(first)} parents; lower it, or "
            "raise n_examples of the set hst."
        )
    return fewer(first, table["label"].to_numpy(), n_parents)


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same table with the labels of its parents exchanged by chance; one row is one parent."""
    order = generator(seed, "shuffled labels").permutation(len(table))
    return table.assign(label=table["label"].to_numpy()[order])
