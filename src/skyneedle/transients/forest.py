"""Goldstein's random forest: trained by scikit-learn, kept as plain arrays, applied without it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting, NotACatalogue, NotWeights, OneClassOnly
from skyneedle.core.files import appearing
from skyneedle.core.seeds import generator
from skyneedle.transients.features.table import CATALOGUE_FEATURES, FEATURES, PIXEL_FEATURES

# Goldstein et al. 2015, Sec. 3.3; the same in the code of Ayyar et al. 2022.
SETTINGS: dict[str, Any] = {
    "n_estimators": 100,
    "criterion": "entropy",
    "max_features": 6,
    "min_samples_split": 3,
    "max_depth": None,
}
SUBSETS = {"all": FEATURES, "pixels": PIXEL_FEATURES, "catalogue": CATALOGUE_FEATURES}
ARRAYS = ("feature", "threshold", "left", "right", "share", "roots")
LEAF = -1
BLOCK = 4096  # candidates that go down all trees at once


def training_hash(ids: np.ndarray, labels: np.ndarray) -> str:
    """Hash of what a model was trained on, ids with their labels whatever their order, 16 hexadecimal digits.

    Networks note the same, so that models can be told to have learnt from the same examples.
    """
    order = np.argsort(ids)
    both = np.stack([np.asarray(ids)[order], np.asarray(labels)[order]]).astype("<i8")
    return hashlib.sha256(both.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Forest:
    """A trained forest; nodes of all trees stand one after the other.

    Attributes:
        names: features in the order of the columns.
        medians: of the training data, which stand in for missing values, shape (feature,).
        flagged: names of features that were missing somewhere in training: each has a column 0 or 1 of its
            own, after the features.
        feature: column that a node asks for, ``LEAF`` for leaves, shape (node,).
        threshold: at most this goes left, shape (node,).
        left: child, counted over all trees, shape (node,).
        right: likewise.
        share: of artifacts among the training examples of the node, shape (node,).
        roots: first node of each tree, shape (tree,).
    """

    names: tuple[str, ...]
    medians: np.ndarray
    flagged: tuple[str, ...]
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    share: np.ndarray
    roots: np.ndarray

    def score(self, table: pd.DataFrame) -> np.ndarray:
        """P(artifact) of candidates: mean over trees of the share of artifacts in the leaf reached.

        Args:
            table: with the columns ``names``; NaN where missing.

        Returns:
            In [0, 1], shape (n,), equal to scikit-learn's predict_proba.

        Raises:
            NotACatalogue: if a column is not there.
        """
        columns = design(table, self.names, self.medians, self.flagged)
        found = np.empty(len(columns))
        for start in range(0, len(columns), BLOCK):
            found[start : start + BLOCK] = self._descend(columns[start : start + BLOCK])
        return found

    def _descend(self, columns: np.ndarray) -> np.ndarray:
        n_trees = len(self.roots)
        node = np.tile(self.roots, len(columns))
        row = np.repeat(np.arange(len(columns)), n_trees)
        active = np.flatnonzero(self.feature[node] != LEAF)
        while len(active):
            here = node[active]
            goes_left = columns[row[active], self.feature[here]] <= self.threshold[here]
            node[active] = np.where(goes_left, self.left[here], self.right[here])
            active = active[self.feature[node[active]] != LEAF]
        return self.share[node].reshape(-1, n_trees).mean(axis=1)


def design(
    table: pd.DataFrame, names: tuple[str, ...], medians: np.ndarray, flagged: tuple[str, ...]
) -> np.ndarray:
    """Columns that the trees see: features with medians for missing values, then a flag for each in
    ``flagged``; float32, shape (n, len(names) + len(flagged)).

    Raises:
        NotACatalogue: if a column is not there.
    """
    lacking = [name for name in names if name not in table]
    if lacking:
        raise NotACatalogue(f"The table of features lacks {lacking}; this forest was trained with them.")
    values = table[list(names)].to_numpy(np.float32)
    missing = ~np.isfinite(values)
    flags = missing[:, [names.index(name) for name in flagged]].astype(np.float32)
    return np.hstack([np.where(missing, medians.astype(np.float32), values), flags])


def train(
    features: str | Path,
    split: str | Path,
    labels: str | Path,
    out: str | Path,
    importances: str | Path,
    *,
    recipe: str,
    seed: int,
    subset: str = "all",
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Train a forest and write ``<out>.safetensors``, ``<out>.json`` and its importances.

    Args:
        features: parquet of ``features.table.write``.
        split: parquet with id and split.
        labels: parquet with id and label.
        out: path without ending.
        importances: CSV to write: feature, importance (mean decrease of entropy, sums to 1).
        recipe: "corrected" trains on the ids of the training set, as networks do, and imputes missing values;
            "faithful" trains on all that are not in the testing set and leaves out rows with a missing value.
        seed: root seed.
        subset: "all" features, those of "pixels", or of the "catalogue".
        settings: of scikit-learn's forest that differ from ``SETTINGS``.
        workers: processes; the trees do not depend on them.
        provenance: stored in the card.

    Raises:
        BadSetting: for an unknown recipe or subset.
        NotACatalogue: if features are not there, or ids of the split have no features or label.
        OneClassOnly: if the training labels are of one class.

    Source: Goldstein et al. 2015, Sec. 3; Ayyar et al. 2022, Sec. 4.2.
    """
    from sklearn.ensemble import RandomForestClassifier

    if recipe not in ("corrected", "faithful") or subset not in SUBSETS:
        raise BadSetting(f"No forest for recipe '{recipe}' and features '{subset}'; see `train`.")
    table = _rows(features, split, labels)
    chosen = table["split"] != "testing" if recipe == "faithful" else table["split"] == "training"
    training = table[chosen]
    names = tuple(SUBSETS[subset])
    lacking = [name for name in names if name not in table]
    if lacking:
        raise NotACatalogue(f"{features}: lacks {lacking}; choose the subset that the survey has.")
    n_chosen = len(training)
    if recipe == "faithful":
        training = training[training[list(names)].notna().all(axis=1)]
    truth = training["label"].to_numpy(int)
    if len(set(truth)) < 2:
        raise OneClassOnly(
            f"{labels}: the {len(truth)} training labels are of one class; choose a split with both."
        )
    values = training[list(names)].replace([np.inf, -np.inf], np.nan)
    flagged = tuple(name for name in names if values[name].isna().any())
    medians = values.median().fillna(0.0).to_numpy(np.float64)
    random_state = int(generator(seed, "forest").integers(2**31))
    model = RandomForestClassifier(
        **SETTINGS | dict(settings or {}), random_state=random_state, n_jobs=workers
    )
    model.fit(design(training, names, medians, flagged), truth)
    forest = from_trees(model, names, medians, flagged)
    card = {
        "kind": "forest",
        "recipe": recipe,
        "settings": SETTINGS | dict(settings or {}),
        "seed": seed,
        "label_positive": "artifact",
        "n_training": len(training),
        "n_dropped": n_chosen - len(training),
        "provenance": dict(provenance or {})
        | {"training_ids": training_hash(training["id"].to_numpy(), truth)},
    }
    save(forest, out, card)
    weighed = pd.DataFrame(
        {
            "feature": [*names, *(f"{name}_missing" for name in flagged)],
            "importance": model.feature_importances_,
        }
    )
    tables.write_csv(weighed.sort_values("importance", ascending=False, kind="stable"), importances)


