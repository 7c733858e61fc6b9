"""From a trained network to the tables and figures of its dreams and kernels."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

from skyneedle.core import plotting, store
from skyneedle.core.runtime import Job
from skyneedle.lenses import networks
from skyneedle.lenses.figures import draw
from skyneedle.lenses.interpret import pictures
from skyneedle.lenses.preprocess import Scaling

SETTINGS = {
    "class_image_steps": 2,
    "deep_dream_steps": 2,
    "kernel_steps": 2,
    "n_images": 5,
    "n_kernels": 4,
}
BANDS = ("J", "Y", "H", "VIS")
SIGMA = [0.01, 0.07, 0.07, 0.07]  # VIS first, as in the sets


def write_set(folder, labels, first_id=100):
    rng = np.random.default_rng(first_id)
    n = len(labels)
    arrays = {
        "vis": (rng.normal(0, 0.01, (n, 200, 200)) + 0.001).astype(np.float32),
        "nisp": rng.normal(0, 0.07, (n, 3, 66, 66)).astype(np.float32),
    }
    table = pd.DataFrame({"id": first_id + np.arange(n), "label": labels})
    table["kind"] = ["lens" if label else ("spiral", "elliptical")[i % 2] for i, label in enumerate(labels)]
    table["n_pix_source"] = np.arange(n) * np.array(labels)
    attributes = {"bands": ["VIS", "J", "Y", "H"], "sky_sigma": SIGMA, "stretch": "linear"}
    store.write(folder / "000.h5", arrays, table, attributes)
    return [folder / "000.h5"]


@pytest.fixture
def trained(tmp_path):
    """A small network with random weights, as a training leaves it."""
    options = {"width": 2}
    network = networks.build("resnet10", **options)
    scaling = {"bands": BANDS, "size": 66, "recipe": "corrected", "sky_sigma": (0.07, 0.07, 0.07, 0.01)}
    scaling |= {"mean": (0.0,) * 4, "std": (0.1, 0.1, 0.1, 0.2)}
    save_file(network.state_dict(), tmp_path / "seed0.safetensors")
    card = {"name": "mine", "source": "resnet10", "options": options, "normalisation": scaling}
    card["registry"] = "skyneedle.lenses.networks"
    (tmp_path / "seed0.json").write_text(json.dumps(card))
    return tmp_path / "seed0.safetensors"


def run(trained, folder, labels, recipe="corrected"):
    testing = write_set(folder / "testing", labels)
    training = write_set(folder / "training", [0, 1], 0)
    out = {name: folder / f"{name}.parquet" for name in ("dreams", "activations", "kernels")}
    out["summary"] = folder / "summary.csv"
    job = Job(3, 1, "cpu", {"code": "abc"})
    pictures.write(trained, testing, training, out, recipe=recipe, settings=SETTINGS, job=job)
    return out


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_tables_and_figures_of_a_network(trained, tmp_path, recipe):
    out = run(trained, tmp_path, [0, 1, 0, 0, 1, 1], recipe)
    dreams = pd.read_parquet(out["dreams"])
    assert list(zip(dreams["method"], dreams["label"], dreams["target"], strict=True)) == list(
        draw.dreams.DREAM_ROWS
    )
    # The elliptical, and the lens with most pixels in its arcs.
    assert dreams["id"].tolist() == [-1, -1, 103, 103, 105, 105]
    assert np.all(np.diff(dreams["logit_after"].to_numpy().reshape(3, 2), axis=1) > 0)
    assert dreams["score_before"].between(0, 1).all()
    values = pd.read_parquet(out["activations"])
    summary = pd.read_csv(out["summary"], dtype={"layer": str})
    assert values["id"].tolist() == list(range(100, 105))
    assert list(values.columns[2:]) == [f"{row.layer}:{row.kernel}" for row in summary.itertuples()]
    for row in summary.itertuples():
        column = values[f"{row.layer}:{row.kernel}"]
        assert values["id"][column.argmax()] == row.top1
        assert row.value1 == pytest.approx(column.max(), rel=1e-5)
    kernels = pd.read_parquet(out["kernels"])
    assert len(kernels) == 4
    assert set(kernels["size"]) == ({66} if recipe == "corrected" else {200})
    assert (kernels["sigma_top"] >= 0).all()
    draw.FIGURES["fig14_kernels_ou66"](kernels=out["kernels"], stem=tmp_path / "fig14", provenance={})
    draw.FIGURES["fig16_dreams"](dreams=[out["dreams"]], stem=tmp_path / "fig16", provenance={})
    assert len(pd.read_csv(tmp_path / "fig14.csv")) == 4
    drawn = pd.read_csv(tmp_path / "fig16.csv")
    assert len(drawn) == 6
    assert np.isfinite(drawn.drop(columns=["network", "method"])).all(axis=None)
    assert f"[{kernels['layer'][0]}, {kernels['kernel'][0]}]" in (tmp_path / "fig14.svg").read_text()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_places_without_a_kernel_are_empty(trained, tmp_path, monkeypatch, n):
    kernels = pd.read_parquet(run(trained, tmp_path, [0, 1, 0, 1])["kernels"])[:n]
    seen, save = [], plotting.save
    monkeypatch.setattr(plotting, "save", lambda figure, *rest: seen.append(figure) or save(figure, *rest))
    draw.FIGURES["fig15_kernels_ou200"](kernels=kernels, stem=tmp_path / "fig15", provenance={})
    assert sum(axes.get_visible() for axes in seen[0].axes) == 2 * n
    assert all(bool(axes.images) == axes.get_visible() for axes in seen[0].axes)


def test_a_set_without_lenses_says_so_in_the_panels(trained, tmp_path):
    out = run(trained, tmp_path, [0, 0, 0])
    assert pd.read_csv(out["summary"])["auroc"].isna().all()
    draw.FIGURES["fig16_dreams"](dreams=[out["dreams"]], stem=tmp_path / "fig16", provenance={})
    assert len(pd.read_csv(tmp_path / "fig16.csv")) == 4
    assert "no data" in (tmp_path / "fig16.svg").read_text()


def test_dreams_of_many_networks_are_two_abreast(trained, tmp_path, monkeypatch):
    one = pd.read_parquet(run(trained, tmp_path, [0, 1, 0, 1])["dreams"])
    table = pd.concat([one.assign(network=f"net{number}") for number in range(3)])
    seen, save = [], plotting.save
    monkeypatch.setattr(plotting, "save", lambda figure, *rest: seen.append(figure) or save(figure, *rest))
    draw.FIGURES["fig16_dreams"](dreams=table, stem=tmp_path / "fig16", provenance={})
    assert seen[0].get_figwidth() <= plotting.PAGE_IN
    assert [part.get_suptitle() for part in seen[0].subfigs] == ["net0", "net1", "net2", ""]
    drawn = pd.read_csv(tmp_path / "fig16.csv")["network"].value_counts()
    assert drawn.tolist() == [6, 6, 6]


def test_shown_bands_share_zero_and_unit():
    scaling = Scaling(("J", "H"), 66, "corrected", (0.1, 0.2), (0.3, 0.4), (2.0, 0.5), softening=30.0)
    nisp = np.zeros((1, 3, 66, 66), np.float32)
    nisp[0, 0], nisp[0, 2] = 0.1 * 60, 0.2 * 60  # sixty standard deviations of the sky in both
    image = pictures.shown(scaling, scaling(None, nisp))
    np.testing.assert_allclose(image, np.arcsinh(2.0), rtol=1e-5)


def test_images_to_dream_from_where_a_table_says_little():
    table = pd.DataFrame({"id": [7, 8, 9], "label": [1, 0, 1]})
    assert pictures.examples(table) == [1, 0]
    assert pictures.examples(table[["id"]]) == []
    assert pictures.examples(table[table["label"] == 1]) == [0]
