"""Reading scores: order, other labels, and what does not belong together."""

import json

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadScores, GridMismatch, NotADataSet
from skyneedle.transients.evaluate import scored
from tests.unit.transients.evaluate import made


def test_scores_come_in_the_order_of_ids_with_their_groups(tmp_path):
    table, split = made.survey(tmp_path)
    part = scored.read(made.scores(table, tmp_path / "s.parquet"), split, ("testing", "validation"))
    expected = table[table["split"] != "training"].sort_values("id")
    np.testing.assert_array_equal(part.ids, expected["id"])
    np.testing.assert_array_equal(part.labels, expected["label"])
    np.testing.assert_array_equal(part.groups, expected["group"])
    other = table.assign(label=1 - table["label"])
    turned = scored.read(tmp_path / "s.parquet", split, ("testing", "validation"), other)
    np.testing.assert_array_equal(turned.labels, 1 - part.labels)
    np.testing.assert_array_equal(turned.scores, part.scores)


def test_what_does_not_belong_together_is_refused(tmp_path):
    table, split = made.survey(tmp_path)
    path = made.scores(table, tmp_path / "s.parquet")
    with pytest.raises(GridMismatch, match="0 scores"):
        scored.read(path, split, ("reserve",))
    with pytest.raises(GridMismatch, match="one other label each"):
        scored.read(path, split, labels=table[table["split"] == "testing"][5:])
    found = pd.read_parquet(path)
    pd.concat([found, found]).to_parquet(tmp_path / "twice.parquet")
    with pytest.raises(GridMismatch, match="expected one score for each"):
        scored.read(tmp_path / "twice.parquet", split)
    found.assign(label=2).to_parquet(tmp_path / "two.parquet")
    with pytest.raises(NotADataSet, match="label of 0 or 1"):
        scored.read(tmp_path / "two.parquet", split)
    found.assign(score=np.nan).to_parquet(tmp_path / "nan.parquet")
    with pytest.raises(BadScores):
        scored.read(tmp_path / "nan.parquet", split)


def test_common_examples(tmp_path):
    table, split = made.survey(tmp_path)
    whole = scored.read(made.scores(table, tmp_path / "s.parquet"), split)
    fewer = whole.chosen(whole.ids % 3 > 0)
    same = scored.common([whole, fewer])
    assert same[0].ids.tolist() == same[1].ids.tolist() == fewer.ids.tolist()
    with pytest.raises(GridMismatch, match="labels must be those of one version"):
        scored.common([whole, fewer._replace(labels=1 - fewer.labels)])


def test_networks_that_learned_from_less_say_so(tmp_path):
    table, split = made.survey(tmp_path)
    n_all = int((table["split"] == "training").sum())
    cards = []
    for name, n in (("cnn1", n_all), ("cnn2", 300), ("own", None)):
        (tmp_path / name).mkdir()
        cards.append(tmp_path / name / "seed0.json")
        training = {} if n is None else {"n_examples": n}
        cards[-1].write_text(json.dumps({"epochs_trained": 3, "training": training}))
    words = f"ours learned from 300 of the {n_all} training examples (epochs: 3)"
    assert scored.shortened(cards, split) == {"cnn2": words}
