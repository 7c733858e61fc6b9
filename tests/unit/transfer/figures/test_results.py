"""Figures of what was judged: each draws what its tables hold and says what is missing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from skyneedle.transfer.figures.draw import FIGURES
from tests.unit.transfer.figures import made

NAMES = ("extra_cross_validation", "extra_grades", "extra_leak", "extra_provenance", "extra_roc")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return made.tables(tmp_path_factory.mktemp("tables"))


ROWS = {
    # AUC and F1: folds, means and pooled values of ten methods; four networks stand beside the thesis.
    "extra_cross_validation": 2 * (8 * 7 + 2 + 10 + 10 + 4),
    # Three networks: 36 candidates, and mean and spread of three grades, ours and printed.
    "extra_grades": 3 * (36 + 2 * 2 * 3),
    "extra_leak": 2 * 2 * 3
    + 1,  # networks, versions of labels, protocols and their difference; the printed one
    "extra_provenance": 2 * 6,
}
SHARED = {"low", "high", "fold"}  # what a single fold, a single candidate or a printed number has not


@pytest.mark.parametrize("name", NAMES)
def test_the_csv_holds_what_is_drawn(name, tables, tmp_path):
    assert name in FIGURES
    FIGURES[name](**tables[name], stem=tmp_path / name, provenance={"commit": "abc123"})
    drawn = pd.read_csv(tmp_path / f"{name}.csv")
    if name in ROWS:
        assert len(drawn) == ROWS[name]
    numbers = drawn.select_dtypes("number").drop(columns=list(SHARED & set(drawn)))
    assert numbers.shape[1] > 0
    assert np.isfinite(numbers.to_numpy(float)).all()
    assert [column for column in drawn if drawn[column].nunique(dropna=False) == 1] == []
    if {"low", "high"} <= set(drawn):
        has = drawn["low"].notna()
        assert (drawn.loc[has, "low"] <= drawn.loc[has, "high"]).all()
    text = (tmp_path / f"{name}.svg").read_text()
    assert "abc123" in text
    assert "no data" not in text


def test_the_best_pretrained_network_stands_beside_the_baselines(tables, tmp_path):
    FIGURES["extra_roc"](**tables["extra_roc"], stem=tmp_path / "roc", provenance={})
    assert set(pd.read_csv(tmp_path / "roc.csv")["network"]) == {"xception", "lensflow", "kpca_trees", "gmm"}


def test_the_legend_of_roc_curves_says_where_not_all_folds_were_judged(tables, tmp_path):
    methods = pd.read_csv(tables["extra_roc"]["methods"])
    methods.loc[methods["network"] == "gmm", "n_folds"] = 1
    FIGURES["extra_roc"](**(tables["extra_roc"] | {"methods": methods}), stem=tmp_path / "roc", provenance={})
    text = (tmp_path / "roc.svg").read_text()
    assert "Gaussian mixture, 1 of 7 folds: " in text
    assert "kernel PCA, boosted trees: " in text


def test_the_printed_number_is_in_the_leak_figure_as_a_number(tables, tmp_path):
    FIGURES["extra_leak"](**tables["extra_leak"], stem=tmp_path / "leak", provenance={})
    assert "printed in the thesis: 0.9984" in (tmp_path / "leak.svg").read_text()
    drawn = pd.read_csv(tmp_path / "leak.csv")
    assert drawn.loc[drawn["protocol"] == "printed", "value"].tolist() == [0.9984]


def test_only_networks_beside_the_thesis_have_its_markers(tables, tmp_path):
    FIGURES["extra_cross_validation"](**tables["extra_cross_validation"], stem=tmp_path / "cv", provenance={})
    drawn = pd.read_csv(tmp_path / "cv.csv")
    beside = drawn[drawn["what"] == "published"]
    assert set(beside["network"]) == {"xception", "inception", "resnet", "nasnet"}
    one = beside[(beside["network"] == "xception") & (beside["metric"] == "auc")]
    assert one["value"].tolist() == [0.9984]


EMPTY = {
    "extra_cross_validation": (("folds", "methods"), "no method was judged"),
    "extra_grades": (("grades",), "no network of Table 5-2"),
    "extra_leak": (("leak",), "the leak was"),
    "extra_provenance": (("cases",), "two sources were"),
    "extra_roc": (("roc",), "no method was judged"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_without_data_says_why(name, tables, tmp_path):
    arguments, said = EMPTY[name]
    given = {}
    for key, path in tables[name].items():
        table = (pd.read_parquet if str(path).endswith("parquet") else pd.read_csv)(path)
        given[key] = table[:0] if key in arguments else table
    FIGURES[name](**given, stem=tmp_path / name, provenance={})
    text = (tmp_path / f"{name}.svg").read_text()
    assert "no data" in text
    assert all(word in text for word in said.split())


def test_the_same_tables_give_the_same_bytes(tables, tmp_path):
    for folder in ("a", "b"):
        FIGURES["extra_leak"](**tables["extra_leak"], stem=tmp_path / folder / "leak", provenance={})
    for ending in ("svg", "pdf", "csv"):
        one, other = ((tmp_path / folder / f"leak.{ending}").read_bytes() for folder in ("a", "b"))
        assert one == other


def test_figures_import_nothing_heavy():
    rooms = "skyneedle.transfer.figures.leaks, skyneedle.transfer.figures.results"
    code = f"import sys, {rooms}; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert not loaded & {"torch", "lightning", "timm", "sklearn"}
