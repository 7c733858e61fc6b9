"""Peak SNR and the probes: numbers by hand, areas where there is and is not something to find."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import NotADataSet, OneClassOnly
from skyneedle.transients import baseline
from skyneedle.transients.features.pixels import CHANNELS


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3, 51, 51)).astype(np.float32)


def test_statistics_by_hand():
    stamps = noise(3)
    stamps[0, 2, 25, 26] = 30
    stamps[1, 2, 25, 35] = 90  # too far out
    stamps[0, 0, 25, 25] = 50
    stamps[2, 0, :4] = 1e-30
    found = baseline.statistics(stamps)
    diff = stamps[0, 2]
    median = np.median(diff)
    sigma = 1.4826 * np.median(np.abs(diff - median))
    assert found["peak_snr"][0] == pytest.approx((30 - median) / sigma, rel=1e-5)
    assert found["peak_snr"][1] < 5
    assert (found["dx"][0], found["dy"][0], found["dx2"][0]) == (1, 0, 1)
    assert found["temp_log_peak"][0] > np.log(40)
    assert found["temp_n_bad"].tolist() == pytest.approx([0, 0, np.log1p(204)])


def test_counts_in_other_units_and_bad_pixels_change_nothing():
    stamps = noise(4)
    stamps[:, 2, 25, 25] = 20
    found = baseline.statistics(stamps)
    np.testing.assert_allclose(baseline.statistics(4 * stamps)["peak_snr"], found["peak_snr"], rtol=1e-5)
    stamps[:, 2, :2] = np.nan
    assert np.isfinite(baseline.statistics(stamps)).all(axis=None)
    np.testing.assert_allclose(baseline.statistics(stamps)["peak_snr"], found["peak_snr"], rtol=0.05)


@pytest.mark.parametrize("fill", [0.0, 5.0, np.nan, 1e-30])
def test_empty_planes_have_no_peak(fill):
    found = baseline.statistics(np.full((1, 3, 51, 51), fill, np.float32))
    assert found["peak_snr"][0] == 0
    assert np.isfinite(found).all(axis=None)


@pytest.fixture
def survey(tmp_path):
    """Real ones have bright peaks; nothing else differs."""
    rng = np.random.default_rng(3)
    n = 900
    label = rng.integers(0, 2, n)
    stamps = noise(n, 4)
    stamps[:, 2, 25, 25] += np.where(label == 0, rng.uniform(8, 20, n), rng.uniform(4, 12, n)).astype("f4")
    ids = np.arange(n, dtype=np.int64) + 2**33
    shard = tmp_path / "0.h5"
    store.write(shard, {"stamps": stamps}, pd.DataFrame({"id": ids}), {"channels": list(CHANNELS)})
    group = rng.integers(0, 60, n)
    part = np.where(group < 36, "training", "testing")
    pd.DataFrame({"id": ids, "group": group, "split": part}).to_parquet(tmp_path / "split.parquet")
    pd.DataFrame({"id": ids, "label": label}).to_parquet(tmp_path / "labels.parquet")
    return shard, tmp_path / "split.parquet", tmp_path / "labels.parquet"


def test_scores_and_areas(survey, tmp_path):
    out = {name: tmp_path / f"{name}.parquet" for name in ("peak_snr", *baseline.PROBES)}
    known = pd.read_parquet(survey[2]).rename(columns={"label": "label_true"})
    kind = np.where(known["label_true"] == 0, "supernova", np.where(known["id"] % 2, "cosmic_ray", "dipole"))
    known.assign(kind=kind).to_parquet(tmp_path / "truth.parquet")
    truth = [tmp_path / "truth.parquet"]
    baseline.write(*survey, out, tmp_path / "m.json", truth=truth, n_bootstrap=100)
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["auc_peak_snr"]["low"] > 0.8
    assert found["auc_snr_search_only"]["low"] > 0.8
    for probe in ("template", "template_search_only"):
        area = found[f"auc_{probe}"]
        assert abs(area["value"] - 0.5) < 4 * (area["high"] - area["low"]), probe
    scores = pd.read_parquet(out["peak_snr"])
    assert list(scores.columns) == ["id", "label", "score", "logit"]
    table = baseline.of_set(survey[0])
    bright = table["peak_snr"].to_numpy().argsort()
    assert scores["score"].to_numpy()[bright[-1]] < 0.1 < 0.9 < scores["score"].to_numpy()[bright[0]]
    assert (np.diff(scores["score"].to_numpy()[bright]) <= 0).all()


def test_bad_input_is_refused(survey, tmp_path):
    shard, split, labels = survey
    pd.read_parquet(labels).assign(label=1).to_parquet(tmp_path / "ones.parquet")
    with pytest.raises(OneClassOnly, match="one class"):
        baseline.write(
            shard, split, tmp_path / "ones.parquet", {"snr": tmp_path / "s.parquet"}, tmp_path / "m.json"
        )
    store.write(
        tmp_path / "1.h5",
        {"stamps": noise(2)},
        pd.DataFrame({"id": [1, 2]}),
        {"channels": ["srch", "temp", "diff"]},
    )
    with pytest.raises(NotADataSet, match="channels"):
        baseline.of_set(tmp_path / "1.h5")
