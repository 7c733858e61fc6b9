"""Tables 3 and 4 from the modules, beside the printed ones."""

from pathlib import Path

import pandas as pd
import pytest

from skyneedle.lenses import architecture, networks

PRINTED = Path(__file__).resolve().parents[3] / "config" / "wilde2022_architectures.tsv"


@pytest.mark.parametrize(
    ("name", "n_rows", "total", "counts"),
    [("ou66", 24, 203192, set()), ("ou200", 19, 331632, {"4", "8", "12"})],
)
def test_tables_differ_from_the_printed_ones_where_those_are_known_to_be_wrong(name, n_rows, total, counts):
    table = architecture.table(name, PRINTED)
    assert len(table) == n_rows
    assert table["parameters"].iloc[-1] == str(total)
    assert table["parameters"].iloc[:-1].astype(int).sum() == total
    said = {row.layer: row.paper_prints for row in table.itertuples() if row.paper_prints}
    pools = set(table.loc[table["type"] == "MaxPool2D", "layer"])
    assert set(said) == pools | counts | {table["layer"].iloc[-2]}
    assert {said[layer] for layer in pools} == {"stride (1,1)"}
    assert all(said[layer].startswith("count ") for layer in counts)
    assert said[table["layer"].iloc[-2]] == "activation Softmax"  # the modules end with logits


def test_kernel_counts_of_table_4_stand_one_row_too_low():
    table = architecture.table("ou200", PRINTED)
    printed = pd.read_csv(PRINTED, sep="\t", dtype=str, keep_default_na=False)
    as_printed = printed[(printed["table"] == "4") & (printed["type"] == "Conv2D")]["count"].tolist()
    real = table[table["type"] == "Conv2D"]["count"].tolist()
    assert real == ["50", "40", "30", "20", "20", "20"]
    assert as_printed == ["50", *real[:-1]]


def test_a_layer_that_is_not_printed_is_named_and_no_hook_stays():
    network = networks.build("ou_j").train()
    real = architecture.layers(network)
    assert real["input_shape"].iloc[0] == "(1,66,66)"
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    compared = architecture.compared(real, real[real["layer"] != "32"])
    assert compared.set_index("layer")["paper_prints"].to_dict() == {
        layer: "no such layer" if layer == "32" else "" for layer in real["layer"]
    }
