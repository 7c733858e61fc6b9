"""Tables 2, 3 and 5 by hand, and files of them."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.transients.evaluate import categories
from skyneedle.transients.evaluate.scored import Scored
from tests.unit.transients.evaluate import made

LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
SCORES = np.array([0.05, 0.3, 0.5, 0.99, 0.0, 0.2, 0.5, 0.7, 0.95, 1.0])
PART = Scored(np.arange(10), LABELS, SCORES, np.arange(10))


def test_shares_by_hand():
    table = categories.shares(PART, 50)
    assert table["count"].tolist() == [1, 1, 2, 3, 1, 2]
    assert table["share"].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.1, 0.2])
    assert (table["low"] <= table["share"]).all()
    assert table["label"].tolist() == [1, 1, 1, 0, 0, 0]


def test_agreement_by_hand():
    other = PART._replace(scores=np.array([0.2, 0.3, 0.5, 0.9, 0.0, 0.2, 0.5, 0.7, 0.92, 0.4]))
    table = categories.agreement(PART, {"other": other, "same": PART})
    of_other = table[table["method"] == "other"].set_index(["reference_category", "category"])["share"]
    assert of_other.tolist() == [
        0,
        1,
        0,
        0.5,
        0,
        0.5,
    ]  # 1: one at 0.2 (2); 6: one at 0.4 (4), one at 0.92 (6)
    same = table[table["method"] == "same"].set_index(["reference_category", "category"])["share"]
    assert same.tolist() == [1, 0, 0, 0, 0, 1]
    sums = table.groupby(["method", "reference_category"])["share"].sum()
    assert sums.tolist() == pytest.approx([1] * 4)


def test_nothing_misclassified_gives_no_number():
    good = PART._replace(scores=LABELS.astype(float))
    table = categories.agreement(good, {"other": PART})
    assert table["share"].isna().all()
    assert (table["n"] == 0).all()


def test_the_histogram_counts_every_example():
    table = categories.histogram(PART, 10)
    assert table["n"].sum() == 10
    assert table[table["label"] == 1]["n"].tolist() == [1, 0, 0, 1, 0, 1, 0, 0, 0, 1]
    assert table[(table["label"] == 0) & (table["high"] == 1)]["n"].item() == 2


def test_files(tmp_path):
    table, split = made.survey(tmp_path)
    paths = {
        n: made.scores(table, tmp_path / f"{n}.parquet", s, seed=i)
        for i, (n, s) in enumerate((("cnn1", 2.0), ("cnn2", 1.8), ("forest", 1.0)))
    }
    names = ("categories", "agreement", "histogram")
    out = {name: tmp_path / f"{name}.csv" for name in names} | {"metrics": tmp_path / "m.json"}
    notes = {"cnn2": "ours learned from a few"}
    categories.write(paths, split, out, reference="cnn1", prefix="phase1_", notes=notes, n_bootstrap=20)
    found = json.loads(out["metrics"].read_text())
    told = {key for key, entry in found.items() if "note" in entry}
    assert told == {key for key in found if key.startswith("phase1_cnn2_")}
    assert "phase1_cnn2_category6_of_6" in told
    shares = [found[f"phase1_cnn1_category{k}"]["value"] for k in range(1, 7)]
    assert sum(shares) == pytest.approx(1)
    of_one = [found[f"phase1_forest_category{k}_of_1"]["value"] for k in (1, 2, 3)]
    assert sum(of_one) == pytest.approx(1)
    strong = found["phase1_cnn1_category1"]["value"] + found["phase1_cnn1_category6"]["value"]
    assert found["phase1_cnn1_strong"]["value"] == pytest.approx(strong)
    scores = pd.read_parquet(paths["cnn1"]).merge(table[["id", "split"]], on="id")
    between = scores[scores["split"] == "testing"]["score"].between(0.2, 0.8, inclusive="neither")
    assert found["phase1_cnn1_intermediate"]["value"] == pytest.approx(between.mean())
    assert set(pd.read_csv(out["categories"])["method"]) == set(paths)
    assert set(pd.read_csv(out["agreement"])["method"]) == {"cnn2", "forest"}
    n_testing = (table["split"] == "testing").sum()
    assert pd.read_csv(out["histogram"]).groupby("method")["n"].sum().tolist() == [n_testing] * 3


def test_cases_of_table_5(tmp_path):
    table, split = made.survey(tmp_path)
    path = made.scores(table, tmp_path / "s.parquet", 0.8)
    scores = pd.read_parquet(path)
    # The new labels agree with the method wherever it was sure of the opposite.
    strong = np.abs(scores["label"] - scores["score"]) > 0.9
    new = scores.assign(label=np.where(strong, 1 - scores["label"], scores["label"]))
    new[["id", "label"]].to_parquet(tmp_path / "new.parquet")
    cases = {"old_old": (path, split, None), "old_new": (path, split, tmp_path / "new.parquet")}
    categories.write_cases(cases, tmp_path / "t.csv", tmp_path / "m.json", n_bootstrap=10)
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["old_old_category1"]["value"] > 0
    assert found["old_new_category1"]["value"] == found["old_new_category6"]["value"] == 0
    apart = found["old_new_minus_old_old_category1"]
    assert apart["value"] == -found["old_old_category1"]["value"]
    assert apart["low"] == pytest.approx(-found["old_old_category1"]["high"])
    assert pd.read_csv(tmp_path / "t.csv").groupby("case")["share"].sum().tolist() == pytest.approx([1, 1])