def _rows(features: str | Path, split: str | Path, labels: str | Path) -> pd.DataFrame:
    """Features with split and label, in the order of the features; ids that the split leaves out are not
    there."""
    table, parts, given = pd.read_parquet(features), pd.read_parquet(split), pd.read_parquet(labels)
    joined = table.merge(parts[["id", "split"]], on="id").merge(given[["id", "label"]], on="id")
    if len(joined) != len(parts):
        raise NotACatalogue(
            f"{features}: {len(parts) - len(joined)} of the {len(parts)} ids of {split} have no features or "
            "no label, or have them twice; make both tables of the same survey again."
        )
    return joined


def from_trees(model: Any, names: tuple[str, ...], medians: np.ndarray, flagged: tuple[str, ...]) -> Forest:
    """The arrays of a fitted scikit-learn forest of two classes."""
    trees = [one.tree_ for one in model.estimators_]
    roots = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])[:-1]]).astype(np.int64)
    artifact = list(model.classes_).index(1)

    def joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
        return np.concatenate(parts).astype(kind)

    inner = [tree.children_left >= 0 for tree in trees]
    shares = [tree.value[:, 0, artifact] / tree.value[:, 0].sum(axis=1) for tree in trees]
    return Forest(
        names=names,
        medians=medians,
        flagged=flagged,
        feature=joined([np.where(i, t.feature, LEAF) for i, t in zip(inner, trees, strict=True)], np.int16),
        threshold=joined([tree.threshold for tree in trees], np.float64),
        left=joined([tree.children_left + root for tree, root in zip(trees, roots, strict=True)], np.int64),
        right=joined([tree.children_right + root for tree, root in zip(trees, roots, strict=True)], np.int64),
        share=joined(shares, np.float64),
        roots=roots,
    )


