"""What the networks of transfer learn from and are judged on: stamps or embeddings, divided into folds.

An example is a stamp, or one of its augmented copies. Which of both, and who may be in which fold, is decided
by ``divide`` alone.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from skyneedle.core.errors import BadSetting, BadSplit, NotADataSet
from skyneedle.core.metrics import probability
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet, digest
from skyneedle.transfer import preprocess, split
from skyneedle.transfer.preprocess import Augmentation

DIVIDED = "hst"  # the set that the folds are of
ITSELF = -1  # number of the "copy" that is the stamp as it is
PROTOCOLS = {"corrected": "grouped", "faithful": "thesis"}  # by recipe
COLUMNS = ("id", "label", "parent_id", "kind")


# --- division into folds


@dataclass(frozen=True)
class Division:
    """Examples of a cross-validation, and in which fold each is judged.

    Attributes:
        row: of the set, shape (n,).
        copy: number of the augmented copy, or ``ITSELF``, shape (n,).
        label: to be learned, 0 or 1, shape (n,).
        fold: 0 to n_folds - 1, shape (n,).
        n_folds: how many there are.
        learns: whether an example may be learned from; others are only judged. All may if None.
    """

    row: np.ndarray
    copy: np.ndarray
    label: np.ndarray
    fold: np.ndarray
    n_folds: int
    learns: np.ndarray | None = None

    def judged(self, k: int) -> np.ndarray:
        """Examples, as positions among all, that the network of fold k judges."""
        return np.flatnonzero(self.fold == k)

    def choosing(self, k: int) -> np.ndarray:
        """Examples that choose its epoch."""
        return np.flatnonzero(self._may_learn & (self.fold == (k + 1) % self.n_folds))

    def training(self, k: int, n_most: int | None = None) -> np.ndarray:
        """Examples that it learns from: of all other folds, at most so many of them.

        Fewer are drawn by their places alone, with both labels in the same proportion as in all.
        """
        outside = (self.fold != k) & (self.fold != (k + 1) % self.n_folds)
        return fewer(np.flatnonzero(self._may_learn & outside), self.label, n_most)

    def without(self, k: int) -> np.ndarray:
        """Examples outside fold k: for a method that has no epoch to choose."""
        return np.flatnonzero(self._may_learn & (self.fold != k))

    @property
    def _may_learn(self) -> np.ndarray:
        return np.ones(len(self.row), bool) if self.learns is None else self.learns

    def hash(self) -> str:
        """Of everything in it."""
        words = hashlib.sha256(f"{self.n_folds}".encode())
        for array in (self.row, self.copy, self.label, self.fold, self._may_learn):
            words.update(np.asarray(array, dtype="<i8").tobytes())
        return words.hexdigest()[:16]


def divide(
    table: pd.DataFrame,
    protocol: str,
    n_folds: int,
    copies: int,
    seed: int,
    fold: np.ndarray | None = None,
) -> Division:
    """Decide which examples there are and which fold each is in.

    Args:
        table: of the stamps: id, parent_id, label.
        protocol: "grouped": everything of a parent object is in one fold. "thesis": augmented copies are made
            first and divided without regard to parents, so that copies of what is judged are learned from.
        n_folds: how many.
        copies: of each stamp, each an example of its own; 0 takes the stamps themselves.
        seed: of the folds.
        fold: of each stamp, shape (stamp,), if the grouped folds are known already.

    Raises:
        BadSetting: if there is no such protocol, or there are no copies to divide.

    Source: Akhazhanov 2018, Secs. 5.1 and 5.2; spec A6 for what is wrong with it.
    """
    if protocol not in PROTOCOLS.values() or (protocol == "thesis" and copies < 1):
        raise BadSetting(
            f"The protocol is '{protocol}' with {copies} copies, expected one of "
            f"{', '.join(PROTOCOLS.values())}, the latter with at least one copy."
        )
    each = max(copies, 1)
    row = np.repeat(np.arange(len(table)), each)
    copy = np.tile(np.arange(copies), len(table)) if copies else np.full(len(table), ITSELF)
    label = table["label"].to_numpy(dtype=np.int64)[row]
    if protocol == "thesis":
        of_example = np.asarray(split.copy_folds(table, copies, n_folds, seed)).reshape(-1)
    else:
        of_example = np.asarray(split.folds(table, n_folds, seed) if fold is None else fold)[row]
    return Division(row, copy, label, of_example.astype(np.int64), n_folds)


def division_of(table: pd.DataFrame, folds_file: str | Path, recipe: str, copies: int, seed: int) -> Division:
    """Division of the set that the folds are of, with the protocol of a recipe.

    Args:
        table: of the set.
        folds_file: see ``known_folds``.
        recipe: one of ``PROTOCOLS``; "corrected" divides the stamps themselves.
        copies: of each stamp, which "faithful" divides.
        seed: of its folds.

    Raises:
        BadSetting: if there is no such recipe.
        BadSplit: see ``known_folds``.
    """
    if recipe not in PROTOCOLS:
        raise BadSetting(f"The recipe is '{recipe}', expected one of {', '.join(PROTOCOLS)}.")
    fold = known_folds(table, folds_file)
    return divide(
        table, PROTOCOLS[recipe], int(fold.max()) + 1, copies if recipe == "faithful" else 0, seed, fold
    )


def known_folds(table: pd.DataFrame, folds_file: str | Path) -> np.ndarray:
    """Fold of each stamp of a set as a file says, shape (stamp,).

    Raises:
        BadSplit: if the file lacks one of them, or the stamps of one parent are in several folds.
    """
    known = pd.read_parquet(folds_file, columns=["id", "fold"]).set_index("id")["fold"]
    found = known.reindex(table["id"]).to_numpy(dtype=float, na_value=np.nan)
    if np.isnan(found).any():
        missing = table["id"].to_numpy()[np.isnan(found)]
        raise BadSplit(f"{folds_file}: has no fold for id {missing[0]} and {len(missing) - 1} others.")
    if (pd.Series(found).groupby(table["parent_id"].to_numpy()).nunique() > 1).any():
        raise BadSplit(f"{folds_file}: stamps of one parent are in several folds; divide by parent_id.")
    return found.astype(np.int64)


def fewer(places: np.ndarray, label: np.ndarray, n_most: int | None) -> np.ndarray:
    """At most n of these places, ascending, with each label in the same proportion as among them.

    Args:
        places: among all examples, ascending.
        label: of all examples.
        n_most: None takes all.
    """
    if n_most is None or n_most >= len(places):
        return places
    order = places[generator(0, "fewer").permutation(len(places))]
    # How far through its own class each one is: the first so many hold the same share of every class.
    through = pd.Series(label[order]).groupby(label[order]).rank(method="first", pct=True).to_numpy()
    return np.sort(order[np.argsort(through, kind="stable")[:n_most]])


# --- inputs


class Source(Protocol):
    """A set whose examples can be read as inputs of a network."""

    @property
    def table(self) -> pd.DataFrame:
        """One row each stamp: id, label, parent_id, kind."""

    def inputs(self, row: np.ndarray, copy: np.ndarray) -> np.ndarray:
        """Inputs, single precision, of copies of stamps, shape (n, ...)."""

    def drawn(self, row: np.ndarray, epoch: int) -> np.ndarray:
        """Number of the copy of each stamp that an epoch takes, shape (n,)."""

    def hash(self) -> str:
        """Of what is in the set."""


@dataclass(frozen=True)
class Embeddings:
    """What a frozen trunk gives for the stamps of a set and for their augmented copies.

    Attributes:
        table: one row each stamp.
        plain: of the stamps as they are, shape (stamp, feature).
        copies: of their copies, shape (stamp, copy, feature); none for sets that are only judged.
        fingerprint: of all that.
        seed: of which copy is taken when.
    """

    table: pd.DataFrame
    plain: np.ndarray
    copies: np.ndarray | None
    fingerprint: str
    seed: int = 0

    @classmethod
    def read(cls, path: str | Path, seed: int = 0, copies: bool = False) -> "Embeddings":
        """Those of a file that the rule of embeddings wrote, with those of copies if asked for."""
        data, names = DataSet(path), ["plain", *(["copies"] if copies else [])]
        arrays = {name: data.read(name, slice(None)) for name in names}
        return cls(data.table, arrays["plain"], arrays.get("copies"), digest(data, names), seed)

    @property
    def n_features(self) -> int:
        """Features of an embedding."""
        return int(self.plain.shape[1])

    @property
    def n_copies(self) -> int:
        """Copies of each stamp."""
        return 0 if self.copies is None else int(self.copies.shape[1])

    def inputs(self, row: np.ndarray, copy: np.ndarray) -> np.ndarray:
        """Embeddings, shape (n, feature)."""
        found = np.empty((len(row), self.n_features), np.float32)
        itself = copy == ITSELF
        found[itself] = self.plain[row[itself]]
        if not itself.all():
            if self.copies is None:
                raise NotADataSet("These embeddings have no augmented copies; compute them with copies.")
            found[~itself] = self.copies[row[~itself], copy[~itself]]
        return found

    def drawn(self, row: np.ndarray, epoch: int) -> np.ndarray:
        """One of the cached copies each."""
        if not self.n_copies:
            return np.full(len(row), ITSELF)
        # For all stamps at once: which copy one gets depends on nothing but itself and the epoch.
        rng = generator(self.seed, "drawn", epoch)
        return rng.integers(self.n_copies, size=len(self.table))[row]

    def hash(self) -> str:
        """Of table and arrays."""
        return f"{self.fingerprint} {self.seed}"

    def of(self, rows: np.ndarray) -> "Embeddings":
        """Those of some stamps."""
        copies = None if self.copies is None else self.copies[rows]
        table = self.table.iloc[rows].reset_index(drop=True)
        return replace(self, table=table, plain=self.plain[rows], copies=copies)


@dataclass(frozen=True)
class Stamps:
    """Stamps of a set, scaled for networks, and copies of them that are made when they are read.

    Attributes:
        data: array ``vis``, attribute ``sky_sigma``.
        augmentation: of copies.
        seed: of copies.
    """

    data: DataSet
    augmentation: Augmentation
    seed: int

    @property
    def table(self) -> pd.DataFrame:
        """One row each stamp."""
        return self.data.table

    @property
    def sky_sigma(self) -> float:
        """Standard deviation of the sky in a pixel, in the unit of the stamps."""
        return preprocess.sky_sigma(self.data)

    def raw(self, row: np.ndarray, copy: np.ndarray) -> np.ndarray:
        """Stamps or copies of them, in the unit of the set, shape (n, size, size)."""
        stamps = self.data.read("vis", row)
        ids = self.table["id"].to_numpy()[row]
        for number in np.unique(copy[copy != ITSELF]):
            these = copy == number
            stamps[these] = preprocess.augmented(
                stamps[these], ids[these], int(number), self.augmentation, self.seed, self.sky_sigma
            )
        return stamps

    def scaled(self, stamps: np.ndarray) -> np.ndarray:
        """Stamps of this set as networks see them, shape (n, 1, size, size)."""
        return preprocess.scaled(stamps, self.sky_sigma)

    def inputs(self, row: np.ndarray, copy: np.ndarray) -> np.ndarray:
        """Scaled stamps, shape (n, 1, size, size)."""
        return self.scaled(self.raw(row, copy))

    def drawn(self, row: np.ndarray, epoch: int) -> np.ndarray:
        """Another copy in each epoch."""
        return np.full(len(row), epoch)

    def hash(self) -> str:
        """Of the set and how copies are made."""
        return f"{digest(self.data, ['vis'])} {self.augmentation} {self.seed}"


@dataclass(frozen=True)
class Reader:
    """Some examples of a division, read in batches for ``core.batches.Examples``.

    Attributes:
        source: of the inputs.
        row, copy, label: as of ``Division``, of the chosen examples alone.
        draws: whether each epoch draws the copy anew.
    """

    source: Source
    row: np.ndarray
    copy: np.ndarray
    label: np.ndarray
    draws: bool = False

    @classmethod
    def of(cls, source: Source, division: Division, chosen: np.ndarray, draws: bool = False) -> "Reader":
        """Reader of some examples of a division."""
        return cls(source, division.row[chosen], division.copy[chosen], division.label[chosen], draws)

    def __call__(self, rows: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, ...) and labels (n,) of some of its examples."""
        row = self.row[rows]
        copy = self.source.drawn(row, epoch) if self.draws else self.copy[rows]
        return self.source.inputs(row, copy), self.label[rows]


