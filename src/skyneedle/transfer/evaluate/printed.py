"""What the thesis prints beside what was measured: Tables 5-1 and 5-2, and tables of our own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import scoreboard, tables
from skyneedle.core.plotting import write_bytes
from skyneedle.transfer.evaluate import cells, grades
from skyneedle.transfer.evaluate.scored import MEASURED

PAPER = "akhazhanov2018"
QUANTITIES = {"parameters": "number of parameters", "auc": "ROC AUC", "f1": "F1-score"}
IN_WORDS = {"std": "standard deviation"}
TOLD = ("model", "network", "weights", "stem", "mode", "n_folds")
NUMBERS = (
    *(
        "published_parameters",
        "parameters",
        "trained_parameters",
        "published_auc",
        "auc",
        "auc_std",
        "auc_low",
    ),
    *("auc_high", "published_f1", "f1", "f1_std", "f1_low", "f1_high", "auprc", "auprc_std", "auprc_low"),
    *("auprc_high", "pooled_auc", "pooled_auc_low", "pooled_auc_high", "n_parents"),
)
CROSS_VALIDATION = (
    "Mean and standard deviation over folds, with 68 % intervals from redrawing parents, for the area under "
    "the precision-recall curve (auprc) from the spread over folds, which one fold has not; with recipe "
    "corrected folds share no parent. Published numbers are of augmented copies that were divided into "
    "folds without regard to what they are copies of, with ImageNet weights and an up-sampling stem. The "
    "published number of parameters is that of the whole ImageNet network with its head; `parameters` is "
    "what a stamp goes through here, `trained` what is fitted. Cells that were not run have the reason."
)
GRADES = (
    "Predicted probability of a lens: mean and standard deviation over candidates, 68 % intervals from "
    "redrawing them. Ours are simulated candidates with falling contrast of the lensed images; the "
    "published ones were 92 candidates of LensFlow, whose simulations the published networks were trained "
    "on."
)
REALITY = (
    "AUC of the mean over the networks of all folds, with 68 % intervals: a set simulated under harder "
    "conditions, and a handful of real stamps, which are a test that nothing is badly wrong, and no more. "
    "Below, the probability of a lens for each real stamp."
)
FOLDS = (
    "Each fold is judged by a network that has learned from none of its objects (with recipe faithful: from "
    "none of its copies, but from others of the same objects); probability of 0.5 for F1."
)


def published(path: str | Path, item: str) -> dict[str, str]:
    """Values that the thesis prints, by quantity.

    Args:
        path: see ``scoreboard.read_published``.
        item: such as "Table 5-1".
    """
    table = scoreboard.read_published(path)
    rows = table[(table["paper"] == PAPER) & (table["item"] == item)]
    return dict(zip(rows["quantity"], rows["value"], strict=True))


def cross_validation(
    methods: pd.DataFrame, counts: Mapping[str, Any], printed: Mapping[str, str], scale: str
) -> pd.DataFrame:
    """Table 5-1 with every network and mode.

    Args:
        methods: as of ``crossvalidation.write``.
        counts: ``<network>_total`` and ``<network>_trained`` of ``design``, entries with a value.
        printed: values of Table 5-1 by "<model>: <quantity>", and of the modes by "full" and "scratch".
        scale: of the run, for the reasons.

    Returns:
        Columns ``TOLD``, ``NUMBERS``, note. A row for each method, and one for each of ``cells.MODES`` of the
        six networks that was not run.
    """
    rows = []
    for source, name in cells.BACKBONES.items():
        mine = methods[methods["source"] == source]
        rows += [_row(one, counts, printed) for one in mine.to_dict("records")]
        done = set(zip(mine["mode"], mine["stem"], strict=True))
        rows += [
            {
                "model": name,
                "network": "",
                "mode": mode,
                "stem": stem,
                "weights": "",
                **_said(name, mode, printed),
            }
            | {"note": f"not run at scale {scale}: no such network in transfer.networks"}
            for mode, stem in cells.MODES
            if (mode, stem) not in done
        ]
    others = methods[~methods["source"].isin(list(cells.BACKBONES))]
    rows += [_row(one, counts, printed) for one in others.to_dict("records")]
    return pd.DataFrame(rows).reindex(columns=[*TOLD, *NUMBERS, "note"])


def _row(one: Mapping[str, Any], counts: Mapping[str, Any], printed: Mapping[str, str]) -> dict[str, Any]:
    told = {name: one[name] for name in TOLD}
    told = {name: "" if pd.isna(value) else value for name, value in told.items()}
    of_counts = {"parameters": "total", "trained_parameters": "trained"}
    found = {name: counts.get(f"{one['network']}_{key}", {}).get("value") for name, key in of_counts.items()}
    found |= {name: one[name] for name in NUMBERS if name in one}
    note = "" if pd.isna(one["words"]) else one["words"]
    return told | _said(one["model"], one["mode"], printed) | found | {"note": note}


def _said(model: str, mode: str, printed: Mapping[str, str]) -> dict[str, str]:
    """What the thesis prints of a model in a mode: numbers for unchanged trunks, words for the others."""
    if mode in ("full", "scratch"):
        return {"published_auc": printed.get(mode, "")}
    said = {key: printed.get(f"{model}: {words}", "") for key, words in QUANTITIES.items()}
    return {f"published_{key}": value for key, value in said.items()}


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """Table 5-1 for the eye: a value with its spread and interval in one cell."""
    shown = table[["model", "network", "weights", "stem", "mode", "n_folds"]].copy()
    printed = pd.to_numeric(table["published_parameters"], errors="coerce")
    shown["parameters, published"] = ["" if pd.isna(n) else f"{n / 1e6:.0f} M" for n in printed]
    shown["parameters (trained)"] = [
        "" if pd.isna(total) else f"{total:,.0f} ({trained:,.0f})"
        for total, trained in zip(table["parameters"], table["trained_parameters"], strict=True)
    ]
    for metric in MEASURED:
        if f"published_{metric}" in table:
            shown[f"{metric}, published"] = table[f"published_{metric}"].fillna("")
        parts = (table[f"{metric}{end}"] for end in ("", "_std", "_low", "_high"))
        shown[metric] = [_cell(*one) for one in zip(*parts, strict=True)]
    shown["n_folds"] = ["" if pd.isna(n) else f"{n:.0f}" for n in table["n_folds"].replace("", np.nan)]
    return shown.assign(note=table["note"])


def _cell(value: float, std: float, low: float, high: float) -> str:
    if pd.isna(value):
        return ""
    spread = "" if pd.isna(std) else f" ± {std:.3f}"
    ends = "no interval" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
    return f"{value:.3f}{spread} ({ends})"


def by_grade(found: pd.DataFrame, printed: Mapping[str, str]) -> pd.DataFrame:
    """Table 5-2: mean and standard deviation of the probability by grade, for all methods.

    Args:
        found: as of ``grades.write``.
        printed: values of Table 5-2 by "<model>, grade <grade>: <quantity>".

    Returns:
        Columns model, network, grade, quantity, published, reproduced, low, high, n, note. Networks of the
        table that were not run have rows with the reason.
    """
    rows = [
        {"model": one["model"], "network": one["network"], "grade": one["grade"], "quantity": one["quantity"]}
        | {"published": printed.get(_graded(one["model"], one["grade"], one["quantity"]), "")}
        | {"reproduced": one["value"], "low": one["low"], "high": one["high"], "n": one["n"]}
        | {"note": "" if pd.isna(one["words"]) else one["words"]}
        for one in found.to_dict("records")
    ]
    there = set(found["model"])
    rows += [
        {"model": model, "network": "", "grade": grade.upper(), "quantity": quantity}
        | {"published": printed.get(_graded(model, grade.upper(), quantity), "")}
        | {"note": "not run at this scale: no such network in transfer.networks"}
        for model in (cells.BACKBONES[source] for source in cells.GRADED)
        if model not in there
        for grade in grades.GRADES
        for quantity in grades.DEFINITIONS
    ]
    columns = ["model", "network", "grade", "quantity", "published", "reproduced", "low", "high", "n", "note"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(quantity=table["quantity"].replace(IN_WORDS))


def _graded(model: str, grade: str, quantity: str) -> str:
    return f"{model}, grade {grade}: {IN_WORDS.get(quantity, quantity)}"


def write_tables(files: Mapping[str, str | Path], scale: str, out: Mapping[str, str | Path]) -> None:
    """Write all tables as CSV and Markdown.

    Args:
        files: "published"; "architectures", as of ``design.write_architectures``; and the CSVs "methods",
            "grades", "folds", "reality" and "answers".
        scale: name of the scale.
        out: path without ending for "cross_validation", "grades", "folds" and "reality".
    """
    counts = json.loads(Path(files["architectures"]).read_text())
    modes = published(files["published"], "Sec. 5.2")
    said = published(files["published"], "Table 5-1") | {
        mode: modes.get(f"ROC AUC with {words}", "")
        for mode, words in {
            "full": "the full network trained",
            "scratch": "random Xavier initialization",
        }.items()
    }
    first = cross_validation(pd.read_csv(files["methods"]), counts, said, scale)
    tables.write_csv(first, f"{out['cross_validation']}.csv")
    _markdown(out["cross_validation"], "Table 5-1: cross-validation", CROSS_VALIDATION, compact(first))
    second = by_grade(pd.read_csv(files["grades"]), published(files["published"], "Table 5-2"))
    scoreboard.write(second, out["grades"], "Table 5-2: predictions for graded candidates", GRADES)
    scoreboard.write(pd.read_csv(files["folds"]), out["folds"], "Each fold of each network", FOLDS)
    areas = pd.read_csv(files["reality"]).fillna({"reason": ""})
    tables.write_csv(areas, f"{out['reality']}.csv")
    answers = pd.read_csv(files["answers"])
    wide = _wide(answers) if len(answers) else pd.DataFrame({"real stamps": ["none: see the reason above"]})
    _markdown(out["reality"], "Harder and real stamps", REALITY, areas, wide)


def _wide(answers: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of real stamps, a row for each stamp and a column for each network."""
    told = answers.fillna({"label": -1, "name": "", "kind": ""})
    order = list(dict.fromkeys(told["network"]))
    wide = told.pivot_table(index=["label", "name", "kind", "id"], columns="network", values="score")
    return wide[order].sort_index(ascending=[False, True, True, True]).reset_index()


def _markdown(stem: str | Path, title: str, words: str, *parts: pd.DataFrame) -> None:
    text = "\n".join([f"# {title}\n\n{words}\n", *(scoreboard.to_markdown(part) for part in parts)])
    write_bytes(Path(f"{stem}.md"), text.encode())
