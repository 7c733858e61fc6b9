"""Compound lenses beside single lenses that are as easy to see."""

import math

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics
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
    partners = matching.Partners(
        np.array([0, 1]), np.array([[0, 1], [2, 0]]), np.array([[True, True], [True, False]])
    )
    found = matching.difference(
        np.array([1, 0]), np.array([1, 0, 0]), partners, (np.arange(2), np.arange(3)), 50
    )
    assert found["compounds"]["value"] == 0.5
    assert found["singles"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert found["difference"]["value"] == pytest.approx(0.25)
    assert found["difference"]["n"] == 5


def test_a_selection_against_them_is_seen():
    random = np.random.default_rng(1)
    lenses = _lenses(random.uniform(1, 2, 400), random.uniform(3, 6, 400))
    partners = matching.match(lenses, lenses)
    found = matching.difference(
        random.uniform(size=400) < 0.5, random.uniform(size=400) < 0.9, partners, (np.arange(400),) * 2, 200
    )
    assert found["difference"]["high"] < -0.3
    assert matching.verdict(found["difference"]) == "within 15 points: not met; selects against them"


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
    assert matching.verdict(metrics.interval((low + high) / 2, low, high, 9)) == words


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
