"""How good rules for suspects are, against the truth that the simulator planted.

Only rooms that score may read truth: this one does, the rules that it scores do not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, seeds, tables
from skyneedle.core.errors import BadLabels, BadSetting
from skyneedle.transients.truth import read_truth

ALL = "all"
# Whose scores a rule had: the part of these in the training set of the one network, and the rest.
PARTS: dict[str, tuple[str, ...]] = {
    "one_network": ("in_sample", "out_of_sample"),
    "out_of_fold": ("out_of_fold_same",),
}
DEFINITIONS = {
    "precision": "share of the suspects whose label is wrong, by the truth",
    "recall": "share of the wrong labels that are suspected, by the truth",
}
DIRECTIONS = {"fake_on_defect": 0, "real_among_artifacts": 1}  # kind of error: the label it was given
COLUMNS = (
    *("rule", "sample", "error", "n_judged", "n_errors", "n_flagged", "n_found"),
    *("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high"),
)


def write(
    out: str | Path,
    suspects: Sequence[tuple[str, str, str | Path, str | Path]],
    truth: Sequence[str | Path],
    split: str | Path,
    *,
    metrics_out: str | Path,
    seed: int,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write one table of all rules, and what the scoreboard reads of it.

    Args:
        out: CSV to write, see ``rows``. Rules on the scores of one network have the samples ``one_network``
            (all that it judged, as in the paper), of this ``in_sample`` (the network's training set) and
            ``out_of_sample`` (the rest); rules on held-out scores ``out_of_fold`` (all) and
            ``out_of_fold_same`` (the training set of the one network alone, for like beside like).
        suspects: for each entry the rule, the sample (``one_network`` or ``out_of_fold``), its parquet of
            suspects, and the parquet of scores that it was found among.
        truth: parquets of the simulator.
        split: parquet with id and split, of the one network.
        metrics_out: JSON to write: ``precision_<rule>`` and ``recall_<rule>`` over all, the same ending with
            the samples that are parts, and ``recall_<rule>_minus_<other>_in_sample``: a rule on held-out
            scores minus one on those of the one network, both among the training set of the latter.
        seed: of the bootstrap.
        n_bootstrap: redraws.
        provenance: stored in the JSON.

    Raises:
        BadSetting: if an entry has another sample.
        BadLabels: see ``rows``.
    """
    known = read_truth(truth)
    sets = pd.read_parquet(split, columns=["id", "split"])
    learnt = set(sets.loc[sets["split"] == "training", "id"])
    table: list[dict[str, Any]] = []
    found: dict[str, dict[str, Any]] = {}
    of_learnt: dict[str, tuple[str, set[int], set[int]]] = {}
    for rule, sample, path, scores in suspects:
        flagged = set(pd.read_parquet(path, columns=["id"])["id"])
        judged = set(pd.read_parquet(scores, columns=["id"])["id"])
        if sample not in PARTS:
            raise BadSetting(f"Rule '{rule}' has the sample '{sample}'; expected one of {', '.join(PARTS)}.")
        parts = {sample: judged, PARTS[sample][0]: judged & learnt}
        parts |= dict.fromkeys(PARTS[sample][1:], judged - learnt)
        for name, part in parts.items():
            table += rows(flagged & part, part, known, rule=rule, sample=name)
            found |= _measures(table[-len(DIRECTIONS) - 1], "" if name == sample else f"_{name}")
        of_learnt[rule] = sample, flagged & learnt, judged & learnt
    found |= _differences(of_learnt, known, seed, n_bootstrap)
    tables.write_csv(pd.DataFrame(table, columns=list(COLUMNS)), out)
    tables.write_json(found | {"provenance": dict(provenance or {})}, metrics_out)


def _measures(row: Mapping[str, Any], ending: str) -> dict[str, dict[str, Any]]:
    """Precision and recall of one row over all errors, as the scoreboard reads them."""
    found = {}
    for name, n, reason in (
        ("precision", row["n_flagged"], "nothing was suspected"),
        ("recall", row["n_errors"], "no label was wrong"),
    ):
        ends = {key: row[f"{name}_{key}"] for key in ("low", "high")}
        entry = {"value": row[name], **ends, "n": n} | ({} if n else {"reason": reason})
        found[f"{name}_{row['rule']}{ending}"] = entry | {"definition": DEFINITIONS[name]}
    return found


