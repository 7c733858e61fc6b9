"""Methods of before deep learning in the same folds: mixtures on aggregate features, kernel PCA on cutouts.

The fold that chooses the epoch of a network has nothing to choose here: it is learned from too.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skyneedle.core import tables
from skyneedle.core.errors import OneClassOnly, WrongStampSize
from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transfer.examples import DIVIDED, ITSELF, Division, Stamps, division_of, others, scores
from skyneedle.transfer.preprocess import Augmentation

# Nine, as many as the published method had; which ones is not told.
FEATURES = (
    *("flux", "peak", "concentration", "size", "elongation"),
    *("asymmetry", "clumpiness", "outskirts", "gini"),
)
DETECTED = 3.0  # standard deviations of the sky, from which a pixel counts
SMOOTHED = 2.0  # pixels; what is smaller counts as a clump
OUTER = 10.0  # pixels from the centre of the light, 0.5 arcsec, outside of which the outskirts begin
CUTOUT = 25  # pixels a side; 100 binned by 4
N_KERNEL = 200  # features of kernel PCA
MOST = 2000  # examples that kernel PCA is fitted on: its matrix grows with their square
FEW = 20  # examples for each component of a mixture, at least
BINS = 32  # of each component: a few hundred examples fill no more, and trees take a sixth of the time
LEAST_LEAF = 5  # examples in a leaf of a tree; the library's 20 leaves no tree where there are fewer than 40
SURE = 1e-12  # least probability, so that log odds are finite
BLOCK = 250  # examples that are in memory at once

# --- what they see


def features(stamps: np.ndarray, sky_sigma: float) -> np.ndarray:
    """Aggregate features of what stands out of the sky.

    Args:
        stamps: electrons/s, the sky at zero, shape (n, size, size).
        sky_sigma: standard deviation of the sky in one pixel, electrons/s.

    Returns:
        Shape (n, 9), columns ``FEATURES``. Of pixels above 3 sigma: their flux and the brightest of them
        (decimal logarithms, in sigma); the share of the brightest; rms distance from the centre of the light
        in pixels (logarithm); one less the ratio of its axes; the share that changes under half a turn about
        the stamp's centre; the share that a smoothing of 2 pixels moves; the share of light farther than 10
        pixels from its centre; Gini's coefficient over all pixels. An empty stamp counts as 3 sigma in the
        central pixel.
    """
    light = np.asarray(stamps, dtype=np.float64) / sky_sigma
    light = np.where(light > DETECTED, light, 0.0)
    middle = light.shape[1] // 2
    light[light.sum(axis=(1, 2)) == 0, middle, middle] = DETECTED
    flux = light.sum(axis=(1, 2))
    peak = light.max(axis=(1, 2))
    places = np.arange(light.shape[1], dtype=np.float64)
    y = (light.sum(axis=2) @ places / flux)[:, None, None]
    x = (light.sum(axis=1) @ places / flux)[:, None, None]
    dy, dx = places[:, None] - y, places[None, :] - x
    # A pixel is a square: even a single one has moments.
    yy = (light * dy**2).sum(axis=(1, 2)) / flux + 1 / 12
    xx = (light * dx**2).sum(axis=(1, 2)) / flux + 1 / 12
    xy = (light * dy * dx).sum(axis=(1, 2)) / flux
    spread = np.hypot((xx - yy) / 2, xy)
    ratio = np.sqrt(np.maximum((xx + yy) / 2 - spread, 0) / ((xx + yy) / 2 + spread))
    smooth = ndimage.gaussian_filter(light, (0, SMOOTHED, SMOOTHED))
    columns = (
        *(np.log10(flux), np.log10(peak), peak / flux, np.log10(xx + yy) / 2, 1 - ratio),
        np.abs(light - light[:, ::-1, ::-1]).sum(axis=(1, 2)) / (2 * flux),
        np.abs(light - smooth).sum(axis=(1, 2)) / (2 * flux),
        (light * (np.hypot(dy, dx) > OUTER)).sum(axis=(1, 2)) / flux,
        _gini(light.reshape(len(light), -1)),
    )
    return np.stack(columns, axis=1)


def _gini(light: np.ndarray) -> np.ndarray:
    """Gini's coefficient of each row: 0 where all pixels are the same, 1 where one has all the light."""
    n = light.shape[1]
    ranked = np.sort(light, axis=1)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return ranked @ weights / (np.maximum(ranked.sum(axis=1), 1e-300) * (n - 1))


