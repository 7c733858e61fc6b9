"""Where candidates are lost and what is kept wrongly: rates by property and by kind of artifact."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import GridMismatch
from skyneedle.transients.evaluate import scored
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.truth import read_truth

EDGES = {
    "snr": (0, 5, 6, 7, 8, 10, 13, 18, 30, np.inf),
    "host_sb": (0, 20, 21, 22, 23, 24, 25, np.inf),  # mag / arcsec^2 at the position
    "host_mag": (0, 19, 20, 21, 22, 23, 24, np.inf),
}
COLUMNS = ("method", "rate", "stratum", "bin", "low_edge", "high_edge", "n", "count", "value", "low", "high")


def table(part: Scored, threshold: float, known: pd.DataFrame) -> pd.DataFrame:
    """Missed detection and false positive rates by stratum.

    Args:
        part: scores with the labels to judge by.
        threshold: chosen on validation data.
        known: one row for each of its ids and perhaps of others: id and, where known, kind, snr, host_sb,
            host_mag, hostless (of the truth) and complete (of the features).

    Returns:
        Columns ``COLUMNS`` but method: rate is "mdr" (of the non-artifacts) or "fpr" (of the artifacts),
        stratum a property or "all", bin its value or a range, n how many, count how many of them are called
        wrongly, value their share with its binomial interval. Of each stratum the n of a rate add up to the n
        of "all": what has no value (a hostless event has no host) has a bin of its own, "none".

    Raises:
        GridMismatch: if an id is not known.
    """
    rows = known.drop_duplicates("id").set_index("id").reindex(part.ids)
    if not np.isin(part.ids, known["id"]).all():
        raise GridMismatch(f"{(~np.isin(part.ids, known['id'])).sum()} of {len(part.ids)} ids are not known.")
    is_artifact = part.labels == 1
    wrong = np.where(is_artifact, part.scores < threshold, part.scores >= threshold)
    found = []
    for rate, among in (("mdr", ~is_artifact), ("fpr", is_artifact)):
        here, errors = rows[among], wrong[among]
        strata = {"all": pd.Series(["all"] * len(here))}
        strata |= {name: here[name].astype(str) for name in ("kind", "hostless", "complete") if name in here}
        strata |= {name: _binned(here[name], edges) for name, edges in EDGES.items() if name in here}
        for name, bins in strata.items():
            found.append(_rates(bins.to_numpy(), errors, EDGES.get(name)).assign(rate=rate, stratum=name))
    return pd.concat(found, ignore_index=True)[list(COLUMNS[1:])]


def _binned(values: pd.Series, edges: Sequence[float]) -> pd.Series:
    place = np.clip(np.searchsorted(edges, values.to_numpy(float), side="right") - 1, 0, len(edges) - 2)
    names = np.array([f"{low:g}-{high:g}" for low, high in pairwise(edges)], object)
    return pd.Series(np.where(np.isfinite(values.to_numpy(float)), names[place], "none"))


def _rates(bins: np.ndarray, errors: np.ndarray, edges: Sequence[float] | None) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for name in pd.unique(pd.Series(bins, dtype=object)):
        here = bins == name
        share = metrics.binomial(int(errors[here].sum()), int(here.sum()))
        ends = [np.nan, np.nan] if edges is None or name == "none" else list(map(float, name.split("-")))
        rows.append(
            {"bin": name, "low_edge": ends[0], "high_edge": ends[1], "n": int(here.sum())}
            | {"count": int(errors[here].sum()), **{key: share[key] for key in ("value", "low", "high")}}
        )
    columns = ["bin", "low_edge", "high_edge", "n", "count", "value", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values(["low_edge", "bin"], ignore_index=True)


def write(
    scores: Mapping[str, str | Path],
    thresholds: Mapping[str, float],
    split: str | Path,
    out: str | Path,
    *,
    features: str | Path | None = None,
    truth: Sequence[str | Path] = (),
    labels: str | Path | None = None,
) -> None:
    """Write the strata of all methods on the testing set.

    Args:
        scores: parquet for each method.
        thresholds: of each, chosen on the validation set.
        split: parquet with id, group and split.
        out: CSV to write, columns ``COLUMNS``.
        features: parquet with ``complete``: rows without a missing feature; the others are hostless.
        truth: of the simulator: it labels, and it names kind, SNR and host. None for real data.
        labels: parquet (id, label) to judge by where there is no truth; those of the scores if left out.
    """
    known = None
    if features is not None:
        known = pd.read_parquet(features, columns=["id", "complete"])
    version = None if labels is None else pd.read_parquet(labels)
    if truth:
        version = read_truth(truth)
        columns = [name for name in ("id", "kind", "hostless", *EDGES) if name in version]
        known = version[columns] if known is None else version[columns].merge(known, on="id", how="left")
    found = []
    for name, path in scores.items():
        part = scored.read(path, split, ("testing",), version)
        of_ids = pd.DataFrame({"id": part.ids}) if known is None else known
        found.append(table(part, thresholds[name], of_ids).assign(method=name)[list(COLUMNS)])
    tables.write_csv(pd.concat(found, ignore_index=True), out)
