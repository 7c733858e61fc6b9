"""What is counted about networks, against numbers worked out by hand."""

import pytest

from skyneedle.strain.evaluate import compare


def test_operations_of_a_tiny_network_by_hand():
    network = {
        "source": "fcn",
        "options": {"detectors": 2, "channels": 2, "n_blocks": 1, "training_step": 2},
    }
    found = compare.operations(network)
    # 16,384 inputs: d x 2 x 16384 (input layer), 2 x 2 x 2 x 16383 (block), 2 x 16383 (output).
    rest = 8 * 16383 + 2 * 16383
    ratio = (6 * 16384 + rest) / (2 * 16384 + rest)
    assert found["detectors_3_over_1"]["value"] == pytest.approx(ratio)


def test_another_kind_of_main_network_gives_a_reason():
    found = compare.operations({"source": "my_network.py:Mine", "options": {"width": 3}})
    assert found["detectors_3_over_1"]["value"] is None
    assert "not the fully convolutional one" in found["sliding_window_over_fcn"]["reason"]
