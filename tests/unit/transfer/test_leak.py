"""The same copies in two divisions: only the one that tears parents apart finds labels that mean nothing."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.core.metrics import Ranking
from skyneedle.transfer import leak
from tests.unit.transfer.small import JOB, embed, entry, table_of

CASES = [(protocol, labels) for protocol in ("thesis", "grouped") for labels in ("true", "shuffled")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leak")
    table = table_of(100, pairs=10)
    path = embed(folder / "hst.h5", table, n_features=240, copies=3, planted=0.7, n_planted=40)
    network = entry(epochs=10, learning_rate=0.03, batch_size=32, max_examples=4)
    leak.measure(network, path, 80, 4, folder / "leak.parquet", state_dir=folder / "state", job=JOB)
    assert not (folder / "state").exists()
    return table, pd.read_parquet(folder / "leak.parquet")


def part(found, protocol, labels):
    return found[(found["protocol"] == protocol) & (found["labels"] == labels)]


def auc(found, protocol, labels):
    rows = part(found, protocol, labels)
    return Ranking(rows["label"], rows["logit"]).auroc()


def test_labels_shuffled_by_parent_are_found_in_the_thesis_protocol_alone(measured):
    found = measured[1]
    assert auc(found, "thesis", "shuffled") > 0.75
    assert auc(found, "grouped", "shuffled") == pytest.approx(0.5, abs=0.17)  # 3 sigma of 80 objects
    assert auc(found, "thesis", "true") > auc(found, "grouped", "true") > 0.6


def test_all_cases_judge_the_same_copies(measured):
    table, found = measured
    judged = {case: part(found, *case).set_index(["id", "copy"]).sort_index() for case in CASES}
    one = judged[CASES[0]]
    assert len(one) == 240
    assert one["parent_id"].nunique() == 80
    for other in judged.values():
        assert (other.index == one.index).all()
    for case, rows in judged.items():
        assert (rows.groupby("id")["label"].nunique() == 1).all()
        truth = table.set_index("id")["label"].reindex(rows.index.get_level_values("id")).to_numpy()
        assert (rows["label"].to_numpy() == truth).all() == (case[1] == "true")
    assert (part(found, "grouped", "true").groupby("parent_id")["fold"].nunique() == 1).all()
    assert (part(found, "thesis", "true").groupby("parent_id")["fold"].nunique() > 1).any()


def test_one_stamp_of_each_parent_is_taken():
    table = table_of(40, pairs=20)
    rows = leak.one_each(table, 20, 0)
    assert table["parent_id"].iloc[rows].is_unique
    assert 0 < table["label"].iloc[rows].sum() < 20
    with pytest.raises(BadSetting, match="n_parents is 21, but the set has stamps of 20 parents"):
        leak.one_each(table, 21, 0)


def test_shuffling_keeps_the_number_of_lenses():
    table = table_of(50).assign(label=np.arange(50) < 10)
    other = leak.shuffled(table, 1)
    assert other["label"].sum() == 10
    assert (other["label"] != table["label"]).any()
    assert (other["id"] == table["id"]).all()
