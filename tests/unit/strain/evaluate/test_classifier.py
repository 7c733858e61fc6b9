import numpy as np
import pytest

from skyneedle.core.errors import GridMismatch, OneClassOnly
from skyneedle.strain.evaluate import classifier


def test_every_window_is_scored_where_it_starts():
    strain = np.zeros((2, 5 * 2048))
    strain[0, 6000] = 1.0
    scores = classifier.sliding_scores(lambda x: 20 * x[:, 0].max(axis=1) - 10, strain, 1.0, 0.25, batch=4)
    starts = classifier.window_starts(strain.shape[1], 1.0, 0.25)
    assert starts.tolist() == list(range(0, 4 * 2048 + 1, 512))
    holds = (starts <= 6000) & (starts + 2048 > 6000)
    assert np.array_equal(scores > 0.5, holds)
    with pytest.raises(GridMismatch, match="No window"):
        classifier.window_starts(100)


def test_counting_by_hand_and_its_dependence_on_the_step():
    # 100 s in steps of 1/16 s; a merger at 30.5 s lights all windows that hold it, so a glitch at 70.5 s.
    start = np.arange(0, 99, 1 / 16)
    scores = np.full(len(start), 0.01)
    for centre in (30.5, 70.5):
        scores[(start <= centre) & (centre < start + 1)] = 0.95
    table = classifier.windows_and_counting(
        scores, start, np.array([30.5]), steps_s=(1 / 16, 0.25, 1.0), thresholds=(0.5, 0.99)
    )
    at = table.set_index(["step_s", "threshold"])
    fine = at.loc[1 / 16, 0.5]
    assert (fine["candidates"], fine["true"], fine["false"]) == (2, 1, 1)
    assert fine["counted_rate"] == pytest.approx(1 / fine["exposure_s"])
    # 16 windows of the one glitch, of 1568: the naive rate is the same at any step, and counts each as if
    # it were a second of its own.
    assert fine["naive_rate"] == pytest.approx(16 / (len(start) - 16))
    assert at.loc[1.0, 0.5]["naive_rate"] == pytest.approx(1 / 98)
    assert at.loc[1.0, 0.5]["false"] == 1
    assert at.loc[1 / 16, 0.99]["candidates"] == 0
    assert at.loc[1 / 16, 0.99]["high"] > 0
    with pytest.raises(GridMismatch, match="not a multiple"):
        classifier.windows_and_counting(scores, start, np.array([30.5]), steps_s=(0.1,))


def test_flicker_is_one_true_and_many_false():
    # The paper's 1-1-0-1-1-0-1 around one merger.
    start = np.arange(7) / 16
    table = classifier.windows_and_counting(
        np.array([1, 1, 0, 1, 1, 0, 1.0]), start, np.array([0.7]), steps_s=(1 / 16,), thresholds=(0.5,)
    )
    assert (table["candidates"][0], table["true"][0], table["false"][0]) == (3, 1, 2)
    assert np.isnan(table["naive_rate"][0])  # every window holds the merger: there is no noise to ask


def test_output_against_share_tells_noise_from_signal():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    runs = [
        (share, np.clip(share / 2 + 0.4 * labels + 0.05 * rng.normal(size=800), 0, 1), labels)
        for share in (0.2, 0.8)
    ]
    table = classifier.output_against_share(runs, threshold=0.35, n_bootstrap=100)
    noise = table[table["set"] == "noise"].set_index("share")
    assert noise["mean_output"][0.8] == pytest.approx(0.4, abs=0.01)
    assert noise["mean_output"][0.2] == pytest.approx(0.1, abs=0.01)
    assert (noise["mean_low"] < noise["mean_output"]).all()
    assert noise["value"][0.2] < 0.01
    assert noise["value"][0.8] > 0.7
    assert (table[table["set"] == "signal"]["value"] > 0.99).all()
    with pytest.raises(OneClassOnly, match=r"share of 0\.5"):
        classifier.output_against_share([(0.5, np.ones(3), np.ones(3))])


def test_response_follows_the_place_of_the_merger():
    strain = np.zeros((3, 2, 16384))
    event = np.array([5000, 8000, 11000])
    strain[np.arange(3), 0, event] = 1.0
    position = np.array([0.1, 0.5, 0.9])
    cut = classifier.windows_at_positions(strain, event, position, 2048)
    assert cut.shape == (3, 3, 2, 2048)
    expected = np.round(position * 2048)
    assert (cut[:, :, 0].argmax(axis=-1) == expected).all()
    # A dense layer that learned one place, and a network that does not care.
    responses = {"classifier": cut[:, :, 0, round(0.9 * 2048)], "fcn": cut[:, :, 0].max(axis=-1)}
    table = classifier.response_by_position(responses, position, 50).set_index(["network", "position_s"])
    assert table.loc["classifier", "value"].tolist() == [0, 0, 1]
    assert table.loc["fcn", "value"].tolist() == [1, 1, 1]
    with pytest.raises(GridMismatch, match="beyond the example"):
        classifier.windows_at_positions(strain, np.array([100, 8000, 11000]), position, 2048)
    with pytest.raises(GridMismatch, match="fcn"):
        classifier.response_by_position({"fcn": np.ones((3, 2))}, position)


def test_the_three_arguments_as_numbers():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    share = classifier.output_against_share(
        [(0.8, np.full(200, 0.9), labels), (0.2, np.where(np.arange(200) % 4, 0.1, 0.9), labels)],
        n_bootstrap=20,
    )
    counting = classifier.windows_and_counting(
        (rng.random(800) < 0.1).astype(float), np.arange(800) / 16, np.array([-9.0]), (1 / 16,), (0.5,)
    )
    responses = {"c": np.tile([0.0, 1.0, 1.0], (9, 1))}
    position = classifier.response_by_position(responses, np.array([0.2, 0.6, 0.8]), 20)
    numbers = classifier.differences(share, counting, position, (0.5, 0.9))
    assert numbers["classifier_share_largest_minus_smallest"]["value"] == pytest.approx(0.75)
    assert numbers["classifier_share_largest_minus_smallest"]["low"] > 0.6
    # Single windows of 1 s every 1/16 s: nearly each is a candidate of its own, so 16 times as many.
    assert 12 < numbers["classifier_counted_over_naive"]["value"] < 16
    assert numbers["classifier_trained_position_minus_elsewhere"]["value"] == 1
