"""Architecture diagrams: every map and every slice, with its size."""

from pathlib import Path

import pandas as pd
import pytest

from skyneedle.core import architecture as core_architecture
from skyneedle.lenses import architecture, networks
from skyneedle.lenses.figures import architectures, draw


@pytest.mark.parametrize(("name", "figure"), [("ou66", "fig7_ou66"), ("ou200", "fig8_ou200")])
def test_every_module_is_drawn_with_the_shape_it_has(name, figure, tmp_path):
    network = networks.build(name)
    path = tmp_path / "layers.csv"
    architecture.layers(network).to_csv(path, index=False)
    draw.FIGURES[figure](layers=path, stem=tmp_path / figure, provenance={})
    drawn = pd.read_csv(tmp_path / f"{figure}.csv")
    kinds = {"Conv2d": "Conv2D", "MaxPool2d": "MaxPool2D", "Linear": "Dense", "ReLU": "ReLU"}
    leaves = [type(module).__name__ for module in network.modules() if not list(module.children())]
    assert drawn["type"].tolist() == ["input", *(kinds.get(leaf, leaf) for leaf in leaves)]
    assert drawn["parameters"].sum() == sum(parameter.numel() for parameter in network.parameters())
    assert drawn.iloc[0][["channels", "side"]].tolist() == [4, network.size]
    last_map = drawn[drawn["type"] == "Dropout"].iloc[-1]
    assert last_map["channels"] * last_map["side"] ** 2 == network.fc_layer[0].in_features


def test_all_slices_of_a_map_have_its_size(tmp_path):
    layers = architecture.layers(networks.build("ou66"))
    shown = core_architecture.blocks(layers)
    assert shown.groupby("place")["side"].nunique().max() == 1
    architectures.fig7(layers, tmp_path / "fig7")
    assert Path(tmp_path / "fig7.svg").read_text().count("conv") == 9
