"""Figures of how networks are built: every box is there, no box lies on another, no line goes down."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skyneedle.transfer import architecture
from skyneedle.transfer.figures import flows
from skyneedle.transfer.figures.draw import FIGURES

TABLES = {
    "fig3-1_deeplens": "deeplens",
    "fig4-1_network": "lensflow",
    "fig4-2_vgg16": "vgg16",
    "fig4-3_inception": "inception",
    "fig4-4_residual_block": "resnet",
    "fig4-5_nasnet": "nasnet",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    outs = {name: folder / f"{name}.csv" for name in TABLES.values()}
    architecture.write(outs)
    return outs


@pytest.mark.parametrize("name", TABLES)
def test_figures_show_what_their_tables_hold(name, tables, tmp_path):
    assert name in FIGURES
    source = pd.read_csv(tables[TABLES[name]])
    key = "graph" if TABLES[name] in architecture.GRAPHS else "layers"
    FIGURES[name](**{key: tables[TABLES[name]]}, stem=tmp_path / name, provenance={})
    assert (tmp_path / f"{name}.svg").stat().st_size > 5000
    assert (tmp_path / f"{name}.pdf").is_file()
    drawn = pd.read_csv(tmp_path / f"{name}.csv")
    if key == "graph":
        assert drawn["node"].tolist() == source["node"].tolist()
        assert drawn["inputs"].fillna("").tolist() == source["inputs"].fillna("").tolist()
        assert np.isfinite(drawn[["x", "layer", "channels", "parameters"]]).all(axis=None)
        assert drawn["layer"].nunique() > 4
    else:
        assert drawn["parameters"].sum() == float(source["parameters"].iloc[-1])


@pytest.mark.parametrize("name", architecture.GRAPHS)
def test_places_of_boxes(name, tables):
    for _, part in pd.read_csv(tables[name]).groupby("panel", sort=False):
        placed = flows.placed(part).set_index("node")
        for _, row in placed.iterrows():
            assert all(placed.loc[one, "layer"] == row["layer"] - 1 for one in str(row["inputs"]).split())
        for _, level in placed.groupby("layer"):
            boxes = np.sort(level.loc[level["kind"] != "line", "x"])
            assert (np.diff(boxes) > 0.99).all()
            lines = level.loc[level["kind"] == "line", "x"].to_numpy()
            assert all(abs(line - box) > 0.7 for line in lines for box in boxes)


def test_lines_do_not_cross_where_they_need_not():
    nodes = pd.DataFrame(
        {
            "panel": "one",
            "node": ["x", "a", "b", "c", "d", "out"],
            "kind": "convolution",
            "label": "",
            "inputs": ["", "x", "x", "b", "a", "c d"],
        }
    )
    placed = flows.placed(nodes).set_index("node")["x"]
    assert (placed["a"] < placed["b"]) == (placed["d"] < placed["c"])


def test_drawing_imports_no_torch():
    code = (
        "import sys; import skyneedle.transfer.figures.draw; assert not {'torch', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
