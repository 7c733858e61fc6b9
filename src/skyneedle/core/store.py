"""Data sets on disk: folders of HDF5 shards that are read as one."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from skyneedle.core.errors import NotADataSet
from skyneedle.core.files import appearing

CLOSE = 2  # rows are read as one slice if that is at most so many times as long as they are


def write(
    path: str | Path, arrays: Mapping[str, np.ndarray], table: pd.DataFrame, attributes: Mapping[str, Any]
) -> None:
    """Write one shard; the file appears complete or not at all.

    Args:
        path: file to write.
        arrays: name to array; the first axis is the example and has the length of the table.
        table: one row of truth for each example; numbers, booleans or strings.
        attributes: what holds for the whole shard, anything that JSON can hold (seed, recipe, versions).

    Raises:
        NotADataSet: if an array and the table differ in length.
    """
    path = Path(path)
    for name, array in arrays.items():
        if len(array) != len(table):
            raise NotADataSet(
                f"{path}: array '{name}' has {len(array)} examples, its table {len(table)} rows."
            )
    with _created(path) as file:
        for name, array in arrays.items():
            chunks = (1, *array.shape[1:]) if array.ndim > 1 and len(array) else None
            file.create_dataset(name, data=array, chunks=chunks, track_times=False)
        _write_table(file, table, attributes)


def write_blocks(
    path: str | Path,
    blocks: Iterable[Mapping[str, np.ndarray]],
    finish: Callable[[], tuple[pd.DataFrame, Mapping[str, Any]]],
) -> None:
    """Write one shard block by block, so that its arrays need not fit in memory; else as ``write``.

    Args:
        path: file to write.
        blocks: consecutive examples of all arrays, of the same names, types and shapes each time.
        finish: gives table and attributes when the last block is written.

    Raises:
        NotADataSet: if the arrays of a block differ in length, or all together from the table.
    """
    with _created(Path(path)) as file:
        stop = 0
        for block in blocks:
            start, lengths = stop, {len(array) for array in block.values()}
            stop += max(lengths)
            if len(lengths) != 1:
                raise NotADataSet(f"{path}: arrays of one block have {sorted(lengths)} examples.")
            for name, array in block.items():
                if name not in file:
                    one = array.shape[1:]
                    chunks = (1, *one) if one else True
                    file.create_dataset(
                        name, (0, *one), array.dtype, maxshape=(None, *one), chunks=chunks, track_times=False
                    )
                file[name].resize(stop, axis=0)
                file[name][start:stop] = array
        table, attributes = finish()
        if stop != len(table):
            raise NotADataSet(f"{path}: its blocks have {stop} examples, its table {len(table)} rows.")
        _write_table(file, table, attributes)


@contextmanager
def _created(path: Path) -> Iterator[h5py.File]:
    # Fixed creation order and no time stamps, so that the same content gives the same bytes.
    with appearing(path) as partial, h5py.File(partial, "w", libver="v110", track_order=False) as file:
        yield file


def _write_table(file: h5py.File, table: pd.DataFrame, attributes: Mapping[str, Any]) -> None:
    columns = file.create_group("table")
    for column in table.columns:
        values = table[column].to_numpy()
        if values.dtype.kind in "OU":
            columns.create_dataset(
                column,
                data=[str(value) for value in values],
                dtype=h5py.string_dtype(),
                track_times=False,
            )
        else:
            columns.create_dataset(column, data=values, track_times=False)
    file.attrs["columns"] = json.dumps(list(map(str, table.columns)))
    file.attrs["attributes"] = json.dumps(dict(attributes), sort_keys=True)


def digest(data: "DataSet", arrays: Sequence[str]) -> str:
    """Hash of a set's truth and of one example a shard: a training must not go on with other data."""
    parts = hashlib.sha256(json.dumps(data.attributes, sort_keys=True).encode())
    parts.update(data.table.to_csv(index=False).encode())
    for path in data.shards:
        shard = DataSet(path)
        for name in arrays if len(shard) else ():
            parts.update(shard.read(name, 0).tobytes())
    return parts.hexdigest()[:16]


