"""The check of the numbers of all figures finds what it is for."""

import numpy as np
import pandas as pd
import pytest

from tests.workflow.drawn import complaints

GOOD = pd.DataFrame(
    {"id": [1, 2, 3, 4, 5], "network": list("abcde"), "value": [0.2, 0.2, 0.2, 0.2, np.nan], "n": 5}
    | {"low": [0.1, 0.1, 0.1, 0.2, np.nan], "high": [0.3, 0.3, 0.3, 0.4, np.nan]}
    | {"note": [None, None, None, None, "not measured"]}
)


def written(table, folder, words="<text>network a</text>"):
    table.to_csv(folder / "fig.csv", index=False)
    (folder / "fig.svg").write_text(f"<svg>{words}</svg>")
    return complaints(folder / "fig.csv")


def test_a_table_as_it_should_be(tmp_path):
    assert written(GOOD, tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": [0.2, np.inf, 0.1, 0.1, 0.1]}, "value is infinite"),
        ({"value": np.nan}, "value has no value"),
        ({"network": None}, "network has no value"),
        ({"low": [0.4, 0.1, 0.1, 0.1, np.nan]}, "low is above high"),
        ({"low": [0.1, 0.2, np.nan, 0.1, np.nan]}, "low and high are not missing together"),
        ({"value": 0.2, "low": 0.1, "high": 0.3}, "nothing varies from row to row: value, low, high"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, change, said):
    (found,) = written(GOOD.assign(**change), tmp_path)
    assert found.startswith(said)


def test_what_is_missing_needs_a_reason(tmp_path):
    nothing = dict.fromkeys(("value", "low", "high"), np.nan)
    assert written(GOOD.assign(**nothing, note="not fetched"), tmp_path) == []
    assert len(written(GOOD.assign(**nothing), tmp_path)) > 2
    assert written(GOOD.head(0), tmp_path) == ["it has no rows, and the figure does not say why"]
    assert written(GOOD.head(0), tmp_path, "<text>no data</text>") == []
    few = GOOD.assign(value=0.2, low=0.1, high=0.3)[-4:]
    assert written(few, tmp_path) == []  # three may be equal by chance
    (tmp_path / "fig.csv").write_text("\n")
    assert complaints(tmp_path / "fig.csv") == ["it has no columns"]


def test_figures_of_words(tmp_path):
    scheme = pd.DataFrame({"predicted": ["lens", "lens", "none", "none"], "true": ["lens", "none"] * 2})
    assert written(scheme, tmp_path) == []
    assert len(written(scheme.assign(predicted="lens", true="none"), tmp_path)) == 1
