"""From the name of a figure to the function that draws it, with its tables as the workflow has them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import scoreboard
from skyneedle.strain import preprocess
from skyneedle.strain.figures import diagrams, extras, interpretation, results

Files = Mapping[str, Any]
Options = Mapping[str, Any]
SETS = {"train": "training", "validation": "validation", "test": "testing"}


def draw(name: str, files: Files, options: Options, stem: str | Path, provenance: Mapping[str, Any]) -> None:
    """Draw one figure.

    Args:
        name: a key of ``FIGURES``.
        files: tables by name; lists where a figure takes several.
        options: what no table holds.
        stem: of the files to write.
        provenance: for their metadata.
    """
    FIGURES[name](files, options, stem, provenance)


def _plain(function: Callable[..., Any], *tables: str) -> Callable[..., Any]:
    """A figure that takes its tables as they are, in this order."""
    return lambda files, options, stem, source: function(
        *(files[table] for table in tables), stem, provenance=source
    )


def _fig2(files: Files, options: Options, stem: str | Path, source: Mapping[str, Any]) -> None:
    recipe, crop_s = options["recipe"], preprocess.CROP_S
    edge_s = 1.25  # half a receptive field and a quarter of a second, see simulate.examples
    event_s = (5.5, 5.5) if recipe == "faithful" else (edge_s, crop_s - edge_s)
    (mass_low, mass_high), (snr_low, snr_high) = options["mass_range_msun"], options["snr_range"]
    settings = {
        **{key: options[key] for key in ("recipe", "source", "detectors", "approximant")},
        "raw_sample_rate_hz": preprocess.RAW_SAMPLE_RATE,
        "sample_rate_hz": preprocess.SAMPLE_RATE,
        "window_s": preprocess.WINDOW_S,
        **{"mass_low": mass_low, "mass_high": mass_high, "spin_high": options["spin_range"][1]},
        **{"snr_low": snr_low, "snr_high": snr_high, "injection_share": options["share_injection"]},
        "f_low_hz": options["f_lower_hz"],
        "whiten_segment_s": preprocess.SEGMENT_S,
        "highpass_hz": preprocess.HIGHPASS_HZ,
        "crop_s": crop_s,
        "crop_start_s": preprocess.crop_start(recipe) / preprocess.SAMPLE_RATE,
        **{"event_s_low": event_s[0], "event_s_high": event_s[1]},
        **{f"n_{short}": options["sets"][name] for short, name in SETS.items()},
    }
    diagrams.fig2(settings, stem, provenance=source)


def _fig6(files: Files, options: Options, stem: str | Path, source: Mapping[str, Any]) -> None:
    point = results.operating_point(files["point"], files["metrics"])
    results.fig6(files["by_postprocessing"], point, stem, exposure=options["exposure"], provenance=source)


def _histories(files: Files, options: Options, stem: str | Path, source: Mapping[str, Any]) -> None:
    histories = {Path(path).parent.name: path for path in files["histories"]}
    extras.extra_learning_curves(histories, stem, provenance=source)


def _compared(function: Callable[..., Any], option: str = "") -> Callable[..., Any]:
    """A figure of the metrics of several networks."""

    def drawn(files: Files, options: Options, stem: str | Path, source: Mapping[str, Any]) -> None:
        table = scoreboard.network_table(files["metrics"])
        function(*([table, options[option]] if option else [table]), stem, provenance=source)

    return drawn


FIGURES: dict[str, Callable[..., Any]] = {
    "fig1_pycbc_pipeline": _plain(diagrams.fig1),
    "fig2_data_generation": _fig2,
    "fig3_receptive_field": _plain(diagrams.fig3, "receptive_field", "connectivity"),
    "fig4_detection_ratio": _plain(results.fig4, "by_snr"),
    "fig5_inverse_false_positive_rate": _plain(results.fig5, "by_tolerance"),
    "fig6_postprocessing": _fig6,
    "fig7_real_events": _plain(results.fig7, "events", "traces"),
    "fig8_preimages": _plain(interpretation.fig8, "preimages"),
    "extra_learning_curves": _histories,
    "extra_width": _compared(extras.extra_width, "channels"),
    "extra_detectors": _compared(extras.extra_detectors, "detectors"),
    "extra_networks": _compared(extras.extra_networks),
    "extra_stream": _plain(extras.extra_stream, "streams"),
    "extra_classifier_share": _plain(extras.extra_classifier_share, "table"),
    "extra_classifier_counting": _plain(extras.extra_classifier_counting, "table"),
    "extra_classifier_position": _plain(extras.extra_classifier_position, "table"),
    "extra_contrived": _plain(interpretation.extra_contrived, "contrived"),
    "extra_recipes": _plain(extras.extra_recipes, "table"),
}


def write_tables(events: str | Path, contrived: str | Path, events_stem: Path, contrived_stem: Path) -> None:
    """Write the two tables of the results, as CSV and Markdown."""
    found = pd.read_csv(events)
    scoreboard.write(found, events_stem, title="Events", words="")
    summary = interpretation.contrived_summary(contrived)
    scoreboard.write(summary, contrived_stem, title="How contrived preimages are", words="")
