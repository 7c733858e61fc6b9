"""Figures of ayyar2022: each draws what its table holds, says what is missing, and is the same each time."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyneedle.transients import architecture, networks
from skyneedle.transients.evaluate import rates
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.figures import diagrams
from skyneedle.transients.figures.draw import FIGURES
from tests.unit.transients.figures import made


@pytest.fixture(scope="module")
def tables():
    """The arguments of every figure but those of stamps."""
    known = made.truth()
    curves, crossed = made.curves(known), made.crossed(known)
    ongoing, bars = made.ongoing()
    return {
        "fig1_network": {"layers": architecture.layers(networks.build("cnn1"))},
        "fig3_confusion_scheme": {},
        "fig4_old_labels": {"curves": curves},
        "fig5_scores": {"histogram": made.histogram(known)},
        "fig7_judged_by_new_labels": {"curves": curves},
        "fig8_new_labels": {"curves": curves, "crossed": crossed},
        "fig9_roc": {"curves": curves},
        "fig10_learning_curves": {"curves": made.learning()},
        "fig11_confusion": {"confusion": made.confusion(known)},
        "fig12_ongoing_survey": {"curves": ongoing, "histogram": bars},
        "fig13_real_bogus": {"histogram": bars},
        "extra_crossed": {"crossed": crossed},
        "extra_importances": {"importances": pd.concat([made.importances(0), made.importances(1)])},
        "extra_label_noise": {"noise": made.noise_sweep(known)},
        "extra_search": {"trials": made.trials()},
        "extra_strata": {"strata": made.strata_table(known)},
        "extra_suspects": {"scored": made.suspects(known)},
    }


def rows_promised(name, given):
    """How many points, bars or cells each figure draws of these tables."""
    known = {key: table for key, table in given.items() if isinstance(table, pd.DataFrame)}
    curves, main = known.get("curves"), ["cnn1", "forest"]
    if name in ("fig4_old_labels", "fig7_judged_by_new_labels"):
        version = "given" if name == "fig4_old_labels" else "relabelled"
        shown = (curves["labels"] == version) & (curves["method"] != "peak_snr")
        return shown.sum() + len(rates.GOLDSTEIN)
    if name in ("fig8_new_labels", "fig9_roc"):
        n = ((curves["labels"] == "relabelled") & curves["method"].isin(main)).sum()
        return n + (len(main) + len(rates.GOLDSTEIN) if name == "fig8_new_labels" else 0)
    if name == "fig12_ongoing_survey":  # two curves of each network, and two of the retrained one
        empty = curves["cleanliness"].isna().sum()
        return 2 * len(curves) - empty + 2 * (curves["network"] == "retrained").sum()
    if name == "extra_strata":
        strata = known["strata"]
        return (
            strata["stratum"].eq("kind")
            | (strata["stratum"].isin(["snr", "host_sb"]) & strata["rate"].eq("mdr"))
        ).sum()
    return {
        "fig1_network": 1
        + 3 * 4
        + 1
        + 2
        + 1
        + 1,  # input; conv, ReLU, norm, pool; dropout; dense and norm; out
        "fig3_confusion_scheme": 4,
        "fig5_scores": 2 * 50,
        "fig10_learning_curves": 2 * 2 * 3 * 12,
        "fig11_confusion": 4,
        "fig13_real_bogus": 2 * 2 * 40,
        "extra_crossed": 2 * 2 * 3,
        "extra_importances": 18,
        "extra_label_noise": 2 * 2 * 4,
        "extra_search": 32,
        "extra_suspects": 6 * 3 * 2,  # entries, kinds of error, precision and recall
    }[name]


NAMES = sorted(name for name in FIGURES if name not in ("fig2_stamps", "fig6_relabelled", "extra_kinds"))
SHARED = {"fig8_new_labels": {"low", "high"}}  # curves have no interval, the two points at an MDR have


@pytest.mark.parametrize("name", NAMES)
def test_the_csv_holds_what_is_drawn(name, tables, tmp_path):
    FIGURES[name](**tables[name], stem=tmp_path / name, provenance={"commit": "abc123"})
    drawn = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""])
    assert len(drawn) == rows_promised(name, tables[name])
    numbers = drawn.select_dtypes("number").drop(columns=list(SHARED.get(name, ())))
    assert np.isfinite(numbers.to_numpy(float)).all()
    assert [column for column in drawn if drawn[column].nunique(dropna=False) == 1] == []
    assert "abc123" in (tmp_path / f"{name}.svg").read_text()
    assert "no data" not in (tmp_path / f"{name}.svg").read_text()


@pytest.mark.parametrize("name", ["fig4_old_labels", "fig11_confusion", "extra_strata"])
def test_the_same_tables_give_the_same_bytes(name, tables, tmp_path):
    for folder in ("a", "b"):
        FIGURES[name](**tables[name], stem=tmp_path / folder / name, provenance={})
    for ending in ("svg", "pdf", "csv"):
        one, other = ((tmp_path / folder / f"{name}.{ending}").read_bytes() for folder in ("a", "b"))
        assert one == other


EMPTY = {  # the table without rows: what its panels say
    "fig4_old_labels": ("curves", "version 'given'"),
    "fig5_scores": ("histogram", "no scores of CNN 1"),
    "fig7_judged_by_new_labels": ("curves", "'relabelled'"),
    "fig8_new_labels": ("curves", "'relabelled'"),
    "fig9_roc": ("curves", "'relabelled'"),
    "fig10_learning_curves": ("curves", "no loss of CNN 1"),
    "fig12_ongoing_survey": ("curves", "no candidate of"),
    "fig13_real_bogus": ("histogram", "no candidate was"),
    "extra_crossed": ("crossed", "not known of this"),
    "extra_importances": ("importances", "no forest was"),
    "extra_label_noise": ("noise", "nothing was trained"),
    "extra_search": ("trials", "no trial of"),
    "extra_strata": ("strata", "host sb is not"),
    "extra_suspects": ("scored", "no label was wrong"),
}


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_a_figure_without_data_says_why(name, tables, tmp_path):
    argument, said = EMPTY[name]
    FIGURES[name](
        **(tables[name] | {argument: tables[name][argument].iloc[:0]}), stem=tmp_path / name, provenance={}
    )
    text = (tmp_path / f"{name}.svg").read_text()
    assert "no data" in text
    assert all(word in text for word in said.split())  # lines are wrapped between words
    assert len(pd.read_csv(tmp_path / f"{name}.csv")) == 0


def test_missed_detections_stand_below_true_non_artifacts(tmp_path):
    # Ten non-artifacts, three of them called artifacts; twenty artifacts, one of them called none.
    labels = np.repeat([0, 1], [10, 20])
    scores = np.where(labels == 1, 0.9, 0.1)
    scores[:3], scores[-1] = 0.8, 0.2
    part = Scored(np.arange(30), labels, scores, np.arange(30))
    FIGURES["fig11_confusion"](confusion=rates.confusion_table(part), stem=tmp_path / "fig11", provenance={})
    drawn = pd.read_csv(tmp_path / "fig11.csv").set_index(["predicted", "true"])
    assert drawn.loc[("artifact", "non-artifact"), ["n", "share"]].tolist() == [3, 0.3]
    assert drawn.loc[("non-artifact", "artifact"), ["n", "share"]].tolist() == [1, 0.05]
    assert drawn.loc[("non-artifact", "non-artifact"), "n"] == 7
    x, y = placed(tmp_path / "fig11.svg", "30.00 %")
    assert x < placed(tmp_path / "fig11.svg", "5.00 %")[0]  # the column of true non-artifacts, at the left
    assert y > placed(tmp_path / "fig11.svg", "5.00 %")[1]  # the row of those called artifacts, below
    assert x < placed(tmp_path / "fig11.svg", "95.00 %")[0]
    assert y == placed(tmp_path / "fig11.svg", "95.00 %")[1]


def placed(path, words):
    """Where words stand in an SVG, in its units from the upper left corner."""
    line = next(line for line in path.read_text().splitlines() if f">{words}<" in line)
    parts = dict(part.split('="', 1) for part in line.replace('" ', '"\n').splitlines() if '="' in part)
    if "transform" in line:
        inside = line.split("translate(")[1].split(")")[0]
        return tuple(float(value) for value in inside.replace(",", " ").split()[:2])
    return float(parts["x"].split('"')[0]), float(parts["y"].split('"')[0])


def test_the_scheme_is_that_of_the_paper():
    found = diagrams.cells().set_index(["predicted", "true"])["cell"].to_dict()
    assert found == {
        ("non-artifact", "non-artifact"): "true_positives",
        ("non-artifact", "artifact"): "false_positives",
        ("artifact", "non-artifact"): "false_negatives",
        ("artifact", "artifact"): "true_negatives",
    }


def test_the_network_is_drawn_as_it_is(tables, tmp_path):
    FIGURES["fig1_network"](**tables["fig1_network"], stem=tmp_path / "fig1", provenance={})
    drawn = pd.read_csv(tmp_path / "fig1.csv")
    assert drawn["parameters"].sum() == 265165  # Table 4
    maps = drawn[drawn["type"].isin(["input", "Conv2D", "MaxPool2D"])]
    assert maps["side"].tolist() == [51, 51, 25, 25, 12, 12, 6]
    assert drawn.groupby("place")["side"].nunique().max() == 1


def test_layers_of_a_padded_convolution_say_where_the_zeros_are():
    table = architecture.layers(networks.build("cnn4"))
    convolutions = table[table["type"] == "Conv2D"]
    assert convolutions["padding"].tolist() == ["2 before, 3 after", "(2,2)", "2 before, 3 after"]
    assert convolutions["output_shape"].tolist() == ["(40,26,26)", "(60,13,13)", "(80,13,13)"]
    assert table["parameters"].iloc[-1] == "953785"


def test_the_stream_is_as_clean_as_what_is_kept_at_the_cut(tables, tmp_path):
    FIGURES["fig12_ongoing_survey"](**tables["fig12_ongoing_survey"], stem=tmp_path / "fig12", provenance={})
    drawn = pd.read_csv(tmp_path / "fig12.csv")
    dots = drawn[drawn["is_cut"] & (drawn["network"] == "retrained")].set_index("quantity_y")
    bars = tables["fig12_ongoing_survey"]["histogram"]
    bars = bars[bars["network"] == "retrained"]
    kept = bars[bars["low"] >= 0.3 - 1e-9].groupby("tagged")["n"].sum()
    assert dots.loc["cleanliness", "y"] == pytest.approx(kept["real"] / kept.sum())
    n_real = bars.loc[bars["tagged"] == "real", "n"].sum()
    assert dots.loc["tpr", "y"] == pytest.approx(kept["real"] / n_real)
    assert dots.loc["cleanliness", "x"] == pytest.approx(1 - kept["real"] / n_real)


def test_weights_of_the_lowest_validation_loss_are_marked(tables, tmp_path):
    table = tables["fig10_learning_curves"]["curves"]
    FIGURES["fig10_learning_curves"](curves=table, stem=tmp_path / "fig10", provenance={})
    drawn = pd.read_csv(tmp_path / "fig10.csv")
    for seed, rows in drawn.groupby("seed"):
        losses = rows[(rows["split"] == "validation") & (rows["quantity"] == "loss")]
        best = losses.loc[losses["value"].idxmin(), "epoch"]
        assert set(rows.loc[rows["is_best"], "epoch"]) == {best}, seed


def test_a_coarse_curve_of_a_small_survey_still_draws(tmp_path):
    known = made.truth(60)
    FIGURES["fig4_old_labels"](curves=made.curves(known), stem=tmp_path / "fig4", provenance={})
    FIGURES["extra_strata"](strata=made.strata_table(known), stem=tmp_path / "strata", provenance={})
    FIGURES["fig10_learning_curves"](
        curves=made.learning(seeds=1, epochs=1), stem=tmp_path / "fig10", provenance={}
    )
    assert len(pd.read_csv(tmp_path / "fig10.csv")) == 4
    FIGURES["extra_search"](trials=made.trials().head(1), stem=tmp_path / "search", provenance={})
    assert len(pd.read_csv(tmp_path / "search.csv")) == 1


def test_drawing_needs_no_networks():
    code = (
        "import sys, skyneedle.transients.figures.draw\n"
        "print([name for name in ('torch', 'lightning', 'sklearn', 'galsim') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_figure_has_a_caption():
    report = Path(__file__).resolve().parents[4] / "workflow" / "report"
    captions = {path.stem.removeprefix("ayyar2022_") for path in report.glob("ayyar2022_*.rst")}
    assert set(FIGURES) <= captions
