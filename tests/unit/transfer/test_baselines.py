"""Methods of before deep learning: what they measure, and that they learn from training folds alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import KernelPCA

from skyneedle.core.errors import OneClassOnly, WrongStampSize
from skyneedle.core.metrics import Ranking
from skyneedle.transfer import baselines
from skyneedle.transfer.examples import ITSELF, Division, divide
from tests.unit.transfer.small import JOB, fold_file, set_of, table_of


def measured(stamp, sky_sigma=1.0):
    return dict(zip(baselines.FEATURES, baselines.features(stamp[None], sky_sigma)[0], strict=True))


# --- what they see


def test_a_single_pixel_has_all_its_light_in_one_place():
    stamp = np.zeros((100, 100), np.float32)
    stamp[30, 40] = 100.0
    found = measured(stamp)
    assert found["flux"] == found["peak"] == pytest.approx(2.0)
    assert found["concentration"] == 1.0
    assert found["size"] == pytest.approx(np.log10(1 / 6) / 2)
    assert found["elongation"] == pytest.approx(0.0)
    assert found["asymmetry"] == pytest.approx(1.0)  # its image under half a turn is elsewhere
    assert found["outskirts"] == 0.0
    assert found["gini"] == pytest.approx(1.0)


def test_a_bar_is_long_and_a_ring_is_far_from_its_centre():
    y, x = np.mgrid[:100, :100] - 49.5
    bar = 10.0 * ((np.abs(y) < 2) & (np.abs(x) < 20))
    ring = 10.0 * (np.abs(np.hypot(x, y) - 20) < 2)
    of_bar, of_ring = measured(bar), measured(ring)
    assert of_bar["elongation"] == pytest.approx(1 - 4 / 40, abs=1e-6)
    assert of_ring["elongation"] == pytest.approx(0, abs=1e-6)
    assert of_ring["outskirts"] == 1.0
    assert 0 < of_bar["outskirts"] < 1
    assert of_bar["asymmetry"] == of_ring["asymmetry"] == pytest.approx(0)
    turned = measured(np.rot90(bar))
    assert turned == pytest.approx(of_bar)


def test_features_depend_on_noise_and_not_on_the_unit():
    rng = np.random.default_rng(0)
    stamps = rng.normal(size=(3, 100, 100)) + 20 * (rng.random((3, 100, 100)) < 0.01)
    one, other = baselines.features(stamps, 1.0), baselines.features(7 * stamps, 7.0)
    assert one == pytest.approx(other)
    assert np.isfinite(baselines.features(np.zeros((2, 100, 100)), 1.0)).all()


def test_cutouts_are_means_of_sixteen_pixels():
    scaled = np.random.default_rng(0).random((2, 1, 100, 100))
    found = baselines.cutouts(scaled)
    assert found.shape == (2, 625)
    assert found[1, 26] == pytest.approx(scaled[1, 0, 4:8, 4:8].mean())
    with pytest.raises(WrongStampSize, match="90 pixels"):
        baselines.cutouts(np.zeros((1, 1, 90, 90)))


# --- methods


def test_the_mixture_gives_the_ratio_of_likelihoods():
    rng = np.random.default_rng(0)
    centre = np.array([1.0, -1.0])
    x = np.concatenate([rng.normal(size=(2000, 2)), centre + 0.5 * rng.normal(size=(2000, 2))])
    y = np.repeat([0, 1], 2000)
    model = baselines.MixtureRatio(n_components=1, ridge=1e-6).fit(x, y)
    points = np.array([[0.0, 0.0], [1.0, -1.0], [0.5, 0.0]])
    lens, other = multivariate_normal(centre, 0.25), multivariate_normal([0, 0], 1)
    expected = lens.logpdf(points) - other.logpdf(points)
    np.testing.assert_allclose(model.decision_function(points), expected, atol=0.25)
    assert model.predict(points).tolist() == (expected > 0).astype(int).tolist()


def test_two_clumps_of_a_class_need_two_components():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    centre = np.repeat([-6.0, 0.0, -3.0, 3.0], 100)  # clumps of both classes by turns
    x = np.stack([centre, np.zeros(400)], axis=1) + 0.5 * rng.normal(size=(400, 2))
    one, two = (baselines.MixtureRatio(n, seed=1).fit(x, y).decision_function(x) for n in (1, 2))
    assert Ranking(y, two).auroc() > 0.98
    assert Ranking(y, one).auroc() < 0.9
    few = baselines.MixtureRatio(3).fit(x[180:220], y[180:220])
    assert [mixture.n_components for mixture in few.mixtures_] == [1, 1]


def test_kernel_components_are_those_of_the_library_with_a_median_width():
    x = np.random.default_rng(0).normal(size=(30, 8))
    squares = ((x[:, None] - x[None]) ** 2).sum(axis=2)[np.triu_indices(30, 1)]
    expected = KernelPCA(29, kernel="rbf", gamma=1 / (2 * np.median(squares)), eigen_solver="dense").fit(x)
    found = baselines.Kernel().fit(x)
    np.testing.assert_allclose(found.transform(x[:5]), expected.transform(x[:5]), atol=1e-8)
    assert found.transform(x).shape == (30, 29)
    assert baselines.Kernel(most=10).fit(x).transform(x).shape == (30, 9)


@pytest.mark.parametrize("method", baselines.METHODS)
def test_nothing_is_learned_from_what_is_judged(method):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 9))
    label, fold = np.arange(40) % 2, np.arange(40) // 2 % 2
    table = table_of(40)
    _, make = baselines.METHODS[method]

    def logits(label, x):
        division = Division(np.arange(40), np.full(40, ITSELF), label, fold, 2)
        return baselines.crossvalidate(make, table, division, x, {}, 0)[0]["logit"].to_numpy()

    before = logits(label, x)
    flipped = np.where(fold == 0, 1 - label, label)
    np.testing.assert_array_equal(logits(flipped, x)[fold == 0], before[fold == 0])
    assert (logits(flipped, x)[fold == 1] != before[fold == 1]).any()
    moved = np.where((np.arange(40) == 0)[:, None], x + 9, x)
    np.testing.assert_allclose(logits(label, moved)[fold == 0][1:], before[fold == 0][1:], atol=1e-9)


def test_one_class_alone_is_refused():
    division = divide(table_of(8).assign(label=1), "grouped", 2, 0, 0, np.arange(8) % 2)
    with pytest.raises(OneClassOnly, match="gmm, fold 0: 4 lenses among 4"):
        baselines.crossvalidate(baselines.mixture, table_of(8), division, np.zeros((8, 9)), {}, 0, "gmm")


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_scores_have_the_form_of_those_of_networks(tmp_path, recipe):
    table = table_of(48)
    sets = {
        "hst": [set_of(tmp_path / "hst.h5", table)],
        "hard": [set_of(tmp_path / "hard.h5", table_of(6, 1000))],
        "real": set_of(tmp_path / "real.h5", table_of(0, 2000).assign(name="")),
    }
    outs = {
        name: {"divided": tmp_path / f"{name}_d.parquet", "others": tmp_path / f"{name}_o.parquet"}
        for name in baselines.METHODS
    }
    baselines.write(
        sets,
        fold_file(tmp_path / "folds.parquet", table),
        outs,
        augmentation={"rotation_deg": 45.0, "zoom": [0.9, 1.0], "shear_deg": 15.0},
        copies=2,
        recipe=recipe,
        job=JOB,
    )
    for files in outs.values():
        found, more = pd.read_parquet(files["divided"]), pd.read_parquet(files["others"])
        assert len(found) == (48 if recipe == "corrected" else 96)
        assert Ranking(found["label"], found["logit"]).auroc() > 0.9
        assert found["score"].between(0, 1).all()
        assert more.groupby(["set", "fold"]).size().to_dict() == {("hard", k): 6 for k in range(3)}
