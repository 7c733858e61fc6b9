"""Table 5-2, and stamps that are in no fold."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import NotADataSet
from skyneedle.transfer.evaluate import grades, reality
from tests.unit.transfer.evaluate import made

ENTRIES = made.ENTRIES[:2]


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    paths = {}
    for seed, entry in enumerate(ENTRIES):
        paths[entry["name"]] = folder / f"{entry['name']}.parquet"
        made.others(seed=seed).to_parquet(paths[entry["name"]])
    return paths


def test_mean_and_spread_of_the_mean_over_networks_by_hand():
    table = pd.DataFrame(
        {
            "set": "grade_a",
            "id": [1, 1, 2, 2],
            "label": 1,
            "fold": [0, 1, 0, 1],
            "score": [0.2, 0.4, 0.8, 1.0],
        }
    )
    answers = grades.of_set(table, "grade_a")
    assert answers["score"].tolist() == pytest.approx([0.3, 0.9])
    found = grades.judge({"a": answers}, 20)
    assert found["a_mean"]["value"] == pytest.approx(0.6)
    assert found["a_std"]["value"] == pytest.approx(np.std([0.3, 0.9], ddof=1))
    assert found["a_mean"]["n"] == 2


def test_stamps_without_all_networks_are_refused():
    with pytest.raises(NotADataSet, match="every fold"):
        grades.of_set(made.others()[1:], "hard")


def test_files(scores, tmp_path):
    grades.write(
        scores,
        ENTRIES,
        7,
        out=tmp_path / "grades.csv",
        candidates=tmp_path / "candidates.parquet",
        metrics_out=tmp_path / "transfer_grades.json",
        n_bootstrap=30,
    )
    table = pd.read_csv(tmp_path / "grades.csv")
    assert len(table) == 2 * 3 * 2
    assert table["n_folds"].unique() == [7]
    found = json.loads((tmp_path / "transfer_grades.json").read_text())
    assert found["n_candidates"]["value"] == 36
    assert found["xception_a_mean"]["value"] > found["xception_c_mean"]["value"]
    assert found["resnet_a_std"]["value"] is None
    assert "no ResNet" in found["resnet_a_std"]["reason"]
    apart = found["xception_b_mean"]["value"] - found["xception_c_mean"]["value"]
    assert found["xception_b_minus_c"]["value"] == pytest.approx(apart)
    candidates = pd.read_parquet(tmp_path / "candidates.parquet")
    assert len(candidates) == 2 * 36


def write_reality(scores, tmp_path, status):
    (tmp_path / "status.json").write_text(json.dumps(status))
    reality.write(
        scores,
        ENTRIES,
        tmp_path / "status.json",
        out=tmp_path / "reality.csv",
        answers=tmp_path / "answers.csv",
        metrics_out=tmp_path / "transfer_reality.json",
        n_bootstrap=30,
    )
    return pd.read_csv(tmp_path / "reality.csv"), pd.read_csv(tmp_path / "answers.csv")


def test_real_stamps_have_their_scores_and_a_wide_interval(scores, tmp_path):
    table, answers = write_reality(scores, tmp_path, {"status": "fetched"})
    real = table[table["set"] == "real"]
    assert real["n_lenses"].tolist() == [5, 5]
    assert real["n_non_lenses"].tolist() == [10, 10]
    assert ((real["low"] <= real["value"]) & (real["value"] <= real["high"])).all()
    assert len(answers) == 2 * 15
    assert answers["name"].iloc[0] == "object 0"
    assert table["reason"].isna().all()


def test_without_real_stamps_the_reason_stands_there(tmp_path):
    path = tmp_path / "none.parquet"
    made.others(real=False).to_parquet(path)
    table, answers = write_reality(
        {"xception": path}, tmp_path, {"status": "missing", "reason": "no mirror has the stamps"}
    )
    real = table[table["set"] == "real"].iloc[0]
    assert np.isnan(real["value"])
    assert "no mirror has the stamps" in real["reason"]
    assert len(answers) == 0
    assert table[table["set"] == "hard"]["value"].notna().all()
    found = json.loads((tmp_path / "transfer_reality.json").read_text())
    assert found["xception_real"]["value"] is None
    assert "no mirror" in found["xception_real"]["reason"]


def test_two_stamps_of_one_scene_are_redrawn_together():
    answers = pd.DataFrame({"parent_id": [5, 5, 6, 6], "label": [1, 0, 1, 0], "score": [0.9, 0.1, 0.4, 0.6]})
    assert reality.judge(answers, 20)["n"] == 2
