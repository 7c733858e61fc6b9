"""What flux, size and colour alone can tell: a logistic regression beside every network.

A network that does not beat it by more than the interval has learnt nothing about shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skyneedle.core import metrics
from skyneedle.core.errors import MissingBand, OneClassOnly
from skyneedle.core.store import DataSet
from skyneedle.lenses import score_table
from skyneedle.lenses.preprocess import BANDS, NISP, PIXEL_SCALE, read, select, survey_sky

NAME = "flux_size_colour"
FEATURES = ("flux", "size", "area", "VIS_minus_Y", "Y_minus_J", "J_minus_H")
DETECTED = 3.0  # standard deviations of the sky, from which a pixel counts
RIDGE = 1e-3
ROUNDS = 100
BLOCK = 250  # examples that are measured at once


def features(vis: np.ndarray, nisp: np.ndarray, sky_sigma: Mapping[str, float]) -> np.ndarray:
    """Flux, size and colours of what stands out of the sky.

    Args:
        vis: raw VIS stamps, shape (n, 200, 200), the sky at zero.
        nisp: raw NISP stamps, shape (n, 3, 66, 66) in the order J, Y, H, likewise.
        sky_sigma: standard deviation of the sky in the raw pixels of each band.

    Returns:
        Shape (n, 6), columns ``FEATURES``: magnitude of the VIS flux in pixels above 3 sigma, their rms
        distance from their centre and the root of their area in arcsec (both as decimal logarithms), and
        three colours in magnitudes of the units of the stamps. An empty band counts as 3 sigma in one pixel.

    Raises:
        MissingBand, WrongStampSize, StampHasNaN: as of ``preprocess.Scaling``.
    """
    missing = [band for band in ("VIS", *NISP) if band not in sky_sigma]
    if missing:
        raise MissingBand(f"sky_sigma has no {missing[0]}; the baseline needs VIS, J, Y and H.")
    magnitude = {}
    for band in ("VIS", *NISP):
        stamps = select(band, vis, nisp)
        least = DETECTED * sky_sigma[band]
        flux = np.where(stamps > least, stamps, 0).sum(axis=(1, 2), dtype=np.float64)
        magnitude[band] = -2.5 * np.log10(np.maximum(flux, least))
    size, area = _sizes(np.asarray(vis) > DETECTED * sky_sigma["VIS"])
    columns = [magnitude["VIS"], size, area]
    columns += [magnitude[blue] - magnitude[red] for blue, red in (("VIS", "Y"), ("Y", "J"), ("J", "H"))]
    return np.stack(columns, axis=1)


def of_set(shards: Sequence[str | Path] | str | Path) -> np.ndarray:
    """Features of all examples of a set, shape (n, 6), in units of the sky noise of the set itself.

    So sets of different surveys, each in its own flux unit, can be held against each other.

    Errors as of ``features``, and of ``preprocess.read`` and ``survey_sky``.
    """
    data = DataSet(shards)
    sigma = dict(zip(BANDS, survey_sky(data, BANDS), strict=True))
    of_nisp = np.array([sigma[band] for band in NISP], np.float32)[:, None, None]
    unit = dict.fromkeys(BANDS, 1.0)
    found = [np.empty((0, len(FEATURES)))]
    for start in range(0, len(data), BLOCK):
        arrays = read(data, BANDS, np.arange(start, min(start + BLOCK, len(data))))
        found.append(features(arrays["vis"] / np.float32(sigma["VIS"]), arrays["nisp"] / of_nisp, unit))
    return np.concatenate(found)


def write_scores(
    sets: Mapping[str, Sequence[str | Path]],
    out: Mapping[str, str | Path],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Fit on the training set and write the scores of every set, as those of a network are written.

    Args:
        sets: shards by name of the set, "training" among them.
        out: parquet to write for each set, see ``score_table.write``.
        provenance: stored in each.

    Raises:
        OneClassOnly: if the training set has one class only.
    """
    measured = {name: of_set(shards) for name, shards in sets.items()}
    model = fit(measured["training"], DataSet(sets["training"]).table["label"].to_numpy())
    for name, table in measured.items():
        score_table.write(DataSet(sets[name]), model.logits(table), out[name], NAME, provenance)


def _sizes(detected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the pixels' rms distance from their centre and of the root of their area, in arcsec."""
    counts = detected.sum(axis=(1, 2))
    variance = np.zeros(len(detected))
    for axis in (1, 2):
        profile = detected.sum(axis=3 - axis).astype(np.float64)
        places = np.arange(profile.shape[1])
        mean = profile @ places / np.maximum(counts, 1)
        variance += profile @ places**2 / np.maximum(counts, 1) - mean**2
    # Pixels are squares: even a single one has a size.
    scale = PIXEL_SCALE["VIS"]
    rms = scale * np.sqrt(np.maximum(variance, 0) + 1 / 6)
    return np.log10(rms), np.log10(scale * np.sqrt(np.maximum(counts, 1)))


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression.

    Attributes:
        mean: of the training features, shape (feature,).
        std: likewise.
        weights: of the standardised features, shape (feature,).
        bias: log odds at the mean.
    """

    mean: np.ndarray
    std: np.ndarray
    weights: np.ndarray
    bias: float

    def logits(self, table: np.ndarray) -> np.ndarray:
        """Log odds of being a lens, shape (n,), of features (n, feature)."""
        return (np.asarray(table) - self.mean) / self.std @ self.weights + self.bias


def fit(table: np.ndarray, labels: np.ndarray, ridge: float = RIDGE) -> Logistic:
    """Fit a logistic regression by Newton's method.

    Args:
        table: features of the training set, shape (n, feature); a constant one gets no weight.
        labels: 1 for lenses, shape (n,).
        ridge: penalty on the squared weights of the standardised features, for an example; keeps them finite
            where the classes can be separated.

    Raises:
        OneClassOnly: if the labels are of one class.
    """
    labels = np.asarray(labels).astype(np.float64)
    if labels.min() == labels.max():
        raise OneClassOnly(
            f"The {len(labels)} training examples are of one class; choose a set with lenses and non-lenses."
        )
    mean, std = table.mean(axis=0), table.std(axis=0)
    std = np.where(std > 1e-9 * np.maximum(np.abs(mean), 1), std, 1.0)
    design = np.column_stack([(table - mean) / std, np.ones(len(table))])
    penalty = ridge * np.append(np.ones(table.shape[1]), 0.0)
    solution = np.zeros(design.shape[1])
    loss = _loss(design, labels, solution, penalty)
    for _ in range(ROUNDS):
        chance = metrics.probability(design @ solution)
        slope = design.T @ (chance - labels) / len(labels) + penalty * solution
        curvature = (design * (chance * (1 - chance))[:, None]).T @ design / len(labels)
        step = np.linalg.solve(curvature + np.diag(np.maximum(penalty, 1e-12)), slope)
        # A full step may overshoot far from the optimum; half of it then does not.
        size = 1.0
        while (better := _loss(design, labels, solution - size * step, penalty)) > loss and size > 1e-6:
            size /= 2
        solution, gain, loss = solution - size * step, loss - better, better
        if gain < 1e-14 * max(loss, 1e-9):
            break
    return Logistic(mean, std, solution[:-1], float(solution[-1]))


def _loss(design: np.ndarray, labels: np.ndarray, solution: np.ndarray, penalty: np.ndarray) -> float:
    logits = design @ solution
    return float(np.mean(np.logaddexp(0, logits) - labels * logits) + 0.5 * penalty @ solution**2)
