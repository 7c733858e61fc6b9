"""What a score is worth whose lenses come from one source and whose non-lenses come from another.

A network that is trained and judged on such a mixture need not look at lenses: the sources may differ in
noise, sharpness or neighbours. Judged within one source it has nothing but the lenses left.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import NotADataSet
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import scored

CASES = {
    "source": "non-lenses of either source told apart",
    "mixed_apparent": "trained and judged on lenses of the first source and non-lenses of the second",
    "mixed_first": "the same network within the first source",
    "mixed_second": "the same network within the second source",
    "within_first": "trained and judged within the first source",
    "within_second": "trained and judged within the second source",
}
DIFFERENCES = {"apparent_minus_first": "mixed_first", "apparent_minus_second": "mixed_second"}
COLUMNS = ("network", "case", "value", "low", "high", "n")


def judge(table: pd.DataFrame, n_bootstrap: int = 1000, seed: int = 0) -> dict[str, Any]:
    """AUC of each case, and how much of the apparent one is not there within a source.

    Args:
        table: columns case, parent_id, label, fold, score and logit.
        n_bootstrap: redraws of parents.
        seed: of the redraws.

    Returns:
        By case and by ``DIFFERENCES``: mean over folds with its interval, n (parents) and definition.

    Raises:
        NotADataSet: if a case is missing.
    """
    missing = sorted(set(CASES) - set(table["case"]))
    if missing:
        raise NotADataSet(
            f"No scores of case '{missing[0]}'; expected {', '.join(CASES)}. Delete the file and run again."
        )
    parts = {case: scored.of_table(table[table["case"] == case]) for case in CASES}
    parents, places = scored.common_parents(list(parts.values()))
    of = {
        case: scored.mean_auc([part], [place])
        for (case, part), place in zip(parts.items(), places, strict=True)
    }
    found = {}
    for case, words in CASES.items():
        entry = metrics.bootstrap(of[case], parents, n_bootstrap, generator(seed, "provenance"))
        n = len(set(parts[case].parents))
        found[case] = entry | {"n": n, "definition": f"AUC, mean over folds, {words}"}
    for name, within in DIFFERENCES.items():
        rng = generator(seed, "provenance")
        entry = metrics.paired_difference(of["mixed_apparent"], of[within], parents, n_bootstrap, rng)
        words = f"AUC of the mixture minus that of {CASES[within]}, on the same redraws"
        found[name] = entry | {"definition": words}
    return found


def write(
    scores: Mapping[str, str | Path],
    out: str | Path,
    metrics_out: str | Path,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Judge all networks that this is measured with.

    Args:
        scores: parquet by network.
        out: CSV to write, columns ``COLUMNS``.
        metrics_out: JSON to write: ``<network>_<key>`` for the keys of ``judge``.
        n_bootstrap: redraws of parents.
        provenance: stored in the JSON.
    """
    rows, found = [], {}
    for network, path in scores.items():
        for key, entry in judge(pd.read_parquet(path), n_bootstrap).items():
            shown = {"item": "provenance", "quantity": f"{network}: {entry['definition']}"}
            found[f"{network}_{key}"] = entry | shown
            numbers = {part: entry[part] for part in ("value", "low", "high", "n")}
            rows.append({"network": network, "case": key, **numbers})
    tables.write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)
