"""Examples whose label is likely to be wrong, by several rules, from scores alone.

A score is the probability of "artifact" (label 1). Rules:

- ``paper``: strongly misclassified, that is category 1 (label 1, score < 0.1) or 6 (label 0, score > 0.9), on
  whatever scores are given. The paper took them for all data from a network that had been trained on half of
  it; a network remembers the wrong labels it was trained on, and no longer contradicts them.
- ``out_of_fold``: the same cuts on scores of networks that have not seen the example, which is checked.
- ``cleanlab_<filter>``: confident learning on such scores.

Source: Ayyar et al. 2022, Sec. 4.3, Sec. 4.4 and Table 2; Northcutt, Jiang & Chuang 2021, JAIR 70, 1373.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import BadLabels, BadSetting, JudgedInSample

ARTIFACT, NON_ARTIFACT = 1, 0
LOW, HIGH = 0.1, 0.9
CLEANLAB = ("prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "low_self_confidence")
RULES = ("paper", "out_of_fold", *(f"cleanlab_{name}" for name in CLEANLAB))
COLUMNS = ("id", "label", "score", "self_confidence", "category", "rank")


def write(
    out: str | Path,
    scores: str | Path,
    *,
    rule: str,
    folds: str | Path | None = None,
    n_most: int | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the suspects of one rule, the most suspect first.

    Args:
        out: parquet to write, columns ``COLUMNS``.
        scores: parquet with id, label, score, and for all rules but ``paper`` fold: the network that scored.
        rule: one of ``RULES``, or ``self_confidence``: the ``n_most`` that the network believes least.
        folds: parquet with id and fold: examples are held out of the network of their fold. Needed by all
            rules but ``paper``.
        n_most: how many at most; all that the rule flags if left out.
        provenance: stored in the file.

    Raises:
        BadSetting: if there is no such rule, or it lacks what it needs.
        BadLabels: see ``check``.
        JudgedInSample: see ``check_out_of_fold``.
    """
    table = pd.read_parquet(scores)
    if rule != "paper":
        if folds is None:
            raise BadSetting(f"Rule '{rule}' needs to know which fold each example was held out in.")
        check_out_of_fold(table, pd.read_parquet(folds))
    found = find(table, rule, n_most)
    attributes = {"rule": rule, "n_judged": len(table), "provenance": dict(provenance or {})}
    tables.write_parquet(found, out, attributes)


def find(scores: pd.DataFrame, rule: str, n_most: int | None = None) -> pd.DataFrame:
    """Suspects by one rule.

    Args:
        scores: columns id, label and score.
        rule: see ``write``.
        n_most: likewise.

    Returns:
        Columns ``COLUMNS``: category as of the paper's Table 2, rank from 1 on, most suspect first; equally
        suspect examples stand in the order of their ids.

    Raises:
        BadSetting, BadLabels: see ``write``.
    """
    check(scores)
    if rule == "self_confidence":
        if n_most is None:
            raise BadSetting("A ranking by self-confidence needs the number of suspects wanted (n_most).")
        chosen = np.ones(len(scores), bool)
    elif rule in ("paper", "out_of_fold"):
        chosen = np.isin(category(scores["label"], scores["score"]), (1, 6))
    elif rule in RULES:
        chosen = _cleanlab(scores, rule.removeprefix("cleanlab_"))
    else:
        raise BadSetting(
            f"There is no rule '{rule}' for suspects; known are {', '.join(RULES)}, self_confidence."
        )
    return ranked(scores[chosen])[:n_most].reset_index(drop=True)


def ranked(scores: pd.DataFrame) -> pd.DataFrame:
    """Examples by what the network believes of their label, the least believed first.

    Args:
        scores: columns id, label and score; logit where there is one, which still tells apart scores that
            round to 0 or 1.

    Returns:
        Columns ``COLUMNS``.
    """
    label, score = scores["label"].to_numpy(int), scores["score"].to_numpy(float)
    believed = np.where(label == ARTIFACT, score, 1 - score)
    order_by = believed
    if "logit" in scores and scores["logit"].notna().all():
        order_by = np.where(label == ARTIFACT, 1, -1) * scores["logit"].to_numpy(float)
    order = np.lexsort((scores["id"].to_numpy(), order_by))
    table = pd.DataFrame(
        {
            "id": scores["id"].to_numpy(np.int64),
            "label": label.astype(np.int8),
            "score": score,
            "self_confidence": believed,
            "category": category(label, score),
        }
    ).iloc[order]
    return table.assign(rank=np.arange(1, len(table) + 1)).reset_index(drop=True)


