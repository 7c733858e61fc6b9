"""The leak: found where it is planted, absent where it is not."""

import json

import pandas as pd
import pytest

from skyneedle.core.errors import NotADataSet
from skyneedle.transfer.evaluate import leak
from tests.unit.transfer.evaluate import made


def test_what_is_remembered_of_objects_shows_where_copies_are_divided():
    found = leak.judge(made.leak(), 60)
    assert found["leak_true"]["low"] > 0.05
    assert found["thesis_shuffled"]["low"] > 0.7  # nothing to be learned, and yet
    assert found["grouped_shuffled"]["low"] < 0.5 < found["grouped_shuffled"]["high"] + 0.1
    assert found["leak_true"]["value"] == pytest.approx(
        found["thesis_true"]["value"] - found["grouped_true"]["value"]
    )
    assert found["thesis_true"]["n"] == 56
    assert found["thesis_true"]["n_stamps"] == 56 * 4


def test_without_memory_both_protocols_agree():
    found = leak.judge(made.leak(memory=0.0), 60)
    assert found["leak_true"]["low"] - 0.05 < 0 < found["leak_true"]["high"] + 0.05


def test_the_pair_has_a_narrower_interval_than_its_parts():
    found = leak.judge(made.leak(memory=0.3), 200)
    width = {key: entry["high"] - entry["low"] for key, entry in found.items()}
    assert width["leak_true"] < (width["thesis_true"] ** 2 + width["grouped_true"] ** 2) ** 0.5


def test_files(tmp_path):
    paths = {}
    for seed, name in enumerate(("resnet", "inception")):
        paths[name] = tmp_path / f"{name}.parquet"
        made.leak(memory=2 + seed, seed=seed).to_parquet(paths[name])
    leak.write(paths, tmp_path / "leak.csv", tmp_path / "transfer_leak.json", 30)
    table = pd.read_csv(tmp_path / "leak.csv")
    assert len(table) == 2 * 2 * 3
    assert list(table.columns) == list(leak.COLUMNS)
    assert (table["low"] <= table["high"]).all()
    found = json.loads((tmp_path / "transfer_leak.json").read_text())
    best = max(found[f"{name}_thesis_true"]["value"] for name in paths)
    assert found["best_thesis"]["value"] == best
    assert found["resnet_leak_shuffled"]["quantity"].startswith("resnet: AUC")


def test_a_protocol_that_is_missing_is_named():
    table = made.leak()
    with pytest.raises(NotADataSet, match="grouped"):
        leak.judge(table[table["protocol"] == "thesis"], 10)
