"""Stamps on disk to a shard of a data set of this package, with an account of what is left out."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, NotADataSet, SkyneedleError
from skyneedle.lenses.fetch.stamps import Source

_MOST_BYTES = 1 << 30  # of one shard in memory


def write(
    source: Source, path: str | Path, rows: range | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write stamps of a source as one shard.

    Args:
        source: stamps with their table.
        path: of the shard.
        rows: of the table; all if left out.
        more: attributes beside those of the source.

    Returns:
        The attributes of the shard, among them ``left_out``: for each kind of error the identifiers of the
        stamps that could not be read, and the first message.

    Raises:
        NotADataSet: if no stamp could be read.
        BadSetting: if the shard would not fit in memory.
    """
    rows = range(len(source.table)) if rows is None else rows
    size = 4 * len(rows) * sum(int(np.prod(shape)) for shape in source.shapes.values())
    if size > _MOST_BYTES:
        raise BadSetting(
            f"{path}: {len(rows)} stamps in one shard do not fit in 1 GiB; raise the number of shards."
        )
    arrays = {name: np.empty((len(rows), *shape), np.float32) for name, shape in source.shapes.items()}
    kept: list[int] = []
    left_out: dict[str, dict[str, Any]] = {}
    # A bar on a terminal; in a log, a line now and then.
    interval = 0.5 if sys.stderr.isatty() else 30
    for row in tqdm(rows, desc=f"stamps to {Path(path).name}", unit="stamp", mininterval=interval):
        try:
            example = source.read(row)
        except SkyneedleError as error:
            kind = left_out.setdefault(type(error).__name__, {"ids": [], "first": str(error)})
            kind["ids"].append(int(source.table["id"][row]))
        else:
            for name, array in arrays.items():
                array[len(kept)] = example[name]
            kept.append(row)
    if not kept:
        first = [kind["first"] for kind in left_out.values()] or ["there are none"]
        raise NotADataSet(f"{path}: not one of {len(rows)} stamps could be read; the first: {first[0]}")
    attributes = {**source.attributes, **(more or {}), "n_examples": len(kept), "left_out": left_out}
    table = source.table.iloc[kept].reset_index(drop=True)
    store.write(path, {name: array[: len(kept)] for name, array in arrays.items()}, table, attributes)
    return attributes
