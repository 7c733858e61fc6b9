"""The baseline of flux, size and colour: features by hand, the fit against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model as linear

from skyneedle.core import metrics, store
from skyneedle.core.errors import MissingBand, OneClassOnly, WrongStampSize
from skyneedle.lenses.evaluate import baseline

SKY = {"VIS": 1.0, "J": 1.0, "Y": 1.0, "H": 1.0}


def squares(n=1, side=10, vis=20.0, j=10.0, y=10.0, h=40.0):
    """A bright square in the middle of an otherwise empty sky: side pixels in VIS, 3 pixels in NISP."""
    images = np.zeros((n, 200, 200), np.float32)
    images[:, 100 - side // 2 : 100 + side // 2, 100 - side // 2 : 100 + side // 2] = vis
    nisp = np.zeros((n, 3, 66, 66), np.float32)
    nisp[:, :, 32:35, 32:35] = np.array([j, y, h])[:, None, None]
    return images, nisp


def test_features_by_hand():
    flux, size, area, vis_y, y_j, j_h = baseline.features(*squares(), SKY)[0]
    assert flux == pytest.approx(-2.5 * np.log10(100 * 20.0))
    # A square of 1 arcsec: rms distance sqrt(1 / 6) from its centre, root of the area 1.
    assert size == pytest.approx(np.log10(np.sqrt(1 / 6)), abs=1e-6)
    assert area == pytest.approx(0)
    assert vis_y == pytest.approx(-2.5 * np.log10(2000 / 90))
    assert y_j == pytest.approx(0)
    assert j_h == pytest.approx(2.5 * np.log10(4))  # redder: fainter in J


def test_features_do_not_see_place_and_survive_an_empty_sky():
    vis, nisp = squares(2)
    vis[1], nisp[1] = np.roll(vis[1], (40, -30), (0, 1)), np.roll(nisp[1], (13, -10), (1, 2))
    table = baseline.features(vis, nisp, SKY)
    np.testing.assert_allclose(table[0], table[1], atol=1e-9)
    rng = np.random.default_rng(0)
    rotated = baseline.features(np.rot90(vis, axes=(1, 2)), np.rot90(nisp, axes=(2, 3)), SKY)
    np.testing.assert_allclose(rotated, table, atol=1e-9)
    sky = baseline.features(0.1 * rng.normal(size=vis.shape), 0.1 * rng.normal(size=nisp.shape), SKY)
    assert np.isfinite(sky).all()
    np.testing.assert_allclose(sky[:, 0], -2.5 * np.log10(3))


def test_bad_input_is_refused():
    vis, nisp = squares()
    with pytest.raises(MissingBand, match="no H"):
        baseline.features(vis, nisp, {"VIS": 1.0, "J": 1.0, "Y": 1.0})
    with pytest.raises(WrongStampSize, match="VIS stamps"):
        baseline.features(vis[:, :101, :101], nisp, SKY)
    with pytest.raises(OneClassOnly, match="3 training examples"):
        baseline.fit(np.eye(3), [1, 1, 1])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_fit_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(500, 4)) * [1, 10, 0.1, 3] + [0, 50, -2, 1]
    labels = (rng.random(500) < 1 / (1 + np.exp(-(table[:, 0] + 0.2 * (table[:, 1] - 50))))).astype(int)
    fitted = baseline.fit(table, labels, ridge=1e-2)
    scaled = (table - table.mean(0)) / table.std(0)
    reference = linear.LogisticRegression(C=1 / (1e-2 * 500), tol=1e-10, max_iter=10000).fit(scaled, labels)
    np.testing.assert_allclose(fitted.weights, reference.coef_[0], atol=1e-5)
    assert fitted.bias == pytest.approx(reference.intercept_[0], abs=1e-5)
    np.testing.assert_allclose(fitted.logits(table), reference.decision_function(scaled), atol=1e-4)


def test_separable_classes_and_constant_features_stay_finite():
    table = np.column_stack([np.linspace(-1, 1, 40), np.full(40, 7.0), np.linspace(-1, 1, 40) > 0.98])
    labels = table[:, 0] > 0.1
    fitted = baseline.fit(table, labels)
    assert np.isfinite(fitted.weights).all()
    assert fitted.weights[1] == 0
    assert metrics.Ranking(labels, fitted.logits(table)).auroc() == 1


def test_the_baseline_finds_what_only_colour_tells_and_nothing_in_shuffled_labels():
    rng = np.random.default_rng(5)
    n = 200
    labels = rng.random(n) < 0.5
    parts = [
        squares(1, side=6, vis=30, h=40 * (1.5 if label else 1) * np.exp(0.3 * rng.normal()))
        for label in labels
    ]
    vis, nisp = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    table = baseline.features(vis, nisp, SKY)
    half = n // 2
    area = {}
    for name, truth in (("true", labels), ("shuffled", rng.permutation(labels))):
        fitted = baseline.fit(table[:half], truth[:half])
        area[name] = metrics.Ranking(truth[half:], fitted.logits(table[half:])).auroc()
    assert area["true"] > 0.75  # a factor of 1.5 against a scatter of 0.3: 0.83 is possible
    assert area["shuffled"] == pytest.approx(0.5, abs=0.17)  # three standard deviations


def test_scores_are_written_as_those_of_networks(tmp_path):
    """Bright squares are lenses; the units of the testing set differ, and so does its sky."""
    sets, out = {}, {}
    for name, unit, n in (("training", 1.0, 12), ("testing", 5.0, 6)):
        labels = np.arange(n) % 2
        made = [squares(vis=20.0 + 60 * label + i, h=40.0) for i, label in enumerate(labels)]
        arrays = {
            key: np.concatenate([one[k] for one in made]) * unit for k, key in enumerate(("vis", "nisp"))
        }
        table = pd.DataFrame({"id": np.arange(n) + 100, "label": labels})
        bands = {"bands": ["VIS", "J", "Y", "H"], "sky_sigma": [unit] * 4}
        store.write(tmp_path / f"{name}.h5", arrays, table, bands)
        sets[name], out[name] = [tmp_path / f"{name}.h5"], tmp_path / f"{name}.parquet"
    baseline.write_scores(sets, out)
    scores = pd.read_parquet(out["testing"])
    assert list(scores.columns) == ["id", "label", "score", "logit"]
    assert scores["id"].tolist() == list(range(100, 106))
    measured = baseline.of_set(sets["testing"])
    np.testing.assert_allclose(measured, baseline.of_set(sets["training"])[:6], atol=1e-6)
    for path in out.values():
        found = pd.read_parquet(path)
        assert metrics.Ranking(found["label"].to_numpy(), found["logit"].to_numpy()).auroc() == 1
