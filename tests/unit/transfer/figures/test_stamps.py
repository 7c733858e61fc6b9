"""Figures of the data: every stamp that is promised, its label, and a reason where there is none."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from skyneedle.lenses.simulate import examples, principle
from skyneedle.lenses.simulate.settings import Settings
from skyneedle.transfer import gallery, preprocess
from skyneedle.transfer.fetch import real
from skyneedle.transfer.figures import draw, stamps
from skyneedle.transfer.preprocess import Augmentation

HST = Settings(population="galaxy_scale", instrument="hst_f814w", share_negatives=0.4, share_pairs=0.2)
AUGMENTATION = Augmentation(45.0, (0.9, 1.0), 15.0)
CSV_COLUMNS = {"panel", "row", "column", "id", "label", "kind", "copy", "peak_sigma"}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    only = dataclasses.replace(HST, share_negatives=0.0, share_pairs=0.0)
    sets = {}
    for name, content, first, n, settings in (
        ("hst", "singles", 600_000, 60, HST),
        ("hard", "singles", 620_000, 20, HST),
        ("grade_a", "singles", 640_000, 8, only),
        ("grade_b", "singles", 642_000, 8, only),
        ("grade_c", "singles", 644_000, 8, only),
        ("morphology", "morphology", 660_000, 40, HST),
    ):
        sets[name] = [folder / f"{name}.h5"]
        examples.write_shard(sets[name][0], name, content, range(first, first + n), settings, 1)
    real.write(folder / "real.h5", folder / "real.json", folder / "files", 1, network=False)
    sets["real"] = folder / "real.h5"
    path = folder / "gallery.parquet"
    gallery.write(sets, path, 4, AUGMENTATION, 1)
    return path, sets


def test_tiles_are_what_networks_see(tiles):
    table = pd.read_parquet(tiles[0])
    counts = table["panel"].value_counts()
    assert counts["lens"] == counts["non_lens"] == gallery.N_TRAINING
    assert counts["augmented"] == gallery.N_AUGMENTED
    assert counts["grade_c"] == counts["hard"] == gallery.N_OF_A_SET
    assert counts["morphology"] == 10 * gallery.N_OF_A_KIND
    assert "real" not in counts  # no file was there
    assert set(table.loc[table["panel"] == "lens", "label"]) == {1}
    assert set(table.loc[table["panel"] == "hard", "label"]) == {0, 1}
    first = table[table["panel"] == "augmented"].iloc[0]
    assert 0 <= first["copy"] < 4
    data = gallery.DataSet(tiles[1]["hst"])
    row = int(first["id"]) - 600_000
    stamp, sigma = data.read("vis", [row]), data.attributes["sky_sigma"][0]
    copy = preprocess.augmented(stamp, [first["id"]], int(first["copy"]), AUGMENTATION, 1, sigma)
    expected = preprocess.scaled(copy, sigma)
    assert np.array_equal(np.asarray(first["seen"]), expected.ravel())


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("fig5-1_training_data", 40),
        ("fig5-2_augmented_data", 28),
        ("extra_sets", 28),
        ("extra_morphology", 40),
    ],
)
def test_figures_of_stamps(tiles, tmp_path, name, n):
    draw.FIGURES[name](tiles=tiles[0], stem=tmp_path / name, provenance={})
    drawn = pd.read_csv(tmp_path / f"{name}.csv")
    assert set(drawn.columns) == CSV_COLUMNS
    assert len(drawn) == n
    assert drawn.notna().all(axis=None)
    assert not drawn[["row", "column"]].isna().any(axis=None)
    assert drawn["peak_sigma"].nunique() > 1
    svg = (tmp_path / f"{name}.svg").read_text()
    if name == "extra_sets":
        assert "no file in the" in svg
        assert "harder" in svg
        assert not drawn.duplicated(["row", "column"]).any()
    if name == "fig5-1_training_data":
        assert "non-lenses" in svg
        assert svg.count(stamps.LENSES) >= 1
        assert svg.count(stamps.OTHERS) >= 1
    if name == "fig5-2_augmented_data":
        assert "[True]" in svg
        assert "[False]" in svg
    if name == "extra_morphology":
        assert drawn.groupby("kind").size().eq(4).all()
        assert drawn["kind"].nunique() == 10
        assert not drawn.duplicated(["row", "column"]).any()


def test_the_figure_of_lensing(tmp_path):
    principle.write(tmp_path / "rays.csv", tmp_path / "ring.parquet", 1)
    name = "fig2-1_gravitational_lensing"
    files = {"rays": tmp_path / "rays.csv", "ring": tmp_path / "ring.parquet"}
    draw.FIGURES[name](**files, stem=tmp_path / name, provenance={})
    drawn = pd.read_csv(tmp_path / f"{name}.csv")
    rays = pd.read_csv(tmp_path / "rays.csv")
    assert np.allclose(drawn["height_kpc"], rays["height_kpc"])
    svg = (tmp_path / f"{name}.svg").read_text()
    for words in ("observer", "galaxy (lens)", "source", "comoving distance (Mpc)", "x (arcsec)", "1.29"):
        assert words in svg
