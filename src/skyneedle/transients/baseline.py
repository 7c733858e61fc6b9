"""What needs no learning from images: peak SNR, and probes of what should tell nothing.

A network must beat the peak of the difference image by more than the interval. Where a candidate lies, and
what the template shows, are the same for a supernova and for noise: a classifier that gets far with them has
found how the set was made, not what artifacts look like. The SNR alone shows how unequal the classes are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import NotADataSet, OneClassOnly
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.features import medians
from skyneedle.transients.features.pixels import CHANNELS, NMAD, SIDE, good_pixels
from skyneedle.transients.truth import read_truth

BLOCK = 256
APERTURE = 3  # pixels around the middle in which the peak may lie
SOURCE = 4  # likewise, in which the template's light is measured
PROBES = ("position", "template", "snr")
PROBE_COLUMNS = {
    "position": ("dx", "dy", "dx2", "dy2", "dxdy"),
    "template": ("temp_log_peak", "temp_log_sigma", "temp_centre", "temp_width", "temp_n_bad"),
    "snr": ("log_peak_snr",),
}
# Artifacts of the search image alone, which may lie anywhere: the template cannot know of them.
SEARCH_ONLY = ("cosmic_ray", "hot_pixel", "trail", "noise_peak")


def statistics(stamps: np.ndarray) -> pd.DataFrame:
    """Simple numbers of triplets.

    Args:
        stamps: shape (n, 3, 51, 51), channels temp, srch, diff; bad pixels hold 1e-30 or are not finite.

    Returns:
        peak_snr: greatest pixel within 3 of the middle of the difference, from its median and in its robust
        standard deviations (0 for an empty one), and the columns of ``PROBE_COLUMNS``: dx and dy are
        the place of that pixel from the middle.
    """
    stamps = np.asarray(stamps, np.float32)
    diff = _noise_units(stamps[:, CHANNELS.index("diff")])[0]
    temp, temp_good, temp_sigma = _noise_units(stamps[:, CHANNELS.index("temp")])
    rows, columns = np.indices((SIDE, SIDE)) - SIDE // 2
    near = np.hypot(rows, columns) <= APERTURE
    wide = np.hypot(rows, columns) <= SOURCE
    peak, where = diff[:, near].max(axis=1), diff[:, near].argmax(axis=1)
    dx, dy = columns[near][where], rows[near][where]
    in_template = np.maximum(temp[:, wide], 0).astype(np.float64)
    width = in_template @ (rows**2 + columns**2)[wide] / np.maximum(in_template.sum(axis=1), 1e-12)
    return pd.DataFrame(
        {
            "peak_snr": peak,
            "log_peak_snr": np.log(np.maximum(peak, 0.1)),
            **{"dx": dx, "dy": dy, "dx2": dx**2, "dy2": dy**2, "dxdy": dx * dy},
            "temp_log_peak": np.log(np.maximum(temp[:, near].max(axis=1), 0.1)),
            "temp_log_sigma": np.log(np.maximum(temp_sigma, 1e-6)),
            "temp_centre": np.arcsinh(temp[:, SIDE // 2, SIDE // 2]),
            "temp_width": width,
            "temp_n_bad": np.log1p((~temp_good).sum(axis=(1, 2))),
        }
    ).astype(np.float64)


def _noise_units(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plane from its median and in robust standard deviations, bad pixels and empty planes at zero; which
    pixels are good; and the deviation in counts."""
    good = good_pixels(plane)
    flat = np.where(good, plane, 0).reshape(len(plane), -1)
    flat_good = None if good.all() else good.reshape(len(plane), -1)
    centred = flat - medians.of_good(flat, flat_good)[:, None]
    sigma = NMAD * medians.of_good(np.abs(centred), flat_good)
    known = np.isfinite(sigma) & (sigma > 0)
    scaled = np.where(known[:, None], centred / np.where(known, sigma, 1)[:, None], 0)
    return np.where(good, scaled.reshape(plane.shape), 0), good, np.where(known, sigma, 0)


def of_set(shards: Sequence[str | Path] | str | Path) -> pd.DataFrame:
    """``statistics`` of all candidates of a data set, with their ids.

    Raises:
        NotADataSet: if channels are in another order.
    """
    data = DataSet(shards)
    if tuple(data.attributes.get("channels", ())) != CHANNELS:
        raise NotADataSet(f"{data.shards[0]}: channels are not {CHANNELS}; pack the survey's archive again.")
    parts = [statistics(stamps) for _, stamps in data.blocks("stamps", BLOCK)]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "id", data.table["id"].to_numpy(np.int64))
    return table


