"""Margins over the baseline: on the same examples, so that what both share cancels."""

import numpy as np
import pytest

from skyneedle.lenses.evaluate import compare
from skyneedle.lenses.evaluate.score import Scored

N = 400
LABELS = np.arange(N) % 2
PARENTS = np.arange(N) // 2


def _scored(slope, noise):
    return Scored(LABELS, slope * LABELS + noise, PARENTS)


def test_a_margin_is_the_difference_of_areas_and_narrower_than_either():
    """Both see the same noise and one adds a little to it: the difference is sure, the areas are not."""
    noise = np.random.default_rng(1).normal(size=N)
    scores = {
        name: {"testing": _scored(slope, noise)} for name, slope in (("good", 1.2), (compare.BASELINE, 1.0))
    }
    entry = compare.margins(scores)["auroc_minus_baseline_testing_good"]
    pairs = [(noise[LABELS == 1][:, None] + s > noise[LABELS == 0]).mean() for s in (1.2, 1.0)]
    assert entry["value"] == pytest.approx(pairs[0] - pairs[1], abs=1e-9)
    assert 0 < entry["low"] < entry["value"] < entry["high"]
    assert entry["high"] - entry["low"] < 0.02  # that of one area is about 0.04
    assert "note" not in entry
    assert entry["n"] == N // 2


def test_a_method_no_better_than_flux_size_and_colour_is_named():
    random = np.random.default_rng(2)
    scores = {name: {"testing": _scored(1.0, random.normal(size=N))} for name in ("same", compare.BASELINE)}
    scores["worse"] = {"testing": _scored(0.1, random.normal(size=N))}
    found = compare.margins(scores)
    assert set(found) == {"auroc_minus_baseline_testing_same", "auroc_minus_baseline_testing_worse"}
    worse = found["auroc_minus_baseline_testing_worse"]
    assert worse["high"] < 0
    assert worse["note"] == "tells no more than flux, size and colour"
