"""Populations: shares, colours, magnitudes, and that no shortcut tells lenses from impostors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from skyneedle.core import metrics
from skyneedle.core.errors import BadSetting
from skyneedle.lenses import labels
from skyneedle.lenses.evaluate import baseline
from skyneedle.lenses.simulate import colours, examples, populations
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS, Settings

EUCLID = instrument("euclid")
BRIGHT = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)
N, HALF = 700, 350
SKY = {band.name: band.sky_sigma for band in EUCLID.bands}
CONFIG = Path(__file__).resolve().parents[4] / "config" / "config.yaml"


@pytest.fixture(scope="module")
def bright():
    """Truth of many examples, all kinds of impostors alike, and logarithms of their VIS flux."""
    made = [examples.example(number, "singles", BRIGHT, 5) for number in range(560)]
    return pd.DataFrame([one.row for one in made]), np.array([np.log10(one.images.vis.sum()) for one in made])


@pytest.fixture(scope="module")
def default():
    """Labels and parents of the set that is shipped, and what the baseline measures in its images."""
    settings = Settings(**yaml.safe_load(CONFIG.read_text())["lenses"]["simulate"])
    rows, measured = [], []
    for number in range(N):
        one = examples.example(number, "singles", settings, 5)
        rows.append(one.row)
        measured.append(baseline.features(one.images.vis[None], one.images.nisp[None], SKY)[0])
    table = pd.DataFrame(rows)
    return table["label"].to_numpy() == 1, table["parent_id"].to_numpy(), np.array(measured)


@pytest.fixture(scope="module")
def challenge():
    return pd.DataFrame([examples.example(number, "singles", Settings(), 5).row for number in range(300)])


def _held_out(measured, truth, parents, n_bootstrap):
    """AUROC of the product's baseline, trained on one part and judged on another without common parents."""
    assert not set(parents[:HALF]) & set(parents[HALF:])
    logits = baseline.fit(measured[:HALF], truth[:HALF]).logits(measured[HALF:])
    ranking = metrics.Ranking(truth[HALF:], logits)
    return metrics.bootstrap(ranking.auroc, parents[HALF:], n_bootstrap)


def test_flux_size_and_colour_tell_nothing(default):
    """Spec F12; each of them alone tells less still."""
    truth, parents, measured = default
    assert _held_out(measured, truth, parents, 200)["high"] < 0.75
    for name, column in zip(baseline.FEATURES, measured.T, strict=True):
        assert 0.35 < metrics.Ranking(truth, column).auroc() < 0.65, name


def test_the_baseline_would_see_impostors_that_are_fainter(default):
    truth, parents, measured = default
    fainter = measured.copy()
    fainter[~truth, baseline.FEATURES.index("flux")] += 2.0  # mag
    assert _held_out(fainter, truth, parents, 200)["low"] > 0.75


def _shuffled(truth, parents, random):
    """Labels dealt out anew among parents: those of one parent stay together, in any order."""
    _, place, size = np.unique(parents, return_inverse=True, return_counts=True)
    dealt = np.empty_like(truth)
    for n in np.unique(size):
        members = np.argsort(place, kind="stable")[np.repeat(size, size) == n].reshape(-1, n)
        hands = random.permuted(truth[members], axis=1)
        dealt[members] = random.permutation(hands)
    return dealt


def test_labels_shuffled_by_parent_give_one_half(default):
    """Spec F2: nothing but labels tells lenses from impostors, such as examples on both sides of a split."""
    truth, parents, measured = default
    assert len(parents) - len(np.unique(parents)) > 50  # pairs of one scene
    random = np.random.default_rng(7)
    found = []
    for _ in range(25):
        labels_dealt = _shuffled(truth, parents, random)
        assert labels_dealt.sum() == truth.sum()
        found.append(_held_out(measured, labels_dealt, parents, 100))
    values = np.array([one["value"] for one in found])
    assert values.mean() == pytest.approx(0.5, abs=3 * values.std() / np.sqrt(len(values)))
    # Intervals of 68 % hold 0.5 in 17 of 25; three standard deviations are 7.
    assert sum(one["low"] <= 0.5 <= one["high"] for one in found) >= 10


