"""The labels that a survey came with, as a table that a review changes."""

from collections.abc import Sequence
from pathlib import Path

from skyneedle.core.store import DataSet
from skyneedle.core.tables import write_parquet


def write(out: str | Path, shards: Sequence[str | Path]) -> None:
    """Write id and label of all examples, ordered by id; an id that stands in several shards counts once.

    Args:
        out: parquet to write.
        shards: files of the survey.
    """
    table = DataSet(shards).table[["id", "label_given"]].drop_duplicates("id").sort_values("id")
    write_parquet(table.rename(columns={"label_given": "label"}).reset_index(drop=True), out)
