"""A forest suspects what it has not seen, and its suspects join the network's."""

import numpy as np
import pandas as pd

from skyneedle.transients import forest, forest_folds
from skyneedle.transients.features.table import FEATURES, REFERENCE_FEATURES
from skyneedle.transients.labels import suspects
from tests.unit.transients.test_forest import survey


def test_suspects_of_both_are_joined_and_each_fold_is_scored_by_a_forest_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(forest, "SETTINGS", forest.SETTINGS | {"n_estimators": 30})
    paths, table, label, _ = survey(tmp_path)
    telling = [name for name in FEATURES if name not in REFERENCE_FEATURES][:12]
    table[telling] += 5 * label[:, None]
    table.assign(complete=True).to_parquet(paths["features"])
    wrong = np.arange(100, 125)
    given = pd.DataFrame({"id": table["id"], "label": label})
    given.loc[wrong, "label"] = 1 - given.loc[wrong, "label"]
    given.to_parquet(paths["labels"])
    folds = pd.DataFrame({"id": table["id"], "fold": np.arange(len(table)) % 3})
    folds.to_parquet(tmp_path / "folds.parquet")
    logit = np.where(given["label"] == 1, 4.0, -4.0)
    logit[:6] *= -1  # the network suspects the first six
    network = given.assign(logit=logit, score=1 / (1 + np.exp(-logit)))
    found = suspects.find(network, "out_of_fold")
    found.to_parquet(tmp_path / "network.parquet")
    forest_folds.write(
        *(paths["features"], tmp_path / "folds.parquet", paths["labels"], tmp_path / "network.parquet"),
        scores=tmp_path / "scores.parquet",
        out=tmp_path / "joined.parquet",
        recipe="corrected",
        seed=3,
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    suspects.check_out_of_fold(scores, folds)
    assert sorted(scores["id"]) == sorted(table["id"])
    joined = pd.read_parquet(tmp_path / "joined.parquet")
    of_forest = set(suspects.find(scores, "out_of_fold")["id"])
    assert len(of_forest & set(table["id"].iloc[wrong])) > 15
    assert set(joined["id"]) == of_forest | set(found["id"])
    assert joined["id"].is_unique
    assert joined["id"].dtype == np.int64
    assert joined["rank"].tolist() == list(range(1, len(joined) + 1))
    by = joined.set_index("id")["found_by"]
    assert all(by[one] == "network" for one in set(found["id"]) - of_forest)
    assert all(by[one] == "forest" for one in of_forest - set(found["id"]))
    assert all(by[one] == "both" for one in of_forest & set(found["id"]))
