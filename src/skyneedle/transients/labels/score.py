"""How good rules for suspects are, against the truth that the simulator planted.

Only rooms that score may read truth: this one does, the rules that it scores do not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, seeds, tables
from skyneedle.core.errors import BadLabels

ALL = "all"
DIRECTIONS = {"fake_on_defect": 0, "real_among_artifacts": 1}  # kind of error: the label it was given
COLUMNS = (
    *("rule", "sample", "error", "n_judged", "n_errors", "n_flagged", "n_found"),
    *("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high"),
)


def write(
    out: str | Path,
    suspects: Sequence[tuple[str, str, str | Path, str | Path]],
    truth: Sequence[str | Path],
    *,
    seed: int,
    n_bootstrap: int = 1000,
) -> None:
    """Write one table of all rules, in-sample and out-of-fold, and what in-sample prediction costs beside it.

    Args:
        out: CSV to write, see ``rows``; JSON of the same name with the difference in recall between each pair
            of in-sample and out-of-fold entries that judged the same ids, the latter minus the former.
        suspects: for each entry the rule, the sample (``in_sample`` or ``out_of_fold``), its parquet of
            suspects, and the parquet of scores that it was found among.
        truth: parquets of the simulator.
        seed: of the bootstrap.
        n_bootstrap: redraws.
    """
    known = pd.concat([pd.read_parquet(path) for path in truth], ignore_index=True)
    table, flagged, judged = [], {}, {}
    for rule, sample, path, scores in suspects:
        found = pd.read_parquet(path, columns=["id"])["id"]
        ids = pd.read_parquet(scores, columns=["id"])["id"]
        table += rows(found, ids, known, rule=rule, sample=sample)
        flagged[rule, sample], judged[rule, sample] = set(found), set(ids)
    tables.write_csv(pd.DataFrame(table, columns=list(COLUMNS)), out)
    differences = {}
    for ours in [key for key in flagged if key[1] == "out_of_fold"]:
        for theirs in [key for key in flagged if key[1] == "in_sample" and judged[key] == judged[ours]]:
            planted = known[known["id"].isin(judged[ours])]
            name = f"recall_{ours[0]}_out_of_fold_minus_{theirs[0]}_in_sample"
            differences[name] = recall_difference(flagged[ours], flagged[theirs], planted, seed, n_bootstrap)
    tables.write_json(differences, Path(out).with_suffix(".json"))


def write_truth_labels(out: str | Path, truth: Sequence[str | Path]) -> None:
    """Write the true labels in the form of all others, to score trainings and tests against.

    Args:
        out: parquet to write, columns id and label.
        truth: parquets of the simulator.
    """
    known = pd.concat([pd.read_parquet(path, columns=["id", "label_true"]) for path in truth])
    table = known.rename(columns={"label_true": "label"}).astype({"id": np.int64, "label": np.int8})
    tables.write_parquet(table.reset_index(drop=True), out, {"version": "truth"})


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
