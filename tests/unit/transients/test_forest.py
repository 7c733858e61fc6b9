"""The forest: equal to scikit-learn's, imputing instead of dropping, trained on stated ids."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, NotACatalogue, NotWeights, OneClassOnly
from skyneedle.core.metrics import Ranking
from skyneedle.core.seeds import generator
from skyneedle.transients import forest
from skyneedle.transients.features.table import FEATURES, REFERENCE_FEATURES

FAST = {"n_estimators": 12}


def survey(folder, n=900, seed=0, n_hostless=60):
    """Features of which GFLUX and SNR tell the classes apart, reference features missing for some."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    table = pd.DataFrame(rng.normal(size=(n, len(FEATURES))).astype(np.float32), columns=list(FEATURES))
    table["GFLUX"] += 2 * label
    table["SNR"] -= 1.5 * label
    table.loc[: n_hostless - 1, list(REFERENCE_FEATURES)] = np.nan
    ids = rng.permutation(10**10 + np.arange(n)).astype(np.int64)
    table.insert(0, "id", ids)
    part = rng.choice(["training", "validation", "testing"], n, p=[0.7, 0.1, 0.2])
    paths = {name: folder / f"{name}.parquet" for name in ("features", "split", "labels")}
    table.assign(complete=table.notna().all(axis=1)).to_parquet(paths["features"])
    pd.DataFrame({"id": ids, "split": part}).to_parquet(paths["split"])
    shuffled = rng.permutation(n)
    pd.DataFrame({"id": ids[shuffled], "label": label[shuffled]}).to_parquet(paths["labels"])
    return paths, table, label, part


def trained(folder, paths, recipe="corrected", seed=3, **more):
    stem = folder / recipe / f"seed{seed}"
    forest.train(
        *paths.values(),
        stem,
        folder / "importances.csv",
        recipe=recipe,
        seed=seed,
        settings=FAST,
        **more,
    )
    return stem


def test_goldsteins_settings():
    assert forest.SETTINGS == {
        "n_estimators": 100,
        "criterion": "entropy",
        "max_features": 6,
        "min_samples_split": 3,
        "max_depth": None,
    }
    assert len(FEATURES) == len(set(FEATURES)) == 38


def test_scores_are_those_of_scikit_learn(tmp_path):
    paths, table, label, part = survey(tmp_path)
    stem = trained(tmp_path, paths)
    loaded, _ = forest.load(stem)
    rows = part == "training"
    columns = forest.design(table, loaded.names, loaded.medians, loaded.flagged)
    state = int(generator(3, "forest").integers(2**31))
    reference = RandomForestClassifier(**forest.SETTINGS | FAST, random_state=state)
    reference.fit(columns[rows], label[rows])
    np.testing.assert_allclose(loaded.score(table), reference.predict_proba(columns)[:, 1], atol=1e-12)
    assert Ranking(label[~rows], loaded.score(table)[~rows]).auroc() > 0.85


def test_missing_values_are_imputed_with_the_training_median_and_flagged(tmp_path):
    paths, table, label, part = survey(tmp_path)
    loaded, card = forest.load(trained(tmp_path, paths))
    rows = part == "training"
    place = loaded.names.index("A_REF")
    assert loaded.medians[place] == pytest.approx(np.nanmedian(table["A_REF"][rows]), abs=1e-6)
    assert set(loaded.flagged) == set(REFERENCE_FEATURES)
    columns = forest.design(table[:1], loaded.names, loaded.medians, loaded.flagged)
    assert columns[0, place] == np.float32(loaded.medians[place])
    assert (columns[0, 38:] == 1).all()
    assert (forest.design(table[60:61], loaded.names, loaded.medians, loaded.flagged)[0, 38:] == 0).all()
    assert card["n_training"] == rows.sum()
    assert card["n_dropped"] == 0
    assert card["provenance"]["training_ids"] == forest.training_hash(
        table["id"][rows].to_numpy()[::-1], label[rows][::-1]
    )


def test_faithful_drops_rows_counts_them_and_takes_all_that_is_not_testing(tmp_path):
    paths, table, _, part = survey(tmp_path)
    stem = trained(tmp_path, paths, "faithful")
    loaded, card = forest.load(stem)
    complete = table.notna().all(axis=1).to_numpy()
    assert loaded.flagged == ()
    assert card["n_training"] == (complete & (part != "testing")).sum()
    assert card["n_dropped"] == (~complete & (part != "testing")).sum() > 0
    forest.predict(
        stem, paths["features"], paths["split"], ["testing"], paths["labels"], tmp_path / "s.parquet"
    )
    scores = pd.read_parquet(tmp_path / "s.parquet")
    assert len(scores) == (complete & (part == "testing")).sum()
    assert scores.attrs["n_dropped"] == (~complete & (part == "testing")).sum() > 0


