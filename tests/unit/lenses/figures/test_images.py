"""Figures of the data: every tile and point is in the csv, and what is missing says so."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import tables
from skyneedle.lenses.figures import draw
from skyneedle.lenses.simulate import examples, gallery, recipes
from skyneedle.lenses.simulate.settings import Settings

SETTINGS = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for name, content, first, n in (
        ("training", "singles", 0, 40),
        ("arcs", "arcs", 5000, 4),
        ("rings", "rings", 6000, 4),
    ):
        ids = range(first, first + n)
        examples.write_shard(folder / f"{name}.h5", name, content, ids, SETTINGS, seed=1)
    sets = {name: folder / f"{name}.h5" for name in ("training", "arcs", "rings")}
    gallery.write(sets | {"impostors": sets["training"]}, folder / "g.parquet")
    return folder / "g.parquet"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    settings = {"population": "bright", "share_negatives": 0.45}
    recipes.write(settings, 5, 1, folder / "r.csv", folder / "r.parquet")
    return {"tiles": folder / "r.parquet", "table": folder / "r.csv"}


def _drawn(name, files, folder):
    draw.FIGURES[name](**files, stem=folder / name, provenance={"seed": 1})
    for ending in ("svg", "pdf"):
        assert (folder / f"{name}.{ending}").stat().st_size > 5000
    return pd.read_csv(folder / f"{name}.csv")


@pytest.mark.parametrize(("name", "n"), [("fig1_training_images", 24), ("fig2_compound_images", 8)])
def test_tiles_are_in_the_csv(tiles, tmp_path, name, n):
    table = _drawn(name, {"tiles": tiles}, tmp_path)
    assert len(table) == n
    assert np.isfinite(table.select_dtypes("number").drop(columns="score")).all(axis=None)
    assert table["score"].isna().all()  # no network was asked
    assert (table["high"] > table["low"]).all()
    words = (tmp_path / f"{name}.svg").read_text()
    assert all(f"{number}: " in words for number in table["id"])
    if n == 24:
        assert table.groupby("panel")["label"].unique().map(list).to_dict() == {"lens": [1], "non_lens": [0]}
        assert table.loc[table["panel"] == "non_lens", "kind"].nunique() > 3
    else:
        assert "this set has 4" in words  # the empty places of the smallest scale


@pytest.mark.parametrize("name", ["fig1_training_images", "fig2_compound_images", "extra_impostors"])
def test_each_tile_carries_the_score_of_the_network_that_is_named(tiles, tmp_path, name):
    stored = pd.read_parquet(tiles)
    scores = stored[["id"]].drop_duplicates().assign(score=lambda one: (one["id"] % 97) / 97)
    halves = [scores.iloc[::2], scores.iloc[1::2]]
    paths = [tmp_path / f"{i}.parquet" for i in range(2)]
    for half, path in zip(halves, paths, strict=True):
        tables.write_parquet(half, path, {"network": "ou66"})
    table = _drawn(name, {"tiles": tiles, "scores": paths}, tmp_path)
    assert table["score"].to_numpy() == pytest.approx((table["id"] % 97) / 97)
    words = (tmp_path / f"{name}.svg").read_text()
    assert "score of ou66" in words
    for row in table.itertuples():
        word = "lens" if row.label else "no lens"
        assert f"{row.id}: {word}, {row.score:.2f}" in words


def test_every_kind_of_impostor_has_its_row(tiles, tmp_path):
    table = _drawn("extra_impostors", {"tiles": tiles}, tmp_path)
    assert set(table["label"]) == {0}
    assert (table.groupby("row")["kind"].nunique() == 1).all()
    assert (table["panel"] == table["kind"]).all()


def test_recipes_side_by_side(compared, tmp_path):
    table = _drawn("extra_compound_recipes", compared, tmp_path)
    assert table["element"].value_counts().to_dict() == {"tile": 32, "point": 20}
    points = table[table["element"] == "point"]
    redder = points["lens_colour"] > points["source_colour"]
    assert redder[points["panel"].str.startswith("corrected")].mean() > 0.7
    assert not redder[points["panel"].str.startswith("faithful")].any()


def test_drawn_again_gives_the_same_bytes(tiles, tmp_path):
    for folder in ("a", "b"):
        draw.FIGURES["fig2_compound_images"](tiles=tiles, stem=tmp_path / folder / "f", provenance={})
    for ending in ("svg", "pdf", "csv"):
        first, second = ((tmp_path / folder / f"f.{ending}").read_bytes() for folder in ("a", "b"))
        assert first == second


def test_composite_keeps_hues_and_range():
    vis, nisp = np.zeros((200, 200)), np.zeros((3, 66, 66))
    vis[1 + 30 : 1 + 33, 1 + 30 : 1 + 33] = 100.0  # one pixel of the others
    nisp[2, 50, 50] = 1e6
    image = gallery.composite(vis, nisp, [0.01, 0.07, 0.07, 0.07])
    assert image.shape == (66, 66, 3)
    assert image.min() == 0
    assert image.max() == 1
    assert image[10, 10].argmax() == 2
    assert image[50, 50].tolist() == pytest.approx([1, 0, 0])


def test_printed_priors_are_those_of_the_paper():
    table = recipes.priors().set_index("parameter")
    assert table.loc["n sersic", ["printed_low", "printed_high"]].tolist() == ["1.5", "20"]
    assert table.loc["Gamma", ["printed_low", "notebook_low"]].tolist() == ["-0.5", "-0.05"]
    assert len(table) == 8


def test_figures_import_nothing_heavy():
    heavy = "{'torch', 'lightning', 'lenstronomy'}"
    code = f"import skyneedle.lenses.figures.draw, sys; print({heavy} & set(sys.modules))"
    root = Path(draw.__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "set()"
