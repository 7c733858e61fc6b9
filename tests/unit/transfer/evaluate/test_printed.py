"""Tables of the thesis from its published numbers and ours, with networks that were not run."""

import json

import pandas as pd
import pytest

from skyneedle.core import scoreboard
from skyneedle.transfer.evaluate import cells, printed
from tests.conftest import ROOT
from tests.unit.transfer.evaluate import made
from tests.unit.transfer.figures import made as figures_made

PUBLISHED = ROOT / "config" / "published.tsv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    figures_made.tables(folder, n_bootstrap=20)
    return folder


def test_every_number_of_tables_5_1_and_5_2_is_published_once():
    first, second = printed.published(PUBLISHED, "Table 5-1"), printed.published(PUBLISHED, "Table 5-2")
    models, words = list(cells.BACKBONES.values()), list(printed.QUANTITIES.values())
    assert list(first) == [f"{model}: {quantity}" for model in models for quantity in words]
    assert first["Xception: ROC AUC"] == "0.9984"
    assert first["NasNet: F1-score"] == "0.1549"
    assert len(second) == 18
    assert second["ResNet, grade C: standard deviation"] == "0.447"


def test_table_5_1_has_a_row_for_each_network_and_each_cell_that_was_not_run(folder):
    table = pd.read_csv(folder / "printed_cross_validation.csv", keep_default_na=False)
    ran = table[table["network"] != ""]
    assert ran["network"].tolist() == [
        *("xception", "inception", "resnet", "resnet_random", "resnet_full", "resnet_scratch", "nasnet"),
        *("lensflow", "gmm", "kpca_trees"),
    ]
    assert (ran["auc"] != "").all()
    missing = table[table["network"] == ""]
    assert (missing["auc"] == "").all()
    assert missing["note"].str.contains("not run at scale smoke").all()
    for model in cells.BACKBONES.values():
        cells_of = table[table["model"] == model]
        assert set(zip(cells_of["mode"], cells_of["stem"], strict=True)) == set(cells.MODES)
    full = table[table["network"] == "resnet_full"].iloc[0]
    assert full["published_auc"] == "below 0.7"
    assert "1 of 7 folds" in full["note"]
    assert table[table["mode"] == "scratch"]["published_auc"].str.contains("about 0.5").all()
    text = (folder / "printed_cross_validation.md").read_text()
    assert "(no interval)" in text  # one fold has no spread
    assert "nan" not in text.replace("NasNet", "")
    assert (
        "| Xception | xception | galaxies | fixed | frozen | 7 | 23 M | 20,000,000 (8,000) | 0.9984 |" in text
    )


def test_table_5_2_has_rows_for_networks_that_were_not_run():
    found = pd.DataFrame(
        {
            **{"network": ["xception"], "model": ["Xception"], "grade": ["A"], "quantity": ["mean"]},
            **{"value": [0.9], "low": [0.8], "high": [1.0], "n": [40], "n_folds": [7], "words": [""]},
        }
    )
    table = printed.by_grade(found, printed.published(PUBLISHED, "Table 5-2"))
    assert len(table) == 1 + 2 * 6
    assert table["published"].iloc[0] == "0.982"
    missing = table[table["network"] == ""]
    assert set(missing["model"]) == {"Inception", "ResNet"}
    assert missing["published"].ne("").all()
    assert missing["note"].str.contains("not run").all()


def test_real_stamps_stand_below_their_areas_or_the_reason(folder, tmp_path):
    text = (folder / "printed_reality.md").read_text()
    assert "| 1 | object 0 |" in text
    answers = pd.read_csv(folder / "answers.csv").iloc[:0]
    answers.to_csv(tmp_path / "answers.csv", index=False)
    files = {name: folder / f"{name}_table.csv" for name in ("methods", "grades", "reality")}
    files |= {"published": PUBLISHED, "architectures": folder / "architectures.json"}
    files |= {"folds": folder / "folds.csv", "answers": tmp_path / "answers.csv"}
    printed.write_tables(
        files, "smoke", {name: tmp_path / name for name in ("cross_validation", "grades", "folds", "reality")}
    )
    assert "see the reason above" in (tmp_path / "reality.md").read_text()


def test_the_scoreboard_finds_what_was_judged(folder):
    files = [folder / f"transfer_{entry['name']}.json" for entry in made.ENTRIES]
    stems = {"modes": "modes", "grades": "grades", "leak": "leak", "table": "table5_1", "reality": "reality"}
    for name, stem in stems.items():
        path = folder / "board" / f"transfer_{stem}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text((folder / f"transfer_{name}.json").read_text())
        files.append(path)
    board = scoreboard.build(PUBLISHED, files, "smoke")
    ours = board[board["paper"] == printed.PAPER].set_index(["item", "quantity"])
    first = ours.loc[("Abstract", "ROC AUC, largest mean over folds")]
    table = json.loads((folder / "board" / "transfer_table5_1.json").read_text())
    assert first["reproduced"] == pytest.approx(table["best_auc"]["value"])
    assert ours.loc[("Sec. 5.2", "ROC AUC with the full network trained"), "published"] == "below 0.7"
    assert ours.loc[("Sec. 5.2", "ROC AUC with the full network trained"), "low"] > 0
    assert "no VGG16" in ours.loc[("Table 5-1", "VGG16: ROC AUC"), "note"]
    assert ours.loc[("Table 5-2", "Xception, grade B: standard deviation"), "reproduced"] > 0
    judged = board[board["item"] == "transfer_lensflow"]
    assert "ROC AUC, mean over folds" in set(judged["quantity"])
    leaks = board[board["item"] == "leak"]
    assert len(leaks) == 2 * 6
    assert ((board["reproduced"].notna()) | (board["note"] != "")).all()


def test_every_row_of_the_thesis_has_its_sentence_and_a_metric_or_a_reason():
    table = scoreboard.read_published(PUBLISHED)
    mine = table[table["paper"] == printed.PAPER]
    assert len(mine) > 100
    assert (mine["sentence"].str.len() > 10).all()
    stems = set(mine["metric"].str.partition("/")[0]) - {""}
    assert all(stem.startswith("transfer_") for stem in stems)
    assert not mine.duplicated(["item", "quantity"]).any()
    others = mine[mine["item"].isin(["Fig. 2-2", "Fig. 2-3"])]
    assert others["reason"].str.contains("other people's data").all()
