"""Missed detections and false positives in the paper's convention, which is defined here alone.

Label 1 is an artifact and a score is P(artifact), but the *positive* class is the non-artifact, which is what
astronomers look for. A candidate with a score at or above the threshold is called an artifact.

- MDR: share of the non-artifacts that are called artifacts (lost).
- FPR: share of the artifacts that are called non-artifacts (wrongly kept).
- TPR = 1 - MDR.

Source: Ayyar et al. 2022, Sec. 3.2, Eq. 1 and Fig. 3.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import OneClassOnly
from skyneedle.core.metrics import Confusion, Ranking
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import scored
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.truth import read_truth

HALF = 0.5
MDR = 0.05  # at which methods are compared (Sec. 4.5)
MDRS = (0.03, 0.04, 0.05)  # of the points that Goldstein et al. published
ARTIFACTS_PER_REAL = (1, 7, 11, 100)  # balanced; Fig. 12; 19,000 / 1,700 of Sec. 4.6; the sky
MOST_POINTS = 400  # of a curve that is drawn
GOLDSTEIN = ((0.03, 0.038), (0.04, 0.024), (0.05, 0.016))  # (MDR, FPR): Goldstein et al. 2015, Fig. 7
OF_TRAINING = ("n_parameters", "best_epoch", "epochs_trained")  # of a network's card
DEFINITIONS = {
    "auc": "area under the ROC curve",
    "fpr_at_mdr": "least share of artifacts kept where no more non-artifacts are lost, ties counted against",
    "mdr": "share of non-artifacts called artifacts",
    "fpr": "share of artifacts called non-artifacts",
    "tpr": "share of non-artifacts called so",
    "tnr": "share of artifacts called so",
    "accuracy": "share of rightly classified candidates",
    "purity": "share of non-artifacts among what is kept, for so many artifacts to one non-artifact",
}


def ranking(labels: np.ndarray, scores: np.ndarray) -> Ranking:
    """Candidates from the least to the most artifact-like; "positive" is the non-artifact."""
    return Ranking(np.asarray(labels) == 0, -np.asarray(scores, float))


def confusion(
    labels: np.ndarray, scores: np.ndarray, threshold: float = HALF, weights: np.ndarray | None = None
) -> Confusion:
    """Counts of Fig. 3: the positive class is the non-artifact."""
    return metrics.confusion(np.asarray(labels) == 0, np.asarray(scores) < threshold, weights)


def missed_detection_rate(counts: Confusion) -> float:
    """MDR of Eq. 1."""
    return 1 - counts.recall


def false_positive_rate(counts: Confusion) -> float:
    """FPR of Eq. 1."""
    return counts.false_positive_rate


def fpr_at_mdr(ranked: Ranking, mdr: float = MDR, weights: np.ndarray | None = None) -> float:
    """Least FPR at which no more than a share ``mdr`` of the non-artifacts is lost.

    Candidates of one score stay together and no line is drawn between thresholds, so ties count against.
    """
    return fprs_and_auc(ranked, weights, (mdr,))[0]


def fprs_and_auc(
    ranked: Ranking, weights: np.ndarray | None = None, mdrs: Sequence[float] = (MDR,)
) -> list[float]:
    """``fpr_at_mdr`` at each of some rates, then the area under the curve, from one pass over the candidates;
    NaN for weights that leave one class only."""
    return _of_counts(*ranked.counts(weights), mdrs)


def _of_counts(kept: np.ndarray, wrong: np.ndarray, mdrs: Sequence[float]) -> list[float]:
    if not kept[-1] or not wrong[-1]:
        return [float("nan")] * (len(mdrs) + 1)
    across, up = np.append(0, wrong) / wrong[-1], np.append(0, kept) / kept[-1]
    return [*(float(across[1 + _first(kept, mdr)]) for mdr in mdrs), float(np.trapezoid(up, across))]


def threshold_at_mdr(labels: np.ndarray, scores: np.ndarray, mdr: float = MDR) -> float:
    """Least threshold at which at most a share ``mdr`` of the non-artifacts is lost; for validation data.

    Raises:
        OneClassOnly: if the labels are of one class.
    """
    ranked = ranking(labels, scores)
    place = _first(ranked.counts()[0], mdr)
    return float(np.nextafter(-ranked.thresholds[place], np.inf))


def _first(kept: np.ndarray, mdr: float) -> int:
    # A hair more than asked for is allowed, so that 19 of 20 is 5 %.
    return int(np.argmax(kept >= (1 - mdr) * kept[-1] - 1e-9 * kept[-1]))


def curve(labels: np.ndarray, scores: np.ndarray, most_points: int | None = None) -> pd.DataFrame:
    """Both forms of the ROC curve.

    Returns:
        Columns threshold (artifacts are at or above it), mdr, fpr and tpr, one row for each distinct score
        and one for a threshold at which all are artifacts; thinned evenly along the curve to ``most_points``.
    """
    points = metrics.roc(np.asarray(labels) == 0, -np.asarray(scores, float))
    table = pd.DataFrame(
        {
            "threshold": np.nextafter(-points["threshold"], np.inf),
            "mdr": 1 - points["true_positive_rate"],
            "fpr": points["false_positive_rate"],
            "tpr": points["true_positive_rate"],
        }
    )
    if most_points and len(table) > most_points:
        # Rates below a per cent are what matters, so steps are even in their square roots.
        along = np.cumsum(np.hypot(*(np.abs(np.diff(np.sqrt(table[k]), prepend=0)) for k in ("mdr", "fpr"))))
        places = np.searchsorted(along, np.linspace(0, along[-1], most_points))
        table = table.iloc[np.unique(np.clip(np.append(places, [0, len(table) - 1]), 0, len(table) - 1))]
    return table.reset_index(drop=True)


def confusion_table(part: Scored, threshold: float = HALF) -> pd.DataFrame:
    """Fig. 11: rows predicted, columns true; the share is of the true class.

    Returns:
        Columns predicted, true, cell, n, share, low, high (binomial, 68 %).

    The paper exchanges the two counts off its diagonal; here a missed detection is a non-artifact called an
    artifact in percentage and count alike.
    """
    counts = confusion(part.labels, part.scores, threshold)
    rows = []
    for cell, predicted, true in (
        ("true_positives", "non-artifact", "non-artifact"),
        ("false_positives", "non-artifact", "artifact"),
        ("false_negatives", "artifact", "non-artifact"),
        ("true_negatives", "artifact", "artifact"),
    ):
        n = int(getattr(counts, cell))
        share = metrics.binomial(n, int((part.labels == (true == "artifact")).sum()))
        rows.append(
            {"predicted": predicted, "true": true, "cell": cell, "n": n, "share": share["value"]}
            | {"low": share["low"], "high": share["high"]}
        )
    return pd.DataFrame(rows)


def write_confusion(
    scores: Mapping[str, str | Path],
    split: str | Path,
    out: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    labels: str | Path | None = None,
) -> None:
    """Write ``confusion_table`` of all methods on the testing set as CSV, with a column method.

    Args:
        scores: parquet for each method.
        split: see ``choose_and_judge``.
        out: CSV to write.
        thresholds: by method; 0.5, as in Fig. 11, where there is none.
        labels: parquet (id, label) to judge by; the labels of the scores if left out.
    """
    version = None if labels is None else pd.read_parquet(labels)
    found = []
    for method, path in scores.items():
        part = scored.read(path, split, ("testing",), version)
        table = confusion_table(part, (thresholds or {}).get(method, HALF))
        found.append(_first_columns(table, method=method))
    tables.write_csv(pd.concat(found, ignore_index=True), out)


def judge(
    part: Scored,
    threshold: float,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
    artifacts_per_real: Sequence[float] = ARTIFACTS_PER_REAL,
) -> dict[str, dict[str, Any]]:
    """Every metric of one method on one set, with intervals from redrawing groups.

    Args:
        part: scores of the set.
        threshold: chosen elsewhere, on validation data.
        n_bootstrap: redraws.
        rng: of the redraws.
        artifacts_per_real: for which the purity is given.

    Returns:
        For each metric value, low, high (68 %), n (groups), n_artifacts, n_non_artifacts and definition:
        auc, fpr_at_mdr03, fpr_at_mdr04, fpr_at_mdr05; mdr, fpr, tpr, tnr, accuracy and purity_<a>_to_1 at the
        threshold; the first five of these with ``_at_half``.

    Raises:
        OneClassOnly: if the labels are of one class.
        BadScores: if a score is not a number.
    """
    ranked = ranking(part.labels, part.scores)
    purities = {f"purity_{a:g}_to_1": 1 / (1 + a) for a in artifacts_per_real}
    of_counts = ("mdr", "fpr", "tpr", "tnr", "accuracy")
    at_mdr = [f"fpr_at_mdr{100 * mdr:02.0f}" for mdr in MDRS]
    names = ["auc", *at_mdr, *of_counts, *purities, *(f"{name}_at_half" for name in of_counts)]

    # How many distinct scores, from the least on, are below a threshold.
    places = [int(np.searchsorted(-ranked.thresholds, t)) for t in (threshold, HALF)]

    def measure(weights: np.ndarray) -> np.ndarray:
        kept, wrong = ranked.counts(weights)
        at, at_half = (_confusion_of_counts(kept, wrong, place) for place in places)
        *fprs, area = _of_counts(kept, wrong, MDRS)
        return np.array(
            [
                *(area, *fprs),
                *_five(at),
                *(at.purity(prevalence) for prevalence in purities.values()),
                *_five(at_half),
            ]
        )

    entry = metrics.bootstrap(measure, part.groups, n_bootstrap, rng)
    n_artifacts = int(part.labels.sum())
    counts = {"n_artifacts": n_artifacts, "n_non_artifacts": len(part.labels) - n_artifacts}
    return {
        name: {key: float(entry[key][i]) for key in ("value", "low", "high")}
        | {"n": int(entry["n"]), "definition": definition(name)}
        | counts
        for i, name in enumerate(names)
    }


def _confusion_of_counts(kept: np.ndarray, wrong: np.ndarray, place: int) -> Confusion:
    true, false = (float(counts[place - 1]) if place else 0.0 for counts in (kept, wrong))
    return Confusion(true, false, float(kept[-1]) - true, float(wrong[-1]) - false)


def _five(counts: Confusion) -> tuple[float, ...]:
    mdr, fpr = missed_detection_rate(counts), false_positive_rate(counts)
    return mdr, fpr, 1 - mdr, 1 - fpr, counts.accuracy


def definition(name: str) -> str:
    """What a metric of ``judge`` is."""
    if name.startswith("purity_"):
        return f"{DEFINITIONS['purity']}: {name.split('_')[1]}"
    if name.startswith("fpr_at_mdr"):
        return f"{DEFINITIONS['fpr_at_mdr']}: {name.removeprefix('fpr_at_mdr')} %"
    if name.endswith("_at_half"):
        return f"{DEFINITIONS[name.removesuffix('_at_half')]}, at a threshold of 0.5"
    return DEFINITIONS[name]


def choose_and_judge(
    scores: str | Path,
    split: str | Path,
    *,
    point: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    labels: Mapping[str, str | Path] | None = None,
    truth: Sequence[str | Path] = (),
    card: Mapping[str, Any] | None = None,
    note: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Choose the threshold on the validation set, then judge the testing set by each version of the labels.

    Args:
        scores: parquet of both sets.
        split: parquet with id, group and split.
        point: operating point to write, JSON.
        out: metrics to write, JSON: keys ``<metric>_testing`` by the labels of the scores, and
            ``<metric>_testing_<version>`` by the others.
        settings: ``mdr`` of the operating point and ``n_bootstrap``.
        labels: parquet (id, label) by name of the version.
        truth: of the simulator, for the version "truth"; none for real data.
        card: numbers of the training to be shown beside, such as n_parameters and best_epoch.
        note: what every row with a number of the testing set has to say.
        provenance: stored in both files.

    Raises:
        OneClassOnly: if a set has one class only.
    """
    validation = scored.read(scores, split, ("validation",))
    threshold = threshold_at_mdr(validation.labels, validation.scores, settings["mdr"])
    at = confusion(validation.labels, validation.scores, threshold)
    chosen = {
        "threshold": threshold,
        "rule": f"least threshold on P(artifact) that loses at most {settings['mdr']:g} of the non-artifacts",
        "set": "validation",
        "n": len(validation.ids),
        "mdr": missed_detection_rate(at),
        "fpr": false_positive_rate(at),
    }
    versions: dict[str, pd.DataFrame | None] = {"": None}
    versions |= {f"_{name}": pd.read_parquet(path) for name, path in (labels or {}).items()}
    if truth:
        versions["_truth"] = read_truth(truth)
    found: dict[str, Any] = {}
    for ending, version in versions.items():
        part = scored.read(scores, split, ("testing",), version)
        if part.labels.min() == part.labels.max():
            raise OneClassOnly(f"{scores}: the testing set has one class only; check the split.")
        judged = judge(part, threshold, settings["n_bootstrap"], generator(0, "judge", ending))
        told = {"note": note} if note else {}
        found |= {f"{name}_testing{ending}": entry | told for name, entry in judged.items()}
    found |= {key: {"value": value} for key, value in (card or {}).items()}
    origin = {"provenance": dict(provenance)} if provenance else {}
    tables.write_json(found | origin, out)
    tables.write_json(chosen | origin, point)


