"""Answers to the known compound lenses, network by network and side by side."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.lenses.evaluate import answers

ONE, OTHER = "SDSS J1148+1930", "SDSS J0946+1006"


def table(networks, names=(ONE, OTHER), turns=8):
    rows = [
        {
            "network": network,
            "id": i,
            "name": name,
            "turn": turn,
            "score": 0.1 * turn,
            "logit": 10 * k + i + turn,
        }
        for k, network in enumerate(networks)
        for i, name in enumerate(names)
        for turn in range(turns)
    ]
    return pd.DataFrame(rows, columns=["network", "id", "name", "turn", "score", "logit"])


def test_the_image_as_it_is_stands_between_its_orientations():
    given = table(["a"]).assign(score=np.r_[0.4, 0.1, 0.9, np.full(13, 0.5)])
    found = answers.measured(given, ["a"], {"SL2S J02176-0513": "only a picture"})
    entry = found["cosmic_horseshoe_a"]
    assert [entry[key] for key in ("value", "low", "high", "n")] == [0.4, 0.1, 0.9, 8]
    assert found["SL2SJ02176-0513_a"]["reason"] == "only a picture"
    assert "no data" in found["HSCJ142449-005322_a"]["reason"]
    assert len(found) == 4


def test_networks_stand_side_by_side_in_the_order_wanted():
    images, logits, lacking = answers.together(table(["a", "b", "c"]), ["c", "a"])
    assert not lacking
    assert (logits.shape, len(images)) == ((16, 2), 16)
    for (_, image), (of_c, of_a) in zip(images.iterrows(), logits, strict=True):
        assert of_a == image["id"] + image["turn"]
        assert of_c - of_a == 20


def test_a_lens_that_one_network_did_not_answer_says_which():
    given = table(["a", "b"])
    given = given[(given["network"] == "a") | (given["name"] == ONE)]
    images, logits, lacking = answers.together(given, ["a", "b"])
    assert set(images["name"]) == {ONE}
    assert np.isfinite(logits).all()
    assert lacking == {OTHER: "no answer of b: it takes those of all 2 networks"}


@pytest.mark.parametrize("given", [table([]), table(["a"])])
def test_networks_that_were_not_asked_leave_nothing(given):
    images, logits, lacking = answers.together(given, ["a", "b"])
    assert len(images) == 0
    assert logits.shape == (0, 2)
    assert set(lacking) == set(given["name"])
