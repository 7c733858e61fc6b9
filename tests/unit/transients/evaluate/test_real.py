"""Scores of real stamps beside the published ones, and what stands there without the stamps."""

import json

import pandas as pd
import pytest

from skyneedle.transients import training
from skyneedle.transients.evaluate import real as judged
from skyneedle.transients.fetch import real
from tests.unit.transients.small import JOB, entry, made


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """One network of fluxes, one of 8-bit pictures as published."""
    stems = {}
    for name, gif, recipe in (("main", False, "corrected"), ("pictures", True, "faithful")):
        folder = tmp_path_factory.mktemp(name)
        stems[name] = folder / "seed0"
        options = {"recipe": recipe, "scale": "smoke", "job": JOB, "state_dir": folder / "state"}
        training.train(entry(epochs=1), *made(folder, 40, gif=gif), out=stems[name], **options)
    return stems


def write(networks, mirrors, folder):
    real.fetch(folder / "status.json", folder / "files", mirrors=mirrors, network=False)
    judged.write(networks, folder / "status.json", stem=folder / "table", out=folder / "metrics.json")
    return pd.read_csv(folder / "table.csv"), json.loads((folder / "metrics.json").read_text())


def test_every_network_scores_the_ten_stamps_and_those_of_fluxes_the_alert(networks, test_data, tmp_path):
    if not (test_data / "transients" / "des_autoscan").is_dir():
        pytest.skip(f"no folder transients/des_autoscan in {test_data}")
    table, metrics = write(networks, [str(test_data / "transients")], tmp_path)
    des = table[table["survey"] == judged.DES]
    assert des.groupby("network").size().to_dict() == {"main": 10, "pictures": 10}
    assert des["score"].between(0, 1).all()
    assert metrics["agree_published"]["value"] == 1
    ((_, alert),) = table[table["survey"] == judged.DECAM].iterrows()
    assert (alert["network"], alert["note"]) == ("main", "centre of 63 x 63 pixels; no label is given")
    assert metrics["alert_main"]["value"] == pytest.approx(alert["score"])
    assert metrics["alert_pictures"] == {
        "value": None,
        "reason": judged.NO_FLUXES,
        "item": "Real alert of DECam",
        "quantity": "P(artifact), pictures",
    }
    stamps = real.read(*(tmp_path / "files" / name for name in real.NAMES[:3])).stamps
    network, card = training.load(networks["pictures"])
    assert card["weights"] == "last"
    expected = judged._scores(judged.inference.prepare(network), training.scaling_of(card), stamps)
    assert des.loc[des["network"] == "pictures", "score"].tolist() == pytest.approx(expected.tolist())


def test_without_the_files_the_table_says_why(networks, tmp_path):
    table, metrics = write(networks, [str(tmp_path / "absent")], tmp_path)
    assert table["survey"].tolist() == [judged.DES, judged.DECAM]
    assert table["note"].str.contains("no mirror has it").all()
    assert "no mirror has it" in (tmp_path / "table.md").read_text()
    rows = {key: entry for key, entry in metrics.items() if key != "provenance"}
    assert len(rows) == 5
    for row in rows.values():
        assert row["value"] is None
        assert "no mirror has it" in row["reason"]