# --- scores


def scores(
    table: pd.DataFrame, row: np.ndarray, copy: np.ndarray, fold: int, logit: np.ndarray
) -> pd.DataFrame:
    """Scores of examples by the network of one fold.

    Args:
        table: of the set.
        row, copy: which examples.
        fold: number of the network.
        logit: its log odds of being a lens, shape (n,).

    Returns:
        Columns id, label, parent_id, kind, fold, copy (-1 for a stamp itself), score in [0, 1], logit.
    """
    found = table[list(COLUMNS)].iloc[row].reset_index(drop=True)
    more: dict[str, Any] = {"fold": fold, "copy": copy, "score": probability(logit), "logit": logit}
    return found.assign(**more)


def others(name: str, table: pd.DataFrame, fold: int, logit: np.ndarray) -> pd.DataFrame:
    """Scores of a whole set that no fold is of, by the network of one fold.

    Args:
        name: of the set.
        table: of the set.
        fold: number of the network.
        logit: log odds of being a lens, shape (len(table),).

    Returns:
        Columns set, id, label, parent_id, kind, name (of the object, "" if it has none), fold, score, logit.
    """
    rows = np.arange(len(table))
    found = scores(table, rows, np.full(len(table), ITSELF), fold, logit).drop(columns="copy")
    found.insert(0, "set", name)
    found.insert(5, "name", table["name"].to_numpy() if "name" in table else "")
    return found
