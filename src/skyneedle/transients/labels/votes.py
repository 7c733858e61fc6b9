"""The log of a review as a table, and what each reviewer thinks in the end.

The page and the simulated reviewer write the same table. Every action has a row and none is ever changed: an
undo is a row of its own, which takes back the reviewer's last answer that still stands.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from skyneedle.core.errors import NotAReviewLog

ANSWERS = ("real", "bogus", "unsure")
LABEL_OF = {"real": 0, "bogus": 1}  # of the paper: 1 artifact, 0 non-artifact
ACTIONS = ("answer", "undo")
# index counts the actions of one log from 1 on; seconds is how long the candidate was looked at; time is UTC,
# empty where the reviewer is simulated; role, probability and label are those of the deck.
LOG_COLUMNS = (
    *("index", "reviewer", "action", "id", "answer", "seconds", "time", "role", "probability", "label"),
)


def read(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Logs as the review exports them (CSV or parquet), one below the other.

    Returns:
        Columns ``LOG_COLUMNS`` and log, the place of the file among those given.

    Raises:
        NotAReviewLog: if a file lacks columns or holds an action that there is not, or a reviewer stands in
            two logs, whose order nobody could tell.
    """
    logs = []
    for place, path in enumerate(map(Path, paths)):
        try:
            table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise NotAReviewLog(
                f"{path}: cannot be read as a table ({error}); export the review again."
            ) from None
        missing = [name for name in LOG_COLUMNS if name not in table]
        if missing:
            raise NotAReviewLog(
                f"{path}: lacks {', '.join(missing)}; give what `skyneedle review --export` wrote."
            )
        table = table[list(LOG_COLUMNS)].assign(log=place)
        table["time"] = table["time"].fillna("").astype(str)
        bad = ~(table["action"].isin(ACTIONS) & table["answer"].isin(ANSWERS))
        if bad.any() or not table["index"].is_monotonic_increasing or table["index"].duplicated().any():
            raise NotAReviewLog(
                f"{path}: rows that no review writes, or in another order (the first: index "
                f"{table.loc[bad, 'index'].min() if bad.any() else '?'}); export the review again."
            )
        logs.append(table)
    if not logs:
        raise NotAReviewLog("No log of a review was given.")
    joined = pd.concat(logs, ignore_index=True)
    many = joined.groupby("reviewer")["log"].nunique()
    if (many > 1).any():
        raise NotAReviewLog(f"Reviewer '{many.idxmax()}' stands in {many.max()} logs; names must differ.")
    return joined


def standing(log: pd.DataFrame) -> pd.DataFrame:
    """The answers that stand at the end: the last one of each reviewer to each candidate, undone ones gone.

    Args:
        log: columns ``LOG_COLUMNS``, in the order of the actions.

    Returns:
        The rows of those answers, in their order.

    Raises:
        NotAReviewLog: if an undo takes back what is not the reviewer's last standing answer.
    """
    stacks: dict[str, list[int]] = {}
    names, actions, ids = (log[name].tolist() for name in ("reviewer", "action", "id"))
    for row, (reviewer, action, one) in enumerate(zip(names, actions, ids, strict=True)):
        stack = stacks.setdefault(reviewer, [])
        if action == "answer":
            stack.append(row)
        elif not stack or ids[stack.pop()] != one:
            raise NotAReviewLog(f"An undo of {reviewer} for example {one} takes back no answer of the log.")
    kept = [row for stack in stacks.values() for row in {ids[row]: row for row in stack}.values()]
    return log.iloc[sorted(kept)].reset_index(drop=True)
