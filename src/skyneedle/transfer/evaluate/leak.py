"""How much of a score comes from copies of one object on both sides of the division into folds.

In the thesis augmented copies were made first and divided into folds afterwards, so that most stamps that
judge a network have a copy among those that trained it. Here the same frozen features, the same heads and the
same copies are divided once that way and once by object; and both again with labels shuffled by object, where
nothing can be learned but the objects themselves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import NotADataSet
from skyneedle.core.metrics import Statistic, interval
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import scored
from skyneedle.transfer.evaluate.scored import Scored

PROTOCOLS = {"thesis": "copies divided, as in the thesis", "grouped": "objects divided"}
LABELS = {"true": "true labels", "shuffled": "labels shuffled by object"}
COLUMNS = ("network", "labels", "protocol", "value", "low", "high", "n", "n_copies")
DIFFERENCE = "thesis minus grouped"


def judge(table: pd.DataFrame, n_bootstrap: int = 1000, seed: int = 0) -> dict[str, Any]:
    """AUC of each protocol and the leak, their difference on the same redraws of parents.

    Args:
        table: columns protocol, labels, parent_id, label, fold, score and logit.
        n_bootstrap: redraws of parents.
        seed: of the redraws.

    Returns:
        ``<protocol>_<labels>``, the mean over folds, and ``leak_<labels>``; each with its interval, n
        (parents), n_stamps and definition.

    Raises:
        NotADataSet: if a protocol or a version of the labels is missing.
    """
    found: dict[str, Any] = {}
    for labels, words in LABELS.items():
        parts = [_part(table, protocol, labels) for protocol in PROTOCOLS]
        parents, places = scored.common_parents(parts)
        thesis, grouped = (
            scored.mean_auc([part], [place]) for part, place in zip(parts, places, strict=True)
        )

        def measure(weights: np.ndarray, of: Sequence[Statistic] = (thesis, grouped)) -> np.ndarray:
            first, second = (one(weights) for one in of)
            return np.array([first, second, first - second])

        entry = metrics.bootstrap(measure, parents, n_bootstrap, generator(seed, "leak", labels))
        definitions = {
            **{
                f"{name}_{labels}": f"AUC, mean over folds, {text}, {words}"
                for name, text in PROTOCOLS.items()
            },
            f"leak_{labels}": f"AUC of copies divided minus that of objects divided, {words}",
        }
        for place, (key, definition) in enumerate(definitions.items()):
            value, low, high = (entry[end][place] for end in ("value", "low", "high"))
            counts = {"n_stamps": len(parts[0].labels), "definition": definition}
            found[key] = interval(value, low, high, entry["n"]) | counts
    return found


def _part(table: pd.DataFrame, protocol: str, labels: str) -> Scored:
    rows = table[(table["protocol"] == protocol) & (table["labels"] == labels)]
    if rows.empty:
        raise NotADataSet(
            f"No scores of protocol '{protocol}' with {labels} labels; expected both protocols with both. "
            "Delete the file of scores and run again."
        )
    return scored.of_table(rows)


def write(
    scores: Mapping[str, str | Path],
    out: str | Path,
    metrics_out: str | Path,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Judge the leak with all networks that it is measured with.

    Args:
        scores: parquet by network.
        out: CSV to write, columns ``COLUMNS``; the protocol of the leak itself is ``DIFFERENCE``.
        metrics_out: JSON to write: ``<network>_<key>`` for the keys of ``judge``, and best_thesis,
            best_grouped and best_leak of the network that scores best under the protocol of the thesis.
        n_bootstrap: redraws of parents.
        provenance: stored in the JSON.
    """
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for network, path in scores.items():
        table = pd.read_parquet(path)
        n_copies = int(table["copy"].nunique())
        for key, entry in judge(table, n_bootstrap).items():
            protocol, _, labels = key.partition("_")
            shown = {"item": "leak", "quantity": f"{network}: {entry['definition']}"}
            found[f"{network}_{key}"] = entry | shown
            named = {"network": network, "labels": labels}
            named["protocol"] = protocol if protocol in PROTOCOLS else DIFFERENCE
            rows.append(
                named | {part: entry[part] for part in ("value", "low", "high", "n")} | {"n_copies": n_copies}
            )
    tables.write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    tables.write_json(found | _extremes(found) | {"provenance": dict(provenance or {})}, metrics_out)


def _extremes(found: Mapping[str, Any]) -> dict[str, Any]:
    """The largest score under the protocol of the thesis, and what is left of it when objects are divided."""
    names = [key for key in found if key.endswith("_thesis_true")]
    if not names:
        return {}
    best = max(names, key=lambda key: found[key]["value"]).removesuffix("_thesis_true")
    copied = {"thesis_true": "best_thesis", "grouped_true": "best_grouped", "leak_true": "best_leak"}
    without = ("item", "quantity")
    return {
        new: {part: value for part, value in found[f"{best}_{key}"].items() if part not in without}
        | {"note": f"network {best}"}
        for key, new in copied.items()
    }
