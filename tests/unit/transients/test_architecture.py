"""Numbers of parameters, held against the paper's tables."""

import json
from pathlib import Path

import pytest

from skyneedle.core import scoreboard
from skyneedle.transients import architecture, networks

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