def test_impostors_are_as_bright_as_lenses(bright):
    table, fluxes = bright
    lenses = np.median(fluxes[table["kind"] == "lens"])
    for kind in NEGATIVE_KINDS:
        # Medians of some 50 objects that scatter by 0.3 dex.
        assert np.median(fluxes[table["kind"] == kind]) == pytest.approx(lenses, abs=0.15), kind


def test_shares_and_kinds(bright, challenge):
    table = bright[0]
    assert set(table["kind"]) <= {"lens", "failed_lens", *NEGATIVE_KINDS}
    impostors = table["kind"].isin(NEGATIVE_KINDS)
    assert impostors.mean() == pytest.approx(0.45, abs=0.06)
    drawn_bright = table[~impostors]["label"].mean()
    assert drawn_bright > 0.97
    assert challenge["kind"].isin(NEGATIVE_KINDS).mean() == pytest.approx(0.1, abs=0.04)
    # The paper: 72,000 of 100,000.
    assert challenge["label"].mean() == pytest.approx(0.72, abs=0.08)
    assert (challenge["kind"] == "failed_lens").any()


def test_labels_follow_the_rule(bright, challenge):
    for table in (bright[0], challenge):
        ruled = labels.is_lens(table["n_source_im"], table["mag_eff"], table["n_pix_source"])
        assert (ruled.astype(int) == table["label"]).all()
        assert (table["label"] == (table["kind"] == "lens")).all()


def test_lenses_are_redder_than_sources(bright, challenge):
    for table in (bright[0], challenge):
        assert table["lens_colour"].median() > table["source_colour"].median() + 0.5


def test_colours_are_k_corrected():
    red = [-colours.colours(0.0, z, EUCLID)[-1] for z in (0.2, 0.5, 1.0)]
    assert red == sorted(red)
    # Spec A4.7: VIS - H of a red lens at 0.5 should be 1.65.
    assert red[1] == pytest.approx(1.65, abs=0.15)
    blue = -colours.colours(1.0, 2.0, EUCLID)[-1]
    assert 0.3 < blue < 1.2
    assert colours.colours(0.3, 0.7, EUCLID)[0] == 0
    # A flat spectrum has no colour, whatever the band: none of ours, but the average must not make one.
    flat = colours.rest_frame(1.0, np.array([550.0]))
    assert flat == pytest.approx([0.0])


def test_faithful_colours_are_the_broken_ones():
    """Spec A4.7: lenses bluer than sources."""
    assert -colours.faithful_colours(0.5, EUCLID)[-1] == pytest.approx(-0.28)
    assert -colours.faithful_colours(3.5, EUCLID)[-1] == pytest.approx(0.89)


def test_a_kind_can_be_left_out():
    without = Settings(share_negatives=0.9, share_pairs=0.0, negatives={"spiral": 0.0, "merger": 2.0})
    kinds = {examples.role(number, without, 1)[0] for number in range(60)}
    assert kinds == {"lens", "merger"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"recipe": "better"}, "recipe"),
        ({"population": "dark"}, "population"),
        ({"instrument": "hubble"}, "hubble"),
        ({"psf": {"shape": "square", "amplitude": 0.1, "roll": "fixed"}}, "psf.shape"),
        ({"psf": {"shape": "trefoil", "amplitude": 2.0, "roll": "fixed"}}, "amplitude"),
        ({"psf": {"shape": "trefoil", "amplitude": 0.1, "roll": "sometimes"}}, "psf.roll"),
        ({"share_negatives": 0.01, "share_pairs": 0.5}, "share_negatives"),
        ({"share_negatives": 0.9, "share_pairs": 0.5}, "share_pairs"),
        ({"negatives": {"star": 1.0}}, "star"),
        ({"negatives": {"spiral": 0.0}}, "frequencies"),
    ],
)
def test_bad_settings_are_named(changed, words):
    with pytest.raises(BadSetting, match=words):
        Settings(**changed)


def test_einstein_radii_that_no_deflector_has_are_named():
    narrow = populations.POPULATIONS["bright"]._replace(theta_e_range=(30.0, 40.0))
    with pytest.raises(BadSetting, match=r"theta_e_range is \(30.0, 40.0\)"):
        populations.system(narrow, EUCLID, np.random.default_rng(1))
