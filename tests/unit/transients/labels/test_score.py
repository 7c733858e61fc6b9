import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadLabels
from skyneedle.transients.labels import score


def known():
    """Eight examples, three of them wrong: 1 and 2 artifacts called non-artifacts, 5 the reverse."""
    error = ["", "fake_on_defect", "fake_on_defect", "", "", "real_among_artifacts", "", ""]
    true = np.array([0, 1, 1, 0, 1, 0, 1, 1])
    given = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    return pd.DataFrame({"id": range(8), "label_true": true, "label_given": given, "error": error})


def test_precision_and_recall_by_hand():
    found = score.rows([1, 3, 5, 6], range(8), known(), rule="r", sample="out_of_fold")
    rows = {row["error"]: row for row in found}
    assert {name: (row["n_found"], row["n_flagged"], row["n_errors"]) for name, row in rows.items()} == {
        "all": (2, 4, 3),
        "fake_on_defect": (1, 2, 2),
        "real_among_artifacts": (1, 2, 1),
    }
    assert rows["all"]["precision"] == 0.5
    assert rows["all"]["recall"] == pytest.approx(2 / 3)
    # Wilson for 2 of 3 at z = 1: centre (2/3 + 1/6) / (4/3), half width sqrt(2/27 + 1/36) / (4/3)
    assert rows["all"]["recall_low"] == pytest.approx(0.625 - 0.75 * np.sqrt(2 / 27 + 1 / 36))
    assert list(rows["all"]) == list(score.COLUMNS)


def test_no_suspects_and_no_errors_are_not_numbers():
    row = score.rows([], [0, 3, 4], known(), rule="r", sample="in_sample")[0]
    assert np.isnan(row["precision"])
    assert np.isnan(row["recall"])
    assert np.isnan(score.recall_difference(set(), set(), known().iloc[[0, 3]], 0)["value"])


def test_a_difference_is_paired_and_of_whole_hosts():
    many = pd.concat([known()] * 20, ignore_index=True).assign(id=range(160), host_id=np.arange(160) // 8)
    wrong = set(many.loc[many["error"] != "", "id"])
    assert score.recall_difference(wrong, wrong, many, 1, 50) == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
        "n": 20,
    }
    found = score.recall_difference(wrong, {one for one in wrong if one % 8 != 5}, many, 1, 50)
    assert found["value"] == pytest.approx(1 / 3)
    assert found["low"] == pytest.approx(found["high"])  # every host loses the same third


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(BadLabels, match="8 of 9"):
        score.rows([1], range(9), known(), rule="r", sample="s")
    with pytest.raises(BadLabels, match="not among"):
        score.rows([9], range(8), known(), rule="r", sample="s")
    with pytest.raises(BadLabels, match="not the same examples"):
        score.rows([1], range(8), known().assign(error=""), rule="r", sample="s")
