"""Images for figures: what is shown of a set does not depend on how its recipe stored it."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.store import DataSet
from skyneedle.lenses.figures import draw
from skyneedle.lenses.simulate import examples, gallery
from skyneedle.lenses.simulate.settings import NEGATIVE_KINDS, Settings

SKY = [0.003, 0.02, 0.02, 0.02]  # VIS, J, Y and H, electrons/s
N = 6


def write(path, label, first, stretch="linear"):
    """A blob in noise of the sky's size, linear or as the published notebook stored images (spec A4.9)."""
    random = np.random.default_rng(first)
    y, x = np.indices((200, 200))
    blob = np.exp(-((y - 100) ** 2 + (x - 100) ** 2) / 2 / 5**2)
    vis = blob + random.normal(0, SKY[0], (N, 200, 200))
    nisp = np.stack([random.normal(0, sigma, (N, 66, 66)) for sigma in SKY[1:]], axis=1) + 1.0
    kinds = ["lens"] * N if label else list(NEGATIVE_KINDS[:N])
    table = pd.DataFrame({"id": first + np.arange(N), "label": label, "kind": kinds})
    arrays = {"vis": vis, "nisp": nisp}
    if stretch == "sqrt":
        arrays = {name: np.sqrt(np.clip(array, 0, 10_000)) / 100 for name, array in arrays.items()}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    store.write(path, arrays, table, {"sky_sigma": SKY, "stretch": stretch})
    return path


@pytest.fixture(params=["linear", "sqrt"])
def table(request, tmp_path):
    training = [write(tmp_path / f"t{label}.h5", label, 100 * label) for label in (0, 1)]
    sets = {name: write(tmp_path / f"{name}.h5", 1, 500, request.param) for name in ("arcs", "rings")}
    gallery.write(sets | {"training": training, "impostors": training}, tmp_path / "g.parquet")
    return tmp_path / "g.parquet"


def test_the_scale_of_compound_lenses_starts_in_their_noise_in_both_recipes(table, tmp_path):
    """From half the standard deviation of the sky: 31 % of an empty sky is above it (Gaussian)."""
    draw.FIGURES["fig2_compound_images"](tiles=table, stem=tmp_path / "fig2", provenance={})
    drawn = pd.read_csv(tmp_path / "fig2.csv").set_index(["panel", "id"])
    tiles = pd.read_parquet(table).set_index(["panel", "id"]).loc[["arcs", "rings"]]
    assert len(tiles) == len(drawn) == 2 * N
    for who, tile in tiles.iterrows():
        image, low = tile["vis"].reshape(200, 200), drawn.loc[who, "low"]
        assert low == pytest.approx(SKY[0] / 2)
        assert (image[:60] > low).mean() == pytest.approx(0.3085, abs=0.02)
        assert drawn.loc[who, "high"] == pytest.approx(1, abs=0.02)  # the blob's peak, electrons/s


def test_colours_are_those_of_the_light_in_both_recipes(table):
    tiles = pd.read_parquet(table)
    shown = tiles.loc[tiles["panel"] == "rings", "composite"].iloc[0].reshape(66, 66, 3)
    # J and H of one electron/s and dark VIS: red and green alike, without blue, fifty times the sky.
    corner = shown[:10, :10].mean(axis=(0, 1))
    assert corner[0] == pytest.approx(corner[1], rel=0.02)
    assert corner[2] < 0.05 * corner[0]
    assert corner[0] == pytest.approx(1.5 * np.arcsinh(100 / 3 / 10) / np.arcsinh(150), rel=0.03)


def test_what_the_notebook_stored_is_undone_but_for_its_cuts():
    faithful, number = Settings(population="bright", recipe="faithful"), 500_000
    attributes = examples.attributes("arcs", "arcs", faithful, 1)
    stored = examples.example(number, "arcs", faithful, 1).images.vis
    light = gallery.light(stored, attributes)
    assert light.min() == 0
    np.testing.assert_allclose(np.sqrt(light) / 100, stored, rtol=1e-6)
    # The sky of the faintest parts is that of the instrument, folded: the median of a positive half Gaussian.
    edge = light[light < 3 * attributes["sky_sigma"][0]]
    assert np.median(edge[edge > 0]) == pytest.approx(attributes["sky_sigma"][0], rel=0.5)


def test_linear_images_are_shown_as_they_are(tmp_path):
    data = DataSet(write(tmp_path / "a.h5", 1, 3))
    image = data.read("vis", 0)
    assert gallery.light(image, data.attributes) is image
    assert gallery.light(image, {}) is image  # real images say nothing
