"""Numbers of parameters, held against the paper's tables."""

import json
from pathlib import Path

import pandas as pd
import pytest

from skyneedle.core import scoreboard
from skyneedle.core.errors import UnknownNetwork
from skyneedle.transients import architecture, networks
from skyneedle.transients.figures import diagrams

PUBLISHED = Path(__file__).resolve().parents[3] / "config" / "published.tsv"


def test_every_number_of_table_4_is_counted_in_the_networks(tmp_path):
    architecture.write_metrics(tmp_path / "architectures.json", {"scale": "smoke"})
    board = scoreboard.build(PUBLISHED, [tmp_path / "architectures.json"], "smoke")
    table = board[(board["paper"] == "ayyar2022") & (board["item"] == "Table 4")]
    assert len(table) == 44
    assert table["reproduced"].tolist() == table["published"].astype(float).tolist()


def test_what_is_written_is_what_the_paper_prints_and_no_more(tmp_path):
    architecture.write_metrics(tmp_path / "architectures.json")
    found = {key for key, value in json.loads((tmp_path / "architectures.json").read_text()).items() if value}
    table = scoreboard.read_published(PUBLISHED)
    asked = {name.partition("/")[2] for name in table["metric"] if name.startswith("architectures/")}
    assert found == asked


@pytest.mark.parametrize(("name", "printed"), [("cnn1", 266_000), ("cnn2", 415_000), ("cnn3", 853_000)])
def test_table_1_rounds_the_total_with_running_means(name, printed):
    network = networks.build(name)
    total = architecture.n_parameters(network)
    assert total - networks.n_trainable(network) == sum(
        2 * module.num_features for module in network.modules() if hasattr(module, "num_features")
    )
    assert round(total, -3) == pytest.approx(printed, abs=1000)


OWN = """
from torch import nn

class Own(nn.Module):
    def __init__(self, channels=("srch", "diff"), size=51):
        super().__init__()
        self.channels, self.size = channels, size
        first = (nn.ReLU(), nn.Conv2d(2, 3, 50), nn.ReLU(), nn.Softsign(), nn.Flatten())
        self.layers = nn.Sequential(*first, nn.Linear(12, 1), nn.Flatten(0))

    def forward(self, x):
        return self.layers(x)
"""


def test_a_network_of_ones_own_and_one_with_options_are_written_layer_by_layer(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    architecture.write(f"{tmp_path}/own.py:Own", {}, tmp_path / "own.csv")
    table = pd.read_csv(tmp_path / "own.csv", keep_default_na=False)
    kinds = ["ReLU", "Conv2D", "Softsign", "Dense", ""]
    assert table["type"].tolist() == kinds
    assert table["parameters"].iloc[-1] == 2 * 3 * 50**2 + 3 + 13
    diagrams.fig1(tmp_path / "own.csv", tmp_path / "fig1")
    assert set(pd.read_csv(tmp_path / "fig1.csv")["type"]) == {"input", "ReLU", "Conv2D", "Softsign", "Dense"}
    written = {}
    for channels in (["temp", "srch"], ["temp", "srch", "diff"]):
        architecture.write("cnn1", {"channels": channels}, tmp_path / "two.csv")
        written[len(channels)] = pd.read_csv(tmp_path / "two.csv")
    assert written[2]["input_shape"].iloc[0] == "(2,51,51)"
    assert written[3]["parameters"].iloc[-1] == 265_165
    (tmp_path / "own.py").write_text(OWN.replace("self.channels, self.size", "self.c, self.s"))
    with pytest.raises(UnknownNetwork, match="attribute"):
        architecture.write(f"{tmp_path}/own.py:Own", {}, tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()
