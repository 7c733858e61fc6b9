"""Agreement of two runs: hand-made outputs, and the network that comes along in half precision."""

import numpy as np
import pytest
from scipy.special import logit

from skyneedle.core import inference
from skyneedle.core.errors import GridMismatch
from skyneedle.strain.evaluate.agreement import agreement
from skyneedle.strain.scan import trained
from skyneedle.strain.simulate import examples
from skyneedle.strain.simulate.settings import Settings

WINDOW, N = 8, 400


def outputs(*bumps: tuple[int, int, float]) -> np.ndarray:
    """Two examples; each bump is (example, first output, probability) and 20 outputs wide."""
    probability = np.full((2, N), 1e-6)
    for row, first, value in bumps:
        probability[row, first : first + 20] = value
    return logit(probability)


def test_equal_outputs_agree():
    one = outputs((0, 50, 0.9), (1, 200, 0.7))
    found = agreement(one, one, 0.5, WINDOW)
    assert found[:5] == (2, 2, 2, 0, 0)
    assert found.offsets_s.tolist() == [0, 0]
    assert found.holds


def test_each_kind_of_difference_is_counted_once():
    exact = outputs((0, 50, 0.9), (0, 100, 0.505), (0, 150, 0.8), (1, 50, 0.507), (1, 300, 0.95))
    fast = outputs((0, 52, 0.9), (0, 100, 0.495), (1, 50, 0.503), (1, 200, 0.6), (1, 300, 0.95))
    found = agreement(exact, fast, 0.5, WINDOW)
    # The same: (0, 50) and (1, 300). Near: one lost at (0, 100), one of both at (1, 50). Different: (0, 150)
    # only in the first, (1, 200) only in the second.
    assert found[:5] == (5, 4, 2, 2, 2)
    np.testing.assert_allclose(found.offsets_s, [2 / 2048, 0])
    assert not found.holds
    assert "2 different" in str(found)


@pytest.mark.parametrize(("shift", "holds"), [(4, True), (7, False)])
def test_times_may_not_move_far(shift, holds):
    """4 samples are 1.95 ms, 7 are 3.4 ms: more than 2 ms in all of the cases."""
    found = agreement(outputs((0, 50, 0.9)), outputs((0, 50 + shift, 0.9)), 0.5, WINDOW)
    assert found.n_same == 1
    assert found.holds is holds


def test_triggers_of_neighbouring_examples_are_not_the_same():
    found = agreement(outputs((0, N - 20, 0.9)), outputs((1, 0, 0.9)), 0.5, WINDOW)
    assert (found.n_same, found.n_different) == (0, 2)
    assert not found.holds


def test_nothing_found_proves_nothing():
    assert not agreement(outputs(), outputs(), 0.5, WINDOW).holds
    assert "0 triggers" in str(agreement(outputs(), outputs(), 0.5, WINDOW))


def test_outputs_of_other_shapes_are_refused():
    with pytest.raises(GridMismatch, match=r"\(2, 400\) and \(1, 400\)"):
        agreement(outputs(), outputs()[:1], 0.5, WINDOW)


def test_half_precision_finds_the_same_triggers():
    """The network that comes along, on examples that it was not trained on."""
    found = trained.find(None)
    network, card = inference.load(found.stem)
    point = trained.operating_point(found)
    made = [examples.example(120_000 + number, Settings(), 20190925) for number in range(24)]
    strain = np.stack([one.strain for one in made])
    exact, fast = (
        inference.apply(network, strain, card["normalisation"], precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert np.abs(fast - exact).max() > 1e-3  # or it would be no test
    both = agreement(exact, fast, point.threshold, point.window)
    assert both.n_same >= 10
    assert both.n_different == 0, str(both)
    assert both.offsets_s.max() <= 0.005, str(both)
