"""Figures of triplets: every plane shown has its row, what is missing says so, masked pixels do not count."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.transients.figures import stamps
from skyneedle.transients.figures.draw import FIGURES

SIDE = 51


def tiles(panels):
    """As of ``evaluate.gallery.tiles``: so many triplets of each panel."""
    rng = np.random.default_rng(0)
    rows = []
    for panel, n in panels.items():
        for _ in range(n):
            row = {"panel": panel, "id": 5_000_000_000 + len(rows), "label": len(rows) % 2, "side": SIDE}
            row["kind"] = panel.removeprefix("kind_") if panel.startswith("kind_") else "dipole"
            planes = {name: rng.normal(100, 10, SIDE**2).astype(np.float32) for name in stamps.CHANNELS}
            rows.append(row | planes)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("fig2_stamps", {"artifact": 5, "non_artifact": 5}),
        ("fig6_relabelled", {"to_artifact": 4, "to_non_artifact": 2}),
        ("extra_kinds", {"kind_dipole": 3, "kind_trail": 2, "kind_supernova": 3}),
    ],
)
def test_every_plane_is_drawn_once(name, panels, tmp_path):
    table = tiles(panels)
    FIGURES[name](tiles=table, stem=tmp_path / name, provenance={})
    drawn = pd.read_csv(tmp_path / f"{name}.csv")
    assert len(drawn) == 3 * len(table)
    assert not drawn.duplicated(["id", "plane"]).any()
    assert drawn["id"].isin(table["id"]).all()  # int64 end to end
    assert np.abs(drawn["median"] - 100).max() < 3
    assert np.abs(drawn["noise"] - 10).max() < 2


def test_a_direction_in_which_nothing_changed_says_so(tmp_path):
    FIGURES["fig6_relabelled"](tiles=tiles({"to_artifact": 1}), stem=tmp_path / "fig6", provenance={})
    assert "no data" in (tmp_path / "fig6.svg").read_text()
    assert set(pd.read_csv(tmp_path / "fig6.csv")["panel"]) == {"to_artifact"}


def test_masked_pixels_count_for_neither_median_nor_noise():
    plane = np.random.default_rng(0).normal(100, 10, (SIDE, SIDE)).astype(np.float32)
    _, middle, noise = stamps.stretched(plane)
    plane[:20] = np.float32(stamps.MASKED)
    image, middle_masked, noise_masked = stamps.stretched(plane)
    assert np.isnan(image[:20]).all()
    assert np.isfinite(image[20:]).all()
    assert middle_masked == pytest.approx(middle, abs=1)
    assert noise_masked == pytest.approx(noise, rel=0.1)
    assert np.isnan(stamps.stretched(np.full((3, 3), np.nan))[1])