def shard_ids(first: int, n_examples: int, shard: int, n_shards: int) -> range:
    """The ids of one shard when ``n_examples`` ids from ``first`` on are split evenly over ``n_shards``."""
    bounds = np.linspace(0, n_examples, n_shards + 1).round().astype(int)
    return range(first + int(bounds[shard]), first + int(bounds[shard + 1]))


def spread(places: np.ndarray, n: int) -> np.ndarray:
    """At most n of these, evenly spread."""
    if len(places) <= n:
        return places
    return places[np.linspace(0, len(places) - 1, n).round().astype(int)]


class DataSet:
    """Shards read as one data set; files are opened when first read, in each process anew.

    Args:
        source: a folder of ``*.h5`` shards, one file, or several files.

    Raises:
        NotADataSet: if there is no shard, or a file is not one.
    """

    def __init__(self, source: str | Path | Sequence[str | Path]):
        self.shards = _shard_paths(source)
        tables, self._lengths = [], []
        for path in self.shards:
            table, attributes = _read_table(path)
            tables.append(table)
            self._lengths.append(len(table))
        self.attributes: dict[str, Any] = attributes
        self.table = pd.concat(tables, ignore_index=True)
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)])
        self._files: dict[int, h5py.File] = {}
        self._pid = os.getpid()

    def __len__(self) -> int:
        return int(self._offsets[-1])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": {}, "_pid": -1}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one array over all shards."""
        return (len(self), *self._open(0)[name].shape[1:])

    def read(self, name: str, rows: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Examples of one array, in the order asked for.

        Args:
            name: of the array.
            rows: an index, a slice, or indices; repeated and unsorted indices are allowed.

        Returns:
            One example for an integer, else an array with the examples along its first axis.
        """
        if isinstance(rows, (int, np.integer)):
            return self.read(name, [int(rows)])[0]
        index = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)
        out = np.empty((len(index), *self.shape(name)[1:]), dtype=self._open(0)[name].dtype)
        shard_of = np.searchsorted(self._offsets, index, side="right") - 1
        for shard in np.unique(shard_of):
            here = np.flatnonzero(shard_of == shard)
            local, source = index[here] - self._offsets[shard], self._open(int(shard))[name]
            first, last = local.min(), local.max()
            # h5py reads a slice far faster than rows one by one, and those far faster than a list of rows.
            if last - first < CLOSE * len(local):
                out[here] = source[first : last + 1][local - first]
            else:
                for place, row in zip(here, local, strict=True):
                    out[place] = source[row]
        return out

    def blocks(self, name: str, size: int) -> Iterator[tuple[slice, np.ndarray]]:
        """All examples in order, ``size`` at a time, so that no set has to fit in memory."""
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            yield rows, self.read(name, rows)

    def _open(self, shard: int) -> h5py.File:
        if self._pid != os.getpid():  # HDF5 handles do not survive a fork.
            self._files, self._pid = {}, os.getpid()
        if shard not in self._files:
            self._files[shard] = h5py.File(self.shards[shard], "r")
        return self._files[shard]


def _shard_paths(source: str | Path | Sequence[str | Path]) -> list[Path]:
    if isinstance(source, (str, Path)):
        path = Path(source)
        paths = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    else:
        paths = [Path(item) for item in source]
    missing = [path for path in paths if not path.is_file()]
    if not paths or missing:
        raise NotADataSet(f"{missing[0] if missing else source}: no shard (*.h5) of a data set is there.")
    return paths


def _read_table(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    try:
        with h5py.File(path, "r") as file:
            columns = {}
            for name in json.loads(file.attrs["columns"]):
                stored = file["table"][name]
                is_text = h5py.check_string_dtype(stored.dtype) is not None
                columns[name] = stored.asstr()[()] if is_text else stored[()]
            return pd.DataFrame(columns), json.loads(file.attrs["attributes"])
    except (OSError, KeyError) as error:
        raise NotADataSet(
            f"{path}: not a shard written by skyneedle ({error}); delete it and run again."
        ) from error
