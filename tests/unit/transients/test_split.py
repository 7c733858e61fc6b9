"""Splits: no host, night or id in two of them, shares as asked for, the same each time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyneedle.core import store
from skyneedle.core.errors import BadSplit
from skyneedle.transients import split

PHASE1 = {"training": 0.5, "validation": 0.05, "testing": 0.05, "reserve": 0.4}
PHASE2 = {"training": 0.7, "validation": 0.1, "testing": 0.2}


def survey(n_fields=60, per_field=20, seed=0):
    """Fields of two nights and a few hosts each, which are seen in both; a few detections have no host."""
    rng = np.random.default_rng(seed)
    n = n_fields * per_field
    field = np.repeat(np.arange(n_fields), per_field)
    night = 20130901 + 2 * field + rng.integers(2, size=n)
    host = np.where(rng.random(n) < 0.06, -1, 5 * field + rng.integers(5, size=n))
    table = pd.DataFrame({"id": rng.permutation(n) + 10**12, "night": night, "host_id": host})
    return table.assign(expid=100 * night, label_given=rng.integers(2, size=n))


def shards(folder, table, n=2):
    paths = [folder / "data" / f"{k}.h5" for k in range(n)]
    for path, part in zip(paths, np.array_split(np.arange(len(table)), n), strict=True):
        store.write(path, {}, table.iloc[part], {})
    return paths


@pytest.mark.parametrize("fractions", [PHASE1, PHASE2])
def test_no_host_no_night_and_no_id_is_in_two_splits(tmp_path, fractions):
    table = survey()
    split.write(tmp_path / "a.parquet", shards(tmp_path, table), fractions, 3)
    found = pd.read_parquet(tmp_path / "a.parquet")
    assert found["id"].is_unique
    assert found["id"].dtype == np.int64
    assert set(found["id"]) == set(table["id"])
    both = table.merge(found, on="id")
    for column in ("host_id", "night", "group"):
        seen = both[both[column] >= 0].groupby(column)["split"].nunique()
        assert seen.max() == 1
    shares = both["split"].value_counts(normalize=True)
    for name, share in fractions.items():
        assert shares[name] == pytest.approx(share, abs=0.02)
    assert found.attrs["reached"]["training"] == pytest.approx(shares["training"])
    assert found.attrs["n_groups"] <= 60 + 4


def test_splits_are_the_same_whatever_the_shards_and_others_with_another_seed(tmp_path):
    table = survey()
    one = split.write(tmp_path / "a.parquet", shards(tmp_path / "a", table), PHASE1, 3)
    two = split.write(
        tmp_path / "b.parquet", shards(tmp_path / "b", table.sample(frac=1, random_state=1), 3), PHASE1, 3
    )
    assert one[["id", "split"]].equals(two[["id", "split"]])
    other = split.write(tmp_path / "c.parquet", shards(tmp_path / "c", table), PHASE1, 4)
    assert (one["split"] != other["split"]).mean() > 0.3


def test_by_id_has_the_published_numbers(tmp_path):
    n = 898_963  # the archive, of which the test sets have 44,948 and 179,792
    place = split._by_id(n, list(PHASE1.values()), np.random.default_rng(0))
    assert np.bincount(place).tolist()[1:] == [44_948, 44_948, 359_585]
    place = split._by_id(n, list(PHASE2.values()), np.random.default_rng(0))
    assert np.bincount(place).tolist()[1:] == [89_896, 179_792]
    table = survey()
    found = split.write(tmp_path / "a.parquet", shards(tmp_path, table), PHASE2, 1, by="id")
    assert found["split"].value_counts().to_dict() == {"training": 840, "validation": 120, "testing": 240}
    both = table.merge(found, on="id")
    assert both.groupby("night")["split"].nunique().max() == 3  # what grouping is there to prevent


def components(table):
    """Groups by walking from example to example; slow and plain."""
    n, group = len(table), [-1] * len(table)
    rows = table.to_dict("records")

    def touch(a, b):
        same_host = a["host_id"] == b["host_id"] >= 0
        if a["night"] >= 0 or b["night"] >= 0:
            return same_host or a["night"] == b["night"]
        return same_host or a["expid"] == b["expid"] >= 0

    for start in range(n):
        if group[start] < 0:
            front, group[start] = [start], start
            while front:
                here = front.pop()
                for k in range(n):
                    if group[k] < 0 and touch(rows[here], rows[k]):
                        group[k] = start
                        front.append(k)
    return group


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6), st.integers(-1, 9)), min_size=1, max_size=14)
)
def test_groups_are_connected_components(drawn):
    table = pd.DataFrame(drawn, columns=["night", "expid", "host_id"]).assign(id=range(len(drawn)))
    found, expected = split.groups(table), components(table)
    assert pd.factorize(found)[0].tolist() == pd.factorize(np.array(expected))[0].tolist()


def test_unknown_nights_are_grouped_by_exposure_or_stand_alone():
    table = pd.DataFrame(
        {
            "id": [5, 6, 7, 8, 9, 10],
            "night": [-1, -1, -1, -1, 8, 8],
            "expid": [8, 8, -1, -1, 1, 2],
            "host_id": [-1, -1, -1, -1, -1, -1],
        }
    )
    # An exposure, an id and a night of the same number have nothing to do with each other.
    assert split.groups(table).tolist() == [0, 0, 1, 2, 3, 3]


def test_ids_in_two_shards_count_once(tmp_path):
    table = survey()
    paths = shards(tmp_path, table)
    twice = table.iloc[:5]
    store.write(tmp_path / "data" / "9.h5", {}, twice, {})
    found = split.write(tmp_path / "a.parquet", [*paths, tmp_path / "data" / "9.h5"], PHASE2, 1)
    assert len(found) == len(table)
    assert found.attrs["n_duplicate_ids"] == 5
    data = store.DataSet([*paths, tmp_path / "data" / "9.h5"])
    rows = split.rows(data, tmp_path / "a.parquet", ["training", "testing", "validation"])
    assert data.table["id"].iloc[rows].is_unique
    assert len(rows) == len(table)


def test_rows_of_a_split(tmp_path):
    table = survey()
    paths = shards(tmp_path, table)
    found = split.write(tmp_path / "a.parquet", paths, PHASE2, 1)
    data = store.DataSet(paths)
    rows = split.rows(data, tmp_path / "a.parquet", "testing")
    assert set(data.table["id"].iloc[rows]) == set(found.loc[found["split"] == "testing", "id"])
    assert len(split.rows(data)) == len(table)
    with pytest.raises(BadSplit, match="no split 'reserve' is there; it has testing, training, validation"):
        split.rows(data, tmp_path / "a.parquet", "reserve")
    store.write(tmp_path / "other.h5", {}, table.assign(id=range(len(table))), {})
    with pytest.raises(BadSplit, match=r"none of its .* ids is in"):
        split.rows(store.DataSet(tmp_path / "other.h5"), tmp_path / "a.parquet", "training")


def test_shares_that_cannot_be_had(tmp_path):
    paths = shards(tmp_path, survey())
    for bad in ({"training": 0.5}, {"training": 0.5, "test": 0.5}, {}, {"training": 1.2, "testing": -0.2}):
        with pytest.raises(BadSplit, match="add up to 1"):
            split.write(tmp_path / "a.parquet", paths, bad, 1)
    with pytest.raises(BadSplit, match="by 'host', expected one of group, id"):
        split.write(tmp_path / "a.parquet", paths, PHASE2, 1, by="host")
    chained = shards(tmp_path / "chained", survey().assign(host_id=1))
    with pytest.raises(BadSplit, match=r"A group of .* does not fit into the largest split, 'training'"):
        split.write(tmp_path / "a.parquet", chained, PHASE2, 1)
    few = shards(tmp_path / "few", survey(n_fields=3), 1)
    with pytest.raises(BadSplit, match="no example is left for 'validation'"):
        split.write(tmp_path / "a.parquet", few, PHASE1, 1)
    assert not (tmp_path / "a.parquet").exists()


def test_folds_keep_groups_together():
    group = np.repeat(np.arange(30), 7)
    found = split.folds(group, 4, np.random.default_rng(0))
    assert np.ptp(np.bincount(found)) <= 7
    assert pd.Series(found).groupby(group).nunique().max() == 1
    with pytest.raises(BadSplit, match="40 folds of 30 groups"):
        split.folds(group, 40, np.random.default_rng(0))
