"""Turning only the non-lenses lets a network cheat by the PSF; turning all alike, as we do, does not."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics
from skyneedle.lenses.evaluate import orientation
from skyneedle.lenses.figures import draw
from skyneedle.lenses.simulate import psf
from skyneedle.lenses.training import turned


@pytest.fixture(scope="module")
def stacks():
    return [orientation.images(300, seed, size=40, amplitude=0.5) for seed in (1, 2)]


def _auroc(stacks, scheme):
    labels, logits = orientation.cheat(*stacks, scheme, epochs=16, seed=5)
    return metrics.Ranking(labels, logits).auroc()


def test_non_lenses_turned_alone_give_themselves_away(stacks):
    assert _auroc(stacks, "non_lenses_turned") > 0.93


@pytest.mark.parametrize("scheme", ["all_turned", "none_turned"])
def test_a_network_trained_on_images_turned_alike_cannot_be_lured(stacks, scheme):
    """What is judged has the orientation tell the class; images as they are would hide what was learnt."""
    assert 0.38 < _auroc(stacks, scheme) < 0.62  # 0.5 within 3.5 standard deviations


def test_images_depend_on_their_number_alone_and_labels_on_no_image():
    few, many = orientation.images(3, 1, 24), orientation.images(5, 1, 24)
    assert np.array_equal(few, many[:3])
    assert np.array_equal(orientation.labels_of(400, 1), orientation.labels_of(400, 1))
    assert 0.4 < orientation.labels_of(400, 1).mean() < 0.6


def test_no_turn_leaves_the_psf_as_it_is():
    plain = psf.kernel(orientation.FWHM_PIXELS, 1.0, 0.5, orientation.ROLL_RAD)
    for operation in orientation.PUBLISHED_TURNS:
        assert np.abs(turned(plain, operation) - plain).max() > 0.1 * plain.max()


def test_turns_of_each_scheme():
    stack = np.arange(4 * 9.0).reshape(4, 3, 3)
    labels = np.array([1, 0, 1, 0])
    found = orientation.turn(stack, labels, "non_lenses_turned", 1)
    same = [np.array_equal(before, after) for before, after in zip(stack, found, strict=True)]
    assert same == [True, False, True, False]
    assert orientation.turn(stack, labels, "none_turned", 1) is stack
    first = orientation.turn(stack, labels, "all_turned", 1, epoch=0)
    assert np.array_equal(first, orientation.turn(stack, 1 - labels, "all_turned", 1, epoch=0))
    assert not np.array_equal(first, orientation.turn(stack, labels, "all_turned", 1, epoch=1))


def test_files_and_figure(tmp_path):
    orientation.write(
        {"n_examples": 16, "epochs": 1, "trainings": 2},
        1,
        table=tmp_path / "t.csv",
        pictures=tmp_path / "p.parquet",
        out=tmp_path / "m.json",
    )
    draw.FIGURES["extra_psf_orientation"](
        table=tmp_path / "t.csv", tiles=tmp_path / "p.parquet", stem=tmp_path / "figure", provenance={}
    )
    for entry in json.loads((tmp_path / "m.json").read_text()).values():
        assert not entry or {"value", "low", "high", "n", "item", "quantity", "definition"} <= set(entry)
    assert pd.read_csv(tmp_path / "figure.csv")["scheme"].tolist() == list(orientation.SCHEMES)
