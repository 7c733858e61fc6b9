"""Sizes and settings of a run: counted by hand in a small survey, and all that the scoreboard asks for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import scoreboard, store
from skyneedle.transients.evaluate import design

PUBLISHED = Path(__file__).resolve().parents[4] / "config" / "published.tsv"


def write(tmp_path, truth):
    for shard, ids in enumerate(([1, 2, 3, 4, 5], [6, 7, 8, 9, 9])):  # one id stands twice
        stamps = np.zeros((len(ids), 3, 51, 51), np.uint8)
        store.write(tmp_path / f"{shard}.h5", {"stamps": stamps}, pd.DataFrame({"id": ids}), {})
    kinds = ["supernova", "variable", "dipole", "trail", "supernova", "supernova"]
    known = pd.DataFrame({"label_true": [0, 0, 1, 1, 0, 0], "kind": kinds})
    known.to_parquet(tmp_path / "truth.parquet")
    sets = {
        "phase1": ["training"] * 5 + ["validation"] + ["testing"] * 2 + ["reserve"],
        "phase2": ["training"] * 7 + ["validation", "testing"],
    }
    for name, column in sets.items():
        pd.DataFrame({"id": range(1, 10), "split": column}).to_parquet(tmp_path / f"{name}.parquet")
    design.write(
        tmp_path / "transients_design.json",
        [tmp_path / "0.h5", tmp_path / "1.h5"],
        truth,
        {name: tmp_path / f"{name}.parquet" for name in sets},
        sources=["cnn1", "cnn1", "cnn4", "mine.py:Small"],
        ongoing={},
        provenance={"scale": "smoke"},
    )
    return tmp_path / "transients_design.json"


@pytest.fixture
def found(tmp_path):
    return write(tmp_path, [tmp_path / "truth.parquet"])


def test_real_labels_have_no_truth(tmp_path):
    entry = json.loads(write(tmp_path, []).read_text())["share_injected_non_artifacts"]
    assert (entry["value"], entry["reason"]) == (None, "no truth: the labels are real")


def test_what_can_be_counted_is_counted(found):
    content = json.loads(found.read_text())
    values = {key: entry["value"] for key, entry in content.items() if key != "provenance"}
    assert (values["n_samples"], values["n_channels"], values["stamp_pixels"]) == (9, 3, 51)
    assert values["share_injected_non_artifacts"] == 0.75
    assert values["n_networks"] == 2
    shares = [values[f"phase1_share_{name}"] for name in ("training", "validation", "testing", "reserve")]
    assert shares == pytest.approx([5 / 9, 1 / 9, 2 / 9, 1 / 9])
    assert values["phase2_share_training"] == pytest.approx(7 / 9)


def test_the_scoreboard_finds_all_that_it_asks_for_and_settings_are_the_papers(found):
    table = scoreboard.read_published(PUBLISHED)
    asked = table[table["metric"].str.startswith("transients_design/")]
    content = json.loads(found.read_text())
    assert set(asked["metric"].str.partition("/")[2]) == set(content) - {"provenance"}
    published = asked.set_index(asked["metric"].str.partition("/")[2])["value"]
    for key in ("search_kernel_low", "search_kernel_high", "search_width_low", "search_width_high"):
        assert content[key]["value"] == float(published[key])
    for key in ("n_channels", "stamp_pixels", "n_observers", "least_margin", "real_bogus_threshold"):
        assert content[key]["value"] == float(published[key])
