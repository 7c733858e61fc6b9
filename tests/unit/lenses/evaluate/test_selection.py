"""Completeness in cells, and false positives by kind, on hand-made catalogues."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store, tables
from skyneedle.core.errors import GridMismatch
from skyneedle.lenses.evaluate import selection


def test_cells_with_few_lenses_are_blank_but_counted():
    theta_e = np.r_[np.full(30, 0.5), np.full(19, 1.5), [0.0, 2.0]]
    table = pd.DataFrame({"theta_e": theta_e, "mag_source": 24.0, "source_colour": np.nan})
    cells = selection.completeness("n", table, theta_e < 1, n_bins=2)
    one = cells[(cells["x"] == "theta_e") & (cells["y"] == "")]
    assert one["n"].tolist() == [31, 20]
    assert one["recall"].tolist() == [1.0, 0.0]
    assert one["x_high"].tolist() == [1.0, 2.0]
    fewer = selection.completeness("n", table.iloc[:-1], (theta_e < 1)[:-1], n_bins=2)
    last = fewer[(fewer["x"] == "theta_e") & (fewer["y"] == "")].iloc[1]
    assert last["n"] == 19
    assert np.isnan(last[["recall", "low", "high"]].astype(float)).all()
    assert cells.loc[cells["x"] == "source_colour", "n"].sum() == 0  # a colour that nothing has


def test_what_a_catalogue_does_not_tell_has_no_cells():
    table = pd.DataFrame({"mag_source": np.full(30, 24.0)})
    cells = selection.completeness("n", table, np.ones(30, bool), n_bins=2)
    assert set(cells["x"]) == {"mag_source"}
    assert cells["n"].sum() == 30
    assert selection.completeness("n", table[[]], np.ones(30, bool)).empty


def test_two_properties_share_out_the_same_lenses():
    random = np.random.default_rng(0)
    table = pd.DataFrame({name: random.uniform(0, 1, 500) for name in selection.PROPERTIES})
    cells = selection.completeness("n", table, table["theta_e"].to_numpy() < 0.5, n_bins=8)
    assert (cells.groupby(["x", "y"])["n"].sum() == 500).all()
    pair = cells[(cells["x"] == "theta_e") & (cells["y"] == "mag_source")]
    assert len(pair) == 16
    inside = pair[(pair["x_high"] < 0.45) & (pair["n"] >= 20)]
    assert (inside["recall"] == 1).all()


def test_impostors_by_kind_have_binomial_intervals():
    kinds = np.array(["spiral"] * 10 + ["merger"] * 5)
    table = selection.impostors("n", kinds, np.arange(15) < 4).set_index("kind")
    assert table.loc["spiral", ["n", "called", "false_positive_rate"]].tolist() == [10, 4, 0.4]
    assert table.loc["merger", "false_positive_rate"] == 0
    assert table.loc["merger", "high"] == pytest.approx(1 / 6)  # Wilson: z^2 / (n + z^2)


def test_networks_with_and_without_a_kind():
    rows = [
        {
            "network": network,
            "kind": kind,
            "n": 10,
            "called": 1,
            "false_positive_rate": rate,
            "low": 0,
            "high": 1,
        }
        for network, rate in (("a", 0.1), ("b", 0.6))
        for kind in ("spiral", "merger")
    ]
    pairs = [{"kind": "spiral", "trained_with": "a", "trained_without": "b"}]
    found = selection.compared(pd.DataFrame(rows), pairs)
    assert found[["training", "kind", "false_positive_rate"]].to_numpy().tolist() == [
        ["with", "spiral", 0.1],
        ["without", "spiral", 0.6],
    ]
    assert selection.compared(pd.DataFrame(rows), []).empty


def test_scores_of_other_examples_are_refused(tmp_path):
    truth = pd.DataFrame(
        {"id": range(8), "label": [0, 1] * 4, "kind": ["spiral", "lens"] * 4, "theta_e": 1.0}
    )
    store.write(tmp_path / "000.h5", {}, truth, {})
    scores = pd.DataFrame({"id": truth["id"], "label": truth["label"], "logit": [1.0] * 4 + [-1.0] * 4})
    shards = {"testing": [tmp_path / "000.h5"]}
    out = {name: tmp_path / f"{name}.csv" for name in ("completeness", "impostors", "without")}
    settings = {"n_bins": 2, "impostors": "testing", "without": []}
    scores.to_parquet(tmp_path / "s.parquet")
    selection.write({"n": {"testing": tmp_path / "s.parquet"}}, {"n": 0.0}, shards, settings, out)
    assert pd.read_csv(out["impostors"])[["n", "called"]].to_numpy().tolist() == [[4, 2]]
    # The same examples in another order: each has a score, of another one.
    scores.iloc[::-1].to_parquet(tmp_path / "s.parquet")
    with pytest.raises(GridMismatch, match="predict again"):
        selection.write({"n": {"testing": tmp_path / "s.parquet"}}, {"n": 0.0}, shards, settings, out)


def test_found_is_what_has_log_odds_above_the_threshold(tmp_path):
    """Thresholds are log odds, above one as well, of which no probability is (spec F7)."""
    truth = pd.DataFrame({"id": np.arange(44), "label": [1] * 22 + [0] * 22, "theta_e": 1.0})
    truth["kind"] = ["lens"] * 22 + ["spiral"] * 22
    store.write(tmp_path / "testing.h5", {}, truth, {})
    logit = [45.0] * 11 + [15.0] * 11 + [45.0] * 5 + [15.0] * 17
    tables.write_parquet(truth[["id", "label"]].assign(score=1.0, logit=logit), tmp_path / "scores.parquet")
    out = {name: tmp_path / f"{name}.csv" for name in ("completeness", "impostors", "without")}
    selection.write(
        {"n": {"testing": tmp_path / "scores.parquet"}},
        {"n": 20.0},
        {"testing": [tmp_path / "testing.h5"]},
        {"n_bins": 1, "impostors": "testing", "without": []},
        out,
    )
    assert pd.read_csv(out["completeness"])["found"].tolist() == [11]
    assert pd.read_csv(out["impostors"])["called"].tolist() == [5]
