"""Every method in one table: networks, forest, a cut on the peak, and what should tell nothing."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import scoreboard, tables
from skyneedle.core.metrics import Interval, interval
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import comparison, scored
from skyneedle.transients.evaluate.rates import ARTIFACTS_PER_REAL, MDR
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.truth import read_truth

QUANTITIES = ("fpr", "auc", "more_fpr")
ENDS = {"": "value", "_low": "low", "_high": "high"}
COLUMNS = ("method", "n_trainings", "n", *(f"{q}{end}" for q in QUANTITIES for end in ENDS), "note")
FOREST, BY_ID = "forest", "forest_by_id"
PROBES = ("position", "template")
NOTES = {
    "peak_snr": "a cut on the peak of the difference image, which is its signal-to-noise ratio",
    "position": "sees nothing but where the peak lies",
    "template": "sees nothing but simple numbers of the template",
    "forest_pixels": "without the features of the catalogue",
    BY_ID: "sets by id, which share hosts and nights; more_fpr is minus the forest of grouped sets, unpaired",
}
EPOCHS = {
    "_last_epoch": "weights of the last epoch, not of the least loss on the validation set",
    "_best_epoch": "weights of the least loss on the validation set, not of the last epoch",
}
SEARCH_ONLY = "of artifacts, those alone that leave nothing in the template"
TITLE = "All methods on the testing set"
WORDS = (
    f"fpr: false positive rate at a missed detection rate of {MDR:g}; auc: area under the ROC curve; "
    "more_fpr: fpr minus that of the main network, on the same examples and redraws. All {judge}, with "
    "68 % intervals from redrawing groups of hosts and nights, and trainings; n counts groups."
)


def write(
    scores: Mapping[str, Sequence[str | Path]],
    main: str,
    split: str | Path,
    *,
    stem: str | Path,
    metrics_out: str | Path,
    labels: str | Path,
    truth: Sequence[str | Path] = (),
    by_id: tuple[str | Path, str | Path] | None = None,
    probes: str | Path | None = None,
    judged: Mapping[str, str | Path] | None = None,
    notes: Mapping[str, str] | None = None,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the table (CSV and Markdown) and its numbers for the scoreboard (JSON).

    Args:
        scores: of each method, one parquet for each training.
        main: the method that all others are held against.
        split: parquet with id, group and split.
        stem: of the table, without ending; columns ``COLUMNS``.
        metrics_out: JSON to write: ``<quantity>_<method>`` for each of ``QUANTITIES``, and
            ``purity_<artifacts to one non-artifact>_<method>`` of the methods ``judged``.
        labels: parquet (id, label) to judge by where there is no truth.
        truth: of the simulator; none for real data.
        by_id: scores of a forest on sets divided by id, and these sets; none where all sets are.
        probes: JSON of ``baseline.write``, for the areas where the template cannot know of the artifacts.
        judged: JSON of ``rates.choose_and_judge`` for some methods, whose purity becomes a row.
        notes: more that rows of a method have to say.
        n_bootstrap: redraws.
        provenance: stored in the metrics.
    """
    known = read_truth(truth) if truth else pd.read_parquet(labels)
    parts = {
        name: [scored.read(path, split, ("testing",), known) for path in paths]
        for name, paths in scores.items()
    }
    found = {name: _measured(name, part, parts[main], n_bootstrap) for name, part in parts.items()}
    if by_id is not None:
        other = [scored.read(by_id[0], by_id[1], ("testing",), known)]
        found[BY_ID] = _of_other_sets(other, found[FOREST], n_bootstrap)
    n_trainings = {name: len(part) for name, part in parts.items()}
    told = {name: (notes or {}).get(name) or _note(name) for name in found}
    rows = [_row(name, entries, n_trainings.get(name, 1), told[name]) for name, entries in found.items()]
    rows += _of_probes(probes)
    judge = "by the truth" if truth else "by the labels after the review"
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    scoreboard.write(table, stem, TITLE, WORDS.format(judge=judge))
    entries = {
        f"{quantity}_{name}": entry
        | {"item": "methods", "quantity": _words(quantity, name, main, judge), "note": told[name]}
        for name, by_quantity in found.items()
        for quantity, entry in by_quantity.items()
        if not (quantity == "more_fpr" and name == main)
    }
    for name, path in (judged or {}).items():
        entries |= _purities(name, path, "_truth" if truth else "_relabelled", judge)
    tables.write_json(entries | {"provenance": dict(provenance or {})}, metrics_out)


def _measured(
    name: str, part: Sequence[Scored], main: Sequence[Scored], n_bootstrap: int
) -> dict[str, Interval]:
    alone = comparison.of_seeds(part, n_bootstrap, generator(0, "methods"))
    more = interval(0.0, 0.0, 0.0, alone["auc"]["n"])
    if part is not main:
        more = comparison.paired(part, main, MDR, n_bootstrap, generator(0, "methods", name))["difference"]
    return {"fpr": alone["fpr_at_mdr05"], "auc": alone["auc"], "more_fpr": more}


def _of_other_sets(
    part: Sequence[Scored], grouped: Mapping[str, Interval], n_bootstrap: int
) -> dict[str, Interval]:
    """The same numbers where the examples differ: errors of the difference add up in squares."""
    alone = comparison.of_seeds(part, n_bootstrap, generator(0, "methods"))
    ours, theirs = alone["fpr_at_mdr05"], grouped["fpr"]
    value = ours["value"] - theirs["value"]
    low = value - math.hypot(ours["value"] - ours["low"], theirs["high"] - theirs["value"])
    high = value + math.hypot(ours["high"] - ours["value"], theirs["value"] - theirs["low"])
    return {"fpr": ours, "auc": alone["auc"], "more_fpr": interval(value, low, high, ours["n"])}


def _row(name: str, entries: Mapping[str, Mapping[str, Any]], n_trainings: int, note: str) -> dict[str, Any]:
    row: dict[str, Any] = {"method": name, "n_trainings": n_trainings, "n": entries["auc"].get("n")}
    for quantity, entry in entries.items():
        row |= {f"{quantity}{end}": entry[key] for end, key in ENDS.items()}
    return row | {"note": note}


def _note(name: str) -> str:
    return NOTES.get(name) or next((words for end, words in EPOCHS.items() if name.endswith(end)), "")


def _of_probes(probes: str | Path | None) -> list[dict[str, Any]]:
    """Areas of the probes where artifacts have nothing to do with the template, as far as measured."""
    content = json.loads(Path(probes).read_text()) if probes else {}
    measured = {name: content.get(f"auc_{name}_search_only", {}) for name in PROBES}
    return [
        _row(name, {"auc": entry}, 1, f"{NOTES[name]}; {SEARCH_ONLY}")
        for name, entry in measured.items()
        if entry.get("value") is not None
    ]


def _purities(name: str, path: str | Path, ending: str, judge: str) -> dict[str, dict[str, Any]]:
    content = json.loads(Path(path).read_text())
    return {
        f"purity_{a}_{name}": content[f"purity_{a}_to_1_testing{ending}"]
        | {"item": "purity", "quantity": f"{name}: share of non-artifacts in what is kept at {a}:1, {judge}"}
        for a in ARTIFACTS_PER_REAL
    }


def _words(quantity: str, name: str, main: str, judge: str) -> str:
    what = {
        "fpr": f"FPR at an MDR of {MDR:g}",
        "auc": "AUC",
        "more_fpr": f"FPR at an MDR of {MDR:g} minus that of {FOREST if name == BY_ID else main}",
    }[quantity]
    return f"{name}: {what}, {judge}"
