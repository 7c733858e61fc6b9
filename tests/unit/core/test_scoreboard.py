"""The scoreboard: nothing published is left out, units agree, every gap has its reason."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from skyneedle.core import scoreboard
from skyneedle.core.errors import BadSetting

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "config" / "published.tsv"
HEADER = "paper\titem\tquantity\tvalue\tunit\tsentence\tmetric\treason\tnote\n"
ROWS = (
    "p2019\tSec. 1\tdetection ratio\t0.89\t\tIt recovers “89%”.\tfcn/detection_ratio\t\t\n"
    "p2019\tSec. 1\tfalse positives\t19.5\tmin\tOnce in 19.5 min.\tfcn/inverse_paper_s_default\t\t8 s\n"
    "p2019\tSec. 2\ttraining\t30\th\tThirty hours.\t\tdepends on the machine\t\n"
    "p2019\tSec. 3\tevent found\t1\t\tIt was found.\tevents_fcn/GW1_found\t\t\n"
    "p2019\tSec. 4\texamples\t32768\t\tMany examples.\tdesign/n_train\t\t\n"
)


def metric(value, low=None, high=None, **more):
    return {"value": value, "low": low, "high": high, "n": 100, "definition": "d"} | more


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.tsv"
    path.write_text(HEADER + ROWS)
    return path


@pytest.fixture
def files(tmp_path):
    contents = {
        "fcn": {
            "detection_ratio": metric(0.87, 0.86, 0.88),
            "inverse_paper_s_default": metric(600.0, 540.0, 690.0),
            "inverse_false_positive_rate_s": metric(None, 7200.0, None, reason=""),
            "provenance": {"commit": "abc"},
        },
        "my_network": {
            "detection_ratio": metric(0.5, 0.4, 0.6),
            "inverse_false_positive_rate_s": metric(120.0, 100.0, 150.0),
        },
        "events_fcn": {"GW1_found": metric(None, reason="no mirror has its strain")},
        "operating_point_fcn": {"threshold": 0.4, "window": 256},
    }
    paths = []
    for name, content in contents.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(content))
    return paths


def test_every_published_row_appears_once_and_in_order(published, files):
    table = scoreboard.build(published, files, "laptop")
    assert table["published"].tolist()[:5] == ["0.89", "19.5", "30", "1", "32768"]
    assert (table["scale"] == "laptop").all()
    assert list(table.columns) == scoreboard.COLUMNS


def test_seconds_are_converted_to_the_published_unit(published, files):
    row = scoreboard.build(published, files, "laptop").iloc[1]
    assert (row["reproduced"], row["low"], row["high"]) == pytest.approx((10.0, 9.0, 11.5))
    assert row["unit"] == "min"
    assert row["note"] == "8 s"


def test_rows_without_a_value_give_their_reason(published, files):
    table = scoreboard.build(published, files, "laptop")
    assert table["note"][2] == "depends on the machine"
    assert table["note"][3] == "no mirror has its strain"
    assert table["note"][4] == "no metric file: design.json"
    gaps = table[table["reproduced"].isna()]
    assert (gaps["note"] != "").all()


def test_design_fills_rows_without_a_file(published, files):
    table = scoreboard.build(published, files, "laptop", design={"n_train": 4000})
    assert table["reproduced"][4] == 4000


def test_a_file_that_cannot_be_made_has_its_reason(published, files):
    table = scoreboard.build(published, files, "laptop", absent={"design": "nothing is trained"})
    assert table["note"][4] == "nothing is trained"
    assert table["note"][2] == "depends on the machine"


def test_a_users_network_gets_its_rows_and_no_value_is_shown_twice(published, files):
    table = scoreboard.build(published, files, "laptop")
    ours = table[table["paper"] == "ours"]
    assert ours["item"].tolist() == ["fcn", "my_network", "my_network"]
    mine = ours[ours["item"] == "my_network"]
    assert mine["reproduced"].tolist() == pytest.approx([0.5, 2.0])
    assert (ours["published"] == "").all()


def test_without_a_false_positive_the_lower_limit_stays(published, files):
    row = scoreboard.build(published, files, "laptop").query("paper == 'ours' and item == 'fcn'").iloc[0]
    assert pd.isna(row["reproduced"])
    assert row["low"] == pytest.approx(120.0)
    assert "lower limit" in row["note"]


def test_files_are_the_table_and_the_same_bytes(published, files, tmp_path):
    table = scoreboard.build(published, files, "laptop")
    first = [path.read_bytes() for path in scoreboard.write(table, tmp_path / "a" / "scoreboard")]
    again = [path.read_bytes() for path in scoreboard.write(table, tmp_path / "b" / "scoreboard")]
    assert first == again
    back = pd.read_csv(tmp_path / "a" / "scoreboard.csv")
    assert len(back) == len(table)
    text = (tmp_path / "a" / "scoreboard.md").read_text()
    assert sum(line.startswith("| p2019") for line in text.splitlines()) == 5


def test_entries_may_ask_for_a_row_and_bring_a_note(tmp_path):
    (tmp_path / "p.tsv").write_text(HEADER + "p\ti\tq\t1\t\tsaid\tou/a_big|ou/a_small\t\t\n")
    ours = {"item": "ou", "quantity": "a difference", "note": "gate: met"}
    content = {"a_small": metric(0.4), "b": metric(0.1) | ours, "auroc_testing": metric(0.9)}
    (tmp_path / "ou.json").write_text(json.dumps(content))
    table = scoreboard.build(tmp_path / "p.tsv", [tmp_path / "ou.json"], "laptop")
    # The first of the two metrics is not there.
    assert table[["quantity", "reproduced"]].iloc[:2].to_numpy().tolist() == [
        ["q", 0.4],
        ["AUROC on the testing set", 0.9],
    ]
    assert table[["quantity", "reproduced", "note"]].iloc[-1].tolist() == ["a difference", 0.1, "gate: met"]
    content["a_big"] = metric(0.5)
    (tmp_path / "ou.json").write_text(json.dumps(content))
    assert scoreboard.build(tmp_path / "p.tsv", [tmp_path / "ou.json"], "laptop")["reproduced"][0] == 0.5


def test_network_table_is_tidy(files):
    table = scoreboard.network_table(files)
    assert table["network"].tolist() == ["fcn", "fcn", "my_network", "my_network"]
    assert table["value"].isna().sum() == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("paper\titem\n", "missing"),
        (HEADER + "p\ti\tq\t1\t\t\tfcn/a\t\t\n", "sentence"),
        (HEADER + "p\ti\tq\t1\t\tsaid\t\t\t\n", "reason"),
    ],
)
def test_bad_published_tables_are_refused(tmp_path, text, match):
    path = tmp_path / "bad.tsv"
    path.write_text(text)
    with pytest.raises(BadSetting, match=match):
        scoreboard.read_published(path)


def test_two_files_of_one_name_and_broken_files_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "fcn.json").write_text("{}")
    with pytest.raises(BadSetting, match="second metric file"):
        scoreboard.read_metrics([tmp_path / "a" / "fcn.json", tmp_path / "b" / "fcn.json"])
    (tmp_path / "cut.json").write_text('{"detection_ratio": {"val')
    with pytest.raises(BadSetting, match="not JSON"):
        scoreboard.read_metrics([tmp_path / "cut.json"])


def test_the_papers_own_table_is_complete(tmp_path):
    table = scoreboard.read_published(PUBLISHED)
    strain = table[table["paper"] == "gebhard2019"]
    assert not strain.duplicated(["item", "quantity"]).any()
    for value, words in (("0.89", "89%"), ("19.5", "19.5 minutes"), ("0.86", "86%"), ("40", "40 minutes")):
        assert strain.loc[strain["value"] == value, "sentence"].str.contains(words, regex=False).any()
    assert strain["quantity"].str.fullmatch(r"GW\d{6} found").sum() == 11
    assert strain.loc[strain["quantity"] == "GW170817 found", "value"].item() == "0"
    lenses = table[table["paper"] == "wilde2022"]
    assert not lenses.duplicated(["item", "quantity"]).any()
    assert lenses["item"].value_counts().loc[["Table 5", "Table 6", "Table 7"]].tolist() == [15, 28, 8]
    printed = lenses[lenses["item"].isin(["Table 5", "Table 6", "Table 7"])]
    for row in printed.itertuples():
        typed = "0.44.23" if "0.44.23" in row.note else row.value
        assert typed in row.sentence.split()
    transients = table[table["paper"] == "ayyar2022"]
    assert not transients.duplicated(["item", "quantity"]).any()
    counts = transients["item"].value_counts()
    assert counts.loc[[f"Table {k}" for k in range(1, 6)]].tolist() == [12, 18, 26, 44, 18]
    fifth = transients[transients["item"] == "Table 5"]
    for row in fifth.itertuples():  # printed per cent, kept as shares of one
        assert any(
            float(word) == pytest.approx(100 * float(row.value))
            for word in re.findall(r"[\d.]+(?= %)", row.sentence)
        )
    board = scoreboard.build(PUBLISHED, [], "smoke")
    assert len(board) == len(table)
    assert (board["note"] != "").all()
