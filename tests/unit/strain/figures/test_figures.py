"""Figures from synthetic tables: complete, finite, the same bytes, and honest about what is missing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.strain.figures import diagrams, extras, flows, interpretation, results
from tests.unit.strain.figures.figure_tables import (
    SETTINGS,
    by_postprocessing,
    by_snr,
    by_tolerance,
    classifier_counting,
    classifier_position,
    classifier_share,
    contrived,
    events,
    histories,
    networks,
    preimages,
    receptive_field,
    recipes,
    stream,
)

POINT = {"threshold": 0.42, "window": 256, "detection_ratio": 0.86, "value": 2000.0}
CHANNELS = {"fcn8": 8, "fcn16": 16, "fcn": 32, "fcn64": 64}
DETECTORS = {"fcn_h1": "H1", "fcn": "H1 L1", "fcn_h1l1v1": "H1 L1 V1"}
FIGURES = {
    "fig1": (lambda stem: diagrams.fig1(stem), {"box": 18, "arrow": 20}),
    "fig2": (lambda stem: diagrams.fig2(SETTINGS, stem), {"box": 14, "arrow": 13}),
    "fig3": (lambda stem: diagrams.fig3(*receptive_field(), stem), None),
    "fig4": (lambda stem: results.fig4(by_snr(), stem), 8 * 30),
    "fig5": (lambda stem: results.fig5(by_tolerance(), stem), 2 * 8),
    "fig6": (lambda stem: results.fig6(by_postprocessing(), POINT, stem), 5 * 9 + 3),
    "fig7": (lambda stem: results.fig7(*events(), stem), None),
    "fig8": (lambda stem: interpretation.fig8(preimages(), stem), None),
    "extra_contrived": (lambda stem: interpretation.extra_contrived(contrived(), stem), 5 * 12),
    "extra_learning_curves": (lambda stem: extras.extra_learning_curves(histories(), stem), 5 * 2 * 30),
    "extra_width": (lambda stem: extras.extra_width(networks(), CHANNELS, stem), 4 * 2),
    "extra_detectors": (lambda stem: extras.extra_detectors(networks(), DETECTORS, stem), 3 * 2),
    "extra_networks": (lambda stem: extras.extra_networks(networks(), stem), 9 * 2),
    "extra_stream": (lambda stem: extras.extra_stream(stream(), stem), 3),
    "extra_classifier_share": (lambda stem: extras.extra_classifier_share(classifier_share(), stem), 5 * 2),
    "extra_classifier_counting": (
        lambda stem: extras.extra_classifier_counting(classifier_counting(), stem),
        6 * 2,
    ),
    "extra_classifier_position": (
        lambda stem: extras.extra_classifier_position(classifier_position(), stem),
        10 * 2,
    ),
    "extra_recipes": (lambda stem: extras.extra_recipes(recipes(), stem), 2 * 80),
}
# Columns of one value in these tables, because one network, test set or stretch is drawn.
SAME = {"n", "exposure_s", "injections", "network", "scale", "panel", "example", "kind"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The stem of a figure, which is drawn when first asked for."""
    folder = tmp_path_factory.mktemp("figures")

    def stem(name):
        if not (folder / f"{name}.csv").exists():
            FIGURES[name][0](folder / name)
        return folder / name

    return stem


@pytest.mark.parametrize("name", FIGURES)
def test_csv_holds_what_is_promised(drawn, name):
    stem, rows = drawn(name), FIGURES[name][1]
    assert all(Path(f"{stem}.{ending}").stat().st_size > 500 for ending in ("svg", "pdf"))
    table = pd.read_csv(f"{stem}.csv", keep_default_na=False, na_values=[""])
    assert len(table) > 0
    if isinstance(rows, int):
        assert len(table) == rows
    elif rows:
        assert table["element"].value_counts().to_dict() == rows
    numbers = table.select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()
    constant = {column for column in table if table[column].nunique() == 1} - SAME
    assert not constant


@pytest.mark.parametrize("name", ["fig4", "fig7", "extra_networks"])
def test_drawn_again_gives_the_same_bytes(drawn, name, tmp_path):
    FIGURES[name][0](tmp_path / name)
    for ending in ("svg", "pdf", "csv"):
        assert (tmp_path / f"{name}.{ending}").read_bytes() == Path(f"{drawn(name)}.{ending}").read_bytes()


def test_recipes_differ_in_the_flow_diagram(drawn, tmp_path):
    corrected = Path(f"{drawn('fig2')}.svg").read_text()
    faithful = SETTINGS | {"recipe": "faithful", "crop_start_s": 2.5, "event_s_low": 5.5, "event_s_high": 5.5}
    diagrams.fig2(faithful, tmp_path / "fig2")
    published = (tmp_path / "fig2.svg").read_text()
    assert "anti-alias filter first" in corrected
    assert "every second sample" in published
    assert "1.25–6.75 s" in corrected
    assert "always 5.50 s" in published
    assert "32,768" in corrected


