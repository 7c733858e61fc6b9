"""The labelling rule and what it asks for, on images counted by hand."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.lenses import labels

SKY = 0.0108


def test_rule_at_its_limits():
    assert labels.is_lens(1, 1.61, 21)
    assert not labels.is_lens(0, 5.0, 100)
    assert not labels.is_lens(2, 1.6, 100)
    assert not labels.is_lens(2, 5.0, 20)
    assert not labels.is_lens(2, float("nan"), 100)
    table = pd.DataFrame({"n": [1, 1], "mag": [2.0, np.nan], "pix": [30, 30]})
    assert labels.is_lens(table["n"], table["mag"], table["pix"]).tolist() == [True, False]


def test_pixels_and_images_are_counted():
    image = np.full((200, 200), 0.5 * SKY)
    image[10:14, 20:26] = 2 * SKY  # 24 pixels
    image[14, 26] = 1.1 * SKY  # touches at a corner: the same image
    image[100:102, 100:102] = 50 * SKY
    truth = labels.image_truth(image, 3.0, SKY)
    assert (truth["n_pix_source"], truth["n_source_im"], truth["mag_eff"]) == (29, 2, 3.0)
    assert truth["source_flux"] == pytest.approx(image.sum())
    assert labels.passes(truth)
    assert not labels.passes(truth | {"mag_eff": 1.0})
