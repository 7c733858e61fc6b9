"""Stamps on disk to a data set of this package: in shards, resumable, with an account of what is left out."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, NotADataSet, SkyneedleError
from skyneedle.core.files import appearing
from skyneedle.lenses.fetch.stamps import Source

PER_SHARD = 1000  # examples; 212 MB in four bands
LARGEST_SHARD = 4000
REPORT = "report.json"


def convert(source: Source, folder: str | Path, per_shard: int = PER_SHARD) -> dict[str, Any]:
    """Write a source as a data set, or go on where a killed conversion stopped.

    Args:
        source: stamps with their table.
        folder: of the data set; gets shards 0000.h5, 0001.h5, ... and report.json.
        per_shard: examples of one shard; that many are held in memory.

    Returns:
        The report: attributes of the source, number of examples written, and ``left_out`` with the
        identifiers by kind of error and the first message of each.

    Raises:
        NotADataSet: if no stamp could be read, or the folder holds shards of something else.
        BadSetting: if a shard would not fit in memory.
    """
    if not 1 <= per_shard <= LARGEST_SHARD:
        raise BadSetting(
            f"per_shard is {per_shard}, expected 1 to {LARGEST_SHARD}: a shard is held in memory."
        )
    folder, n = Path(folder), len(source.table)
    n_shards = max(1, -(-n // per_shard))
    paths = [folder / f"{shard:04d}.h5" for shard in range(n_shards)]
    strangers = sorted(set(folder.glob("*.h5")) - set(paths))
    if strangers:
        raise NotADataSet(f"{strangers[0]}: a shard of another conversion; empty the folder and run again.")
    common = {**source.attributes, "n_shards": n_shards, "table": _digest(source)}
    totals: dict[str, Any] = {"n_examples": 0, "left_out": {}}
    with tqdm(
        total=n, desc=f"stamps to {folder.name}", unit="stamp", mininterval=0.5 if sys.stderr.isatty() else 30
    ) as bar:
        for shard, path in enumerate(paths):
            rows = store.shard_ids(0, n, shard, n_shards)
            attributes = _finished(path, common | {"shard": shard})
            if attributes is None:
                attributes = _write(source, path, rows, common | {"shard": shard}, bar)
            else:
                bar.update(len(rows))
            totals["n_examples"] += attributes["n_examples"]
            _add(totals["left_out"], attributes["left_out"])
    if not totals["n_examples"]:
        first = [kind["first"] for kind in totals["left_out"].values()] or ["the source has no rows"]
        raise NotADataSet(f"{folder}: not one of {n} stamps could be read; the first: {first[0]}")
    report = {**source.attributes, "n_rows_matched": n, **totals}
    with appearing(folder / REPORT) as partial:
        partial.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
    return report


def _digest(source: Source) -> str:
    return hashlib.sha256(source.table.to_csv(index=False).encode()).hexdigest()[:16]


def _finished(path: Path, expected: dict[str, Any]) -> dict[str, Any] | None:
    """Attributes of a shard that is already there and belongs to this conversion."""
    if not path.is_file():
        return None
    try:
        found = store.DataSet(path).attributes
    except NotADataSet:
        return None
    same = all(found.get(key) == value for key, value in json.loads(json.dumps(expected)).items())
    return found if same else None


def _write(source: Source, path: Path, rows: range, attributes: dict[str, Any], bar: tqdm) -> dict[str, Any]:
    arrays = {name: np.empty((len(rows), *shape), np.float32) for name, shape in source.shapes.items()}
    kept: list[int] = []
    left_out: dict[str, Any] = {}
    for row in rows:
        try:
            example = source.read(row)
        except SkyneedleError as error:
            kind = {type(error).__name__: {"ids": [int(source.table["id"][row])], "first": str(error)}}
            _add(left_out, kind)
        else:
            for name, array in arrays.items():
                array[len(kept)] = example[name]
            kept.append(row)
        bar.update()
    attributes = attributes | {"n_examples": len(kept), "left_out": left_out}
    table = source.table.iloc[kept].reset_index(drop=True)
    store.write(path, {name: array[: len(kept)] for name, array in arrays.items()}, table, attributes)
    return attributes


def _add(totals: dict[str, Any], more: dict[str, Any]) -> None:
    for kind, entry in more.items():
        known = totals.setdefault(kind, {"ids": [], "first": entry["first"]})
        known["ids"] = known["ids"] + entry["ids"]
