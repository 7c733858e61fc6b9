"""Sources made redder: what changes is their light in the near infrared, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting, MissingBand
from skyneedle.core.store import DataSet
from skyneedle.lenses.evaluate import colour_stress
from skyneedle.lenses.figures import draw
from skyneedle.lenses.simulate import examples
from skyneedle.lenses.simulate.instruments import INSTRUMENTS
from skyneedle.lenses.simulate.settings import Settings

SETTINGS = Settings(population="bright", share_negatives=0.45, share_pairs=0.2)


@pytest.fixture(scope="module")
def testing(tmp_path_factory):
    path = tmp_path_factory.mktemp("testing") / "000.h5"
    examples.write_shard(path, "testing", "singles", range(0, 6), SETTINGS, seed=3)
    return [path]


def test_the_colour_changes_by_the_shift():
    assert colour_stress.factors(0.0, INSTRUMENTS["euclid"]).tolist() == [1, 1, 1]
    j, y, h = colour_stress.factors(2.0, INSTRUMENTS["euclid"])
    assert 2.5 * np.log10(h) == pytest.approx(2.0)
    assert 1 < y < j < h


def test_without_a_shift_the_image_is_the_one_of_the_set(testing):
    data = DataSet(testing)
    row = int(np.flatnonzero(data.table["label"] == 1)[0])
    number = int(data.table["id"][row])
    plain, red = colour_stress.reddened(number, SETTINGS, 3, [0.0, 2.0])
    np.testing.assert_allclose(plain.vis, data.read("vis", row), atol=2e-3)
    np.testing.assert_allclose(plain.nisp, data.read("nisp", row), atol=2e-2)
    assert np.array_equal(plain.vis, red.vis)
    gained = (red.nisp - plain.nisp).sum(axis=(1, 2))
    assert (np.diff(gained[[1, 0, 2]]) > 0).all()  # Y, J, H
    source = examples.example(number, "singles", SETTINGS, 3, with_layers=True).layers["source"]
    expected = source.nisp[2].sum() * (10**0.8 - 1)
    assert gained[2] == pytest.approx(expected, rel=0.1)


def test_recall_and_change_by_hand():
    table = pd.DataFrame(
        [
            {"network": "n", "shift_mag": shift, "id": number, "parent_id": number, "logit": logit}
            for number, logits in enumerate([(2, 1), (2, -1), (-1, -1), (3, -3)])
            for shift, logit in zip((0.0, 1.0), logits, strict=True)
        ]
    )
    found = colour_stress.curves(table, {"n": 0.0}, 200).set_index(["quantity", "shift_mag"])
    assert found["value"].tolist() == [0.75, 0.25, 0.0, -0.5]
    change = found.loc[("change", 1.0)]
    assert -1 <= change["low"] < -0.5 < change["high"] <= 0
    assert found.loc[("change", 0.0), ["low", "high"]].tolist() == [0, 0]
    assert set(found["n"]) == {4}
    siblings = colour_stress.curves(table.assign(parent_id=table["id"] // 2), {"n": 0.0}, 200)
    assert set(siblings["n"]) == {2}  # systems of one parent are redrawn together


def test_one_band_and_no_lens_are_refused(testing, tmp_path):
    with pytest.raises(MissingBand, match="no colour"):
        colour_stress.reddened(0, Settings(instrument="hst_f814w"), 1, [0.0, 1.0])
    only = Settings(population="bright", share_negatives=1.0, share_pairs=0.0)
    examples.write_shard(tmp_path / "n.h5", "testing", "singles", range(2), only, seed=3)
    with pytest.raises(BadSetting, match="no lens"):
        colour_stress.logits({}, [tmp_path / "n.h5"], [0.0, 1.0], 5)


def test_figure_has_both_panels(tmp_path):
    rows = [
        {
            "network": name,
            "shift_mag": shift,
            "quantity": quantity,
            "value": 0.5,
            "low": 0.4,
            "high": 0.6,
            "n": 9,
        }
        for name in ("ou66", "mine")
        for quantity in ("recall", "change")
        for shift in (0.0, 1.0)
    ]
    draw.FIGURES["extra_colour_stress"](table=pd.DataFrame(rows), stem=tmp_path / "f", provenance={})
    assert len(pd.read_csv(tmp_path / "f.csv")) == 8
    assert "mine" in (tmp_path / "f.svg").read_text()
