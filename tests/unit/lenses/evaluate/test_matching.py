"""Compound lenses beside single lenses that are as easy to see."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics, store
from skyneedle.lenses.evaluate import matching


def _lenses(theta_e, mag_eff):
    return pd.DataFrame({"theta_e": theta_e, "mag_eff": mag_eff})


def test_partners_are_close_in_both_and_the_rest_is_left_out():
    compounds = _lenses([1.0, 1.0, 5.0], [4.0, 4.0, 4.0])
    singles = _lenses([1.0, 1.2, 1.0, 5.0], [4.1, 4.0, 9.0, 20.0])
    partners = matching.match(compounds, singles, n_partners=3)
    assert partners.compounds.tolist() == [0, 1]
    for found, near in zip(partners.singles, partners.near, strict=True):
        assert set(found[near]) == {0, 1}


def test_easy_compounds_are_no_better_than_singles_as_easy():
    """Found is what has a large Einstein radius; compounds have larger ones."""
    random = np.random.default_rng(0)
    singles = _lenses(random.uniform(0.5, 2.5, 3000), random.uniform(2, 8, 3000))
    compounds = _lenses(random.uniform(1.5, 2.5, 300), random.uniform(2, 8, 300))
    ours, theirs = (one["theta_e"].to_numpy() > 1.8 for one in (compounds, singles))
    assert ours.mean() - theirs.mean() > 0.25
    partners = matching.match(compounds, singles, n_partners=1, caliper=0.05)
    found = matching.difference(ours, theirs, partners, (np.arange(300), np.arange(3000)), 100)
    assert abs(found["difference"]["value"]) < 0.02
    assert found["difference"]["low"] <= 0 <= found["difference"]["high"]


def test_known_shares_by_hand():
    """Of three compound and five single lenses, two and three carry a match; the others count nowhere."""
    partners = matching.Partners(
        np.array([0, 2]), np.array([[4, 1], [2, 0]]), np.array([[True, True], [True, False]])
    )
    found = matching.difference(
        np.array([1, 1, 0]), np.array([1, 0, 0, 1, 1]), partners, (np.arange(3), np.arange(5)), 50
    )
    assert found["compounds"]["value"] == 0.5
    assert found["singles"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert found["difference"]["value"] == pytest.approx(0.25)
    assert {name: entry["n"] for name, entry in found.items()} == {
        "compounds": 2,
        "singles": 3,
        "difference": 5,
    }


def test_what_carries_no_match_does_not_widen_or_narrow_the_interval():
    random = np.random.default_rng(2)
    lenses = _lenses(random.uniform(1, 2, 60), random.uniform(3, 6, 60))
    far = _lenses(np.full(500, 90.0), np.full(500, 4.0))
    ours, theirs = random.uniform(size=60) < 0.6, random.uniform(size=60) < 0.8
    alone = matching.difference(ours, theirs, matching.match(lenses, lenses), (np.arange(60),) * 2, 200)
    more = matching.match(lenses, pd.concat([lenses, far], ignore_index=True))
    beside = matching.difference(
        ours, np.r_[theirs, np.ones(500, bool)], more, (np.arange(60), np.arange(560)), 200
    )
    assert alone == beside


def test_examples_of_one_parent_count_once():
    partners = matching.Partners(np.array([0, 1]), np.array([[0], [1]]), np.ones((2, 1), bool))
    found = matching.difference(np.ones(2), np.ones(2), partners, (np.array([7, 7]), np.array([3, 4])), 10)
    assert [entry["n"] for entry in found.values()] == [1, 2, 3]


def test_singles_that_stand_beside_many_tell_less():
    near = np.ones((4, 1), bool)
    alike = matching.Partners(np.arange(4), np.arange(4)[:, None], near)
    assert alike.effective_singles == pytest.approx(4)
    # Weights 3 and 1: 16 / 10.
    uneven = matching.Partners(np.arange(4), np.array([[0], [0], [0], [9]]), near)
    assert uneven.effective_singles == pytest.approx(1.6)
    # One compound lens has two partners of half its weight, the other has one: 1.5 and 0.5.
    shared = matching.Partners(
        np.arange(2), np.array([[0, 1], [0, 5]]), np.array([[True, True], [True, False]])
    )
    assert shared.effective_singles == pytest.approx(4 / 2.5)
    assert matching.match(_lenses([1.0], [4.0]), _lenses([9.0], [4.0])).effective_singles == 0


def test_a_selection_against_them_is_seen():
    random = np.random.default_rng(1)
    lenses = _lenses(random.uniform(1, 2, 400), random.uniform(3, 6, 400))
    partners = matching.match(lenses, lenses)
    found = matching.difference(
        random.uniform(size=400) < 0.5, random.uniform(size=400) < 0.9, partners, (np.arange(400),) * 2, 200
    )
    assert found["difference"]["high"] < -0.3
    assert matching.verdict(found["difference"]).startswith("within 15 points: not met; selects against them")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.10, 0.05, "within 15 points: met; no selection for or against is seen"),
        (-0.16, 0.20, "within 15 points: not met; no selection for or against is seen"),
        (0.02, 0.10, "within 15 points: met; prefers them"),
        (-0.10, -0.05, "within 15 points: met; selects against them"),
    ],
)
def test_the_gate_is_passed_by_the_lower_end(low, high, words):
    entry = metrics.interval((low + high) / 2, low, high, 9)
    assert matching.verdict(entry) == f"{words} (68 %, one training)"
    said = matching.verdict(entry, judged=_judged(0.9, 0.88, 0.31))
    assert said == f"{words} (68 %, one training); FPR 0.31"


def _judged(auroc, low, rate):
    return {"auroc_testing": {"value": auroc, "low": low}, "false_positive_rate_testing": {"value": rate}}


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        (_judged(0.56, 0.53, 0.99), "calls nearly everything a lens (FPR 0.99): no answer"),
        (_judged(0.52, 0.49, 0.20), "at chance: AUROC interval reaches 0.5 (FPR 0.20): no answer"),
    ],
)
def test_a_network_that_tells_nothing_apart_gives_no_answer(judged, words):
    """It finds all compound and all single lenses, with an interval that holds zero and nothing else."""
    found = matching.verdict(metrics.interval(0.0, -0.01, 0.01, 9), judged=judged)
    assert found.startswith(words)
    assert "met" not in found
    assert "no selection" not in found


def test_a_network_with_many_false_positives_still_answers():
    found = matching.verdict(metrics.interval(0.0, -0.01, 0.01, 9), judged=_judged(0.90, 0.88, 0.60))
    assert found.startswith("within 15 points: met; no selection")
    assert found.endswith("FPR 0.60")


def test_a_testing_set_of_lenses_alone_tells_no_false_positives():
    nothing = {"value": None, "low": None}
    judged = {"auroc_testing": nothing, "false_positive_rate_testing": nothing}
    assert "met" in matching.verdict(metrics.interval(0.0, -0.01, 0.01, 9), judged=judged)


def test_single_lenses_of_unknown_radius_are_no_partners():
    singles = _lenses([np.nan, 1.0, 0.0], [4.0, 4.0, 4.0])
    partners = matching.match(_lenses([1.0], [4.0]), singles)
    assert partners.singles.tolist() == [[1]]
    for unknown in (singles.assign(theta_e=np.nan), singles.drop(columns="theta_e")):
        assert not len(matching.match(_lenses([1.0], [4.0]), unknown).compounds)


def test_without_partners_there_is_no_number():
    partners = matching.match(_lenses([1.0], [4.0]), _lenses([9.0], [4.0]))
    found = matching.difference(
        np.array([True]), np.array([True]), partners, (np.array([0]), np.array([1])), 10
    )
    assert math.isnan(found["difference"]["value"])
    assert matching.verdict(found["difference"]) == "no single lens is like these"


def test_rows_on_disk_say_what_they_rest_on(tmp_path):
    random = np.random.default_rng(3)
    shards, files = {}, {}
    for name, label, first in (("testing", np.arange(60) % 2, 0), ("arcs", np.ones(20, int), 100)):
        n = len(label)
        truth = pd.DataFrame({"id": np.arange(n) + first, "parent_id": np.arange(n) + first, "label": label})
        # Far from every compound lens: half of the single lenses.
        truth["theta_e"] = np.where(np.arange(n) < 30, random.uniform(1, 1.2, n), 50.0)
        truth["mag_eff"] = 4.0
        store.write(tmp_path / f"{name}.h5", {}, truth, {})
        scores = truth[["id", "label"]].assign(score=0.5, logit=label - 0.5)
        scores.to_parquet(tmp_path / f"{name}.parquet")
        shards[name], files[name] = [tmp_path / f"{name}.h5"], tmp_path / f"{name}.parquet"
    shards["rings"], files["rings"] = shards["arcs"], files["arcs"]
    matching.write(
        {"good": files, "blind": files},
        {"good": 0.0, "blind": -9.0},
        shards,
        {"good": _judged(1.0, 1.0, 0.0), "blind": _judged(0.5, 0.4, 1.0)},
        {"n_bootstrap": 20},
        table=tmp_path / "t.csv",
        out=tmp_path / "m.json",
    )
    table = pd.read_csv(tmp_path / "t.csv").set_index(["network", "set", "quantity"]).sort_index()
    for quantity, n in (("compounds", 20), ("difference", 35)):
        # Fifteen single lenses are near; each of the twenty compound lenses has five of them.
        assert table.loc[("good", "arcs", quantity), "n"] <= n
    row = table.loc[("good", "arcs", "singles")]
    assert row["n"] <= 15
    assert 1 < row["effective_singles"] <= row["n"]
    assert (row["false_positive_rate"], row["n_matched"]) == (0, 20)
    entries = json.loads((tmp_path / "m.json").read_text())
    assert entries["difference_arcs_good"]["n"] == table.loc[("good", "arcs", "difference"), "n"]
    assert entries["difference_arcs_blind"]["note"].startswith("calls nearly everything a lens (FPR 1.00)")
    assert entries["difference_arcs_good"]["note"].startswith("within 15 points: met")
    assert "(68 %, one training); FPR 0.00" in entries["difference_arcs_good"]["note"]
