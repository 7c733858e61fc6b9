"""The known compound lenses as networks see them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import answers, known
from skyneedle.lenses.fetch import known as fetching
from skyneedle.lenses.figures import draw
from skyneedle.lenses.networks import build, load_published_weights


def _card(name, network, recipe, folder):
    from safetensors.torch import save_file

    scaling = {"bands": network.bands, "size": network.size, "recipe": recipe}
    if recipe == "corrected":
        n = len(network.bands)
        scaling |= {"sky_sigma": [1.0] * n, "mean": [0.0] * n, "std": [1.0] * n}
    card = {"name": name, "source": name, "options": {}, "registry": "skyneedle.lenses.networks"}
    save_file(network.state_dict(), folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(card | {"normalisation": scaling}))
    return folder / f"{name}.safetensors"


@pytest.fixture(scope="module")
def horseshoe(real_lenses, tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    fetching.write(
        folder / "000.h5", folder / "files", "corrected", mirrors=[str(real_lenses)], network=False
    )
    return folder


def test_published_weights_find_the_horseshoe_in_every_orientation(horseshoe, real_lenses, tmp_path):
    network = load_published_weights(build("ou66"), real_lenses / "wilde2022_weights" / "OU_66_Weights.pt")
    weights = {"ou66": _card("ou66", network, "faithful", tmp_path)}
    table = known.asked(weights, [horseshoe / "000.h5"])
    assert table["turn"].tolist() == list(range(8))
    assert table["score"].iloc[0] >= 0.9999
    missing = DataSet(horseshoe / "000.h5").attributes["missing"]
    found = answers.measured(table, ["ou66"], missing)
    assert found["cosmic_horseshoe_ou66"]["value"] == table["score"].iloc[0]
    assert found["cosmic_horseshoe_ou66"]["low"] <= found["cosmic_horseshoe_ou66"]["value"]
    assert "only a picture is there" in found["SL2SJ02176-0513_ou66"]["reason"]


def test_each_image_is_scaled_by_its_own_noise(horseshoe, tmp_path):
    torch.manual_seed(0)
    weights = {"ou66": _card("ou66", build("ou66"), "corrected", tmp_path)}
    before = known.asked(weights, [horseshoe / "000.h5"])
    data = DataSet(horseshoe / "000.h5")
    from skyneedle.core import store

    arrays = {"vis": data.read("vis", [0]) * 7, "nisp": data.read("nisp", [0]) * 3}
    store.write(tmp_path / "scaled.h5", arrays, data.table, data.attributes)
    after = known.asked(weights, [tmp_path / "scaled.h5"])
    np.testing.assert_allclose(before["logit"], after["logit"], rtol=1e-3, atol=1e-4)


def test_figure_and_metrics_without_any_lens(tmp_path):
    fetching.write(tmp_path / "000.h5", tmp_path / "files", "corrected", network=False)
    known.write(
        {"ou66": "not read"},
        [tmp_path / "000.h5"],
        table=tmp_path / "t.csv",
        pictures=tmp_path / "p.parquet",
        out=tmp_path / "m.json",
    )
    entries = json.loads((tmp_path / "m.json").read_text())
    assert all("not fetched" in entry["reason"] for key, entry in entries.items() if key != "provenance")
    draw.FIGURES["fig3_known_compounds"](tiles=tmp_path / "p.parquet", stem=tmp_path / "f", provenance={})
    drawn = pd.read_csv(tmp_path / "f.csv")
    assert len(drawn) == 4
    assert drawn["reason"].notna().all()


def test_figure_of_the_horseshoe(horseshoe, tmp_path):
    table = pd.DataFrame(columns=["network", "id", "name", "turn", "score", "logit"])
    tiles = known.tiles(DataSet(horseshoe / "000.h5"), table)
    draw.FIGURES["fig3_known_compounds"](tiles=tiles, stem=tmp_path / "f", provenance={})
    drawn = pd.read_csv(tmp_path / "f.csv").set_index("name")
    assert drawn.loc["SDSS J1148+1930", "high"] > drawn.loc["SDSS J1148+1930", "low"]
    assert drawn.loc["SL2S J02176-0513", "reason"] == "only a picture is there, and a picture is not data"
