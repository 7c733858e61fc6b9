import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skyneedle.core.errors import BadSetting, StrainHasNaN, StrainTooShort
from skyneedle.strain.evaluate import postprocess

SERIES = hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(8, 40)), elements=st.floats(0, 1))


def slow_candidates(smoothed, threshold):
    """The same, one sample at a time."""
    found = []
    for row, series in enumerate(smoothed):
        start = None
        for k, value in enumerate([*series, -1.0]):
            if value >= threshold and start is None:
                start = k
            elif value < threshold and start is not None:
                found.append((row, (start + k) / 2 - 0.5, k - start, max(series[start:k])))
                start = None
    return found


def test_the_case_of_the_published_code():
    runs = postprocess.candidates(np.array([0, 0, 0, 0, 0, 0, 1, 0, 1, 1]), 1)
    assert runs.centre.tolist() == [6.0, 8.5]
    assert runs.length.tolist() == [1, 2]


@settings(max_examples=60, deadline=None)
@given(SERIES, st.floats(0.05, 0.95))
def test_candidates_equal_a_plain_loop(series, threshold):
    runs = postprocess.candidates(series, threshold)
    expected = slow_candidates(series, threshold)
    assert list(zip(runs.row, runs.centre, runs.length, runs.peak, strict=True)) == expected


@settings(max_examples=60, deadline=None)
@given(SERIES, st.integers(1, 8))
def test_smoothing_equals_numpy_convolve(series, width):
    box = np.ones(width) / width
    for recipe, mode in (("faithful", "same"), ("corrected", "valid")):
        expected = np.array([np.convolve(row, box, mode) for row in series])
        np.testing.assert_allclose(postprocess.smooth(series, width, recipe), expected, atol=1e-12)


def test_runs_do_not_join_across_examples():
    runs = postprocess.candidates(np.array([[0, 1, 1], [1, 0, 1]]), 0.5)
    assert runs.row.tolist() == [0, 1, 1]
    assert runs.centre.tolist() == [1.5, 0.0, 2.0]


@pytest.mark.parametrize("width", [1, 2, 7, 16])
def test_a_peak_stays_in_its_place(width):
    # numpy's "same" puts an even window half a sample late; corrected says where its centre is.
    series = np.zeros(101)
    series[50] = 1
    for recipe, late in (("corrected", 0.0), ("faithful", 0.5 if width % 2 == 0 else 0.0)):
        runs = postprocess.candidates(postprocess.smooth(series, width, recipe), 0.5 / width)
        assert (runs.centre + postprocess.first_output(width, recipe)).tolist() == [50 + late]
        assert runs.length.tolist() == [width]


def test_edges_neither_create_nor_damp():
    # A plateau that reaches the edge: padding with zeros makes it a weaker, shorter one.
    series = np.zeros(600)
    series[:160] = 1.0
    corrected = postprocess.smooth(series, 256, "corrected")
    faithful = postprocess.smooth(series, 256, "faithful")
    assert corrected[0] == pytest.approx(160 / 256)
    assert faithful[0] == pytest.approx(128 / 256)
    constant = np.full(600, 0.7)
    assert np.ptp(postprocess.smooth(constant, 256, "corrected")) < 1e-12
    assert postprocess.smooth(constant, 256, "faithful")[-1] == pytest.approx(0.7 * 129 / 256)


def test_evaluated_outputs_by_hand():
    assert postprocess.evaluated_outputs(12289, 256, "corrected") == 12034
    assert postprocess.evaluated_outputs(12289, 256, "faithful") == 12289
    assert postprocess.evaluated_outputs(100, 256, "corrected") == 0


def test_probabilities_near_one_stay_apart():
    logits = np.array([17.0, 18.0, 19.0], dtype=np.float16)
    assert len(np.unique(postprocess.probability(logits))) == 3


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
@pytest.mark.parametrize("width", [1, 5, 32])
def test_a_long_stream_in_blocks_equals_one_pass(monkeypatch, recipe, width):
    monkeypatch.setattr(postprocess, "_STREAM_BLOCK", 97)
    logits = np.random.default_rng(0).normal(0, 2, 1000)
    whole = postprocess.candidates(postprocess.smooth(postprocess.probability(logits), width, recipe), 0.55)
    blocks = postprocess.stream_candidates(logits, 0.55, width, recipe)
    for one, other in zip(whole, blocks, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_trigger_times_of_examples_and_streams():
    logits = np.full((2, 400), -20.0)
    logits[1, 199:202] = 20.0
    table = postprocess.triggers_from_logits(
        logits, np.array([100.0, 200.0]), 0.01, 16, example=np.array([7, 8])
    )
    assert table["example"].tolist() == [8]
    assert table["gps"][0] == pytest.approx(200 + 200 / 2048, abs=1e-9)
    assert table["statistic"][0] == pytest.approx(3 / 16, abs=1e-6)
    assert table["duration"][0] == pytest.approx(18 / 2048)  # three samples, spread by 15 more
    stream = postprocess.triggers_from_logits(logits[1], 200.0, 0.01, 16)
    assert stream["example"].tolist() == [-1]
    assert stream["gps"][0] == table["gps"][0]


def test_bad_input_is_named():
    with pytest.raises(StrainTooShort, match="256"):
        postprocess.smooth(np.zeros(100), 256, "corrected")
    with pytest.raises(StrainTooShort, match="256"):
        postprocess.stream_candidates(np.zeros(100), 0.5, 256, "corrected")
    with pytest.raises(StrainHasNaN, match="1 of 3"):
        postprocess.probability(np.array([0, np.nan, 1]))
    with pytest.raises(BadSetting, match="recipe"):
        postprocess.smooth(np.zeros(10), 2, "fixed")
