"""All methods in one table: on the same examples, with margins, and what should tell nothing among them."""

import json

import pandas as pd
import pytest

from skyneedle.transients.evaluate import methods, rates, scored
from tests.unit.transients.evaluate import made


@pytest.fixture
def survey(tmp_path):
    table, split = made.survey(tmp_path, n=6000)
    table.assign(label_true=table["label"]).to_parquet(tmp_path / "truth.parquet")
    separations = {"cnn1": 3, "cnn1_two_images": 2, "forest": 2, "peak_snr": 1, "position": 0, "template": 0}
    scores = {
        name: [
            made.scores(table, tmp_path / f"{name}{k}.parquet", separation, seed=7 * place + k)
            for k in range(2 if name == "cnn1" else 1)
        ]
        for place, (name, separation) in enumerate(separations.items())
    }
    probes = {f"auc_{name}_search_only": {"value": 0.5, "low": 0.4, "high": 0.6} for name in methods.PROBES}
    probes["auc_position_search_only"] = {"value": None, "reason": "too few artifacts of these kinds"}
    (tmp_path / "probes.json").write_text(json.dumps(probes))
    return table, split, scores


def test_every_method_has_a_row_and_a_margin(survey, tmp_path):
    table, split, scores = survey
    mixed = table.assign(split=table["split"].sample(frac=1, random_state=1).to_numpy())
    mixed.to_parquet(tmp_path / "by_id.parquet")
    settings = {"mdr": 0.05, "n_bootstrap": 20}
    files = {"point": tmp_path / "point.json", "out": tmp_path / "judged.json"}
    truth = [tmp_path / "truth.parquet"]
    rates.choose_and_judge(scores["cnn1"][0], split, **files, settings=settings, truth=truth)
    methods.write(
        scores,
        "cnn1",
        split,
        stem=tmp_path / "extra_methods",
        metrics_out=tmp_path / "m.json",
        labels=tmp_path / "none.parquet",
        truth=truth,
        judged={"cnn1": files["out"]},
        by_id=(scores["forest"][0], tmp_path / "by_id.parquet"),
        probes=tmp_path / "probes.json",
        n_bootstrap=60,
    )
    found = pd.read_csv(tmp_path / "extra_methods.csv")
    assert list(found.columns) == list(methods.COLUMNS)
    assert found["method"].tolist() == [*scores, "forest_by_id", "template"]  # one probe is measured twice
    rows = found[~found["note"].fillna("").str.contains(methods.SEARCH_ONLY)].set_index("method")
    assert rows.loc["cnn1", ["more_fpr", "more_fpr_low", "more_fpr_high"]].tolist() == [0, 0, 0]
    assert rows.loc["cnn1", "n_trainings"] == 2
    part = scored.read(scores["forest"][0], split)
    fpr = rates.fpr_at_mdr(rates.ranking(part.labels, part.scores))
    assert rows.loc["forest", "fpr"] == pytest.approx(fpr)
    for name in ("cnn1_two_images", "forest", "peak_snr", "position"):
        assert rows.loc[name, "more_fpr_low"] > 0, name
    for name in ("position", "template"):
        assert rows.loc[name, "auc_low"] < 0.5 < rows.loc[name, "auc_high"] + 0.02, name
    gap = rows.loc["forest_by_id"]
    assert gap["more_fpr"] == pytest.approx(gap["fpr"] - fpr)
    assert gap["more_fpr_low"] < gap["more_fpr"] < gap["more_fpr_high"]
    entries = json.loads((tmp_path / "m.json").read_text())
    assert entries["more_fpr_peak_snr"]["item"] == "methods"
    assert "minus that of forest" in entries["more_fpr_forest_by_id"]["quantity"]
    assert "more_fpr_cnn1" not in entries
    purity = [entries[f"purity_{a}_cnn1"]["value"] for a in (1, 7, 11, 100)]
    assert 1 > purity[0] > purity[1] > purity[2] > purity[3] > 0
    assert entries["purity_11_cnn1"]["item"] == "purity"
    assert "by the truth" in (tmp_path / "extra_methods.md").read_text()


def test_without_truth_the_reviewed_labels_judge(survey, tmp_path):
    table, split, scores = survey
    table.assign(label=1 - table["label"]).to_parquet(tmp_path / "relabelled.parquet")
    methods.write(
        {name: scores[name] for name in ("cnn1", "forest")},
        "cnn1",
        split,
        stem=tmp_path / "t",
        metrics_out=tmp_path / "m.json",
        labels=tmp_path / "relabelled.parquet",
        n_bootstrap=5,
    )
    found = pd.read_csv(tmp_path / "t.csv").set_index("method")
    assert list(found.index) == ["cnn1", "forest"]
    assert (found["auc"] < 0.2).all()
    assert "after the review" in (tmp_path / "t.md").read_text()
