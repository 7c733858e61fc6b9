"""What a run did, counted; what networks are made of, counted in the modules."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.transfer.evaluate import cells, design
from tests.unit.transfer.evaluate import made

AUGMENTATION = {"rotation_deg": 45.0, "zoom": [0.9, 1.0], "shear_deg": 15.0, "copies": 4}


def test_stamps_copies_and_folds_are_counted(tmp_path):
    table = pd.DataFrame(
        {"id": range(6), "parent_id": [0, 0, 1, 2, 3, 4], "label": [1, 0, 1, 1, 0, 0], "kind": "made"}
    )
    store.write(tmp_path / "000.h5", {"vis": np.ones((6, 100, 100), np.float32)}, table, {"sky_sigma": [1.0]})
    table.assign(fold=[0, 0, 1, 2, 1, 2]).to_parquet(tmp_path / "folds.parquet")
    out = tmp_path / "transfer_design.json"
    design.write(out, [tmp_path / "000.h5"], tmp_path / "folds.parquet", augmentation=AUGMENTATION)
    found = {key: entry["value"] for key, entry in json.loads(out.read_text()).items() if "value" in entry}
    assert (found["n_lenses"], found["n_non_lenses"]) == (12, 12)
    assert (found["n_parents"], found["n_folds"], found["n_training_folds"]) == (5, 3, 1)
    assert found["parents_in_two_folds"] == 0
    assert (found["stamp_pixels"], found["bits"], found["zoom_low"]) == (100, 32, 0.9)
    assert (found["gmm_features"], found["kpca_pixels"], found["kpca_features"]) == (9, 25, 200)


@pytest.fixture(scope="module")
def published():
    return {key: value for key, (value, _) in design.published().items()}


def test_lensflow_has_the_layers_that_are_printed(published):
    shapes = [(30, 96), (30, 48), (60, 44), (60, 22), (90, 18), (90, 9)]
    for number, (channels, pixels) in enumerate(shapes, start=1):
        assert published[f"lensflow_layer{number}_channels"] == channels
        assert published[f"lensflow_layer{number}_pixels"] == pixels
    assert published["lensflow_features"] == 7290
    assert [published[f"lensflow_layer{k}_neurons"] for k in (7, 8, 9, 10)] == [1000, 800, 600, 2]
    assert published["lensflow_parameters"] == 8_754_532


def test_architectures_are_those_that_the_text_describes_but_for_resnet(published):
    assert (published["vgg16_layers"], published["vgg19_layers"]) == (16, 19)
    assert published["vgg_kernel_pixels"] == 3
    assert (published["xception_convolutions"], published["xception_modules"]) == (36, 14)
    assert published["resnet_layers"] == 50  # the text has 152, the count of parameters is of this one
    assert published["n_outputs"] == 2


def test_counts_of_the_thesis_are_of_whole_imagenet_networks(tmp_path):
    entries = [
        made.entry("resnet"),
        made.entry("resnet_learned", "resnet", stem="learned"),
        made.entry("resnet_full", "resnet", mode="full"),
        made.entry("deeplens", weights="random"),
        {"name": "gmm", "source": "gmm"},
    ]
    design.write_architectures(entries, tmp_path / "a.json")
    found = {k: one["value"] for k, one in json.loads((tmp_path / "a.json").read_text()).items() if one}
    millions = {source: found[f"{source}_imagenet"] / 1e6 for source in cells.BACKBONES}
    assert millions == pytest.approx(
        {"xception": 22.9, "inception": 23.8, "resnet": 25.6, "nasnet": 88.8, "vgg16": 138.4, "vgg19": 143.7},
        abs=0.06,
    )
    # 2048 features: dropout, batch normalisation with 2 x 2048, and 2 x 2048 + 2 of the dense layer.
    assert found["resnet_trained"] == 4 * 2048 + 2
    assert found["resnet_learned_trained"] == found["resnet_trained"] + 3 * 16 + 3 + 2 * 3
    assert found["resnet_full_trained"] == found["resnet_full_total"] == found["resnet_total"]
    assert found["deeplens_trained"] == found["deeplens_total"]
    assert "gmm_total" not in found
