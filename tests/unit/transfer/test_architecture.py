"""Networks as tables: read off the modules, and as the thesis prints them."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from skyneedle.transfer import architecture

PRINTED = Path(__file__).resolve().parents[3] / "config" / "akhazhanov2018_architectures.tsv"


class Branched(nn.Module):
    """Two branches and a shortcut."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU()
        self.left, self.pool = nn.Conv2d(4, 4, (1, 3), padding=(0, 1)), nn.MaxPool2d(3, 1, 1)

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        return torch.cat([self.left(x) + x, self.pool(x)], 1)


@pytest.mark.parametrize("with_activations", [True, False])
def test_a_graph_is_that_of_the_module(with_activations):
    table = architecture.graph(Branched(), [(3, 20, 20)], "all", with_activations)
    assert list(table.columns) == architecture.COLUMNS
    found = {row.node: (row.label, row.inputs) for row in table.itertuples()}
    before = "relu" if with_activations else "first"
    assert found["first"] == ("3×3 /2", "x")
    assert found["left"] == ("1×3", before)
    assert found["add"] == ("+", f"left {before}")
    assert found["pool"] == ("maximum 3×3", before)
    assert found["cat"] == ("concatenation", "add pool")
    assert ("relu" in found) == with_activations
    assert "norm" not in found
    sizes = table.set_index("node")[["channels", "height", "width"]]
    assert sizes.loc["cat"].tolist() == [8, 10, 10]
    assert table.set_index("node").loc["first", "parameters"] == 4 * 27 + 4


def test_graphs_have_all_parameters_but_those_of_normalisations_outside_boxes():
    inception = architecture.graph_of("inception")
    whole = inception[inception["panel"] == "network"]
    assert whole["parameters"].sum() == 23_834_568
    assert (whole["kind"] == "convolution").sum() == 94
    deeplens = architecture.graph_of("deeplens")
    labels = deeplens.loc[deeplens["kind"] == "bottleneck", "label"]
    assert len(labels) == 15
    assert labels.str.endswith("/2").sum() == 4


def test_cells_of_nasnet_are_the_published_ones():
    table = architecture.graph_of("nasnet")
    normal, reduction = (part for _, part in table.groupby("panel", sort=False))
    # Source: Zoph et al. 2018, Fig. 4: five pairs of operations each.
    assert (normal["kind"] == "sum").sum() == (reduction["kind"] == "sum").sum() == 5
    counts = normal["label"].value_counts()
    assert [counts[name] for name in ("separable 3×3", "separable 5×5", "average 3×3")] == [3, 2, 3]
    counts = reduction["label"].value_counts()
    pools = ("separable 7×7 /2", "separable 5×5 /2", "separable 3×3", "maximum 3×3 /2", "average 3×3 /2")
    assert [counts[name] for name in (*pools, "average 3×3")] == [2, 2, 1, 2, 1, 1]
    assert normal.iloc[-1][["channels", "height"]].tolist() == [1008, 42]
    assert reduction.iloc[-1][["channels", "height"]].tolist() == [1344, 21]


def test_layers_of_vgg16():
    table = architecture.layers_of("vgg16")
    assert int(table.iloc[-1]["parameters"]) == 138_357_544
    assert (table["type"] == "Conv2D").sum() == 15  # 13, and two dense layers written as convolutions
    assert not table["type"].str.contains("Pool2d").any()


def test_table_3_1_agrees(tmp_path):
    architecture.write_table(PRINTED, tmp_path / "table")
    table = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert table["agrees"].tolist() == ["yes"] * 11 + [""]
    assert int(table.iloc[-1]["parameters"]) == 8_754_532
    assert table["parameters"][:-1].sum() == 8_754_532
    assert (tmp_path / "table.md").read_text().count("\n") > 12


def test_every_table_of_the_figures_is_written(tmp_path):
    outs = {name: tmp_path / f"{name}.csv" for name in [*architecture.LAYERS, *architecture.GRAPHS]}
    architecture.write(outs)
    assert all(len(pd.read_csv(path)) > 7 for path in outs.values())
