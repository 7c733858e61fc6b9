"""The configured sets of every scale: settings that exist, and ids apart."""

from itertools import pairwise

import pytest
import yaml

from skyneedle.lenses.simulate.settings import Settings
from tests.conftest import ROOT


def _merged(below, above):
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key, {}), value) for key, value in above.items()}


def _configured(scale):
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["lenses"]
    if scale == "laptop":
        return config
    return _merged(config, yaml.safe_load((ROOT / "config" / f"{scale}.yaml").read_text())["lenses"])


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper", "paper with 100,000 for training"])
def test_sets_are_apart_and_their_settings_are_good(scale):
    scale, *option = scale.split(" with ")
    config = _configured(scale)
    if option:  # Sec. 2.1 has this number, Sec. 3.2 has 45,000
        config["sets"]["training"]["n_examples"] = 100_000
    spans = []
    for entry in config["sets"].values():
        Settings(**{**config["simulate"], **entry.get("simulate", {}), "recipe": config["recipe"]})
        assert entry["first_id"] % 2 == entry["n_examples"] % 2 == 0  # no pair is split
        spans.append((entry["first_id"], entry["first_id"] + entry["n_examples"]))
        n_images = 4 if entry.get("layers") else 1  # what is recorded, and three layers
        of_one = 4 * (200**2 + 3 * 66**2) * n_images
        assert of_one * -(-entry["n_examples"] // entry["shards"]) < 2**30  # a shard fits
    spans.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] <= 900_000  # from there on recipes are compared
    if scale == "paper" and not option:
        sizes = {name: entry["n_examples"] for name, entry in config["sets"].items()}
        assert (sizes["training"], sizes["validation"], sizes["testing"]) == (45_000, 3_000, 12_000)
        assert (sizes["evaluation"], sizes["arcs"], sizes["rings"]) == (100_000, 10_000, 10_000)
