"""The whole chain from stamps to judged maps, with a network whose reasons are known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from skyneedle.core import store
from skyneedle.core.runtime import Job
from skyneedle.core.store import DataSet
from skyneedle.lenses import networks
from skyneedle.lenses.interpret import audit, scores
from skyneedle.lenses.interpret.audit import Seen
from skyneedle.lenses.interpret.occlusion import Grid
from skyneedle.lenses.preprocess import Scaling

SKY = {"VIS": 0.01, "J": 0.07, "Y": 0.07, "H": 0.07}
NETWORK = '''
import torch
from torch import nn


class BlueLight(nn.Module):
    """The log odds of a lens are the light that is blue: VIS brighter than H, each in its own scale."""

    def __init__(self):
        super().__init__()
        self.bands, self.size = ("H", "VIS"), 50
        self.blue, self.relu, self.head = nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Linear(2 * 50**2, 2)
        with torch.no_grad():
            self.blue.weight.copy_(torch.tensor([[-1.0, 1.0], [0.0, 0.0]]).view(2, 2, 1, 1))
            self.blue.bias.zero_()
            self.head.weight.zero_()
            self.head.weight[1, : 50**2] = 0.1
            self.head.bias.zero_()

    def forward(self, x):
        return self.head(self.relu(self.blue(x)).flatten(1))
'''
SCALING = Scaling(("H", "VIS"), 50, "corrected", (0.07, 0.01), (0.0, 0.0), (1.0, 1.0), softening=1.0)


def stamps(folder, name, n=3, **extra):
    """A galaxy in the middle, red, and blue blobs around it, the sources, in every second stamp."""
    random = np.random.default_rng(1)
    y, x = np.indices((200, 200))
    vis, nisp, sources = [], [], []
    for i in range(n):
        place = (40 + 10 * i, 120) if i % 2 == 0 else None
        galaxy = 2.0 * np.exp(-((y - 100) ** 2 + (x - 100) ** 2) / 2 / 12**2)
        source = np.zeros((200, 200))
        if place:
            source = 0.5 * np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / 2 / 6**2)
        coarse = galaxy[1:199, 1:199].reshape(66, 3, 66, 3).mean(axis=(1, 3)) * 70
        vis.append(galaxy + source + random.normal(0, 1e-4, (200, 200)))
        nisp.append(np.stack([coarse] * 3) + random.normal(0, 1e-4, (3, 66, 66)))
        sources.append(source)
    table = pd.DataFrame(
        {"id": np.arange(n) + 100, "label": 1 - np.arange(n) % 2, "kind": ["lens"] * n}
        | {"parent_id": np.arange(n)}
        | extra
    )
    path = folder / f"{name}.h5"
    arrays = {"vis": vis, "nisp": nisp, "vis_source": sources}
    store.write(
        path,
        {key: np.asarray(value, np.float32) for key, value in arrays.items()},
        table,
        {"bands": list(SKY), "sky_sigma": list(SKY.values())},
    )
    return path


@pytest.fixture
def own_network(tmp_path):
    (tmp_path / "own.py").write_text(NETWORK)
    namespace = {}
    exec(compile(NETWORK, "own.py", "exec"), namespace)
    return namespace["BlueLight"]()


def test_methods_find_what_the_network_looks_at(tmp_path, own_network):
    data = DataSet(stamps(tmp_path, "audit", n=4))
    seen = Seen(own_network, SCALING, Grid(50, 2, 2), "corrected")
    torch.manual_seed(0)
    untrained = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 48**2, 2))
    found = pd.DataFrame(audit.judged(seen, untrained, data, name="own", n=9, seed=1))
    assert set(found["id"]) == {100, 102}  # the lenses
    means = found.groupby(["method", "weights"])[["hit", "iou"]].mean()
    for method in ("occlusion", "integrated gradients", "Grad-CAM"):
        assert means.loc[(method, "trained"), "hit"] == 1
        assert means.loc[(method, "trained"), "iou"] > 0.6
        assert means.loc[(method, "random"), "iou"] < 0.3
    assert means.loc[("brightness", "none"), "hit"] == 0  # the galaxy
    assert means.loc[("central Gaussian", "none"), "iou"] == 0
    random = found[found["weights"] == "random"]
    assert np.isfinite(random["likeness"]).all()
    assert found.loc[found["weights"] != "random", "likeness"].isna().all()


def test_maps_are_those_of_the_row_and_have_the_orientation_of_the_image(tmp_path, own_network):
    data = DataSet(stamps(tmp_path, "testing", n=3))
    seen = Seen(own_network, SCALING, Grid(50, 5, 5), "corrected")
    lens, other, last = audit.shown(seen, data, np.array([0, 1, 2]), "lens")
    assert [tile["id"] for tile in (lens, other, last)] == [100, 101, 102]
    # The blob is at row 40 and column 120 of 200: row 2 and column 6 of ten masks.
    drop = lens["occlusion"].reshape(10, 10)
    assert np.unravel_index(drop.argmin(), drop.shape) == (2, 6)
    assert drop.min() < 0
    kept = lens["kept"].reshape(50, 50)
    assert kept[10, 30] == 1
    assert kept.mean() < 0.2
    assert lens["cut"] == pytest.approx(0.05 * lens["product_high"])
    assert lens["score"] > other["score"]
    np.testing.assert_array_equal(lens["vis"].reshape(200, 200), data.read("vis", 0))


def test_square_roots_of_a_recipe_are_shown_as_light_with_the_noise_of_their_set(tmp_path, own_network):
    """What was cut off below zero is most of an empty sky, so that no noise can be measured."""
    data = DataSet(stamps(tmp_path, "arcs", n=1))
    arrays = {name: data.read(name, slice(None)) for name in ("vis", "nisp")}
    roots = {name: np.sqrt(np.clip(array, 0, 10_000)) / np.float32(100) for name, array in arrays.items()}
    store.write(tmp_path / "r.h5", roots, data.table, data.attributes | {"stretch": "sqrt"})
    seen = Seen(own_network, Scaling(("H", "VIS"), 50, "faithful"), Grid(50, 10, 10), "faithful")
    (tile,) = audit.shown(seen, DataSet(tmp_path / "r.h5"), np.array([0]), "arcs")
    assert tile["sky_sigma"] == SKY["VIS"]
    np.testing.assert_allclose(tile["vis"], np.clip(arrays["vis"].ravel(), 0, None), rtol=1e-5)
    measured = next(audit.shown(seen, data, np.array([0]), "arcs"))
    assert measured["sky_sigma"] != SKY["VIS"]  # linear images say it themselves


def test_a_mask_on_empty_sky_changes_nothing(tmp_path, own_network):
    """Masks are filled with what empty sky becomes, which is not zero in the network's input (spec F11)."""
    path = stamps(tmp_path, "sky", n=1)
    stored = DataSet(path)
    empty = {name: np.zeros_like(stored.read(name, slice(None))) for name in ("vis", "nisp", "vis_source")}
    empty["vis"][:, 90:110, 90:110] = 1.0  # a source in the middle, else nothing
    with torch.no_grad():
        own_network.head.weight *= 1e-3  # far from certainty, where no mask would count
    store.write(path, empty, stored.table, stored.attributes)
    scaling = replace(SCALING, mean=(0.4, -0.3), std=(0.5, 2.0))
    seen, data = Seen(own_network, scaling, Grid(50, 5, 5), "corrected"), DataSet(path)
    (tile,) = audit.shown(seen, data, np.array([0]), "lens")
    image = torch.from_numpy(scaling(empty["vis"], empty["nisp"]))
    judged = audit.evidence(seen, image)["occlusion"][2::5, 2::5]
    for change in (tile["occlusion"].reshape(10, 10), -judged):
        assert change[4:6, 4:6].max() < -1e-4  # the source is missed
        change[3:7, 3:7] = 0  # what resizing blurs it over
        assert np.abs(change).max() < 1e-5  # rounding; a mask filled with zeros changes fifty times as much


