"""Examples: noise, pairs, layers, and that each rebuilds from its id alone."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.core.store import DataSet
from skyneedle.lenses.simulate import examples, noise, render
from skyneedle.lenses.simulate.instruments import instrument
from skyneedle.lenses.simulate.render import Images
from skyneedle.lenses.simulate.settings import Settings

EUCLID = instrument("euclid")
SETTINGS = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)
PAIRS = dataclasses.replace(SETTINGS, share_negatives=0.5, share_pairs=1.0)


# --- noise


@pytest.mark.parametrize("name", ["euclid", "wilde2022", "hst_f814w"])
def test_noise_is_what_the_instrument_predicts(name):
    """Of empty sky and of a bright even surface, within 5 %; the mean is the flux."""
    chosen = instrument(name)
    bands = chosen.bands
    size = (len(bands) - 1, bands[1].n_pixels, bands[1].n_pixels) if len(bands) > 1 else (0, 0, 0)
    for level in (0.0, 2.0):
        flat = Images(np.full((bands[0].n_pixels,) * 2, level), np.full(size, level))
        seen = noise.observe(flat, chosen, np.random.default_rng(3))
        for image, band in zip((seen.vis, *seen.nisp), bands, strict=True):
            variance = band.sky_sigma**2 + level / band.total_exposure_s
            assert image.std() == pytest.approx(variance**0.5, rel=0.05)
            assert image.mean() == pytest.approx(level, abs=5 * (variance / image.size) ** 0.5)
    assert seen.vis.dtype == np.float32


def test_residuals_of_examples_are_noise():
    made = [examples.example(number, "singles", SETTINGS, 2, with_layers=True) for number in range(4)]
    for one in made:
        clean = noise.total(one.layers)
        for image, model, band in zip(
            (one.images.vis, *one.images.nisp), (clean.vis, *clean.nisp), EUCLID.bands, strict=True
        ):
            sigma = np.sqrt(band.sky_sigma**2 + np.maximum(model, 0) / band.total_exposure_s)
            assert ((image - model) / sigma).std() == pytest.approx(1, abs=0.05)
    first, second = (one.images.vis - noise.total(one.layers).vis for one in made[:2])
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.03


# --- pairs and parents


def test_a_pair_shares_its_scene_and_differs_in_its_lens():
    for block in range(4):
        made = [examples.example(2 * block + place, "singles", PAIRS, 7, True) for place in range(2)]
        rows = [one.row for one in made]
        assert {row["parent_id"] for row in rows} == {2 * block}
        assert sorted(row["label"] for row in rows) == [0, 1]
        for name in ("z_lens", "sigma_km_s", "x_crit", "y_crit"):
            assert rows[0][name] == rows[1][name]
        # The companions are the same, the noise is not.
        assert not np.array_equal(made[0].images.vis, made[1].images.vis)


def test_members_of_a_pair_have_noise_of_their_own():
    """Nor do bands share theirs: equal noise would tell siblings, or bands, from all others (spec F13)."""
    residuals = []
    for number in (0, 1):
        one = examples.example(number, "singles", PAIRS, 7, with_layers=True)
        clean = noise.total(one.layers)
        residuals.append(Images(one.images.vis - clean.vis, one.images.nisp - clean.nisp))
    vis = np.stack([one.vis for one in residuals])
    nisp = np.concatenate([one.nisp for one in residuals])
    for parts in (vis, nisp):
        # Strip by strip: where the images differ, streams of one seed soon run out of step, and look apart.
        for strip in np.array_split(parts, parts.shape[1] // 10, axis=1):
            pixels = strip.reshape(len(strip), -1)
            # Five standard deviations of a correlation between pixels that share nothing.
            assert np.abs(np.corrcoef(pixels) - np.eye(len(pixels))).max() < 5 / pixels.shape[1] ** 0.5


def test_no_parent_is_in_two_sets():
    """Sets begin at even ids and hold an even number, so that blocks of two never straddle (spec F2)."""
    sets = {"training": range(0, 300), "validation": range(1000, 1100), "testing": range(2000, 2100)}
    parents = {name: {examples.role(number, SETTINGS, 3)[1] for number in ids} for name, ids in sets.items()}
    for name, ids in sets.items():
        assert parents[name] <= set(ids)
    assert len(parents["training"]) < 300  # there are pairs


def test_scenes_of_different_parents_differ():
    """Also between the sets of the configuration, whose ids are round numbers (spec F2)."""
    rows = [
        examples.example(first + number, "singles", SETTINGS, 3).row
        for first in (0, 200_000, 220_000, 300_000, 540_000)
        for number in range(12)
    ]
    table = pd.DataFrame(rows)
    assert not table.groupby("parent_id")["z_lens"].nunique().gt(1).any()
    assert table.groupby("z_lens")["parent_id"].nunique().max() == 1


def test_labels_shuffled_by_parent_are_found_again_only_where_pairs_are_divided():
    """What is alike in two images is their scene: the most similar image names its label (spec F2)."""
    n = 40
    training, testing = (
        [examples.example(first + number, "singles", PAIRS, 3) for number in range(2 * n)]
        for first in (0, 220_000)
    )
    assert {one.row["parent_id"] for one in training}.isdisjoint(one.row["parent_id"] for one in testing)
    by_sets = _named_by_the_most_similar(training, testing)
    divided = _named_by_the_most_similar(training[::2], training[1::2])
    assert by_sets == pytest.approx(0.5, abs=3.5 * 0.5 / n**0.5)  # n scenes, each with one label
    assert divided > 0.9


def _named_by_the_most_similar(known, asked):
    """Share of the images whose label, drawn for each parent, is that of the known image most like them."""
    parents = sorted({one.row["parent_id"] for one in (*known, *asked)})
    labels = dict(zip(parents, np.random.default_rng(2).permutation(len(parents)) % 2, strict=True))
    scaled = [
        np.arcsinh(np.stack([one.images.vis.ravel() for one in part]) / EUCLID.bands[0].sky_sigma)
        for part in (known, asked)
    ]
    ours, theirs = (one - one.mean(axis=0) for one in scaled)
    likeness = theirs @ (ours / np.linalg.norm(ours, axis=1, keepdims=True)).T
    found = [labels[known[best].row["parent_id"]] for best in likeness.argmax(axis=1)]
    return np.mean([label == labels[one.row["parent_id"]] for label, one in zip(found, asked, strict=True)])


def test_labels_of_pairs_are_balanced_so_that_a_scene_tells_nothing():
    """Guessing from the scene alone, with labels of its sibling, is right no more often than chance."""
    roles = [examples.role(number, PAIRS, 4)[0] for number in range(400)]
    lenses = np.array([kind == "lens" for kind in roles]).reshape(-1, 2)
    assert (lenses.sum(axis=1) == 1).all()
    assert lenses[:, 0].mean() == pytest.approx(0.5, abs=0.1)


# --- layers


def test_layers_add_up_to_the_mean_of_what_is_recorded():
    one = examples.example(0, "rings", SETTINGS, 2, with_layers=True)
    assert set(one.layers) == set(render.LAYERS)
    assert one.layers["source"].vis.max() > 0
    impostor = next(
        made
        for made in (examples.example(number, "singles", SETTINGS, 2, True) for number in range(20))
        if made.row["label"] == 0
    )
    assert impostor.layers["source"].vis.max() == 0
    assert impostor.layers["lens"].vis.max() > 0


# --- shards


@pytest.mark.parametrize(("content", "layers"), [("singles", False), ("arcs", True)])
def test_shard_rebuilds_from_ids_and_not_from_workers(tmp_path, content, layers):
    ids = range(100, 112)
    digests = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.h5"
        examples.write_shard(path, "training", content, ids, SETTINGS, 1, workers, with_layers=layers)
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    data = DataSet(path)
    assert data.shape("vis") == (12, 200, 200)
    assert data.shape("nisp") == (12, 3, 66, 66)
    assert data.attributes["bands"] == ["VIS", "J", "Y", "H"]
    for place in (0, 9):
        alone = examples.example(100 + place, content, SETTINGS, 1, with_layers=layers)
        assert np.array_equal(data.read("vis", place), alone.images.vis)
        assert np.array_equal(data.read("nisp", place), alone.images.nisp)
        pd.testing.assert_series_equal(data.table.iloc[place], pd.Series(alone.row), check_names=False)
        if layers:
            assert np.array_equal(data.read("vis_source", place), alone.layers["source"].vis)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.h5", "2.h5"]


def test_an_impostor_rebuilds_from_the_settings_that_its_shard_records(tmp_path):
    kinds = {"spiral": 1.0, "elliptical": 4.0, "merger": 1.0, "companions": 2.0}
    settings = dataclasses.replace(SETTINGS, share_negatives=0.9, negatives=kinds)
    examples.write_shard(tmp_path / "000.h5", "training", "singles", range(40, 52), settings, 1, 1)
    data = DataSet(tmp_path)
    recorded = Settings(**data.attributes["settings"])
    assert recorded == settings
    assert list(recorded.negatives) != list(kinds)
    drawn = [examples.role(int(number), recorded, 1)[0] for number in data.table["id"]]
    assert drawn == [examples.role(number, settings, 1)[0] for number in range(40, 52)]
    place = next(i for i, kind in enumerate(drawn) if kind != "lens")
    alone = examples.example(40 + place, "singles", recorded, 1)
    assert np.array_equal(data.read("vis", place), alone.images.vis)


def test_another_seed_or_id_gives_another_example():
    first = examples.example(5, "singles", SETTINGS, 1).images.vis
    assert not np.array_equal(first, examples.example(5, "singles", SETTINGS, 2).images.vis)
    assert not np.array_equal(first, examples.example(6, "singles", SETTINGS, 1).images.vis)
    assert np.array_equal(first, examples.example(5, "singles", SETTINGS, 1).images.vis)


def test_single_band_instrument_has_no_second_array(tmp_path):
    hst = dataclasses.replace(SETTINGS, instrument="hst_f814w")
    examples.write_shard(tmp_path / "a.h5", "hst", "singles", range(4), hst, 1, with_layers=True)
    data = DataSet(tmp_path / "a.h5")
    assert data.shape("vis") == (4, 100, 100)
    assert data.attributes["bands"] == ["F814W"]
    with pytest.raises(KeyError):
        data.shape("nisp")


def test_roll_angles():
    trefoil = {"shape": "trefoil", "amplitude": 0.1}
    fixed = dataclasses.replace(SETTINGS, psf=trefoil | {"roll": "fixed"})
    turning = dataclasses.replace(SETTINGS, psf=trefoil | {"roll": "random"})
    assert {examples.example(number, "singles", fixed, 1).row["roll_rad"] for number in range(3)} == {0.0}
    rolls = {examples.example(number, "singles", turning, 1).row["roll_rad"] for number in range(3)}
    assert len(rolls) == 3


def test_columns_are_the_same_for_all_contents():
    for content in ("singles", "arcs", "rings"):
        assert tuple(examples.example(8, content, SETTINGS, 1).row) == examples.COLUMNS


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(BadSetting, match="content"):
        examples.example(0, "crosses", SETTINGS, 1)
    with pytest.raises(BadSetting, match="shards"):
        examples.write_shard(tmp_path / "a.h5", "training", "singles", range(45_000), SETTINGS, 1)
    assert not list(tmp_path.iterdir())
