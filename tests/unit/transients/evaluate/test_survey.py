"""The ongoing survey: votes by hand, and the numbers of Sec. 4.6."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import GridMismatch
from skyneedle.transients.evaluate import survey
from skyneedle.transients.evaluate.scored import Scored
from tests.unit.transients.evaluate import made


def ballots(*given):
    return pd.DataFrame(
        [(i, v) for i, all_votes in enumerate(given) for v in all_votes], columns=["id", "vote"]
    )


def test_clear_majorities_by_hand():
    found = survey.majority(
        ballots([0, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1], [1, 1, 1, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 0])
    )
    # Two against one is no clear majority, two votes are too few, three against two neither.
    assert found["id"].tolist() == [0, 2, 4, 6]
    assert found["label"].tolist() == [0, 1, 1, 0]
    assert found["unanimous"].tolist() == [True, True, False, False]
    assert found["n_votes"].tolist() == [3, 3, 4, 5]


def example():
    """Ten candidates; P(artifact), so that the real/bogus score is one minus it."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    unanimous = np.array([True, True, True, False, True, True, True, True, False, False])
    as_is = np.array([0.9, 0.1, 0.8, 0.1, 0.9, 0.9, 0.2, 0.9, 0.9, 0.9])
    retrained = np.array([0.1, 0.1, 0.2, 0.4, 0.9, 0.9, 1.0, 0.8, 0.6, 0.75])
    return [Scored(np.arange(10), labels, scores, np.arange(10)) for scores in (as_is, retrained)], unanimous


def test_numbers_by_hand():
    (as_is, retrained), unanimous = example()
    snr = np.array([20, 5, 5, 20, 5, 5, 5, 5, 20, 20.0])
    found = {
        name: entry["value"] for name, entry in survey.judge(as_is, retrained, unanimous, snr, 20).items()
    }
    assert found["mdr_as_is_consensus"] == pytest.approx(2 / 3)  # 0.9 and 0.8 are below a real/bogus of 0.3
    assert found["mdr_as_is"] == 0.5
    assert found["fpr_as_is"] == pytest.approx(1 / 6)
    assert found["mdr_retrained"] == 0
    assert found["fpr_retrained"] == pytest.approx(1 / 6)  # 0.6 is a real/bogus of 0.4
    assert found["mdr_gain"] == 0.5
    assert found["cleanliness_retrained"] == pytest.approx(4 / 5)
    assert found["unanimous_good"] == 0.75
    assert found["unanimous_bad"] == pytest.approx(4 / 6)
    assert found["mean_good_consensus"] == pytest.approx((0.9 + 0.9 + 0.8) / 3)
    assert found["mean_good_disagreed"] == pytest.approx(0.6)
    assert found["mean_bad_disagreed"] == pytest.approx((0.4 + 0.25) / 2)
    assert found["unanimous_high_snr_minus_all"] == pytest.approx(1 / 4 - 7 / 10)
    assert found["good_difference"] == pytest.approx((0.9 + 0.9 + 0.8) / 3 - 0.6)


def test_fig_12_and_13():
    (_, retrained), _ = example()
    curve = survey.curves(retrained)
    assert curve["real_bogus"].is_monotonic_decreasing
    at = curve[curve["real_bogus"] >= 0.6 - 1e-9].iloc[-1]  # all four real ones, no bogus one
    assert (at["mdr"], at["fpr"], at["cleanliness"]) == (0, 0, 1)
    assert curve.iloc[-1]["cleanliness"] == pytest.approx(0.4)  # everything is kept
    bars = survey.histogram(retrained, 10)
    assert bars.groupby("tagged")["n"].sum().to_dict() == {"bogus": 6, "real": 4}
    top = bars[(bars["tagged"] == "real") & (bars["low"] > 0.85)]
    assert top["n"].sum() == 2


def test_other_candidates_are_refused():
    (as_is, retrained), unanimous = example()
    with pytest.raises(GridMismatch, match="not of the same"):
        survey.judge(as_is, retrained.chosen(slice(1, None)), unanimous, None, 5)


def test_files(tmp_path):
    table, split = made.survey(tmp_path)
    rng = np.random.default_rng(0)
    slip = 0.1
    votes = pd.DataFrame(
        {
            "id": np.repeat(table["id"], 3),
            "vote": np.repeat(table["label"], 3) ^ (rng.random(3 * len(table)) < slip),
        }
    )
    votes.to_parquet(tmp_path / "votes.parquet")
    as_is = made.scores(table, tmp_path / "a.parquet", 0.5)
    retrained = made.scores(table, tmp_path / "r.parquet", 4, seed=2)
    out = {"curves": tmp_path / "c.parquet", "histogram": tmp_path / "h.csv", "metrics": tmp_path / "m.json"}
    features = tmp_path / "f.parquet"
    pd.DataFrame({"id": table["id"], "SNR": np.linspace(5, 20, len(table))}).to_parquet(features)
    votes = tmp_path / "votes.parquet"
    survey.write(as_is, retrained, votes, split, out, features=features, n_bootstrap=20)
    found = json.loads(out["metrics"].read_text())
    assert found["mdr_retrained"]["value"] < found["mdr_as_is"]["value"]
    assert found["mdr_gain"]["low"] > 0
    assert found["unanimous_high_snr_minus_all"]["value"] == 0
    assert found["unanimous_good"]["value"] == 1  # of three votes two to one is left out
    assert found["n_rated"]["value"] == len(table)
    assert found["n_good"]["value"] + found["n_bad"]["value"] < len(table)
    assert set(pd.read_parquet(out["curves"])["network"]) == {"as_is", "retrained"}
    assert list(pd.read_csv(out["histogram"]).columns) == ["tagged", "low", "high", "n", "network"]