def category(label: Any, score: Any) -> np.ndarray:
    """The paper's six categories.

    Args:
        label: 1 artifact, 0 non-artifact, shape (n,).
        score: probability of artifact, shape (n,).

    Returns:
        1 to 3 for artifacts with a score below 0.1, below 0.5, or from there on; 4 to 6 for non-artifacts
        with a score up to 0.5, up to 0.9, or above. int8, shape (n,).

    Source: Ayyar et al. 2022, Table 2. It leaves open where the borders belong; here to the milder side.
    """
    label, score = np.asarray(label, int), np.asarray(score, float)
    of_artifact = 1 + (score >= LOW).astype(int) + (score >= 0.5)
    of_other = 4 + (score > 0.5).astype(int) + (score > HIGH)
    return np.where(label == ARTIFACT, of_artifact, of_other).astype(np.int8)


def check(scores: pd.DataFrame) -> None:
    """Raise unless every example stands once with a label of 0 or 1 and a score that is a probability.

    Raises:
        BadLabels: says what is wrong in how many rows.
    """
    missing = [name for name in ("id", "label", "score") if name not in scores]
    if missing:
        raise BadLabels(f"A table of scores lacks {', '.join(missing)}; its columns are {list(scores)}.")
    if scores["id"].duplicated().any():
        raise BadLabels(f"{int(scores['id'].duplicated().sum())} ids stand twice in a table of scores.")
    if not scores["label"].isin([0, 1]).all():
        n_bad = int((~scores["label"].isin([0, 1])).sum())
        raise BadLabels(f"{n_bad} of {len(scores)} labels are neither 0 (non-artifact) nor 1 (artifact).")
    metrics.check_scores(scores["score"].to_numpy(float))
    if not scores["score"].between(0, 1).all():
        raise BadLabels("Scores to judge labels by are probabilities between 0 and 1; give no log odds.")


def check_out_of_fold(scores: pd.DataFrame, folds: pd.DataFrame) -> None:
    """Raise unless every example was scored by the network of the one fold it was held out of.

    Args:
        scores: columns id and fold, the number of the network that scored: it trained on all other folds.
        folds: columns id and fold, where each example was held out; group too where examples share one, which
            must not be torn apart: a network that saw the same host on another night is not out of sample.

    Raises:
        JudgedInSample: names an example and both folds.
    """
    if "fold" not in scores:
        raise JudgedInSample("The scores do not say which fold's network made them (no column fold).")
    if folds["id"].duplicated().any():
        twice = folds.loc[folds["id"].duplicated(), "id"].iloc[0]
        raise JudgedInSample(f"Example {twice} lies in more than one fold; each is held out once.")
    held_out = scores["id"].map(folds.set_index("id")["fold"])
    wrong = np.flatnonzero(held_out.isna() | (held_out != scores["fold"]))
    if len(wrong):
        row = scores.iloc[wrong[0]]
        where = held_out.iloc[wrong[0]]
        raise JudgedInSample(
            f"{len(wrong)} of {len(scores)} scores are not out-of-fold: {int(row['id'])} was scored by "
            f"the network of fold {int(row['fold'])}, but "
            + (
                "lies in no fold."
                if pd.isna(where)
                else f"was held out in fold {int(where)}, so it was seen."
            )
        )
    if "group" in folds and (folds.groupby("group")["fold"].nunique() > 1).any():
        torn = int((folds.groupby("group")["fold"].nunique() > 1).sum())
        raise JudgedInSample(f"{torn} groups (host, night) are spread over several folds; split by group.")


def _cleanlab(scores: pd.DataFrame, filter_by: str) -> np.ndarray:
    from cleanlab.filter import find_label_issues

    label, score = scores["label"].to_numpy(int), scores["score"].to_numpy(float)
    if len(np.unique(label)) < 2:
        raise BadLabels("Confident learning needs labels of both classes; these are all the same.")
    # Columns in the order of the labels: swapped, every answer would be nonsense without an error.
    beliefs = np.stack([1 - score, score], axis=1)
    return np.asarray(find_label_issues(label, beliefs, filter_by=filter_by, n_jobs=1))
