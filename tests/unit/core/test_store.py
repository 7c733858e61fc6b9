"""Shards read as one data set."""

import multiprocessing

import h5py
import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import NotADataSet


@pytest.fixture
def folder(tmp_path):
    """Three shards of 4, 1 and 3 examples whose values are their ids."""
    first = 0
    for shard, n in enumerate((4, 1, 3)):
        ids = np.arange(first, first + n)
        arrays = {"strain": np.repeat(ids[:, None].astype(np.float32), 5, axis=1)}
        table = pd.DataFrame({"id": ids, "glitch": ["blip" if i == 2 else "" for i in ids], "snr": ids * 1.5})
        store.write(tmp_path / f"{shard:03d}.h5", arrays, table, {"seed": 7, "detectors": ["H1"]})
        first += n
    return tmp_path


def test_reads_across_shards_in_any_order(folder):
    data = store.DataSet(folder)
    assert len(data) == 8
    assert data.shape("strain") == (8, 5)
    assert data.attributes == {"seed": 7, "detectors": ["H1"]}
    assert data.table["id"].tolist() == list(range(8))
    assert data.table["glitch"].tolist() == ["", "", "blip", "", "", "", "", ""]
    for rows in ([7, 0, 4, 0], [3, 0, 2, 2], np.array([3, 4, 5]), slice(2, 7, 2), slice(None)):
        expected = np.arange(8)[rows]
        assert data.read("strain", rows)[:, 0].tolist() == expected.tolist()
    assert data.read("strain", 6).tolist() == [6.0] * 5
    assert data.read("strain", []).shape == (0, 5)


@pytest.mark.parametrize("rows", [[40, 3, 40, 17], [5, 6, 9], [49], np.arange(49, -1, -7)])
def test_rows_come_in_the_order_asked_for_near_or_far_apart(tmp_path, rows):
    values = np.arange(100.0).reshape(50, 2)
    store.write(tmp_path / "one.h5", {"x": values}, pd.DataFrame({"id": np.arange(50)}), {})
    assert (store.DataSet(tmp_path).read("x", rows) == values[rows]).all()


def test_blocks_cover_everything_once(folder):
    data = store.DataSet(folder)
    seen = [value for _, block in data.blocks("strain", 3) for value in block[:, 0].tolist()]
    assert seen == list(range(8))


def test_other_data_are_another_fingerprint(folder):
    one = store.digest(store.DataSet(folder), ["strain"])
    assert store.digest(store.DataSet(folder), ["strain"]) == one
    path = folder / "002.h5"
    shard = store.DataSet(path)
    strain = shard.read("strain", slice(None))
    strain[0, 0] += 1
    store.write(path, {"strain": strain}, shard.table, shard.attributes)
    assert store.digest(store.DataSet(folder), ["strain"]) != one


def _first_value(data, row, answers):
    answers.put(float(data.read("strain", row)[0]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reads_in_child_processes(folder, method):
    data = store.DataSet(folder)
    data.read("strain", 0)
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=_first_value, args=(data, 5, answers))
    child.start()
    assert answers.get(timeout=15) == 5.0
    child.join()


def test_same_content_same_bytes(tmp_path):
    table = pd.DataFrame({"id": [1, 2], "kind": ["a", "b"]})
    for name in ("one.h5", "two.h5"):
        store.write(tmp_path / name, {"x": np.arange(6.0).reshape(2, 3)}, table, {"b": 1, "a": [2]})
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_failed_write_leaves_nothing(tmp_path):
    table = pd.DataFrame({"id": [1, 2]})
    with pytest.raises(NotADataSet, match="array 'x' has 3 examples, its table 2 rows"):
        store.write(tmp_path / "bad.h5", {"x": np.zeros(3)}, table, {})
    with pytest.raises(TypeError):
        store.write(tmp_path / "bad.h5", {"x": np.zeros(2)}, table, {"not json": object()})
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_data_set_is_named(tmp_path):
    with pytest.raises(NotADataSet, match="no shard"):
        store.DataSet(tmp_path)
    (tmp_path / "page.h5").write_text("<html>")
    with pytest.raises(NotADataSet, match=r"page\.h5"):
        store.DataSet(tmp_path)
    with h5py.File(tmp_path / "page.h5", "w") as file:
        file["strain"] = np.zeros(3)
    with pytest.raises(NotADataSet, match="not a shard written by skyneedle"):
        store.DataSet(tmp_path)


@pytest.mark.parametrize(("n_examples", "n_shards"), [(10, 3), (7, 7), (2, 4), (32768, 64)])
def test_shard_ids_cover_each_id_once(n_examples, n_shards):
    ids = [i for shard in range(n_shards) for i in store.shard_ids(100, n_examples, shard, n_shards)]
    assert ids == list(range(100, 100 + n_examples))


def test_a_shard_written_in_blocks_is_read_as_any_other(tmp_path):
    whole = np.arange(42, dtype=np.float32).reshape(7, 3, 2)
    blocks = ({"x": whole[k : k + 3], "y": np.arange(k, min(k + 3, 7))} for k in (0, 3, 6))
    table = pd.DataFrame({"id": range(7)})
    store.write_blocks(tmp_path / "0.h5", blocks, lambda: (table, {"a": 1}))
    data = store.DataSet(tmp_path)
    assert (data.read("x", slice(None)) == whole).all()
    assert data.read("y", slice(None)).tolist() == list(range(7))
    assert data.table.equals(table)
    assert data.attributes == {"a": 1}


def test_blocks_that_do_not_fit_leave_no_file(tmp_path):
    table = pd.DataFrame({"id": range(7)})
    for blocks, words in (
        ([{"x": np.zeros(3)}], "blocks have 3 examples, its table 7 rows"),
        ([{"x": np.zeros(3), "y": np.zeros(4)}], r"one block have \[3, 4\] examples"),
    ):
        with pytest.raises(NotADataSet, match=words):
            store.write_blocks(tmp_path / "0.h5", blocks, lambda: (table, {}))
    assert not list(tmp_path.iterdir())