def write_curves(
    scores: Mapping[str, str | Path],
    split: str | Path,
    out: str | Path,
    *,
    labels: Mapping[str, str | Path] | None = None,
    truth: Sequence[str | Path] = (),
    most_points: int = MOST_POINTS,
) -> None:
    """Write the curves of Figs 4, 7, 8 and 9 for all methods and versions of the labels.

    Args:
        scores: parquet for each method.
        split: see ``choose_and_judge``.
        out: parquet to write: method, labels ("given" for those of the scores, else the version), threshold,
            mdr, fpr, tpr, auc.
        labels: see ``choose_and_judge``.
        truth: likewise.
        most_points: of one curve.
    """
    versions: dict[str, pd.DataFrame | None] = {"given": None}
    versions |= {name: pd.read_parquet(path) for name, path in (labels or {}).items()}
    if truth:
        versions["truth"] = read_truth(truth)
    found = []
    for method, path in scores.items():
        for name, version in versions.items():
            part = scored.read(path, split, ("testing",), version)
            area = ranking(part.labels, part.scores).auroc()
            points = curve(part.labels, part.scores, most_points)
            found.append(points.assign(auc=area).pipe(_first_columns, method=method, labels=name))
    tables.write_parquet(pd.concat(found, ignore_index=True), out)


def _first_columns(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    return table.assign(**values)[[*values, *table.columns]]
