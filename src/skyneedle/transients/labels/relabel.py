"""From the logs of a review to new labels, with who changed what, and how many errors are left.

The majority of the reviewers who were sure decides; a tie, or nobody sure, keeps the given label.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import metrics, seeds, tables
from skyneedle.core.errors import BadLabels
from skyneedle.core.store import DataSet
from skyneedle.transients.labels import votes
from skyneedle.transients.labels.deck import CONTROL

COLUMNS = (
    *("id", "label", "label_given", "is_reviewed", "n_real", "n_bogus", "n_unsure"),
    *("flipped_by", "flipped_at", "flipped_time"),
)


def write(
    out: str | Path, given: str | Path, logs: Sequence[str | Path], *, summary: str | Path, seed: int = 0
) -> None:
    """Write the labels after a review, and a summary of it.

    Args:
        out: parquet to write, see ``relabel``.
        given: parquet with id and label, of all examples.
        logs: exports of reviews, of people or simulated.
        summary: JSON to write, see ``measures``.
        seed: of the bootstrap.
    """
    before, log = pd.read_parquet(given), votes.read(logs)
    table = relabel(before, log)
    tables.write_json(measures(table, log, seed), summary)
    tables.write_parquet(table, out, {"reviewers": sorted(log["reviewer"].unique().tolist())})


def write_given(out: str | Path, shards: Sequence[str | Path]) -> None:
    """Write the labels that a data set came with, from which all other versions start.

    Args:
        out: parquet to write, columns id and label.
        shards: of the data set.
    """
    table = DataSet(shards).table[["id", "label_given"]].rename(columns={"label_given": "label"})
    tables.write_parquet(table.astype({"id": np.int64, "label": np.int8}), out, {"version": "given"})


def relabel(given: pd.DataFrame, log: pd.DataFrame) -> pd.DataFrame:
    """New labels.

    Args:
        given: columns id and label, of all examples.
        log: see ``votes.read``; its label is the one that the deck was made with.

    Returns:
        Columns ``COLUMNS`` in the order of the given labels: label is the new one; for each flipped label the
        reviewers who wanted it, the index of their deciding actions and the time of these, joined by ";".

    Raises:
        BadLabels: if the log is of examples without a label, or was made on other labels.
    """
    if given["id"].duplicated().any():
        raise BadLabels("Ids stand twice among the given labels.")
    answers = votes.standing(log)
    before = given.set_index("id")["label"].astype(np.int8)
    unknown = answers.loc[~answers["id"].isin(before.index), "id"]
    if len(unknown):
        raise BadLabels(
            f"{len(unknown)} reviewed examples have no given label, the first {unknown.iloc[0]}; give the "
            "labels of the set that was reviewed."
        )
    other = answers.loc[answers["label"].to_numpy() != before.loc[answers["id"]].to_numpy(), "id"]
    if len(other):
        raise BadLabels(
            f"{other.nunique()} examples had another label when they were reviewed, the first "
            f"{other.iloc[0]}; give the labels that the review was made on."
        )
    table = pd.DataFrame({"id": before.index.to_numpy(np.int64), "label": before.to_numpy()})
    table["label_given"], table["is_reviewed"] = table["label"], table["id"].isin(answers["id"])
    for answer in votes.ANSWERS:
        n = answers.loc[answers["answer"] == answer, "id"].value_counts()
        table[f"n_{answer}"] = table["id"].map(n).fillna(0).astype(np.int16)
    table.loc[table["n_bogus"] > table["n_real"], "label"] = votes.LABEL_OF["bogus"]
    table.loc[table["n_real"] > table["n_bogus"], "label"] = votes.LABEL_OF["real"]
    return _with_provenance(table, answers)[list(COLUMNS)]


def _with_provenance(table: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    flipped = table.loc[table["label"] != table["label_given"], ["id", "label"]]
    deciding = answers.drop(columns="label").merge(flipped, on="id")
    deciding = deciding[deciding["answer"].map(votes.LABEL_OF) == deciding["label"]]
    columns = {"flipped_by": "reviewer", "flipped_at": "index", "flipped_time": "time"}
    for name, source in columns.items():
        joined = deciding.groupby("id")[source].agg(lambda values: ";".join(map(str, values)))
        table[name] = table["id"].map(joined).fillna("").astype(str)
    return table


def measures(table: pd.DataFrame, log: pd.DataFrame, seed: int = 0) -> dict[str, metrics.Interval]:
    """What the scoreboard reads: each of ``counts``, two shares, and ``remaining_errors``.

    Args:
        table: of ``relabel``.
        log: likewise.
        seed: of the bootstrap.

    Returns:
        Each number as "value"; with intervals share_flipped, of the suspects reviewed those whose label was
        changed, share_relabelled, the same of all labels, and remaining_error_rate.
    """
    n = counts(table, log)
    flipped_suspects = n["n_flipped"] - n["n_flipped_controls"]
    shares = {
        "share_flipped": metrics.binomial(flipped_suspects, n["n_reviewed_suspects"]),
        "share_relabelled": metrics.binomial(n["n_flipped"], n["n_labels"]),
        "remaining_error_rate": remaining_errors(table, log, seed),
    }
    reasons = {
        "share_flipped": "no suspect was reviewed",
        "remaining_error_rate": "no control was answered for sure",
    }
    for name, reason in reasons.items():
        if not shares[name]["n"]:
            shares[name]["reason"] = reason
    return {key: {"value": value} for key, value in n.items()} | shares


def counts(table: pd.DataFrame, log: pd.DataFrame) -> dict[str, int]:
    """How many were reviewed and flipped, by direction and by role in the deck."""
    flipped = table["label"] != table["label_given"]
    roles = log.drop_duplicates("id").set_index("id")["role"]
    role = table["id"].map(roles)
    suspected = table["is_reviewed"] & (role != CONTROL)
    return {
        "n_labels": len(table),
        "n_reviewed": int(table["is_reviewed"].sum()),
        "n_reviewed_suspects": int(suspected.sum()),
        "n_reviewers": int(log["reviewer"].nunique()),
        "n_flipped": int(flipped.sum()),
        "n_flipped_to_artifact": int((flipped & (table["label"] == 1)).sum()),
        "n_flipped_to_non_artifact": int((flipped & (table["label"] == 0)).sum()),
        "n_flipped_controls": int((flipped & (role == CONTROL)).sum()),
        "n_undecided": int((table["is_reviewed"] & (table["n_real"] == table["n_bogus"])).sum()),
    }


def remaining_errors(
    table: pd.DataFrame, log: pd.DataFrame, seed: int = 0, n: int = 1000
) -> metrics.Interval:
    """Share of wrong labels among the examples that were not suspected, as the random controls tell.

    Each control that was answered for sure counts with one over its chance to be drawn (Hajek's ratio of
    Horvitz & Thompson 1952, JASA 47, 663, which needs no total). What reviewers get wrong counts too, so a
    careless review looks worse than it is. NaN without answered controls.

    Args:
        table: of ``relabel``.
        log: likewise.
        seed: of the bootstrap over controls, used where their chances differ; else Wilson's interval.
        n: redraws.
    """
    by_id = log.drop_duplicates("id").set_index("id")
    shown = table[table["id"].isin(by_id.index[by_id["role"] == CONTROL])]
    shown = shown[shown["n_real"] + shown["n_bogus"] > 0]
    if shown.empty:
        return metrics.interval(np.nan, np.nan, np.nan, 0)
    wrong = (shown["label"] != shown["label_given"]).to_numpy()
    chance = by_id.loc[shown["id"], "probability"].to_numpy(float)
    if np.allclose(chance, chance[0]):
        return metrics.binomial(int(wrong.sum()), len(wrong))

    def rate(weights: np.ndarray) -> float:
        weights = weights / chance
        return float(weights @ wrong / weights.sum())

    return metrics.bootstrap(rate, np.arange(len(wrong)), n, seeds.generator(seed, "remaining_errors"))