def test_images_are_spread_over_their_sets(tmp_path):
    sets = {name: DataSet(stamps(tmp_path, name, n=6)) for name in ("testing", "arcs", "rings", "known")}
    picks = audit.chosen(sets, 2)
    labels = sets["testing"].table["label"].to_numpy()
    assert [len(rows) for _, rows in picks.values()] == [2, 2, 2, 2, 6]
    assert labels[picks["lens"][1]].tolist() == [1, 1]
    assert labels[picks["non-lens"][1]].tolist() == [0, 0]
    assert picks["lens"][1].tolist() == [0, 4]
    assert "known" not in audit.chosen({name: sets[name] for name in ("testing", "arcs", "rings")}, 2)


def test_a_stamp_of_a_survey_without_known_sky_is_scaled_by_its_own(tmp_path, own_network):
    """Known lenses come from several telescopes, each in a unit of its own."""
    path = stamps(tmp_path, "known", n=2)
    seen = Seen(own_network, SCALING, Grid(50, 5, 5), "corrected")
    stored = DataSet(path)
    random = np.random.default_rng(0)
    arrays = {name: stored.read(name, slice(0, 1)) for name in ("vis", "nisp")}
    arrays["vis"] = arrays["vis"] + random.normal(0, 0.01, (1, 200, 200)).astype(np.float32)
    arrays["nisp"] = arrays["nisp"] + random.normal(0, 0.07, (1, 3, 66, 66)).astype(np.float32)
    both = {name: np.concatenate([array, 1000 * array]) for name, array in arrays.items()}
    store.write(tmp_path / "units.h5", both, stored.table, {"missing": {"SL2S": "a picture"}})
    first, second = audit.shown(seen, DataSet(tmp_path / "units.h5"), np.array([0, 1]), "known")
    assert first["score"] == pytest.approx(second["score"], abs=1e-6)