def fitted(table: np.ndarray, labels: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Log odds of label 1 by a logistic regression of the training examples.

    Args:
        table: shape (n, column), of any scale.
        labels: 0 or 1, shape (n,).
        training: True for examples that may be learnt from, shape (n,).

    Returns:
        For all examples, shape (n,).

    Raises:
        OneClassOnly: if the training labels are of one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen = labels[training]
    if len(set(chosen)) < 2:
        raise OneClassOnly(f"The {len(chosen)} training labels are of one class; choose a set with both.")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(table[training], chosen).decision_function(table)


def write(
    shards: Sequence[str | Path] | str | Path,
    split: str | Path,
    labels: str | Path,
    out: Mapping[str, str | Path],
    metrics_out: str | Path,
    *,
    truth: Sequence[str | Path] = (),
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write scores of the baseline and of the probes, fitted on the training set, and their areas.

    Args:
        shards: of the data set.
        split: parquet with id, group and split.
        labels: parquet with id and label.
        out: parquet of scores (id, label, score, logit) to write for "peak_snr" and each of ``PROBES``: all
            ids of the split. The score is P(artifact) of a logistic regression of the training set, for
            peak_snr with one column, so that it keeps the order of the peaks.
        metrics_out: JSON to write: ``auc_<name>`` on the testing set with interval, for the labels given, and
            where there is truth ``auc_<probe>_search_only``: fitted and judged by the truth, of artifacts on
            those kinds alone that leave nothing in the template (``SEARCH_ONLY``).
        truth: of the simulator.
        n_bootstrap: redraws of groups.
        provenance: stored in all files.
    """
    joined = of_set(shards).merge(pd.read_parquet(split), on="id").merge(pd.read_parquet(labels), on="id")
    training = (joined["split"] == "training").to_numpy()
    columns = {"peak_snr": ("log_peak_snr",), **PROBE_COLUMNS}
    found: dict[str, Any] = {}
    for name, path in out.items():
        logit = fitted(joined[list(columns[name])].to_numpy(), joined["label"].to_numpy(int), training)
        table = pd.DataFrame({"id": joined["id"], "label": joined["label"].astype("Int8")})
        table = table.assign(score=metrics.probability(logit), logit=logit)
        tables.write_parquet(table, path, {"network": name, "provenance": dict(provenance or {})})
        part = scored.read(path, split)
        area = rates.ranking(part.labels, part.scores).auroc
        entry = metrics.bootstrap(area, part.groups, n_bootstrap, generator(0, "baseline", name))
        found[f"auc_{name}"] = entry | {
            "definition": f"AUC on the testing set of {', '.join(columns[name])} alone"
        }
    if truth:
        found |= _search_only(joined, truth, [name for name in out if name in PROBES], n_bootstrap)
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)


def _search_only(
    joined: pd.DataFrame, truth: Sequence[str | Path], probes: Sequence[str], n_bootstrap: int
) -> dict[str, Any]:
    """Areas of the probes where artifacts have nothing to do with what the template shows."""
    known = read_truth(truth)[["id", "label", "kind"]]
    table = joined.drop(columns="label").merge(known, on="id")
    table = table[(table["label"] == 0) | table["kind"].isin(SEARCH_ONLY)]
    training, testing = (table["split"].to_numpy() == name for name in ("training", "testing"))
    label = table["label"].to_numpy(int)
    found: dict[str, Any] = {}
    for name in probes:
        if min(len(set(label[rows])) for rows in (training, testing)) < 2:
            found[f"auc_{name}_search_only"] = {"value": None, "reason": "too few artifacts of these kinds"}
            continue
        logit = fitted(table[list(PROBE_COLUMNS[name])].to_numpy(), label, training)[testing]
        area = rates.ranking(label[testing], logit).auroc
        groups = table["group"].to_numpy()[testing]
        entry = metrics.bootstrap(area, groups, n_bootstrap, generator(0, "search_only", name))
        words = f"AUC by the truth of {', '.join(PROBE_COLUMNS[name])} alone; only {', '.join(SEARCH_ONLY)}"
        found[f"auc_{name}_search_only"] = entry | {"definition": words}
    return found
