"""What wrong training labels cost: the sweep over shares of wrong labels, judged by the truth.

Source of the claim: Ayyar et al. 2022, Sec. 5.1, networks are more robust to mislabelled training samples.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting
from skyneedle.core.metrics import Interval, interval
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.evaluate.comparison import redrawn
from skyneedle.transients.evaluate.rates import MDR
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.truth import read_truth

COLUMNS = ("method", "shape", "share", "metric", "value", "low", "high", "n", "n_seeds")
METRICS = ("fpr_at_mdr05", "auc")


def sweep(
    parts: Mapping[float, Sequence[Scored]], n_bootstrap: int = 1000, rng: np.random.Generator | None = None
) -> dict[float, dict[str, Interval]]:
    """FPR at an MDR of 0.05 and AUC at each share of wrong labels, means over seeds.

    Args:
        parts: for each share the scores of each seed, labels of the truth.
        n_bootstrap: redraws of groups and of seeds.
        rng: random stream.
    """
    found = {}
    for share, seeds in parts.items():
        ranked = [rates.ranking(part.labels, part.scores) for part in seeds]

        def measure(weights: np.ndarray, drawn: Sequence[np.ndarray], ranked: Any = ranked) -> np.ndarray:
            return np.mean([rates.fprs_and_auc(ranked[k], weights) for k in drawn[0]], axis=0)

        entry = redrawn(measure, seeds[0].groups, (len(seeds),), n_bootstrap, rng)
        found[share] = {
            name: interval(entry["value"][i], entry["low"][i], entry["high"][i], entry["n"])
            for i, name in enumerate(METRICS)
        }
    return found


def loss_difference(
    first: Mapping[float, Sequence[Scored]],
    second: Mapping[float, Sequence[Scored]],
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
) -> Interval:
    """How much more FPR one method loses than another when labels are wrong.

    Args:
        first: as of ``sweep``.
        second: likewise, with the same least and greatest share.

    Returns:
        FPR at an MDR of 0.05 at the greatest share minus that at the least, of the first method minus that of
        the second, on the same redraws of groups and of seeds.

    Raises:
        BadSetting: if the shares differ or are fewer than two.
    """
    ends = min(first), max(first)
    if ends != (min(second), max(second)) or ends[0] == ends[1]:
        raise BadSetting(
            f"Shares of wrong labels go from {ends[0]:g} to {ends[1]:g} for the first method and from "
            f"{min(second):g} to {max(second):g} for the second; both need the same two."
        )
    corners = [first[ends[1]], first[ends[0]], second[ends[1]], second[ends[0]]]
    same = scored.common([part for seeds in corners for part in seeds])
    all_ranked = iter([rates.ranking(part.labels, part.scores) for part in same])
    ranked = [list(islice(all_ranked, len(seeds))) for seeds in corners]
    signs = (1, -1, -1, 1)

    def measure(weights: np.ndarray, drawn: Sequence[np.ndarray]) -> np.ndarray:
        means = [
            np.mean([rates.fpr_at_mdr(here[k], MDR, weights) for k in which])
            for here, which in zip(ranked, drawn, strict=True)
        ]
        return np.array([np.dot(signs, means)])

    entry = redrawn(measure, same[0].groups, [len(seeds) for seeds in corners], n_bootstrap, rng)
    return interval(entry["value"][0], entry["low"][0], entry["high"][0], entry["n"])


def write(
    trained: Sequence[tuple[str, str, float, str | Path]],
    split: str | Path,
    truth: Sequence[str | Path],
    out: str | Path,
    metrics_out: str | Path,
    *,
    compared: tuple[str, str],
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the sweep of all methods, judged on the testing set by the truth.

    Args:
        trained: method, shape of the noise ("structured", "uniform"), share of wrong training labels, and the
            parquet of scores, of each training; several of the same first three are seeds.
        split: parquet with id, group and split.
        truth: of the simulator.
        out: CSV to write, columns ``COLUMNS``.
        metrics_out: JSON to write: ``<first>_minus_<second>_<shape>``, see ``loss_difference``.
        compared: the two methods.
        n_bootstrap: redraws.
        provenance: stored in the metrics.
    """
    known = read_truth(truth)
    parts: dict[tuple[str, str], dict[float, list[Scored]]] = {}
    for method, shape, share, path in trained:
        of_share = parts.setdefault((method, shape), {}).setdefault(share, [])
        of_share.append(scored.read(path, split, ("testing",), known))
    rows = [
        {"method": method, "shape": shape, "share": share, "metric": metric, **entry}
        | {"n_seeds": len(of_shares[share])}
        for (method, shape), of_shares in parts.items()
        for share, entries in sweep(of_shares, n_bootstrap, generator(0, "noise", method, shape)).items()
        for metric, entry in entries.items()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    tables.write_csv(table.sort_values(["metric", "method", "shape", "share"], kind="stable"), out)
    found = {}
    for shape in sorted({shape for _, shape in parts}):
        pair = [parts.get((method, shape), {}) for method in compared]
        if all(len(of_shares) > 1 for of_shares in pair):
            entry = loss_difference(pair[0], pair[1], n_bootstrap, generator(0, "noise", shape))
            words = "FPR lost from the least to the greatest share of wrong labels, first minus second"
            found[f"{compared[0]}_minus_{compared[1]}_{shape}"] = entry | {"definition": words}
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)
