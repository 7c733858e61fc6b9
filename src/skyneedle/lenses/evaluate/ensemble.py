"""OU-T-SNE: the answers of seven networks laid out in a plane, which is then read off cell by cell.

The plane is fitted to the training set alone; every other set is placed into it afterwards, so nothing of it
decides where anything lies. No code of this step was published: what the paper leaves open is chosen here.

Source: Wilde et al. 2022, Sec. 3.3 and Figs 9 and 10; spec A3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import BadScores, GridMismatch
from skyneedle.core.store import DataSet
from skyneedle.lenses import score_table
from skyneedle.lenses.evaluate import answers
from skyneedle.lenses.fetch.compounds import KNOWN
from skyneedle.lenses.simulate import gallery

NAME = "ou_tsne"
N_CELLS = 100  # along each side
PERPLEXITY = 30.0  # the default of the libraries; the paper does not say
N_GROUPS = 4
N_TILES = 6  # of each group
EDGE = 1e-6  # lens fractions of 0 and 1 get the log odds of this share
OWN, NEIGHBOURS, NEAREST = "own", "neighbours", "nearest"
WORDS = {
    "share_empty": "examples of the {} set in cells without training examples",
    "share_neighbours": "examples of the {} set valued by the mean of the defined neighbours of their cell",
    "share_nearest": "examples of the {} set valued by the nearest defined cell, as no neighbour is defined",
    "share_outside": "examples of the {} set outside the bounds of the training set, moved to its edge",
}


# --- input


@dataclass(frozen=True)
class Ranks:
    """Answers of networks as shares of the training set below them, so that none outweighs another.

    Probabilities pile up at 0 and 1; ranks are spread evenly whatever the scale of a network's logits.

    Attributes:
        ordered: logits of the training set in ascending order, shape (network, n).
    """

    ordered: np.ndarray

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Share of the training set below each logit, ties counted half, shape (n, network)."""
        columns = []
        for reference, values in zip(self.ordered, logits.T, strict=True):
            below = np.searchsorted(reference, values, side="left")
            columns.append((below + np.searchsorted(reference, values, side="right")) / (2 * len(reference)))
        return np.stack(columns, axis=1)


def inputs(logits: np.ndarray, recipe: str, training: np.ndarray) -> np.ndarray:
    """What is laid out: ranks in the training set, or probabilities (``faithful``), shape (n, network).

    Raises:
        BadScores: if a logit is not a number.
    """
    for values in (logits, training):
        metrics.check_scores(np.asarray(values).ravel())
    if recipe == "faithful":
        return metrics.probability(logits)
    return Ranks(np.sort(training, axis=0).T)(logits)


# --- the plane