def test_flow_diagram_refuses_settings_it_cannot_draw(tmp_path):
    with pytest.raises(BadSetting, match="highpass_hz"):
        diagrams.fig2({key: value for key, value in SETTINGS.items() if key != "highpass_hz"}, tmp_path / "f")
    with pytest.raises(BadSetting, match="recipe"):
        diagrams.fig2(SETTINGS | {"recipe": "improved"}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_every_arrow_joins_two_boxes():
    for nodes, edges in (
        (flows.PIPELINE_NODES, flows.PIPELINE_EDGES),
        (flows.GENERATION_NODES, flows.GENERATION_EDGES),
    ):
        names = {node.name for node in nodes}
        assert {edge.source for edge in edges} | {edge.target for edge in edges} == names
        for one in nodes:  # boxes lie apart
            for other in nodes:
                if one.name < other.name:
                    beside = abs(one.x - other.x) >= (one.width + other.width) / 2
                    above = abs(one.y - other.y) >= (one.height + other.height) / 2
                    assert beside or above, (one.name, other.name)


def test_eight_inputs_reach_the_highlighted_value(drawn):
    table = pd.read_csv(f"{drawn('fig3')}.csv")
    units = table[table["panel"] == "units"]
    assert units.groupby("layer")["value"].sum().tolist() == [8, 4, 2, 1]
    used = table[(table["panel"] == "connections") & (table["value"] == 1)]
    assert used.groupby("layer").size().tolist() == [8, 4, 2]


def test_missing_event_says_why_in_its_panel(tmp_path):
    results.fig7(*events("GW151226", "the archive gave 404 for H-H1_LOSC.hdf5"), tmp_path / "fig7")
    svg = (tmp_path / "fig7.svg").read_text()
    for words in ("no data", "GW151226", "404", "GW150914: found at +3 ms"):
        assert words in svg
    assert set(pd.read_csv(tmp_path / "fig7.csv")["event"]) == {"GW150914"}


def test_no_event_at_all_still_gives_a_figure(tmp_path):
    table, _ = events("GW150914", "no network")
    none = table[table["status"] == "missing"].assign(gps_found=np.nan)
    results.fig7(none, pd.DataFrame(), tmp_path / "fig7")
    assert len(pd.read_csv(tmp_path / "fig7.csv")) == 0
    assert (tmp_path / "fig7.svg").read_text().count("no data") == 2


def test_detectors_other_than_two_are_drawn_as_far_as_they_are_there(tmp_path):
    table, traces = events()
    results.fig7(table, traces.drop(columns="L1"), tmp_path / "fig7")
    assert "network does not use L1" in (tmp_path / "fig7.svg").read_text()


def test_rates_without_a_count_are_lower_limits():
    table = pd.DataFrame({"value": [60.0, np.inf, np.nan, np.nan], "low": [50.0, 30.0, 20.0, np.nan]})
    drawn = results.with_lower_limits(table.assign(high=[80.0, np.inf, np.nan, np.nan]))
    assert drawn["kind"].tolist() == ["measured", "lower limit", "lower limit"]
    assert drawn["value"].tolist() == [60, 30, 20]
    assert np.isfinite(drawn[["value", "low", "high"]]).all(axis=None)


def test_operating_point_takes_its_values_from_the_test_set(tmp_path):
    choice, metrics = tmp_path / "point.json", tmp_path / "fcn.json"
    choice.write_text('{"threshold": 0.37, "window": 128, "detection_ratio": {"value": 0.99}}')
    metrics.write_text(
        '{"detection_ratio": {"value": 0.8}, "inverse_false_positive_rate_s": {"value": null, "low": 900}}'
    )
    expected = {"threshold": 0.37, "window": 128, "detection_ratio": 0.8, "value": 900}
    assert results.operating_point(choice, metrics) == expected
    metrics.write_text('{"detection_ratio": {"value": null}}')
    assert results.operating_point(choice, metrics) is None


def test_networks_that_cannot_be_drawn_are_named(tmp_path):
    table = networks()
    table.loc[table["network"] == "fcn64", ["value", "low", "high"]] = np.nan
    table.loc[table["network"] == "fcn64", "reason"] = "training was cut"
    extras.extra_width(table, CHANNELS | {"fcn128": 128}, tmp_path / "width")
    svg = (tmp_path / "width.svg").read_text()
    for words in ("fcn64", "training was cut", "fcn128", "no metric file"):
        assert words in svg
    assert set(pd.read_csv(tmp_path / "width.csv")["network"]) == {"fcn8", "fcn16", "fcn"}


def test_difference_added_to_the_noise_is_what_fig8_draws(drawn):
    table = pd.read_csv(f"{drawn('fig8')}.csv")
    assert set(table["constraint"]) == set(interpretation.CONSTRAINTS)
    zero = table.query("constraint == 'zero_coalescence' and panel == 'H1' and abs(time_s - 1.5) < 0.12")
    assert (zero["value"] == 0).all()
    positive = table.query("constraint == 'positive_strain' and panel == 'L1'")
    assert positive["value"].min() >= 0
    added = table.query("constraint == 'gw_like' and series == 'difference'")
    assert added["value"].abs().max() == pytest.approx(2, abs=0.05)


def test_summary_of_contrivedness_counts_what_is_finite():
    table = contrived()
    table.loc[(table["kind"] == "noise") & (table["example"] < 2), "optimal_snr"] = np.nan
    summary = interpretation.contrived_summary(table).set_index(["kind", "constraint", "quantity"])
    assert summary.loc["noise", "none", "optimal_snr"]["n"] == 10
    row = summary.loc["injection", "none", "overlap_best"]
    assert row["low"] < row["median"] < row["high"]
    assert len(summary) == 5 * 4


def test_every_figure_has_its_caption():
    folder = Path(__file__).resolve().parents[4] / "workflow" / "report"
    captions = {path.stem for path in folder.glob("*.rst")}
    for name in FIGURES:
        assert any(caption == name or caption.startswith(f"{name}_") for caption in captions), name
