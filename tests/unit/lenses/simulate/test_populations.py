"""Populations: shares, colours, magnitudes, and that no shortcut tells lenses from impostors."""

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.optimize import minimize

from skyneedle.core.errors import BadSetting
from skyneedle.lenses import labels
from skyneedle.lenses.evaluate import baseline
from skyneedle.lenses.simulate import colours, examples
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS, Settings
from tests.conftest import ROOT

EUCLID = instrument("euclid")
# The default set, with the shares of the kinds that it has.
BRIGHT = Settings(**yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["lenses"]["simulate"])
SKY = {band.name: band.sky_sigma for band in EUCLID.bands}
N, HALF = 560, 320
RADIUS = 25  # pixels of VIS
DISTANCE = np.hypot(*(np.indices((2 * RADIUS + 1,) * 2) - RADIUS))
DISC = DISTANCE < RADIUS
ORDER = np.argsort(DISTANCE[DISC], kind="stable")


@pytest.fixture(scope="module")
def seen():
    """Truth of many examples, what any baseline would measure in their images, and what ours does."""
    rows, measured, features = [], [], []
    for number in range(N):
        images, row, _ = examples.example(number, "singles", BRIGHT, 5)
        rows.append(row)
        measured.append(_measured(images))
        features.append(baseline.features(images.vis[None], images.nisp[None], SKY)[0])
    return pd.DataFrame(rows), np.array(measured), np.array(features)


@pytest.fixture(scope="module")
def bright(seen):
    """The same without what ours measures."""
    return seen[:2]


@pytest.fixture(scope="module")
def challenge():
    return pd.DataFrame([examples.example(number, "singles", Settings(), 5).row for number in range(300)])


def _measured(images):
    """Flux, size and colours of the whole stamp and of the brightest object."""
    vis, total = images.vis, np.array([images.vis.sum(), *images.nisp.sum(axis=(1, 2))])
    row, column = np.unravel_index(vis.argmax(), vis.shape)
    around = np.pad(vis, RADIUS)[row : row + 2 * RADIUS + 1, column : column + 2 * RADIUS + 1]
    grown = np.cumsum(around[DISC][ORDER])
    half_light = DISTANCE[DISC][ORDER][np.searchsorted(grown, grown[-1] / 2)]
    y, x = np.indices(images.nisp.shape[1:])
    near = np.hypot(y - (row - 1) / 3, x - (column - 1) / 3) < RADIUS / 3
    inner = np.array([grown[-1], *(band[near].sum() for band in images.nisp)])
    bright = vis > 3 * EUCLID.bands[0].sky_sigma
    fluxes = np.log10(np.maximum([total, inner], 1.0))
    ratios = fluxes[:, :1] - fluxes[:, 1:]
    return [*fluxes.ravel(), *ratios.ravel(), np.log10(half_light + 0.5), np.sqrt(bright.sum())]


def _auroc(scores, truth):
    positive, negative = scores[truth], scores[~truth]
    return (positive[:, None] > negative).mean()


def test_flux_size_and_colour_tell_nothing(bright):
    """A logistic regression, trained on one part, judged on another that shares no parent (spec F12)."""
    table, measured = bright
    truth = table["label"].to_numpy() == 1
    inputs = np.c_[(measured - measured.mean(axis=0)) / measured.std(axis=0), np.ones(N)]
    assert not set(table["parent_id"][:HALF]) & set(table["parent_id"][HALF:])

    def loss(weights):
        margins = inputs[:HALF] @ weights
        signs = np.where(truth[:HALF], 1, -1)
        gradient = inputs[:HALF].T @ (1 / (1 + np.exp(-margins)) - truth[:HALF]) / HALF
        value = np.logaddexp(0, -signs * margins).mean() + 1e-3 * weights @ weights
        return value, gradient + 2e-3 * weights

    weights = minimize(loss, np.zeros(inputs.shape[1]), jac=True).x
    assert _auroc(inputs[HALF:] @ weights, truth[HALF:]) < 0.75
    for column in range(measured.shape[1]):
        assert 0.35 < _auroc(measured[:, column], truth) < 0.65, column


def test_the_baseline_that_stands_beside_networks_tells_little(seen):
    """Below 0.75 on the default set (spec F12), and more than nothing: it is no straw man."""
    table, _, features = seen
    truth = table["label"].to_numpy() == 1
    logits = baseline.fit(features[:HALF], truth[:HALF]).logits(features)
    assert _auroc(logits[HALF:], truth[HALF:]) < 0.75
    assert _auroc(logits[:HALF], truth[:HALF]) > 0.55


def test_impostors_are_as_bright_as_lenses(bright):
    table, measured = bright
    lenses = np.median(measured[table["kind"] == "lens", 0])
    for kind in NEGATIVE_KINDS:
        # Medians of some 50 objects that scatter by 0.3 dex.
        assert np.median(measured[table["kind"] == kind, 0]) == pytest.approx(lenses, abs=0.15), kind


def test_shares_and_kinds(bright, challenge):
    table, _ = bright
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
