"""Figures of attribution: every map is in the csv with its extremes, and what is missing says so."""

import re

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import tables
from skyneedle.lenses.fetch.compounds import KNOWN
from skyneedle.lenses.figures import attribution, draw
from skyneedle.lenses.interpret import scores

MISSING = {
    "SL2S J02176-0513": "SL2S J02176-0513: no FITS image in F606, F814 (HST) in the folder SL2SJ02176-0513: "
    "only a picture is there (CFHTLSJ021737.1-051329.png), and a picture is not data",
    "SDSS J0946+1006": "0 of 4 filters are there",
}
N, SIDE = 40, 10


def write_tiles(path, network, n_of_each=2, known=("SDSS J1148+1930", "HSC J142449-005322")):
    random = np.random.default_rng(len(network))
    panels = [p for p in ("lens", "non-lens", "arcs", "rings") for _ in range(n_of_each)]
    rows = [
        {
            "panel": panel,
            "id": i,
            "name": name,
            "label": int(panel != "non-lens"),
            "kind": panel,
            "score": random.random(),
            "n": N,
            "sky_sigma": 0.01,
            "vis": random.exponential(0.05, N * N).astype(np.float32),
            "occlusion": random.normal(-0.1, 0.1, SIDE * SIDE),
            "kept": (random.random(N * N) < 0.1).astype(np.int8),
            "product_low": -0.2,
            "product_high": 0.5,
            "cut": 0.025,
        }
        for i, (panel, name) in enumerate([(p, str(p)) for p in panels] + [("known", k) for k in known])
    ]
    names = [one.name for one in KNOWN]
    attributes = {"network": network, "known": names, "missing": MISSING if known else {}}
    tables.write_parquet(pd.DataFrame(rows), path, attributes)
    return path


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    return [write_tiles(folder / f"{name}.parquet", name) for name in ("ou66", "ou200")]


def drawn(name, files, folder):
    draw.FIGURES[name](**files, stem=folder / name, provenance={"seed": 1})
    for ending in ("svg", "pdf"):
        assert (folder / f"{name}.{ending}").stat().st_size > 5000
    words = re.sub(r"<[^>]*>", " ", (folder / f"{name}.svg").read_text())
    return pd.read_csv(folder / f"{name}.csv"), " ".join(words.split())


@pytest.mark.parametrize(
    ("name", "panels"),
    [("fig11_occlusion_singles", ("lens", "non-lens")), ("fig12_occlusion_compounds", ("arcs", "rings"))],
)
def test_each_map_of_each_network_is_in_the_csv_with_its_extremes(tiles, tmp_path, name, panels):
    table, words = drawn(name, {"tiles": tiles}, tmp_path)
    assert len(table) == 2 * 2 * 2
    assert set(table["panel"]) == set(panels)
    assert set(table["network"]) == {"ou66", "ou200"}
    stored = attribution.Tiles(tiles).table.set_index(["network", "id"])
    for row in table.itertuples():
        values = stored.loc[(row.network, row.id), "occlusion"]
        assert row.low == pytest.approx(values.min())
        assert row.high == pytest.approx(values.max())
        assert row.score == pytest.approx(stored.loc[(row.network, row.id), "score"])
        word = "lens" if row.label else "no lens"
        assert f"{row.id}: {word}, {row.score:.3f}" in words
        assert f"{row.low:+.2g} to {row.high:+.2g}" in words
    assert "2 such images were asked for" in words  # the empty places


def test_blue_is_where_the_lens_is_and_zero_is_white():
    blue, white, red = (attribution.SIGNED(value)[:3] for value in (0.0, 0.5, 1.0))
    assert white == pytest.approx((1, 1, 1))
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    grey = [np.dot(colour, (0.299, 0.587, 0.114)) for colour in (blue, red)]
    assert grey[1] - grey[0] > 0.2  # told apart in a print in grey


def test_known_lenses_without_images_are_named_with_the_reason(tiles, tmp_path):
    table, words = drawn("fig13_occlusion_known", {"tiles": tiles}, tmp_path)
    assert len(table) == 2 * len(KNOWN)
    missing = table[table["element"] == "missing"]
    assert set(missing["name"]) == set(MISSING)
    assert set(missing["note"]) == set(MISSING.values())
    for one in KNOWN:
        assert one.name in words
    lines = [line for line in words.split("no data") if "picture" in line]
    assert len(lines) == 2
    assert all("only a picture is there, and a picture is not data" in " ".join(one.split()) for one in lines)
    shown = table[table["element"] == "occlusion"]
    assert set(shown["name"]) == {"SDSS J1148+1930", "HSC J142449-005322"}


def test_guided_grad_cam_shows_each_image_and_its_pixels(tiles, tmp_path):
    table, _ = drawn("fig17_guided_grad_cam", {"tiles": tiles}, tmp_path)
    assert table["element"].value_counts().to_dict() == {"image": 8, "kept": 8, "missing": 4}
    assert set(table["network"]) == {"ou200"}
    kept = table[table["element"] == "kept"]
    assert kept["share_kept"].between(0.05, 0.15).all()
    assert (kept["cut"] == 0.025).all()


def test_networks_that_were_not_interpreted_and_sets_without_known_lenses_say_so(tmp_path):
    only = [write_tiles(tmp_path / "own.parquet", "own", 1, known=())]
    for name in ("fig11_occlusion_singles", "fig17_guided_grad_cam"):
        table, words = drawn(name, {"tiles": only}, tmp_path)
        assert not (table["element"].isin(["occlusion", "kept"])).any()
        assert "is not among the networks to interpret" in words
        assert table["note"].str.endswith("is not among the networks to interpret").all()
    ours = [write_tiles(tmp_path / "ou200.parquet", "ou200", 1, known=())]
    table, words = drawn("fig13_occlusion_known", {"tiles": ours}, tmp_path)
    assert (table["element"] == "missing").all()
    assert "its images were not fetched" in words


def test_scores_are_drawn_with_intervals_references_and_random_weights(tmp_path):
    random = np.random.default_rng(0)
    methods = ("occlusion", "Grad-CAM")
    rows = [
        {"network": network, "method": method, "weights": weights, "id": i, "parent_id": i}
        | {"hit": float(random.random() < 0.5), "iou": random.random(), "likeness": 0.1}
        for network, weights, names in (
            ("ou66", "trained", methods),
            ("ou66", "random", methods),
            (scores.NO_NETWORK, "none", ("random map", "central Gaussian", "brightness")),
        )
        for method in names
        for i in range(20)
    ]
    judged = pd.DataFrame(rows)
    judged.to_parquet(tmp_path / "maps.parquet")
    scores.write([tmp_path / "maps.parquet"], tmp_path / "t.csv", tmp_path / "t.md", 50)
    table, words = drawn("extra_attribution_scores", {"table": tmp_path / "t.csv"}, tmp_path)
    assert len(table) == 2 * (len(methods) + 3)
    row = table.set_index(["measure", "method"]).loc[("iou", "occlusion")]
    of_random = judged[(judged["weights"] == "random") & (judged["method"] == "occlusion")]
    assert row["random_weights"] == pytest.approx(of_random["iou"].mean())
    assert row["value_low"] < row["value"] < row["value_high"]
    # 68 % of a normal distribution lie within one standard error of the mean.
    error = of_random["iou"].std() / len(of_random) ** 0.5
    assert row["random_weights_high"] - row["random_weights_low"] == pytest.approx(2 * error, rel=0.4)
    assert row["random_weights_low"] < row["random_weights"] < row["random_weights_high"]
    for word in ("trained network", "random weights", "brightness", "central Gaussian"):
        assert word in words