@pytest.mark.parametrize("recipe", ["corrected", "faithful"])
def test_the_job_writes_tiles_and_judged_maps(tmp_path, own_network, recipe):
    shards = {name: stamps(tmp_path, name) for name in ("testing", "arcs", "rings", "audit")}
    empty = DataSet(shards["arcs"])
    store.write(
        tmp_path / "known.h5",
        {name: empty.read(name, slice(0, 0)) for name in ("vis", "nisp")},
        empty.table.iloc[:0],
        {"missing": {"SL2S J02176-0513": "only a picture is there"}},
    )
    scaling = SCALING if recipe == "corrected" else Scaling(("H", "VIS"), 50, "faithful")
    save_file(own_network.state_dict(), tmp_path / "seed0.safetensors")
    card = {"name": "own", "source": f"{tmp_path}/own.py:BlueLight", "options": {}, "registry": None}
    (tmp_path / "seed0.json").write_text(json.dumps(card | {"normalisation": scaling.__dict__}))
    audit.attribute(
        tmp_path / "seed0.safetensors",
        shards | {"known": tmp_path / "known.h5"},
        tiles=tmp_path / "tiles.parquet",
        maps=tmp_path / "maps.parquet",
        mask_pixels=10,
        n_occlusion=2,
        n_audit=2,
        recipe=recipe,
        job=Job(3, 1, "cpu", {"code": "x"}),
    )
    tiles = pd.read_parquet(tmp_path / "tiles.parquet")
    assert tiles["panel"].tolist() == ["lens", "lens", "non-lens", "arcs", "arcs", "rings", "rings"]
    assert tiles.attrs["missing"] == {"SL2S J02176-0513": "only a picture is there"}
    assert tiles.attrs["network"] == "own"
    assert {len(row) for row in tiles["occlusion"]} == {25}
    judged = pd.read_parquet(tmp_path / "maps.parquet")
    # Two lenses: three references, and every method twice.
    assert len(judged) == 2 * (3 + 2 * len(audit.METHODS))
    assert set(judged["network"]) == {scores.NO_NETWORK, "own"}


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_method_works_on_every_network_and_leaves_it_as_it_was(name):
    network = networks.build(name).train()
    n, size = len(network.bands), network.size
    scaling = Scaling(network.bands, size, "corrected", (1.0,) * n, (0.1,) * n, (0.5,) * n)
    seen = Seen(network, scaling, Grid(size, size // 6, size // 6), "corrected")
    found = audit.evidence(seen, torch.rand(1, n, size, size))
    assert set(found) == set(audit.METHODS)
    assert all(values.shape == (size, size) and np.isfinite(values).all() for values in found.values())
    for module in network.modules():
        assert module.training
        assert not [*module._forward_hooks, *module._forward_pre_hooks, *module._backward_hooks]
    assert all(one.grad is None and one.requires_grad for one in network.parameters())
