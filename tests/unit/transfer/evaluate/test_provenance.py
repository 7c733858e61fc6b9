"""Two sources in one score."""

import json

import pandas as pd
import pytest

from skyneedle.core.errors import NotADataSet
from skyneedle.transfer.evaluate import provenance
from tests.unit.transfer.evaluate import made


def test_what_the_mixture_promises_is_not_there_within_a_source():
    found = provenance.judge(made.provenance(), 60)
    assert found["source"]["low"] > 0.9
    assert found["apparent_minus_first"]["low"] > 0.1
    assert found["apparent_minus_first"]["value"] == pytest.approx(
        found["mixed_apparent"]["value"] - found["mixed_first"]["value"]
    )
    assert found["mixed_second"]["n"] == 56


def test_files(tmp_path):
    made.provenance().to_parquet(tmp_path / "resnet.parquet")
    out, json_out = tmp_path / "provenance.csv", tmp_path / "transfer_provenance.json"
    provenance.write({"resnet": tmp_path / "resnet.parquet"}, out, json_out, 20)
    table = pd.read_csv(out)
    assert table["case"].tolist() == [*provenance.CASES, *provenance.DIFFERENCES]
    found = json.loads(json_out.read_text())
    assert found["resnet_source"]["item"] == "provenance"


def test_a_case_that_is_missing_is_named():
    table = made.provenance()
    with pytest.raises(NotADataSet, match="mixed_first"):
        provenance.judge(table[table["case"] != "mixed_first"], 10)
