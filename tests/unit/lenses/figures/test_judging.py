"""Figures of judged networks: all that is drawn stands in the csv, and what is missing says so."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import metrics
from skyneedle.lenses.evaluate import curves, selection
from skyneedle.lenses.evaluate.score import Scored
from skyneedle.lenses.figures import draw, images

METHODS = ["ou66", "ou200", "my_network"]


def drawn(name, files, folder):
    draw.FIGURES[name](**files, stem=folder / name, provenance={"seed": 1})
    for ending in ("svg", "pdf"):
        assert (folder / f"{name}.{ending}").stat().st_size > 2000
    return pd.read_csv(folder / f"{name}.csv"), (folder / f"{name}.svg").read_text()


@pytest.fixture
def random():
    return np.random.default_rng(0)


def tile(number, panel):
    pixels = np.random.default_rng(number).normal(0, 1, 40 * 40).astype(np.float32)
    pixels[800:850] += 50
    return {
        "panel": panel,
        "id": number,
        "label": 1,
        "kind": "lens",
        "n": 40,
        "sky_sigma": 1.0,
        "vis": pixels,
    }


@pytest.mark.parametrize("n_more", [0, 9])
def test_roc_names_each_area(tmp_path, random, n_more):
    labels = random.integers(0, 2, 400)
    tables = []
    for i, name in enumerate([*METHODS, *(f"another_{k}" for k in range(n_more))]):
        scored = Scored(labels, random.normal(size=400) + i * labels, np.arange(400))
        tables.append(curves.roc(name, {"training": scored, "testing": scored}, 20, 30))
    table, words = drawn("fig6_roc", {"curves": pd.concat(tables)}, tmp_path)
    assert table.groupby(["method", "set"]).ngroups == 2 * len(tables)
    assert "my_network: " in words


def test_plane_and_groups(tmp_path, random):
    n = 200
    table = pd.DataFrame(
        {
            "set": ["training"] * 120 + ["testing"] * 80,
            "id": np.arange(n),
            "label": random.integers(0, 2, n),
            "x": random.normal(size=n),
            "y": random.normal(size=n),
            "value": random.uniform(size=n),
        }
    )
    lens = (table["set"] == "training") & (table["label"] == 1)
    table["group"] = np.where(lens, 1 + np.arange(n) % 4, 0)
    points, words = drawn("fig9_embedding", {"embedding": table}, tmp_path)
    assert len(points) == n
    assert all(f">{group}</text>" in words for group in (1, 2, 3, 4))
    tiles = [tile(i, f"group {1 + i // 6}") | {"score": i / 20} for i in range(20)]
    shown, words = drawn("fig10_groups", {"tiles": pd.DataFrame(tiles)}, tmp_path)
    assert shown.groupby("panel").size().tolist() == [6, 6, 6, 2]
    assert words.count("no data") == 4  # the empty places of a group of two
    assert shown["score"].tolist() == pytest.approx([i / 20 for i in range(20)])
    assert "13: lens, 0.65" in words


@pytest.mark.parametrize("n", [3000, 15])
def test_completeness_with_many_lenses_and_with_few(tmp_path, random, n):
    truth = pd.DataFrame({name: random.uniform(0, 1, n) for name in selection.PROPERTIES})
    found = random.uniform(size=n) < truth["theta_e"]
    cells = [selection.completeness(name, truth, found.to_numpy()) for name in METHODS]
    table, words = drawn("extra_completeness", {"cells": pd.concat(cells), "shown": METHODS[:2]}, tmp_path)
    assert len(table) == 3 * 8 * 2 + 3 * 16
    assert words.count("no data") == (6 if n == 15 else 0)
    assert (table["recall"].isna() == table["note"].eq("fewer than 20 lenses")).all()
    assert (table["recall"].isna() == (table["n"] < 20)).all()


def test_completeness_over_what_the_catalogue_tells(tmp_path, random):
    truth = pd.DataFrame({"mag_source": random.uniform(0, 1, 300)})
    cells = selection.completeness("ou66", truth, np.ones(300, bool))
    table, words = drawn("extra_completeness", {"cells": cells, "shown": ["ou66"]}, tmp_path)
    assert len(table) == 8
    assert words.count("no data") == 5
    assert words.count("the testing set") == 5
    assert "Einstein" in words


def test_false_positives_by_kind(tmp_path, random):
    kinds = np.array(list(images.IMPOSTORS) * 10)
    tables = [selection.impostors(name, kinds, random.uniform(size=60) < 0.3) for name in METHODS]
    by_kind = pd.concat(tables)
    table, words = drawn("extra_false_positives", {"by_kind": by_kind, "shown": METHODS}, tmp_path)
    assert len(table) == 18
    assert "ring galaxy" in words
    pairs = [{"kind": "spiral", "trained_with": "ou66", "trained_without": "ou200"}]
    without, words = drawn(
        "extra_unseen_impostors", {"without": selection.compared(by_kind, pairs)}, tmp_path
    )
    assert without["training"].tolist() == ["with", "without"]


def test_no_pair_of_networks_is_said(tmp_path):
    nothing = selection.compared(selection.impostors("n", np.array(["spiral"]), np.array([True])), [])
    _, words = drawn("extra_unseen_impostors", {"without": nothing}, tmp_path)
    assert "no data" in words
    assert "no kinds" in words


def test_matched_compounds(tmp_path):
    rows = [
        {
            "network": name,
            "set": which,
            "quantity": quantity,
            **metrics.interval(value, value - 0.1, value + 0.1, 9),
        }
        | {"n_compounds": 9, "n_matched": 8, "effective_singles": 5.5, "note": ""}
        | {"false_positive_rate": np.nan if name == "my_network" else 0.25}
        for name in METHODS
        for which in ("arcs", "rings")
        for quantity, value in (("compounds", 0.6), ("singles", 0.7), ("difference", -0.1))
    ]
    table = pd.DataFrame(rows)
    table.loc[table["set"] == "rings", ["value", "low", "high"]] = np.nan
    shown, words = drawn("extra_matched_compounds", {"table": table}, tmp_path)
    assert len(shown) == 18
    assert "8 of 9 matched" in words
    assert "OU-66, FPR 0.25" in words
    assert "my_network<" in words  # of which no rate is known
    assert words.count("no data") == 2
