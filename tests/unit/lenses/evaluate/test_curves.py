"""ROC curves thinned for figures keep their ends and their area."""

import numpy as np
import pytest

from skyneedle.core import metrics
from skyneedle.lenses.evaluate import curves
from skyneedle.lenses.evaluate.score import Scored


def test_thinned_curve_keeps_ends_and_area():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 5000)
    logits = random.normal(size=5000) + 1.5 * labels
    table = curves.roc("n", {"testing": Scored(labels, logits, np.arange(5000))}, 20, most_points=60)
    assert len(table) <= 60
    x, y = table["false_positive_rate"].to_numpy(), table["true_positive_rate"].to_numpy()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(metrics.Ranking(labels, logits).auroc(), abs=2e-3)
    assert (table["low"] < table["auroc"]).all()
    assert (table["auroc"] < table["high"]).all()


def test_a_set_of_one_class_has_no_curve():
    ones = Scored(np.ones(5, int), np.arange(5.0), np.arange(5))
    assert curves.roc("n", {"arcs": ones}, 20).empty
