"""The numbers beside Table 5-1, and what the thesis concludes from them."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.transfer.evaluate import cells, comparison, crossvalidation, scored
from tests.unit.transfer.evaluate import made


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    paths = {}
    for seed, entry in enumerate(made.ENTRIES):
        table = made.out_of_fold(
            made.STRENGTH.get(entry["name"], 0.2), seed=seed, folds=entry.get("folds", 7)
        )
        paths[entry["name"]] = folder / f"{entry['name']}.parquet"
        table.to_parquet(paths[entry["name"]])
    return paths


@pytest.fixture(scope="module")
def written(scores, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    out = {"folds": "folds.csv", "methods": "methods.csv", "roc": "roc.parquet", "table": "table.json"}
    crossvalidation.write(
        scores,
        made.ENTRIES,
        made.N_FOLDS,
        metrics_out={name: folder / f"transfer_{name}.json" for name in scores},
        out={key: folder / name for key, name in out.items()},
        n_bootstrap=40,
        provenance={"commit": "abc"},
    )
    return folder


def test_values_means_and_spread_agree(written):
    folds, methods = pd.read_csv(written / "folds.csv"), pd.read_csv(written / "methods.csv")
    assert len(folds) == 8 * 7 + 2
    for one in methods.itertuples():
        mine = folds[folds["network"] == one.network]
        assert one.auc == pytest.approx(mine["auc"].mean())
        assert one.auc_low <= one.auc <= one.auc_high
        if len(mine) > 1:
            assert one.auc_std == pytest.approx(mine["auc"].std())
    assert methods.set_index("network").loc["resnet_full", "n_folds"] == 1
    assert np.isnan(methods.set_index("network").loc["resnet_full", "auc_std"])
    assert (folds["n_lenses"] + folds["n_non_lenses"]).min() > 0


def test_every_method_has_its_metrics_and_what_it_is(written):
    full = json.loads((written / "transfer_resnet_full.json").read_text())
    assert full["mean_auc"]["note"] == (
        "trunk pretrained on galaxies, fixed stem, full, 1 of 7 folds, at most 200 training stamps"
    )
    assert full["mean_auc"]["std"] is None
    assert {"mean_auc", "mean_f1", "mean_auprc", "pooled_auc", "pooled_f1", "pooled_auprc"} < set(full)
    assert "note" not in json.loads((written / "transfer_gmm.json").read_text())["mean_auc"]


def test_table_takes_the_network_nearest_to_the_thesis_or_says_why_none(written):
    table = json.loads((written / "table.json").read_text())
    methods = pd.read_csv(written / "methods.csv").set_index("network")
    assert table["resnet_auc"]["value"] == pytest.approx(methods.loc["resnet", "auc"])
    assert "network resnet: trunk pretrained on galaxies" in table["resnet_auc"]["note"]
    assert table["vgg16_auc"]["value"] is None
    assert "no VGG16" in table["vgg16_auc"]["reason"]
    assert table["best_auc"]["value"] == pytest.approx(methods.loc["xception", "auc"])


def test_curves_run_from_corner_to_corner(written):
    curves = pd.read_parquet(written / "roc.parquet")
    for _, one in curves.groupby("network"):
        ends = one[["false_positive_rate", "true_positive_rate"]].iloc[[0, -1]].to_numpy()
        assert ends.tolist() == [[0, 0], [1, 1]]
    thinned = crossvalidation.roc(scored.of_table(made.out_of_fold(n_parents=400)), most_points=50)
    assert len(thinned) <= 50


def test_nearest_prefers_all_folds_then_imagenet_then_the_learned_stem():
    some = [
        made.entry("a", "resnet", weights="imagenet", folds=1),
        made.entry("b", "resnet", weights="random"),
        made.entry("c", "resnet", weights="imagenet"),
        made.entry("d", "resnet", weights="imagenet", stem="learned"),
        made.entry("e", "resnet", weights="imagenet", mode="full"),
    ]
    assert cells.nearest(some, "resnet", 7)["name"] == "d"
    assert cells.nearest(some[:3], "resnet", 7)["name"] == "c"
    assert cells.nearest(some[:2], "resnet", 7)["name"] == "b"
    assert cells.nearest(some, "vgg16", 7) is None


def test_conclusions_of_the_thesis_are_numbers_with_intervals(scores):
    parts = {name: scored.read(path) for name, path in scores.items()}
    found = comparison.compare(parts, made.ENTRIES, made.N_FOLDS, 40)
    assert found["auc_full"]["value"] == pytest.approx(scored.Folds(parts["resnet_full"]).mean_auc())
    frozen = [scored.Folds(parts[name]).mean_auc() for name in ("xception", "inception", "resnet")]
    assert found["auc_frozen"]["value"] == pytest.approx(np.mean(frozen))
    assert found["auc_scratch"]["low"] <= 0.56  # nothing was learned
    # Only ResNet has a trunk of either kind, and only fold 0 was judged in mode full.
    pretrained = scored.Folds(parts["resnet"]).mean_auc() - scored.Folds(parts["resnet_random"]).mean_auc()
    assert found["pretrained_minus_random"]["value"] == pytest.approx(pretrained)
    assert found["frozen_minus_full"]["n_folds"] == 1
    few = "resnet_full (1 of 7 folds, at most 200 training stamps)"
    assert found["frozen_minus_full"]["note"] == f"resnet minus {few}"
    assert found["auc_full"]["note"] == few
    assert found["auc_learned"]["value"] is None
    assert "no network of this kind" in found["auc_learned"]["reason"]
    assert "minus kpca_trees" in found["best_minus_classical"]["note"]
    assert found["large_minus_small"]["value"] < 0
    assert "nasnet: random" in found["large_minus_small"]["note"]
    assert found["n_backbones"]["value"] == 4


def test_networks_judged_on_different_folds_are_not_compared(scores):
    parts = {name: scored.read(path) for name, path in scores.items()}
    parts["resnet_full"] = parts["resnet_full"]._replace(folds=parts["resnet_full"].folds + 9)
    found = comparison.compare(parts, made.ENTRIES, made.N_FOLDS, 10)
    assert "no fold was judged by all" in found["frozen_minus_full"]["reason"]
