"""What showing labels costs: reviewers who repeat what they are shown keep errors, or make new ones."""

import json

import pandas as pd
import pytest

from skyneedle.transients.labels import anchoring, deck, suspects
from tests.unit.transients.labels import planted


@pytest.fixture
def files(tmp_path):
    known = planted.truth()
    given = pd.DataFrame({"id": known["id"], "label": known["label_given"]})
    found = suspects.find(planted.scores(known), "paper", 200)
    # Some that are rightly labelled, as the suspects of a network always hold.
    right = known.loc[known["label_true"] == known["label_given"], "id"][:100]
    ids = pd.concat([found["id"], right]).unique()
    deck.build(ids, given, share=0.1, seed=4).to_parquet(tmp_path / "deck.parquet")
    given.to_parquet(tmp_path / "given.parquet")
    known.to_parquet(tmp_path / "truth.parquet")
    return [tmp_path / "deck.parquet", tmp_path / "given.parquet", [tmp_path / "truth.parquet"]]


def test_a_label_that_is_shown_is_repeated(files, tmp_path):
    anchoring.write(tmp_path / "m.json", *files, reviewers=["ann"], seed=3, n_bootstrap=100)
    found = json.loads((tmp_path / "m.json").read_text())
    flipped = {what: found[f"flipped_{what}"]["value"] for what in anchoring.SHOWN}
    assert flipped["given"] < flipped["nothing"] < flipped["flipped"]
    for what in ("given", "flipped"):
        cost = found[f"cost_{what}"]
        assert cost["value"] == pytest.approx(
            found[f"wrong_{what}"]["value"] - found["wrong_nothing"]["value"]
        )
        assert 0 < cost["low"] < cost["value"] < cost["high"]
        assert cost["item"] == "Review by simulated people"


def test_without_suspects_there_is_a_reason(files, tmp_path):
    table = pd.read_parquet(files[0])
    table[table["role"] == "control"].to_parquet(files[0])
    anchoring.write(tmp_path / "m.json", *files, reviewers=["ann"], seed=3, n_bootstrap=5)
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["wrong_nothing"]["value"] is None
    assert found["cost_flipped"]["reason"] == "nothing was suspected"