def save(forest: Forest, stem: str | Path, card: Mapping[str, Any]) -> None:
    """Write ``<stem>.safetensors`` and ``<stem>.json``."""
    from safetensors.numpy import save_file

    with appearing(f"{stem}.safetensors") as partial:
        save_file({name: getattr(forest, name) for name in ARRAYS} | {"medians": forest.medians}, partial)
    described = {"names": list(forest.names), "flagged": list(forest.flagged), "n_trees": len(forest.roots)}
    tables.write_json(dict(card) | described, f"{stem}.json")


def load(stem: str | Path) -> tuple[Forest, dict[str, Any]]:
    """A forest and its card.

    Raises:
        NotWeights: if the files are not those of a forest.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        card = json.loads(Path(f"{stem}.json").read_text())
        arrays = load_file(f"{stem}.safetensors")
        parts = {name: arrays[name] for name in ARRAYS}
        return Forest(tuple(card["names"]), arrays["medians"], tuple(card["flagged"]), **parts), card
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise NotWeights(f"{stem}: not a forest written by skyneedle ({error}); train it again.") from error


def predict(
    stem: str | Path,
    features: str | Path,
    split: str | Path,
    names: list[str] | None,
    labels: str | Path,
    out: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the scores of a forest.

    Args:
        stem: of ``train``.
        features: parquet of ``features.table.write``.
        split: parquet with id and split.
        names: of the sets that are scored; all if None.
        labels: parquet with id and label, which is copied.
        out: parquet to write: id, label, score, logit (missing), in the order of the features. A faithful
            forest leaves out rows with a missing value, and says how many as ``n_dropped``.
        provenance: stored in the file.
    """
    forest, card = load(stem)
    table = _rows(features, split, labels)
    if names is not None:
        table = table[table["split"].isin(names)]
    n_asked = len(table)
    if card["recipe"] == "faithful":
        table = table[table[list(forest.names)].notna().all(axis=1)]
    scores = pd.DataFrame(
        {
            "id": table["id"].to_numpy(np.int64),
            "label": table["label"].astype("Int8").array,
            "score": forest.score(table),
            "logit": pd.array([None] * len(table), dtype="Float64"),
        }
    )
    attributes = {"network": Path(stem).parent.name, "n_dropped": n_asked - len(table)}
    tables.write_parquet(scores, out, attributes | {"provenance": dict(provenance or {})})


def train_and_predict(
    features: str | Path,
    split: str | Path,
    labels: str | Path,
    out: str | Path,
    *,
    name: str = "forest",
    provenance: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Train a forest that is not kept, and write its scores of the testing set.

    Args:
        features, split, labels, provenance, options: see ``train``.
        out: parquet to write, see ``predict``.
        name: of the method, stored with the scores.
    """
    with TemporaryDirectory() as folder:
        stem = Path(folder, name, "trained")
        stem.parent.mkdir()
        importances = Path(folder, "importances.csv")
        train(features, split, labels, stem, importances, provenance=provenance, **options)
        predict(stem, features, split, ["testing"], labels, out, provenance)
