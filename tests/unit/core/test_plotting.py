"""Figures on disk: same bytes, complete, readable; and rooms that draw stay light."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from skyneedle.core import files, plotting

HEAVY = ("torch", "lightning", "pycbc", "timm", "seaborn", "matplotlib.pyplot")
LIGHT = (
    "skyneedle.core.plotting",
    "skyneedle.core.scoreboard",
    "skyneedle.core.metrics",
    "skyneedle.core.store",
    "skyneedle.core.runtime",
    "skyneedle.core.errors",
    "skyneedle.strain.figures.diagrams",
    "skyneedle.strain.figures.results",
    "skyneedle.strain.figures.interpretation",
    "skyneedle.strain.figures.extras",
)


@plotting.style()
def small(stem, values=(1.0, 2.0, 4.0), provenance=None):
    figure = plotting.new()
    axes = figure.subplots()
    data = pd.DataFrame({"x": range(len(values)), "y": values})
    axes.plot(data["x"], data["y"], **plotting.series(1), label="a curve")
    axes.legend()
    return plotting.save(figure, stem, data, provenance)


def test_same_arguments_give_the_same_bytes_and_no_dates(tmp_path):
    first = small(tmp_path / "a" / "fig", provenance={"seed": 1})
    second = small(tmp_path / "b" / "fig", provenance={"seed": 1})
    assert [path.name for path in first] == ["fig.svg", "fig.pdf", "fig.csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"CreationDate" not in first[1].read_bytes()
    assert "<dc:date>" not in first[0].read_text()


def test_provenance_is_inside_and_text_stays_text(tmp_path):
    svg, pdf, csv = small(tmp_path / "fig", provenance={"commit": "abc123"})
    assert "abc123" in svg.read_text()
    assert b"abc123" in pdf.read_bytes()
    assert "a curve" in svg.read_text()
    assert pd.read_csv(csv)["y"].tolist() == [1.0, 2.0, 4.0]


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(files.os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        small(tmp_path / "fig")
    assert list(tmp_path.iterdir()) == []


def test_a_panel_without_data_says_why_in_words_that_can_be_searched(tmp_path):
    with plotting.style():
        figure = plotting.new()
        plotting.panel_without_data(figure.subplots(), "no mirror delivered H-H1.hdf5", title="GW151226")
        svg = plotting.save(figure, tmp_path / "fig", pd.DataFrame({"x": []}))[0].read_text()
    for word in ("GW151226", "no data", "no mirror", "H-H1.hdf5"):
        assert word in svg


def test_series_differ_without_colour():
    looks = [plotting.series(index) for index in range(8)]
    assert len({look["marker"] for look in looks}) == 8
    assert len({str(look["linestyle"]) for look in looks}) == 8


def test_palette_is_that_of_seaborn():
    seaborn = pytest.importorskip("seaborn")
    for ours, theirs in zip(plotting.PALETTE, seaborn.color_palette("colorblind", 10), strict=True):
        assert to_rgb(ours) == pytest.approx(theirs, abs=1e-6)


def test_intervals_that_exclude_the_value_by_rounding_are_drawn():
    axes = plotting.new().subplots()
    drawn = plotting.error_bars(axes, [0.0], [1.0], [0.9], [1.0 - 1e-12])
    (vertical,) = drawn.lines[2]
    np.testing.assert_allclose(vertical.get_segments()[0][:, 1], [0.9, 1.0])


def test_style_leaves_the_users_settings_alone():
    import matplotlib

    before = matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["font.size"]
    with plotting.style():
        assert matplotlib.rcParams["font.size"] == 8
    assert (matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["font.size"]) == before


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_are_read_from_files_and_joined(tmp_path, ending):
    paths = [tmp_path / f"{k}.{ending}" for k in range(2)]
    for k, path in enumerate(paths):
        table = pd.DataFrame({"k": [k]})
        table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    assert plotting.read(paths)["k"].tolist() == [0, 1]


def test_rooms_that_draw_and_count_import_nothing_heavy():
    code = "import " + ", ".join(LIGHT)
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {
        line.split("|")[-1].strip() for line in run.stderr.splitlines() if line.startswith("import time:")
    }
    assert "skyneedle.strain.figures.extras" in loaded
    assert not [name for name in loaded if name in HEAVY or name.split(".")[0] in HEAVY]
