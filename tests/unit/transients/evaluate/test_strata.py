"""Rates by stratum add up to those of all."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import GridMismatch
from skyneedle.transients.evaluate import strata
from skyneedle.transients.evaluate.scored import Scored
from tests.unit.transients.evaluate import made


def known(ids, labels, seed=0):
    rng = np.random.default_rng(seed)
    n = len(ids)
    hostless = rng.random(n) < 0.1
    return pd.DataFrame(
        {
            "id": ids,
            "label_true": labels,
            "kind": np.where(labels == 1, rng.choice(["dipole", "edge"], n), "supernova"),
            "snr": rng.uniform(3, 60, n),
            "host_sb": np.where(hostless, np.nan, rng.uniform(18, 27, n)),
            "host_mag": np.where(hostless, np.nan, rng.uniform(17, 26, n)),
            "hostless": hostless,
            "complete": ~hostless,
        }
    )


def test_counts_add_up_in_every_stratum():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 3000)
    part = Scored(np.arange(3000), labels, rng.random(3000), np.arange(3000))
    table = strata.table(part, 0.4, known(part.ids, labels).sample(frac=1, random_state=0))
    for rate, n in (("mdr", (labels == 0).sum()), ("fpr", (labels == 1).sum())):
        here = table[table["rate"] == rate]
        assert set(here["stratum"]) == {"all", "kind", "hostless", "complete", "snr", "host_sb", "host_mag"}
        assert (here.groupby("stratum")["n"].sum() == n).all()
        assert here.groupby("stratum")["count"].sum().nunique() == 1
    sb = table[(table["stratum"] == "host_sb") & (table["bin"] == "none")]
    hostless = table[(table["stratum"] == "hostless") & (table["bin"] == "True")]
    assert sb["n"].tolist() == hostless["n"].tolist()
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_rates_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 1])
    scores = np.array([0.1, 0.6, 0.2, 0.3, 0.9, 0.5])
    truth = pd.DataFrame(
        {
            "id": range(6),
            "kind": ["supernova"] * 3 + ["edge", "edge", "dipole"],
            "snr": [5.5, 5.5, 20, 9, 9, 9],
        }
    )
    table = strata.table(Scored(np.arange(6), labels, scores, np.arange(6)), 0.5, truth)
    cells = table.set_index(["rate", "stratum", "bin"])["value"]
    assert cells["mdr", "all", "all"] == pytest.approx(1 / 3)
    assert cells["mdr", "snr", "5-6"] == 0.5
    assert cells["mdr", "snr", "18-30"] == 0
    assert cells["fpr", "kind", "edge"] == 0.5
    assert cells["fpr", "kind", "dipole"] == 0
    edges = table[(table["stratum"] == "snr") & (table["bin"] == "5-6")][["low_edge", "high_edge"]]
    assert edges.to_numpy().tolist() == [[5, 6]]


def test_unknown_ids_are_refused():
    part = Scored(np.arange(4), np.array([0, 1, 0, 1]), np.full(4, 0.5), np.arange(4))
    with pytest.raises(GridMismatch, match="1 of 4 ids"):
        strata.table(part, 0.5, pd.DataFrame({"id": [0, 1, 2]}))


def test_files_with_truth_and_without(tmp_path):
    table, split = made.survey(tmp_path)
    paths = {"cnn1": made.scores(table, tmp_path / "s.parquet")}
    known(table["id"], table["label"].to_numpy()).to_parquet(tmp_path / "truth.parquet")
    features = tmp_path / "features.parquet"
    known(table["id"], table["label"].to_numpy())[["id", "complete"]].to_parquet(features)
    strata.write(
        paths, {"cnn1": 0.5}, split, tmp_path / "t.csv", features=features, truth=[tmp_path / "truth.parquet"]
    )
    found = pd.read_csv(tmp_path / "t.csv")
    assert list(found.columns) == list(strata.COLUMNS)
    assert {"kind", "snr", "complete", "hostless"} < set(found["stratum"])
    strata.write(paths, {"cnn1": 0.5}, split, tmp_path / "real.csv", features=features)
    real = pd.read_csv(tmp_path / "real.csv")
    assert set(real["stratum"]) == {"all", "complete"}
    n_testing = (table["split"] == "testing").sum()
    assert real[real["stratum"] == "complete"]["n"].sum() == n_testing
