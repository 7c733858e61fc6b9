"""Forests without the catalogue, and on sets that share hosts and nights."""

import numpy as np
import pandas as pd

from skyneedle.core.metrics import Ranking
from skyneedle.transients import ablations, forest
from tests.unit.transients.test_forest import survey


def test_sets_by_id_have_the_same_sizes_and_share_groups(tmp_path):
    ids = 2**60 + np.arange(400)
    group = np.arange(400) // 10
    part = np.where(group < 28, "training", np.where(group < 32, "validation", "testing"))
    pd.DataFrame({"id": ids, "group": group, "split": part}).to_parquet(tmp_path / "split.parquet")
    ablations.divide_by_id(tmp_path / "by_id.parquet", tmp_path / "split.parquet", 3)
    found = pd.read_parquet(tmp_path / "by_id.parquet")
    assert found["id"].tolist() == ids.tolist()
    assert found["group"].tolist() == group.tolist()
    assert found["split"].value_counts().to_dict() == pd.Series(part).value_counts().to_dict()
    assert found.groupby("group")["split"].nunique().max() == 3
    ablations.divide_by_id(tmp_path / "other.parquet", tmp_path / "split.parquet", 4)
    assert not pd.read_parquet(tmp_path / "other.parquet")["split"].equals(found["split"])


def test_what_the_catalogue_alone_tells_is_lost_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(forest, "SETTINGS", forest.SETTINGS | {"n_estimators": 12})
    paths, table, _, _ = survey(tmp_path)  # classes differ in features of the catalogue alone
    split = pd.read_parquet(paths["split"]).assign(group=np.arange(len(table)) // 5)
    split.to_parquet(paths["split"])
    out = {name: tmp_path / name / "s.parquet" for name in ("pixels", "by_id")}
    for path in out.values():
        path.parent.mkdir()
    ablations.write(
        *paths.values(), **out, by_id_split=tmp_path / "by_id.parquet", recipe="corrected", seed=3
    )
    sets = {"pixels": split, "by_id": pd.read_parquet(tmp_path / "by_id.parquet")}
    areas = {}
    for name, path in out.items():
        scores = pd.read_parquet(path)
        assert set(scores["id"]) == set(sets[name].loc[sets[name]["split"] == "testing", "id"])
        areas[name] = Ranking(scores["label"].to_numpy(int) == 1, scores["score"].to_numpy()).auroc()
    assert areas["by_id"] > 0.85
    assert abs(areas["pixels"] - 0.5) < 0.15
