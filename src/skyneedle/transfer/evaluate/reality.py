"""Networks on stamps that no fold has: simulated under harder conditions, and a handful of real ones."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.metrics import Ranking
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import cells, grades
from skyneedle.transfer.evaluate.cells import Entry

SETS = {"hard": "simulated, harder conditions", "real": "real HST F814W stamps"}
COLUMNS = ("set", "network", "value", "low", "high", "n_lenses", "n_non_lenses", "reason")
ANSWER_COLUMNS = ("network", "id", "name", "kind", "label", "score")
NONE_THERE = "no stamp of this set is there"


def judge(answers: pd.DataFrame, n_bootstrap: int = 1000, seed: int = 0) -> dict[str, Any]:
    """AUC of the mean over fold networks.

    Args:
        answers: columns label, score and parent_id; stamps of one parent are redrawn together.
        n_bootstrap: redraws.
        seed: of the redraws.

    Returns:
        value, low, high, n, n_lenses, n_non_lenses; a reason in place of the value where there is no stamp,
        or one class only.
    """
    labels = answers["label"].to_numpy(float, na_value=np.nan) if len(answers) else np.empty(0)
    counts = {"n_lenses": int((labels == 1).sum()), "n_non_lenses": int((labels == 0).sum())}
    if not all(counts.values()):
        reason = NONE_THERE if not len(answers) else "stamps of one class only"
        return {"value": None, "low": None, "high": None, "n": 0, "reason": reason} | counts
    known = answers[answers["label"].isin([0, 1])]
    ranking = Ranking(known["label"].to_numpy(), known["score"].to_numpy(float))
    parents = known["parent_id"].to_numpy()
    entry = metrics.bootstrap(ranking.auroc, parents, n_bootstrap, generator(seed, "reality"))
    return entry | counts | {"definition": "AUC of the mean probability over the networks of all folds"}


def write(
    scores: Mapping[str, str | Path],
    entries: Sequence[Entry],
    status: str | Path | None,
    *,
    out: str | Path,
    answers: str | Path,
    metrics_out: str | Path,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Judge all methods on the sets of ``SETS``.

    Args:
        scores: parquet of the sets that are in no fold, by name of the method.
        entries: settings of the methods; those without scores are left out.
        status: JSON that says whether real stamps are there, and the reason if not.
        out: CSV to write, columns ``COLUMNS``.
        answers: CSV to write: the score of every real stamp, columns ``ANSWER_COLUMNS``.
        metrics_out: JSON to write: ``<network>_<set>``.
        n_bootstrap: redraws.
        provenance: stored in the JSON.
    """
    reason = json.loads(Path(status).read_text()).get("reason", "") if status is not None else ""
    rows, real, found = [], [], {}
    for entry in entries:
        name = entry["name"]
        if name not in scores:
            continue
        table = pd.read_parquet(scores[name])
        for chosen, words in SETS.items():
            of_set = grades.of_set(table, chosen)
            judged = judge(of_set, n_bootstrap)
            if judged["value"] is None and chosen == "real" and reason:
                judged["reason"] = f"{judged['reason']}: {reason}"
            rows.append({"set": chosen, "network": name, **{key: judged.get(key) for key in COLUMNS[2:]}})
            shown = {"item": f"set {chosen}", "quantity": f"{name}: AUC, {words}"}
            found[f"{name}_{chosen}"] = judged | shown | {"note": cells.words(entry)}
            if chosen == "real" and len(of_set):
                real.append(of_set.assign(network=name).reindex(columns=list(ANSWER_COLUMNS)))
    together = pd.concat(real, ignore_index=True) if real else pd.DataFrame(columns=list(ANSWER_COLUMNS))
    tables.write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), out)
    tables.write_csv(together, answers)
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)
