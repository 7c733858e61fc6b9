"""What the paper prints beside what was measured: Tables 1 to 5, and the learning curves of Fig. 10."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from skyneedle.core import scoreboard, tables

PAPER = "ayyar2022"
TITLES = {
    "table1": ("Table 1", "Table 1: the four networks with the original labels"),
    "table2": ("Table 2", "Table 2: categories of examples, original labels"),
    "table3": ("Table 3", "Table 3: where other methods put what Model 1 misclassifies strongly"),
    "table4": ("Table 4", "Table 4: parameters of the networks, layer by layer"),
    "table5": ("Table 5", "Table 5: categories of Model 1 with old and new labels"),
}
WORDS = (
    "Published beside reproduced, with 68 % intervals from redrawing groups of hosts and nights; `n` counts "
    "groups (Table 3: examples). Shares are of one, where the paper prints per cent. The published "
    "values were measured without the 6.2 % of candidates that have no reference source; ours have them."
)


def table(item: str, published: str | Path, metric_files: Sequence[str | Path], scale: str) -> pd.DataFrame:
    """One table of the paper.

    Args:
        item: "Table 1" to "Table 5".
        published: see ``scoreboard.read_published``.
        metric_files: see ``scoreboard.build``.
        scale: name of the scale.

    Returns:
        Columns model, quantity, published, reproduced, low, high, n, note; a row for each number printed.
    """
    board = scoreboard.build(published, metric_files, scale)
    rows = board[(board["paper"] == PAPER) & (board["item"] == item)]
    parts = rows["quantity"].str.partition(": ")
    named = rows.assign(model=parts[0], quantity=parts[2])
    columns = ["model", "quantity", "published", "reproduced", "low", "high", "n", "note"]
    return named[columns].reset_index(drop=True)


def write_tables(
    published: str | Path, metric_files: Sequence[str | Path], scale: str, out: Mapping[str, str | Path]
) -> None:
    """Write Tables 1 to 5 as CSV and Markdown.

    Args:
        published: as of ``table``.
        metric_files: likewise.
        scale: likewise.
        out: path without ending for "table1" to "table5", those that are wanted.
    """
    for key, stem in out.items():
        item, title = TITLES[key]
        scoreboard.write(table(item, published, metric_files, scale), stem, title, WORDS)


def learning_curves(histories: Mapping[str, Sequence[str | Path]]) -> pd.DataFrame:
    """Histories of all trainings as one tidy table.

    Args:
        histories: CSVs by network, one for each seed, in the order of the seeds; columns epoch, split and one
            for each quantity.

    Returns:
        Columns network, seed (place in the list), epoch, split, quantity, value; without empty values.
    """
    found = []
    for network, paths in histories.items():
        for seed, path in enumerate(paths):
            history = pd.read_csv(path)
            long = history.melt(["epoch", "split"], var_name="quantity", value_name="value")
            long["value"] = pd.to_numeric(long["value"], errors="coerce")
            found.append(long.dropna(subset=["value"]).assign(network=network, seed=seed))
    columns = ["network", "seed", "epoch", "split", "quantity", "value"]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def write_learning_curves(histories: Mapping[str, Sequence[str | Path]], out: str | Path) -> None:
    """Write ``learning_curves`` as CSV."""
    tables.write_csv(learning_curves(histories), out)
