"""Lenses of one source and non-lenses of another: what looks like a lens finder tells the sources apart."""

import pandas as pd
import pytest

from skyneedle.core.metrics import Ranking
from skyneedle.transfer import provenance
from tests.unit.transfer.small import JOB, embed, entry, table_of


def measure(folder, shift):
    tables = {"hst": table_of(90, pairs=10), "hard": table_of(60, 1000)}
    files = {
        name: embed(folder / f"{name}.h5", table, planted=0.8, shift=shift * (name == "hard"), seed=4)
        for name, table in tables.items()
    }
    out = folder / "provenance.parquet"
    provenance.measure(entry(epochs=8), files, 3, out, state_dir=folder / "state", job=JOB)
    assert not (folder / "state").exists()
    found = pd.read_parquet(out)
    return found, {
        case: Ranking(rows["label"], rows["logit"]).auroc() for case, rows in found.groupby("case")
    }


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("apart"), 6.0)


def test_sources_that_differ_make_a_score_that_is_not_there_within_a_source(apart):
    _, auc = apart
    assert auc["source"] > 0.95
    assert auc["mixed_apparent"] > 0.95
    assert auc["mixed_first"] < 0.9
    assert auc["mixed_second"] < 0.9
    assert auc["within_first"] > 0.6  # there is something to learn


def test_sources_that_are_alike_are_not_told_apart(tmp_path):
    _, auc = measure(tmp_path, 0.0)
    assert auc["source"] == pytest.approx(0.5, abs=0.2)  # 3 sigma of 45 and 30
    assert auc["mixed_apparent"] == pytest.approx(auc["mixed_first"], abs=0.15)


def test_each_case_judges_what_it_says(apart):
    found, _ = apart
    assert set(found["case"]) == set(provenance.CASES)
    ids = {case: rows.set_index("id")["label"] for case, rows in found.groupby("case")}
    assert len(ids["source"]) == 45 + 30
    assert (ids["source"] == (ids["source"].index >= 1000)).all()
    mixed = ids["mixed_apparent"]
    assert (mixed == (mixed.index < 1000)).all()
    assert len(mixed) == 45 + 30
    for case in ("mixed_first", "within_first"):
        assert sorted(ids[case].index) == list(range(90))
    for case in ("mixed_second", "within_second"):
        assert sorted(ids[case].index) == list(range(1000, 1060))
    assert (found.groupby(["case", "parent_id"])["fold"].nunique() == 1).all()
