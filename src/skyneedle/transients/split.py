"""Which examples train, validate and test: by groups of common hosts and nights, or by id as published."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSplit
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet

SPLITS = ("training", "validation", "testing", "reserve")
KINDS = ("group", "id")


def write(
    out: str | Path,
    shards: Sequence[str | Path] | str | Path,
    fractions: Mapping[str, float],
    seed: int,
    by: str = "group",
    provenance: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Assign every id of a data set to one split.

    Args:
        out: parquet to write: ``id``, ``group`` (number of the connected component of hosts and nights) and
            ``split``; its attributes hold seed, kind, shares asked for and reached, and how many ids stand in
            more than one shard, where they are taken once.
        shards: of the set, with id, night, expid and host_id in their tables.
        fractions: share of each split, names out of ``SPLITS``; they add up to 1.
        seed: of the assignment.
        by: "group" assigns whole groups, so that no host and no night is in two splits; "id" draws ids one by
            one, as published.
        provenance: stored in the file.

    Returns:
        The table, ordered by id.

    Raises:
        BadSplit: if the shares do not add up to 1, a group is larger than the largest split, or a split
            stays empty.

    Source: Ayyar et al. 2022, Sec. 3.2 and 4.3, for shares; grouping is ours.
    """
    _check(fractions, by)
    table = DataSet(shards).table
    n_rows = len(table)
    table = table.drop_duplicates("id").sort_values("id", ignore_index=True)
    group = groups(table)
    rng = generator(seed, "split", by)
    if by == "group":
        place = assign(np.bincount(group), list(fractions.values()), rng, list(fractions))[group]
    else:
        place = _by_id(len(table), list(fractions.values()), rng)
    n = np.bincount(place, minlength=len(fractions))
    names = list(fractions)
    if not n.all():
        raise BadSplit(
            f"{out}: no example is left for '{names[int(n.argmin())]}' of {len(table)} examples in "
            f"{group.max() + 1} groups; take more examples or another share."
        )
    found = pd.DataFrame({"id": table["id"], "group": group, "split": np.array(names, object)[place]})
    attributes = {
        "seed": seed,
        "by": by,
        "fractions": dict(fractions),
        "reached": {name: int(count) / len(table) for name, count in zip(names, n, strict=True)},
        "n_groups": int(group.max()) + 1,
        "n_duplicate_ids": n_rows - len(table),
        "provenance": dict(provenance or {}),
    }
    tables.write_parquet(found, out, attributes)
    found.attrs = attributes
    return found


def _check(fractions: Mapping[str, float], by: str) -> None:
    unknown = set(fractions) - set(SPLITS)
    if unknown or not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise BadSplit(
            f"Shares of splits are {dict(fractions)}; expected shares above 0 that add up to 1, "
            f"with names out of {', '.join(SPLITS)}."
        )
    if by not in KINDS:
        raise BadSplit(f"Splits are made by '{by}', expected one of {', '.join(KINDS)}.")


def groups(table: pd.DataFrame) -> np.ndarray:
    """Connected components of hosts and nights, shape (n,), numbered by their first example.

    Two examples are in one group if a chain of examples joins them in which each shares host or night with
    the next. Where the night is unknown (-1) its exposure takes its place, and where that is unknown too the
    example stands for itself; an unknown host (-1) joins nothing.

    Args:
        table: columns id, night, expid and host_id.
    """
    n = len(table)
    identifier, night, expid, host = (
        table[name].to_numpy(dtype=np.int64) for name in ("id", "night", "expid", "host_id")
    )
    # Kinds keep a night, an exposure, an id and a host of the same number apart.
    kind = np.where(night >= 0, 0, np.where(expid >= 0, 1, 2))
    number = np.choose(kind, (night, expid, identifier))
    when = pd.factorize(pd.Series(list(zip(kind, number, strict=True))))[0]
    parent = np.arange(when.max(initial=-1) + 1)
    first_of_host: dict[int, int] = {}
    for here, one in zip(when.tolist(), host.tolist(), strict=True):
        if one >= 0:
            _join(parent, here, first_of_host.setdefault(one, here))
    roots = np.array([_root(parent, k) for k in range(len(parent))], dtype=np.int64)
    return pd.factorize(roots[when])[0].astype(np.int64) if n else np.empty(0, np.int64)


