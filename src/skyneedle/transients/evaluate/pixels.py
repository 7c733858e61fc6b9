"""What networks make of 8-bit stamps and of fluxes, judged by the truth on the same examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.truth import read_truth

COLUMNS = ("form", "quantity", "value", "low", "high", "n")
QUANTITIES = ("fpr_at_mdr05", "auc")
REFERENCE = "fits"
MARKS = "marks_"


def write(
    scores: Mapping[str, str | Path],
    counted: str | Path,
    split: str | Path,
    truth: Sequence[str | Path],
    out: str | Path,
    metrics_out: str | Path,
    *,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write how well each form of the stamps does on the testing set, and what its pixels give away.

    Args:
        scores: parquet for each of ``pixel_modes.FORMS``, and of ``marks_<form>`` for each.
        counted: CSV of ``pixel_modes.train``: form, pixels, n.
        split: parquet with id, group and split.
        truth: of the simulator.
        out: CSV to write, columns ``COLUMNS``: for each form ``QUANTITIES``, what a form has more than
            "fits" of each (``<quantity>_minus_fits``), ``auc_marks``, and counts ``constant_<pixels>``.
        metrics_out: JSON to write: the same, ``<quantity>_<form>``.
        n_bootstrap: redraws of groups; all forms are measured on the same ones.
        provenance: stored in the metrics.
    """
    known = read_truth(truth)
    parts = scored.common([scored.read(path, split, ("testing",), known) for path in scores.values()])
    ranked = dict(zip(scores, (rates.ranking(part.labels, part.scores) for part in parts), strict=True))
    keys = list(_measured(ranked, np.ones(len(parts[0].ids))))

    def measure(weights: np.ndarray) -> np.ndarray:
        return np.array(list(_measured(ranked, weights).values()))

    entry = metrics.bootstrap(measure, parts[0].groups, n_bootstrap, generator(0, "pixels"))
    rows = [
        {"form": form, "quantity": quantity, "n": int(entry["n"])}
        | {end: float(entry[end][i]) for end in ("value", "low", "high")}
        for i, (form, quantity) in enumerate(keys)
    ]
    rows += [
        {"form": row.form, "quantity": f"constant_{row.pixels}", "value": row.n}
        for row in pd.read_csv(counted).itertuples()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    tables.write_csv(table.sort_values(["quantity", "form"], kind="stable"), out)
    entries = {
        f"{row['quantity']}_{row['form']}": {
            key: value for key, value in row.items() if key not in ("form", "quantity")
        }
        for row in rows
    }
    tables.write_json(entries | {"provenance": dict(provenance or {})}, metrics_out)


def _measured(ranked: Mapping[str, metrics.Ranking], weights: np.ndarray) -> dict[tuple[str, str], float]:
    """Every quantity of every form."""
    found: dict[tuple[str, str], float] = {}
    for name, ranking in ranked.items():
        both = dict(zip(QUANTITIES, rates.fprs_and_auc(ranking, weights), strict=True))
        if name.startswith(MARKS):
            found[name.removeprefix(MARKS), "auc_marks"] = both["auc"]
        else:
            found |= {(name, quantity): value for quantity, value in both.items()}
    for name in ranked:
        if name != REFERENCE and not name.startswith(MARKS):
            for quantity in QUANTITIES:
                difference = found[name, quantity] - found[REFERENCE, quantity]
                found[name, f"{quantity}_minus_{REFERENCE}"] = difference
    return found
