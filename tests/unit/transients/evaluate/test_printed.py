"""Tables of the paper from its published numbers and metric files."""

import json

import pandas as pd
import pytest

from skyneedle.transients.evaluate import printed

ROWS = (
    ("Table 1", "Model 1: area under the curve", "0.994", "phase1_cnn1/auc_testing"),
    ("Table 2", "Model 1: category 1", "0.0035", "categories/cnn1_category1"),
    ("Table 2", "Model 3: category 1", "0.0076", "categories/cnn3_category1"),
    ("Sec. 4.5", "FPR of Model 1 at an MDR of 0.05", "0.008", "phase2_cnn1/fpr_at_mdr05_testing"),
)


@pytest.fixture
def files(tmp_path):
    published = tmp_path / "published.tsv"
    lines = [
        "\t".join(["ayyar2022", item, quantity, value, "", "A sentence.", metric])
        for item, quantity, value, metric in ROWS
    ]
    published.write_text("paper\titem\tquantity\tvalue\tunit\tsentence\tmetric\n" + "\n".join(lines) + "\n")
    metrics = tmp_path / "categories.json"
    metrics.write_text(json.dumps({"cnn1_category1": {"value": 0.004, "low": 0.003, "high": 0.005, "n": 60}}))
    return published, [metrics]


def test_a_row_for_each_number_with_ours_or_the_reason(files):
    table = printed.table("Table 2", *files, "smoke")
    assert table["model"].tolist() == ["Model 1", "Model 3"]
    assert table["quantity"].tolist() == ["category 1", "category 1"]
    assert table["reproduced"][0] == 0.004
    assert pd.isna(table["reproduced"][1])
    assert "no metric 'cnn3_category1'" in table["note"][1]


def test_files_as_csv_and_markdown(files, tmp_path):
    printed.write_tables(*files, "smoke", {"table2": tmp_path / "table2", "table1": tmp_path / "table1"})
    assert pd.read_csv(tmp_path / "table2.csv")["published"].tolist() == [0.0035, 0.0076]
    assert "Table 1: the four networks" in (tmp_path / "table1.md").read_text()


def test_learning_curves_are_tidy(tmp_path):
    for k in range(2):
        pd.DataFrame(
            {"epoch": [1, 1, 2, 2], "split": ["training", "validation"] * 2, "loss": [4, 3, 2, 1 + k]}
        ).assign(accuracy=[None, 0.5, None, 0.6]).to_csv(tmp_path / f"{k}.csv", index=False)
    printed.write_learning_curves({"cnn1": [tmp_path / "0.csv", tmp_path / "1.csv"]}, tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == ["network", "seed", "epoch", "split", "quantity", "value"]
    assert len(table) == 2 * (4 + 2)  # a loss in each row, an accuracy in every second one
    last = table[(table["seed"] == 1) & (table["quantity"] == "loss") & (table["split"] == "validation")]
    assert last["value"].tolist() == [3, 2]
