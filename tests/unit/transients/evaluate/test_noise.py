"""The sweep over wrong labels: losses by hand, paired, by the truth."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.transients.evaluate import noise, rates, scored
from skyneedle.transients.truth import read_truth
from tests.unit.transients.evaluate import made


@pytest.fixture
def trainings(tmp_path):
    """A method that hardly suffers from wrong labels, with two seeds, and one that does, with one."""
    table, split = made.survey(tmp_path, n=6000)
    separations = {"cnn1": {0.0: 3.0, 0.05: 2.9, 0.1: 2.8}, "forest": {0.0: 3.0, 0.05: 2.2, 0.1: 1.4}}
    found = []
    for method, by_share in separations.items():
        for share, separation in by_share.items():
            for seed in range(2 if method == "cnn1" else 1):
                path = tmp_path / f"{method}_{share}_{seed}.parquet"
                made.scores(table, path, separation, seed=seed)
                # The labels of the scores are those of the training, which must not be used.
                stored = pd.read_parquet(path)
                stored.assign(
                    label=np.where(stored["id"] % 7 == 0, 1 - stored["label"], stored["label"])
                ).to_parquet(path)
                found.append((method, "structured", share, path))
    truth = tmp_path / "truth.parquet"
    table.rename(columns={"label": "label_true"}).to_parquet(truth)
    return found, split, truth


def test_files(trainings, tmp_path):
    trained, split, truth = trainings
    out = tmp_path / "noise.csv", tmp_path / "noise.json"
    noise.write(trained, split, [truth], *out, compared=("cnn1", "forest"), n_bootstrap=40)
    table = pd.read_csv(out[0])
    assert list(table.columns) == list(noise.COLUMNS)
    assert len(table) == 2 * 3 * 2
    value = table.set_index(["method", "share", "metric"])["value"]
    known = read_truth([truth])
    seeds = [path for method, _, share, path in trained if (method, share) == ("cnn1", 0.1)]
    parts = [scored.read(path, split, ("testing",), known) for path in seeds]
    fprs = [rates.fpr_at_mdr(rates.ranking(part.labels, part.scores)) for part in parts]
    assert value["cnn1", 0.1, "fpr_at_mdr05"] == pytest.approx(np.mean(fprs))
    entry = json.loads(out[1].read_text())["cnn1_minus_forest_structured"]
    lost = {m: value[m, 0.1, "fpr_at_mdr05"] - value[m, 0.0, "fpr_at_mdr05"] for m in ("cnn1", "forest")}
    assert entry["value"] == pytest.approx(lost["cnn1"] - lost["forest"])
    assert entry["high"] < 0
    assert (table["low"] <= table["high"]).all()


def test_methods_must_be_swept_alike(trainings):
    trained, split, truth = trainings
    known = read_truth([truth])
    part = scored.read(trained[0][3], split, ("testing",), known)
    with pytest.raises(BadSetting, match=r"from 0 to 0\.1 for the first method and from 0 to 0\.05"):
        noise.loss_difference({0.0: [part], 0.1: [part]}, {0.0: [part], 0.05: [part]}, 5)
