"""Populations for stamps of 5 arcsec: they fit, and sets differ in contrast and neighbours as they should."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics
from skyneedle.lenses.simulate import examples, populations
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.populations import POPULATIONS
from skyneedle.lenses.simulate.settings import Settings

HST = instrument("hst_f814w")
NAMES = ("galaxy_scale", "galaxy_scale_hard", "galaxy_scale_a", "galaxy_scale_b", "galaxy_scale_c")
N = 200


@pytest.fixture(scope="module")
def drawn():
    return {
        name: [
            populations.system(POPULATIONS[name], HST, np.random.default_rng((7, number)))
            for number in range(N)
        ]
        for name in NAMES
    }


@pytest.fixture(scope="module")
def seen():
    settings = Settings(
        population="galaxy_scale", instrument="hst_f814w", share_negatives=0.4, share_pairs=0.2
    )
    made = [examples.example(number, "singles", settings, 5) for number in range(600_000, 600_240)]
    return pd.DataFrame([one.row for one in made]), np.stack([one.images.vis for one in made])


def test_lenses_and_their_light_fit_the_stamp(drawn):
    half = populations.half_stamp(HST)
    assert half == pytest.approx(2.5)
    for systems in drawn.values():
        radii = np.array([one.lens.theta_e for one in systems])
        assert radii.min() >= 0.5
        assert radii.max() <= 1.6
        for one in systems:
            assert max(abs(one.lens.x), abs(one.lens.y)) <= 0.08 * half
            assert one.lens.theta_e + max(abs(one.lens.x), abs(one.lens.y)) < half
        light = np.array([one.deflector.profile.radius for one in systems])
        assert light.max() <= 1.0
        assert (light == light.max()).mean() < 0.2  # most are not at the limit


def test_contrast_falls_from_grade_to_grade(drawn):
    """Magnitudes of sources without lensing minus those of deflectors."""
    contrast = {
        name: np.median([one.deflector.magnitude - one.source.magnitude for one in systems])
        for name, systems in drawn.items()
    }
    assert contrast["galaxy_scale_a"] > contrast["galaxy_scale_b"] + 1
    assert contrast["galaxy_scale_b"] > contrast["galaxy_scale_c"] + 1
    assert contrast["galaxy_scale"] > contrast["galaxy_scale_hard"] + 1
    beside = {name: np.mean([len(one.companions) for one in systems]) for name, systems in drawn.items()}
    assert beside["galaxy_scale"] == pytest.approx(10 / 16, abs=0.2)
    assert beside["galaxy_scale_hard"] > 3 * beside["galaxy_scale"]


def test_labels_of_the_training_population(seen):
    table, _ = seen
    drawn_as_lens = table[table["kind"].isin(["lens", "failed_lens"])]
    assert drawn_as_lens["label"].mean() > 0.97
    assert table["label"].mean() == pytest.approx(0.6, abs=0.1)


def test_flux_and_size_tell_little(seen):
    """Spec F12: what a network learns must not be had from total light and its extent."""
    table, vis = seen
    truth = table["label"].to_numpy() == 1
    y, x = np.indices(vis.shape[1:]) - 49.5
    flux = vis.sum(axis=(1, 2))
    size = (np.clip(vis, 0, None) * np.hypot(x, y)).sum(axis=(1, 2)) / np.clip(vis, 0, None).sum(axis=(1, 2))
    for measured in (flux, vis.max(axis=(1, 2)), size):
        assert 0.3 < metrics.Ranking(truth, measured).auroc() < 0.7


def test_candidates_are_all_drawn_as_lenses():
    settings = Settings(
        population="galaxy_scale_c", instrument="hst_f814w", share_negatives=0.0, share_pairs=0.0
    )
    rows = [examples.example(number, "singles", settings, 1).row for number in range(644_000, 644_040)]
    assert {row["kind"] for row in rows} <= {"lens", "failed_lens"}
    # Also the faintest grade is made of lenses by the rule of the sets, as far as light goes.
    assert np.mean([row["label"] for row in rows]) > 0.6