def embed(training: np.ndarray, others: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Places of the training set in the plane, and of other sets put into it without moving anything.

    Args:
        training: inputs, shape (n, network).
        others: inputs of other sets.
        seed: of the start of the optimisation.

    Returns:
        Shape (n, 2) for the training set and each other set.
    """
    from openTSNE import TSNE  # takes a second to import, with scikit-learn

    perplexity = min(PERPLEXITY, (len(training) - 1) / 3)
    # One thread: sums in another order would end in another plane. From some thousand points on,
    # interpolation is many times faster than the tree.
    gradient = "fft" if len(training) > 3000 else "bh"
    plane = TSNE(
        perplexity=perplexity,
        n_jobs=1,
        random_state=seed,
        negative_gradient_method=gradient,
        neighbors="exact" if len(training) <= 10_000 else "annoy",
    ).fit(np.asarray(training, float))
    placed = [
        np.asarray(plane.transform(np.asarray(one, float))) if len(one) else one[:, :2] for one in others
    ]
    return [np.asarray(plane), *placed]


@dataclass(frozen=True)
class Grid:
    """Lens fraction in the cells of the plane.

    Attributes:
        low: least coordinates of the training set, shape (2,).
        high: greatest.
        values: lens fraction in each cell, shape (cell, cell), x first; filled where cells are empty.
        how: "own", "neighbours" or "nearest": where each value comes from.
    """

    low: np.ndarray
    high: np.ndarray
    values: np.ndarray
    how: np.ndarray

    def cells(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cell of each place, shape (n, 2), and whether it lay outside and was moved to the edge, (n,)."""
        span = np.where(self.high > self.low, self.high - self.low, 1)
        within = (np.asarray(places) - self.low) / span
        outside = ((within < 0) | (within > 1)).any(axis=1)
        n = len(self.values)
        return np.clip((within * n).astype(int), 0, n - 1), outside

    def read(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """value and how of the cell of each place, and outside as of ``cells``, shape (n,) each."""
        cells, outside = self.cells(places)
        at = tuple(cells.T)
        return {"value": self.values[at], "how": self.how[at], "outside": outside}


def grid(places: np.ndarray, labels: np.ndarray, n_cells: int = N_CELLS) -> Grid:
    """Lens fraction of the training set in each cell; empty cells take that of their surroundings.

    An empty cell has the mean of those of its eight neighbours that are not empty, as published; without any,
    the value of the nearest cell that is not empty, of several the mean.

    Args:
        places: of the training set, shape (n, 2).
        labels: 1 for lenses, shape (n,).
        n_cells: along each side.
    """
    from scipy import ndimage

    bare = Grid(places.min(axis=0), places.max(axis=0), np.zeros((n_cells, n_cells)), np.zeros(0))
    cells, _ = bare.cells(places)
    count, lenses = np.zeros((2, n_cells, n_cells))
    np.add.at(count, tuple(cells.T), 1)
    np.add.at(lenses, tuple(cells.T), labels)
    defined = count > 0
    values = np.where(defined, lenses / np.maximum(count, 1), 0.0)
    around = np.ones((3, 3))
    n_defined = ndimage.convolve(defined.astype(float), around, mode="constant")
    mean = ndimage.convolve(values, around, mode="constant") / np.maximum(n_defined, 1)
    how = np.where(defined, OWN, np.where(n_defined > 0, NEIGHBOURS, NEAREST))
    filled = np.where(defined, values, mean)
    x, y = np.nonzero(defined)
    for i, j in np.argwhere(how == NEAREST):
        distance = (x - i) ** 2 + (y - j) ** 2
        filled[i, j] = values[x, y][distance == distance.min()].mean()
    return Grid(bare.low, bare.high, filled, how)


def groups(places: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Four groups of lenses: k-means in the plane among the lenses of the training set.

    How the paper found its four is not said. Groups are numbered from the largest down; 0 is for non-lenses.

    Args:
        places: shape (n, 2).
        labels: 1 for lenses, shape (n,).
        seed: of the first centres.
    """
    from scipy.cluster.vq import kmeans2

    found = np.zeros(len(places), dtype=int)
    lenses = np.flatnonzero(labels == 1)
    if len(lenses) < N_GROUPS:
        return found
    _, member = kmeans2(places[lenses], N_GROUPS, minit="++", rng=np.random.default_rng(seed))
    rank = np.argsort(np.argsort(-np.bincount(member, minlength=N_GROUPS), kind="stable"), kind="stable")
    found[lenses] = rank[member] + 1
    return found


def tiles(data: DataSet, training: pd.DataFrame, n: int = N_TILES) -> pd.DataFrame:
    """Images of the lenses closest to the middle of each group.

    Args:
        data: training set.
        training: its rows of the embedding, in its order.
        n: images of each group.

    Returns:
        Columns of ``simulate.gallery.tiles``, the panels named "group 1" and so on, and score.
    """
    sigma = data.attributes["sky_sigma"]
    none = np.zeros((0, 0, 0), np.float32)
    rows = []
    for group in range(1, N_GROUPS + 1):
        here = np.flatnonzero(training["group"].to_numpy() == group)
        closest = here[np.argsort(training["to_centre"].to_numpy()[here], kind="stable")[:n]]
        for place in map(int, closest):
            nisp = data.read("nisp", place) if len(sigma) > 1 else none
            truth = data.table.iloc[place].to_dict()
            tile = gallery.tile(f"group {group}", truth, data.read("vis", place), nisp, sigma)
            rows.append(tile | {"score": float(training["value"].iloc[place])})
    columns = ["panel", "id", "label", "kind", "score", "n", "sky_sigma", "vis", "composite"]
    return pd.DataFrame(rows, columns=columns)


# --- files


def write_scores(
    scores: Mapping[str, Sequence[str | Path]],
    sets: Mapping[str, Sequence[str | Path]],
    *,
    out: Mapping[str, str | Path],
    embedding: str | Path,
    pictures: str | Path,
    cells: str | Path,
    known: answers.Known,
    recipe: str,
    seed: int,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Fit the plane on the training set and score every set with it.

    Args:
        scores: for each set, "training" among them, the scores of the networks, always in the same order.
        sets: shards by name of the set.
        out: scores to write for each set.
        embedding: table to write, parquet: set, id, label, kind, x, y, value, how, outside, group (of lenses
            of the training set, from 1; else 0) and to_centre (distance from the middle of the group).
        pictures: table to write, parquet, see ``tiles``.
        cells: metrics to write, JSON, see ``counted``.
        known: what the networks said to the known compound lenses, and where to write what is made of it.
        recipe: "corrected" lays out ranks, "faithful" probabilities.
        seed: of the layout and the groups.
        provenance: stored in all.

    Raises:
        GridMismatch: if the scores are not of the examples of their set.
        BadScores: if a logit is not a number.
    """
    data = {name: DataSet(shards) for name, shards in sets.items()}
    logits = {name: _logits(scores[name], data[name]) for name in sets}
    names = ["training", *(name for name in sets if name != "training")]
    training = logits["training"]
    shown = {name: inputs(logits[name], recipe, training) for name in names}
    images, vectors, lacking = answers.together(known.table, known.networks)
    others = [*(shown[name] for name in names[1:]), inputs(vectors, recipe, training)]
    *laid_out, of_known = embed(shown["training"], others, seed)
    places = dict(zip(names, laid_out, strict=True))
    labels = data["training"].table["label"].to_numpy()
    plane = grid(places["training"], labels)
    found = []
    for name in names:
        table = _placed(name, data[name], places[name], plane)
        score_table.write(data[name], _log_odds(table["value"].to_numpy()), out[name], NAME, provenance)
        found.append(table)
    member = groups(places["training"], labels, seed)
    whole = pd.concat(found, ignore_index=True).assign(group=0, to_centre=np.nan)
    whole.loc[: len(member) - 1, "group"] = member
    for group in range(1, member.max() + 1):
        here = np.flatnonzero(member == group)
        middle = places["training"][here].mean(axis=0)
        whole.loc[here, "to_centre"] = np.hypot(*(places["training"][here] - middle).T)
    tables.write_parquet(whole, embedding, {"provenance": dict(provenance or {})})
    tables.write_parquet(tiles(data["training"], whole.iloc[: len(member)]), pictures)
    tables.write_json(counted(whole) | {"provenance": dict(provenance or {})}, cells)
    answered = to_known(images, of_known, plane, {**known.missing, **lacking})
    tables.write_json(answered | {"provenance": dict(provenance or {})}, known.out)


def to_known(
    images: pd.DataFrame, places: np.ndarray, plane: Grid, missing: Mapping[str, str]
) -> dict[str, Any]:
    """What the plane says to the known compound lenses.

    Args:
        images: id, name and turn of each image.
        places: of these in the plane, shape (image, 2).
        plane: of the training set.
        missing: reason for each lens that is not among them, by its name.

    Returns:
        Metrics of ``answers.measured``; their notes count the orientations that fell into empty cells or
        outside the plane.
    """
    table = images.assign(network=NAME, **plane.read(places))
    table = table.assign(score=table["value"].clip(EDGE, 1 - EDGE), empty=table["how"] != OWN)
    found = answers.measured(table, [NAME], missing)
    for one in KNOWN:
        here, entry = table[table["name"] == one.name], found[f"{one.folder}_{NAME}"]
        for column, words in (
            ("empty", "in cells without training examples"),
            ("outside", "outside them all"),
        ):
            if here[column].any():
                entry["note"] += f"; {here[column].sum()} of {len(here)} {words}"
    return found


def _log_odds(share: np.ndarray) -> np.ndarray:
    value = np.clip(share, EDGE, 1 - EDGE)
    return np.log(value) - np.log1p(-value)


def _logits(files: Sequence[str | Path], data: DataSet) -> np.ndarray:
    """Logits of all networks on one set, shape (n, network)."""
    columns = []
    for path in files:
        table = pd.read_parquet(path)
        if table["id"].tolist() != data.table["id"].tolist():
            raise GridMismatch(
                f"{path}: {len(table)} examples that are not the {len(data)} of the set; predict again."
            )
        if table["logit"].isna().any():
            raise BadScores(f"{path}: logits are missing; the plane needs those of all networks.")
        columns.append(table["logit"].to_numpy(float))
    return np.stack(columns, axis=1)


def _placed(name: str, data: DataSet, places: np.ndarray, plane: Grid) -> pd.DataFrame:
    described = {key: data.table[key].to_numpy() for key in ("id", "label", "kind") if key in data.table}
    return pd.DataFrame(
        {"set": name, **described, "x": places[:, 0], "y": places[:, 1], **plane.read(places)}
    )


def counted(embedding: pd.DataFrame) -> dict[str, Any]:
    """Shares of what is judged on by where their value comes from, with binomial intervals.

    Returns:
        The keys of ``WORDS``: of the testing set, and with ``_evaluation`` of that set where there is one.
    """
    found = {}
    for which, ending in (("testing", ""), ("evaluation", "_evaluation")):
        judged = embedding[embedding["set"] == which]
        counts = {
            "share_empty": (judged["how"] != OWN).sum(),
            "share_neighbours": (judged["how"] == NEIGHBOURS).sum(),
            "share_nearest": (judged["how"] == NEAREST).sum(),
            "share_outside": judged["outside"].sum(),
        }
        for key, k in counts.items() if len(judged) else ():
            said = {"item": NAME, "quantity": WORDS[key].format(which), "definition": "share, binomial"}
            found[key + ending] = metrics.binomial(int(k), len(judged)) | said
    return found