def _differences(
    found: Mapping[str, tuple[str, set[int], set[int]]], known: pd.DataFrame, seed: int, n: int
) -> dict[str, dict[str, Any]]:
    """Of rules on held-out scores minus those on one network's, where both judged the same ids."""
    differences: dict[str, dict[str, Any]] = {}
    for ours, (sample, flagged, judged) in found.items():
        for theirs, (other, also_flagged, also_judged) in found.items():
            if (sample, other) != ("out_of_fold", "one_network") or judged != also_judged:
                continue
            planted = known[known["id"].isin(judged)]
            entry: dict[str, Any] = recall_difference(flagged, also_flagged, planted, seed, n)
            if not entry["n"]:
                entry["reason"] = "no label of the training set was wrong"
            words = f"recall of wrong labels: rule '{ours}' out of fold minus rule '{theirs}' in-sample"
            differences[f"recall_{ours}_minus_{theirs}_in_sample"] = entry | {
                "item": "Suspects",
                "quantity": words,
            }
    return differences


def write_truth_labels(out: str | Path, truth: Sequence[str | Path]) -> None:
    """Write the true labels in the form of all others, to score trainings and tests against.

    Args:
        out: parquet to write, columns id and label.
        truth: parquets of the simulator.
    """
    table = read_truth(truth)[["id", "label"]].astype({"id": np.int64, "label": np.int8})
    tables.write_parquet(table, out, {"version": "truth"})


def rows(flagged: Any, judged: Any, truth: pd.DataFrame, *, rule: str, sample: str) -> list[dict[str, Any]]:
    """Precision and recall of one list of suspects, for all errors and by kind of error.

    The precision of a kind is that among the suspects whose given label is the kind's.

    Args:
        flagged: ids of the suspects.
        judged: ids that they were found among.
        truth: columns id, label_true, label_given and error.
        rule: for the table.
        sample: likewise.

    Returns:
        Rows of the columns ``COLUMNS``, with Wilson's 68 % intervals.

    Raises:
        BadLabels: if truth does not know an example, or a suspect was not judged.
    """
    flagged, judged = set(map(int, flagged)), set(map(int, judged))
    known = truth[truth["id"].isin(judged)]
    if len(known) != len(judged):
        raise BadLabels(f"Truth knows {len(known)} of {len(judged)} judged examples, or one of them twice.")
    if flagged - judged:
        raise BadLabels(f"{len(flagged - judged)} suspects were not among the examples judged.")
    wrong = (known["label_true"] != known["label_given"]).to_numpy()
    if (wrong != (known["error"] != "").to_numpy()).any():
        raise BadLabels("In the truth, labels that are wrong and planted errors are not the same examples.")
    is_flagged = known["id"].isin(flagged).to_numpy()
    given = known["label_given"].to_numpy()
    table = []
    for error in (ALL, *DIRECTIONS):
        among = np.ones(len(known), bool) if error == ALL else given == DIRECTIONS[error]
        n_errors, n_flagged = int((wrong & among).sum()), int((is_flagged & among).sum())
        n_found = int((wrong & is_flagged & among).sum())
        row = {"rule": rule, "sample": sample, "error": error, "n_judged": int(among.sum())}
        row |= {"n_errors": n_errors, "n_flagged": n_flagged, "n_found": n_found}
        for name, n in (("precision", n_flagged), ("recall", n_errors)):
            share = metrics.binomial(n_found, n)
            row |= {name: share["value"], f"{name}_low": share["low"], f"{name}_high": share["high"]}
        table.append(row)
    return table


def recall_difference(
    ours: set[int], theirs: set[int], truth: pd.DataFrame, seed: int, n: int = 1000
) -> metrics.Interval:
    """Recall of one list of suspects minus that of another, redrawing hosts, on the same planted errors.

    Args:
        ours: ids of suspects.
        theirs: likewise.
        truth: of the examples that both were found among; host_id groups them where there is one.
        seed: of the bootstrap.
        n: redraws.
    """
    planted = truth[truth["label_true"] != truth["label_given"]]
    if planted.empty:
        return metrics.interval(np.nan, np.nan, np.nan, 0)
    ids = planted["id"].to_numpy()
    first, second = (np.isin(ids, list(found)) for found in (ours, theirs))
    groups = ids
    if "host_id" in planted:  # an example without a host is a group of its own
        groups = np.where(planted["host_id"] >= 0, planted["host_id"], -1 - ids)
    return metrics.paired_difference(
        metrics.weighted_share(first),
        metrics.weighted_share(second),
        groups,
        n,
        seeds.generator(seed, "recall_difference"),
    )
