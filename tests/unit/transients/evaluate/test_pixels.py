"""Forms of stamps against each other, on the same redraws."""

import json

import pandas as pd
import pytest

from skyneedle.transients.evaluate import pixels, rates
from tests.unit.transients.evaluate import made


def test_differences_are_paired_and_counts_are_told(tmp_path):
    table, split = made.survey(tmp_path)
    table = table[table["split"] == "testing"]
    truth = tmp_path / "truth.parquet"
    table[["id", "label"]].rename(columns={"label": "label_true"}).to_parquet(truth)
    paths = {
        "fits": made.scores(table, tmp_path / "fits.parquet", 1.5),
        "gif": made.scores(table, tmp_path / "gif.parquet", 1.2),
        "marks_fits": made.scores(table, tmp_path / "marks.parquet", 0.0),
    }
    wrong = pd.read_parquet(paths["gif"])
    wrong.assign(label=1 - wrong["label"]).to_parquet(paths["gif"])  # the truth decides, not these
    counted = pd.DataFrame([("gif", "differ", 3)], columns=["form", "pixels", "n"])
    counted.to_csv(tmp_path / "counted.csv", index=False)
    out = tmp_path / "out.csv", tmp_path / "out.json"
    pixels.write(paths, tmp_path / "counted.csv", split, [truth], *out, n_bootstrap=100)
    found = pd.read_csv(out[0]).set_index(["form", "quantity"])
    for name in ("fits", "gif"):
        scores = table[["id", "label"]].merge(pd.read_parquet(paths[name])[["id", "score"]], on="id")
        area = rates.ranking(scores["label"].to_numpy(), scores["score"].to_numpy()).auroc()
        assert found.loc[(name, "auc"), "value"] == pytest.approx(area)
    difference = found.loc[("gif", "auc_minus_fits")]
    assert difference["value"] == pytest.approx(
        found.loc[("gif", "auc"), "value"] - found.loc[("fits", "auc"), "value"]
    )
    assert difference["low"] < difference["value"] < difference["high"] < 0
    # Both share noise: the difference is known better than from two intervals.
    apart = sum(
        found.loc[(name, "auc"), "high"] - found.loc[(name, "auc"), "low"] for name in ("fits", "gif")
    )
    assert difference["high"] - difference["low"] < 0.7 * apart
    marks = found.loc[("fits", "auc_marks")]
    assert marks["value"] == pytest.approx(0.5, abs=0.06)
    assert found.loc[("gif", "constant_differ"), "value"] == 3
    metrics = json.loads(out[1].read_text())
    assert metrics["auc_minus_fits_gif"]["value"] == pytest.approx(difference["value"])
    assert metrics["constant_differ_gif"]["value"] == 3
