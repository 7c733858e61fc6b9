"""Tables of the paper with our numbers beside."""

import json
from pathlib import Path

import pandas as pd
import pytest

from skyneedle.lenses.evaluate import printed

PUBLISHED = Path(__file__).resolve().parents[4] / "config" / "published.tsv"


@pytest.fixture
def files(tmp_path):
    entry = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "definition": "said"}
    contents = {
        "ou66": {
            "f1_testing_at_half": entry,
            "recall_arcs_at_half": entry | {"value": 0.3, "note": "at chance"},
            "auroc_testing": entry | {"value": 0.9, "low": 0.85, "high": 0.95},
            "recall_testing": entry,
        },
        "ou_h": {
            "f1_testing_at_half": entry | {"value": 0.7},
            "recall_arcs_at_half": entry | {"value": 0.2},
            "auroc_testing": entry,
            "precision_testing": {"value": None, "reason": "none called", "n_lenses": 5, "n_non_lenses": 5},
            "precision_arcs": {"value": None, "reason": "no non-lenses", "n_lenses": 5, "n_non_lenses": 0},
        },
        "known_compounds": {
            "cosmic_horseshoe_ou66": entry | {"value": 0.99},
            "cosmic_horseshoe_ou_h": entry | {"value": 0.2, "note": "said of it"},
            "cosmic_horseshoe_mine": entry | {"value": 0.7},
            "SDSSJ0946+1006_ou_h": {"value": None, "reason": "not fetched"},
        },
        "known_compounds_ou_tsne": {"cosmic_horseshoe_ou_tsne": entry | {"value": 0.6}},
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return [tmp_path / f"{name}.json" for name in contents]


def test_tables_have_every_number_printed(files):
    fifth = printed.table("Table 5", PUBLISHED, files, "smoke")
    assert len(fifth) == 15
    row = fifth.set_index(["model", "quantity"]).loc[("OU-66", "AUROC")]
    assert (row["published"], row["reproduced"]) == ("0.617", 0.9)
    sixth = printed.table("Table 6", PUBLISHED, files, "smoke").set_index(["model", "quantity"])
    assert sixth.loc[("OU-66", "recall, arcs"), "reproduced"] == 0.3
    assert sixth.loc[("OU-200", "recall, test data"), "published"] == "0.4423"
    assert "0.44.23" in sixth.loc[("OU-200", "recall, test data"), "note"]


def test_table_7_has_the_numbers_printed_and_every_other_network(files):
    seventh = printed.answered(PUBLISHED, files, "smoke")
    assert len(seventh) == 8 + 4
    seventh = seventh.set_index(["model", "quantity"])
    row = seventh.loc[("OU-66", "J1148+1930")]
    assert row[["published", "reproduced", "note"]].tolist() == ["1.0000", 0.99, ""]
    # AUROC 0.4 to 0.6 on the testing set.
    row = seventh.loc[("OU-H", "J1148+1930")]
    assert row[["published", "reproduced", "low", "n"]].tolist() == ["", 0.2, 0.4, 10]
    assert row["note"] == "said of it; at chance: AUROC interval reaches 0.5"
    row = seventh.loc[("OU-H", "SDSS J0946+1006")]
    assert pd.isna(row["reproduced"])
    assert row["note"] == "not fetched"
    assert seventh.loc[("OU-T-SNE", "J1148+1930"), "reproduced"] == 0.6
    assert seventh.loc[("mine", "J1148+1930"), "reproduced"] == 0.7


def test_a_network_at_chance_that_is_in_the_paper_says_so(files):
    content = json.loads(files[0].read_text())
    content["auroc_testing"] |= {"value": 0.51, "low": 0.5}
    files[0].write_text(json.dumps(content))
    seventh = printed.answered(PUBLISHED, files, "smoke").set_index(["model", "quantity"])
    assert seventh.loc[("OU-66", "J1148+1930"), "note"] == "at chance: AUROC interval reaches 0.5"


def test_bands_of_table_2_and_what_is_missing():
    table = printed.bands({"SL2S J02176-0513": "only a picture is there"}).set_index("lens")
    assert table.loc["SDSS J0946+1006", ["VIS", "Y", "J", "H"]].tolist() == ["F160", "F336", "F438", "F814"]
    assert table.loc["SDSS J0946+1006", "VIS_by_wavelength"] == "F336"
    assert table.loc["SL2S J02176-0513", "data"] == "missing: only a picture is there"
    assert table.loc["SDSS J1148+1930", "data"] == "there"


def test_extremes_are_of_one_network_with_its_interval(files):
    found = printed.summary(files, ["ou66", "ou_h", "ou_y"])
    assert (found["f1_lowest"]["value"], found["f1_highest"]["value"]) == (0.5, 0.7)
    assert found["recall_arcs_highest"] == {
        "value": 0.3,
        "low": 0.4,
        "high": 0.6,
        "n": 10,
        "definition": "said",
        "note": "ou66 at a threshold of 0.5; at chance",
    }
    assert found["recall_rings_highest"]["value"] is None


def test_every_network_at_its_operating_point(files, tmp_path):
    table = printed.networks(files, ["testing", "arcs"])
    assert table[["network", "metric"]].to_numpy().tolist() == [
        ["ou66", "auroc"],
        ["ou66", "recall"],
        ["ou_h", "auroc"],
        ["ou_h", "precision"],
    ]
    assert table["note"].tolist() == ["", "", "", "none called"]
    names = ("table2", "table5", "table6", "table7", "networks")
    out = {name: tmp_path / name for name in names}
    printed.write_tables(PUBLISHED, files, {}, ["testing"], "smoke", out)
    for name in names:
        assert len(pd.read_csv(tmp_path / f"{name}.csv"))
        assert (tmp_path / f"{name}.md").read_text().startswith("# ")
    assert "the testing set stands for it" in (tmp_path / "table5.md").read_text()
    printed.write_tables(PUBLISHED, files, {}, ["testing", "evaluation"], "paper", out)
    assert "stands for it" not in (tmp_path / "table5.md").read_text()