def cutouts(scaled: np.ndarray) -> np.ndarray:
    """Scaled stamps (n, 1, 100, 100) as cutouts of 25 x 25 pixels, the mean of 4 x 4 each, shape (n, 625).

    Raises:
        WrongStampSize: if their size is no multiple of 25.
    """
    n, size = len(scaled), scaled.shape[-1]
    if size % CUTOUT:
        raise WrongStampSize(f"Stamps of {size} pixels a side cannot be binned to {CUTOUT}; give 100.")
    step = size // CUTOUT
    return scaled.reshape(n, CUTOUT, step, CUTOUT, step).mean(axis=(2, 4)).reshape(n, -1)


def seen(source: Stamps, row: np.ndarray, copy: np.ndarray) -> dict[str, np.ndarray]:
    """Input of each method for some examples: ``features`` (n, 9) and ``cutouts`` (n, 625)."""
    found: dict[str, list[np.ndarray]] = {
        "features": [np.empty((0, len(FEATURES)))],
        "cutouts": [np.empty((0, CUTOUT**2), np.float32)],
    }
    for start in range(0, len(row), BLOCK):
        here = slice(start, start + BLOCK)
        stamps = source.raw(row[here], copy[here])
        found["features"].append(features(stamps, source.sky_sigma))
        found["cutouts"].append(cutouts(source.scaled(stamps)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


# --- methods


class MixtureRatio(ClassifierMixin, BaseEstimator):
    """A mixture of Gaussians for each class; its score is the logarithm of the ratio of their likelihoods.

    Fitted by expectation and maximisation from several random starts, of which the likeliest is taken.

    Args:
        n_components: of each mixture, fewer where a class has fewer than 20 examples for each.
        n_starts: random starts.
        ridge: added to each variance of the standardised features.
        seed: of the starts.

    Source: Akhazhanov 2018, Sec. 3.1, Eq. 1, after Williams et al.; numbers of components and starts are
    choices made here.
    """

    def __init__(self, n_components: int = 3, n_starts: int = 5, ridge: float = 1e-2, seed: int = 0):
        self.n_components, self.n_starts, self.ridge, self.seed = n_components, n_starts, ridge, seed

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Fit both mixtures to features (n, feature) and labels (n,)."""
        self.classes_ = np.array([0, 1])
        self.mixtures_ = []
        for one in self.classes_:
            of_class = x[np.asarray(y) == one]
            mixture = GaussianMixture(
                max(1, min(self.n_components, len(of_class) // FEW)),
                n_init=self.n_starts,
                init_params="random_from_data",
                reg_covar=self.ridge,
                max_iter=200,
                random_state=self.seed,
            )
            self.mixtures_.append(mixture.fit(of_class))
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Logarithm of likelihood as a lens over likelihood as none, shape (n,)."""
        other, lens = self.mixtures_
        return lens.score_samples(x) - other.score_samples(x)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The likelier class, shape (n,)."""
        return (self.decision_function(x) > 0).astype(np.int64)


class Kernel(TransformerMixin, BaseEstimator):
    """Kernel principal components with a Gaussian kernel as wide as the median distance of two examples.

    Args:
        n_components: at most, and one less than there are examples.
        most: examples that it is fitted on at most, drawn by chance: 16 bytes for each pair of them.
        seed: of the draw.

    Source: Akhazhanov 2018, Sec. 3.2, after Agnello et al.: 200 features of cutouts of 25 x 25 pixels; the
    kernel is a choice made here.
    """

    def __init__(self, n_components: int = N_KERNEL, most: int = MOST, seed: int = 0):
        self.n_components, self.most, self.seed = n_components, most, seed

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Fit to cutouts (n, pixel)."""
        order = generator(self.seed, "kernel").permutation(len(x))[: self.most]
        among = np.asarray(x, dtype=np.float64)[np.sort(order)]
        squares = (among**2).sum(axis=1)
        distances = squares[:, None] + squares[None, :] - 2 * among @ among.T
        median = float(np.median(distances[np.triu_indices(len(among), 1)])) if len(among) > 1 else 1.0
        self.kernel_ = KernelPCA(
            max(1, min(self.n_components, len(among) - 1)),
            kernel="rbf",
            gamma=1 / (2 * max(median, 1e-12)),
            eigen_solver="dense",
        ).fit(among)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Components, shape (n, component)."""
        x = np.asarray(x, dtype=np.float64)
        parts = [self.kernel_.transform(x[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
        return np.concatenate(parts)


def mixture(seed: int) -> Pipeline:
    """Gaussian mixtures on ``features``."""
    return Pipeline([("scale", StandardScaler()), ("mixture", MixtureRatio(seed=seed))])


def trees(seed: int) -> Pipeline:
    """Gradient-boosted trees on kernel principal components of ``cutouts``; both classes count the same."""
    boosted = HistGradientBoostingClassifier(
        max_bins=BINS, min_samples_leaf=LEAST_LEAF, class_weight="balanced", random_state=seed
    )
    return Pipeline([("kernel", Kernel(seed=seed)), ("trees", boosted)])


def small_network(seed: int) -> Pipeline:
    """One hidden layer of 64 units on standardised kernel principal components of ``cutouts``."""
    layers = MLPClassifier((64,), alpha=1e-2, max_iter=200, random_state=seed)
    return Pipeline([("kernel", Kernel(seed=seed)), ("scale", StandardScaler()), ("network", layers)])


METHODS: dict[str, tuple[str, Callable[[int], Pipeline]]] = {
    "gmm": ("features", mixture),
    "kpca_trees": ("cutouts", trees),
    "kpca_mlp": ("cutouts", small_network),
}


def log_odds(model: Pipeline, x: np.ndarray) -> np.ndarray:
    """Log odds of being a lens, shape (n,)."""
    if not len(x):
        return np.empty(0)
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(x), dtype=np.float64)
    lens = np.clip(model.predict_proba(x)[:, 1], SURE, 1 - SURE)
    return np.log(lens) - np.log1p(-lens)


# --- cross-validation


def write(
    sets: Mapping[str, str | Path | Sequence[str | Path]],
    folds_file: str | Path,
    outs: Mapping[str, Mapping[str, str | Path]],
    *,
    augmentation: Mapping[str, Any],
    copies: int,
    recipe: str,
    job: Job,
) -> None:
    """Cross-validate each method and write its scores in the form of those of networks.

    Args:
        sets: shards of each set; "hst" is the divided one.
        folds_file: fold of each stamp of it.
        outs: for each of ``METHODS`` the parquet files "divided" and "others", see ``examples.scores`` and
            ``examples.others``.
        augmentation, copies: fields of ``preprocess.Augmentation`` and number of the copies that are divided
            with the recipe "faithful".
        recipe: "corrected" learns from the stamps as they are.
        job: seed, threads and provenance.

    Raises:
        OneClassOnly: if a method would learn from one class only.
    """
    from threadpoolctl import threadpool_limits

    changes = Augmentation(**augmentation)
    sources = {name: Stamps(DataSet(shards), changes, job.seed) for name, shards in sets.items()}
    divided = sources.pop(DIVIDED)
    division = division_of(divided.table, folds_file, recipe, copies, job.seed)
    with threadpool_limits(job.threads):
        here = seen(divided, division.row, division.copy)
        elsewhere = {}
        for name, source in sources.items():
            rows = np.arange(len(source.table))
            elsewhere[name] = seen(source, rows, np.full(len(rows), ITSELF))
        for method, files in outs.items():
            inputs, make = METHODS[method]
            other = {name: (sources[name].table, found[inputs]) for name, found in elsewhere.items()}
            first, second = crossvalidate(
                make, divided.table, division, here[inputs], other, job.seed, method
            )
            attributes = {"network": method, "n_folds": division.n_folds, "n_judged": division.n_folds}
            attributes |= {"recipe": recipe, "provenance": dict(job.provenance)}
            tables.write_parquet(first, files["divided"], attributes)
            tables.write_parquet(second, files["others"], attributes)


def crossvalidate(
    make: Callable[[int], Pipeline],
    table: pd.DataFrame,
    division: Division,
    x: np.ndarray,
    sets: Mapping[str, tuple[pd.DataFrame, np.ndarray]],
    seed: int,
    method: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Out-of-fold scores of the divided set, and those of other sets by the model of each fold.

    Args:
        make: an unfitted pipeline from a seed.
        table: of the divided set.
        division: its examples and folds.
        x: inputs of these examples, shape (n, feature).
        sets: table and inputs of each other set.
        seed: root of all that is random.
        method: name of it, for errors.

    Raises:
        OneClassOnly: if a fold has one class only to learn from.
    """
    parts: list[pd.DataFrame] = []
    more: list[pd.DataFrame] = []
    for k in range(division.n_folds):
        learned, judged = division.without(k), division.judged(k)
        label = division.label[learned]
        if label.min(initial=1) == label.max(initial=0):
            raise OneClassOnly(
                f"{method}, fold {k}: {int(label.sum())} lenses among {len(label)} examples to learn from; "
                "both classes are needed. Raise n_examples of the set."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many rounds are what is asked for
            model = make(int(generator(seed, "baselines", k).integers(2**31))).fit(x[learned], label)
        logit = log_odds(model, x[judged])
        found = scores(table, division.row[judged], division.copy[judged], k, logit)
        parts.append(found.assign(label=division.label[judged]))
        more += [others(name, one, k, log_odds(model, given)) for name, (one, given) in sets.items()]
    both = pd.concat(parts).sort_values(["id", "copy"], ignore_index=True)
    return both, pd.concat(more, ignore_index=True) if more else pd.DataFrame()