def test_scores_of_a_corrected_forest_cover_every_row_with_its_label(tmp_path):
    paths, table, label, part = survey(tmp_path)
    stem = trained(tmp_path, paths)
    forest.predict(
        stem,
        paths["features"],
        paths["split"],
        ["testing", "validation"],
        paths["labels"],
        tmp_path / "s.parquet",
    )
    scores = pd.read_parquet(tmp_path / "s.parquet")
    rows = part != "training"
    assert scores["id"].dtype == np.int64
    np.testing.assert_array_equal(scores["id"], table["id"][rows])
    np.testing.assert_array_equal(scores["label"], label[rows])
    assert scores["logit"].isna().all()
    assert scores["score"].between(0, 1).all()
    assert list(scores.columns) == ["id", "label", "score", "logit"]


def test_the_same_seed_gives_the_same_trees_for_any_workers_and_another_seed_others(tmp_path):
    paths, table, *_ = survey(tmp_path)
    scores = [
        forest.load(trained(tmp_path, paths, seed=seed, workers=workers))[0].score(table)
        for seed, workers in ((3, 1), (3, 2), (4, 1))
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert (scores[0] != scores[2]).any()


def test_importances_sum_to_one_and_name_what_tells_the_classes_apart(tmp_path):
    paths, *_ = survey(tmp_path)
    trained(tmp_path, paths)
    weighed = pd.read_csv(tmp_path / "importances.csv")
    assert weighed["importance"].sum() == pytest.approx(1)
    assert weighed["feature"][:2].tolist() == ["GFLUX", "SNR"]
    assert {f"{name}_missing" for name in REFERENCE_FEATURES} < set(weighed["feature"])


def test_a_subset_leaves_the_catalogue_out(tmp_path):
    paths, *_ = survey(tmp_path)
    loaded, _ = forest.load(trained(tmp_path, paths, subset="pixels"))
    assert len(loaded.names) == 18
    assert "GFLUX" not in loaded.names


def test_bad_input_is_refused(tmp_path):
    paths, table, *_ = survey(tmp_path)
    stem = trained(tmp_path, paths)
    with pytest.raises(BadSetting, match="recipe 'fast'"):
        trained(tmp_path, paths, "fast")
    loaded, _ = forest.load(stem)
    with pytest.raises(NotACatalogue, match="GFLUX"):
        loaded.score(table.drop(columns="GFLUX"))
    one = pd.read_parquet(paths["labels"]).assign(label=1)
    one.to_parquet(tmp_path / "one.parquet")
    with pytest.raises(OneClassOnly, match="one class"):
        trained(tmp_path, paths | {"labels": tmp_path / "one.parquet"})
    one[5:].to_parquet(tmp_path / "short.parquet")
    with pytest.raises(NotACatalogue, match="5 of the 900 ids"):
        trained(tmp_path, paths | {"labels": tmp_path / "short.parquet"})
    (tmp_path / "corrected" / "seed3.safetensors").write_bytes(b"<html>")
    with pytest.raises(NotWeights, match="not a forest"):
        forest.load(stem)


def test_the_card_is_plain_json(tmp_path):
    paths, *_ = survey(tmp_path)
    stem = trained(tmp_path, paths, provenance={"commit": "abc"})
    card = json.loads((stem.parent / f"{stem.name}.json").read_text())
    assert card["label_positive"] == "artifact"
    assert card["n_trees"] == 12
    assert card["provenance"]["commit"] == "abc"


def test_networks_and_forest_note_their_examples_alike(tmp_path):
    from skyneedle.transients.samples import Sample

    table = pd.DataFrame({"id": np.array([7, 3, 5], np.int64)})
    store.write(tmp_path / "0.h5", {}, table, {})
    labels = np.array([1, 0, 0])
    of_network = Sample(store.DataSet(tmp_path / "0.h5"), np.arange(3), labels).hash()
    assert forest.training_hash(np.array([3, 5, 7]), np.array([0, 0, 1])) == of_network
    assert forest.training_hash(np.array([3, 5, 7]), np.array([0, 1, 1])) != of_network