def _root(parent: np.ndarray, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = int(parent[k])
    return k


def _join(parent: np.ndarray, a: int, b: int) -> None:
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)


def assign(
    sizes: np.ndarray, shares: Sequence[float], rng: np.random.Generator, names: Sequence[str] | None = None
) -> np.ndarray:
    """Which split each group goes to, so that the splits have about the shares asked for.

    Groups come in random order, and each goes where most is missing; so small splits are filled last, when
    little is missing anywhere, and no split misses its share by more than a group or so.

    Args:
        sizes: examples of each group, shape (n_groups,).
        shares: of the splits, which add up to 1.
        rng: draws the order.
        names: of the splits, for the message.

    Raises:
        BadSplit: if a group is larger than the largest split.
    """
    target = np.asarray(shares, dtype=float) * sizes.sum()
    if len(sizes) and sizes.max() > target.max():
        name = names[int(target.argmax())] if names else f"number {int(target.argmax())}"
        raise BadSplit(
            f"A group of {sizes.max()} examples, joined by hosts and nights, does not fit into the largest "
            f"split, '{name}' of {target.max():.0f}; take data of more nights, or split by id and say so."
        )
    place = np.empty(len(sizes), dtype=np.int64)
    missing = target.copy()
    for one in rng.permutation(len(sizes)):
        place[one] = int(missing.argmax())
        missing[place[one]] -= sizes[one]
    return place


def _by_id(n: int, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """As published: shares of the number of ids, rounded down; what is left over goes to the first split."""
    counts = [int(share * n + 1e-6) for share in shares]
    counts[0] += n - sum(counts)
    place = np.repeat(np.arange(len(shares)), counts)
    return rng.permutation(place)


def folds(group: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each example, shape (n,), so that no group is in two of k folds of about the same size.

    Raises:
        BadSplit: if there are fewer groups than folds, or a group is larger than a fold.
    """
    codes = pd.factorize(group)[0]
    sizes = np.bincount(codes)
    if k < 2 or len(sizes) < k:
        raise BadSplit(
            f"{k} folds of {len(sizes)} groups: expected 2 folds or more, and no more than groups."
        )
    return assign(sizes, [1 / k] * k, rng)[codes]


def rows(
    data: DataSet, split: str | Path | None = None, names: str | Sequence[str] | None = None
) -> np.ndarray:
    """Rows of a data set that belong to some splits, ascending; an id that stands there twice comes once.

    Args:
        data: the set.
        split: parquet as of ``write``; None takes all rows.
        names: of splits; None takes all that the file names.

    Raises:
        BadSplit: if a split has no example, or there is none of that name.
    """
    first = ~data.table["id"].duplicated().to_numpy()
    if split is None:
        return np.flatnonzero(first)
    wanted = pd.read_parquet(split, columns=["id", "split"])
    for name in _names(names):
        if not (wanted["split"] == name).any():
            known = ", ".join(sorted(wanted["split"].unique()))
            raise BadSplit(f"{split}: no split '{name}' is there; it has {known}.")
    if names is not None:
        wanted = wanted[wanted["split"].isin(list(_names(names)))]
    found = np.flatnonzero(first & data.table["id"].isin(wanted["id"]).to_numpy())
    if not len(found):
        raise BadSplit(f"{split}: none of its {len(wanted)} ids is in {data.shards[0].parent}; make it anew.")
    return found


def _names(names: str | Sequence[str] | None) -> Iterator[str]:
    if names is not None:
        yield from [names] if isinstance(names, str) else names
