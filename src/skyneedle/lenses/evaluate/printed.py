"""What the paper prints beside what was measured: tables 2, 5, 6 and 7, and the numbers of the abstract."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core import scoreboard
from skyneedle.core.tables import write_json
from skyneedle.lenses.evaluate import classification
from skyneedle.lenses.fetch.compounds import KNOWN

PAPER = "wilde2022"
BANDS = ("VIS", "Y", "J", "H")
# Of each network, at the operating point chosen on the validation set.
SHOWN = (
    "auroc",
    "auprc",
    "tpr0",
    "tpr10",
    "recall",
    "false_positive_rate",
    "precision",
    "accuracy",
    "f1",
    "f_beta",
)
TITLES = {
    "Table 5": "Table 5: metrics at a threshold of 0.5",
    "Table 6": "Table 6: recall at a threshold of 0.5",
    "Table 7": "Table 7: answers to the known compound lenses",
}
WORDS = (
    "Published beside reproduced, with 68 % intervals from redrawing parents; `n` counts parents. The "
    "threshold of 0.5 is the paper's; table `extra_networks` has the numbers at the operating points."
)
STANDS_IN = " This run has no evaluation set: the testing set stands for it."
ANSWERS = (
    "Published beside reproduced, then the networks of which nothing is printed; low and high are the least "
    "and greatest answer to the eight orientations of the image. A lens of which no data are there has its "
    "reason, and nothing in its place."
)
KNOWN_FILES = ("known_compounds", "known_compounds_ou_tsne")


def table(item: str, published: str | Path, metric_files: Sequence[str | Path], scale: str) -> pd.DataFrame:
    """One table of the paper.

    Args:
        item: "Table 5", "Table 6" or "Table 7".
        published: see ``scoreboard.read_published``.
        metric_files: see ``scoreboard.build``.
        scale: name of the scale.

    Returns:
        Columns model, quantity, published, reproduced, low, high, n, note; a row for each number printed.
    """
    board = scoreboard.build(published, metric_files, scale)
    rows = board[(board["paper"] == PAPER) & (board["item"] == item)]
    parts = rows["quantity"].str.split(": ", n=1, expand=True)
    named = rows.assign(model=parts[0], quantity=parts[1])
    columns = ["model", "quantity", "published", "reproduced", "low", "high", "n", "note"]
    return named[columns].reset_index(drop=True)


def answered(published: str | Path, metric_files: Sequence[str | Path], scale: str) -> pd.DataFrame:
    """Table 7, and what every other network says to the known compound lenses.

    Args:
        published: as of ``table``.
        metric_files: likewise.
        scale: likewise.

    Returns:
        Columns of ``table``: the rows printed, then those of the other networks, lens by lens, with an empty
        ``published``. Networks at chance say so.
    """
    printed = scoreboard.read_published(published)
    cells = printed.loc[(printed["paper"] == PAPER) & (printed["item"] == "Table 7"), "metric"].tolist()
    rows = table("Table 7", published, metric_files, scale).to_dict("records")
    beside = dict(zip(cells, rows, strict=True))
    found, titles = scoreboard.read_metrics(metric_files), _titles(printed)
    for one in KNOWN:
        lens = next(row["quantity"] for cell, row in beside.items() if f"/{one.folder}_" in cell)
        for stem in KNOWN_FILES:
            for key, entry in found.get(stem, {}).items():
                network = key.removeprefix(f"{one.folder}_")
                if network == key:
                    continue
                area = found.get(network, {}).get("auroc_testing", {"value": None})
                said = entry["value"] is not None and classification.at_chance(area)
                note = classification.AT_CHANCE if said else ""
                if f"{stem}/{key}" in beside:
                    row = beside[f"{stem}/{key}"]
                    row["note"] = scoreboard.joined(row["note"], note)
                    continue
                numbers = {"reproduced": entry["value"]} | {
                    part: entry.get(part) for part in ("low", "high", "n")
                }
                rows.append(
                    {"model": titles.get(network, network), "quantity": lens, "published": ""}
                    | numbers
                    | {"note": scoreboard.joined(entry.get("reason"), entry.get("note"), note)}
                )
    return pd.DataFrame(rows)


def _titles(printed: pd.DataFrame) -> dict[str, str]:
    """What the paper calls the networks that it prints recalls of."""
    rows = printed[(printed["paper"] == PAPER) & printed["item"].isin(["Table 5", "Table 6"])]
    return {
        metric.partition("/")[0]: quantity.partition(":")[0]
        for quantity, metric in rows[["quantity", "metric"]].itertuples(index=False)
    }


def bands(missing: Mapping[str, str]) -> pd.DataFrame:
    """Table 2: which filter stands for which band.

    Args:
        missing: reason for each known compound lens without data.

    Returns:
        Columns lens, telescope, VIS, Y, J, H as printed, then the same by wavelength, and data.
    """
    return pd.DataFrame(
        [
            {"lens": one.name, "telescope": one.telescope}
            | {band: one.filters("faithful")[band] for band in BANDS}
            | {f"{band}_by_wavelength": one.filters("corrected")[band] for band in BANDS}
            | {"data": f"missing: {missing[one.name]}" if one.name in missing else "there"}
            for one in KNOWN
        ]
    )


def networks(metric_files: Sequence[str | Path], sets: Sequence[str]) -> pd.DataFrame:
    """Every metric of every network at its operating point, tidy.

    Returns:
        Columns network, set, metric, value, low, high, n, definition, note. What a set of one class cannot
        have is left out; what has no value for another reason has that as its note.
    """
    found = scoreboard.read_metrics(metric_files)
    rows = []
    for network, experiment in scoreboard.networks(found).items():
        if experiment != "lenses":
            continue
        for name in sets:
            for key, entry in found[network].items():
                metric = key.removesuffix(f"_{name}")
                if metric != key and (metric in SHOWN or metric.startswith("purity_")):
                    numbers = {part: entry.get(part) for part in ("value", "low", "high", "n", "definition")}
                    if entry["value"] is not None or (entry.get("n_lenses") and entry.get("n_non_lenses")):
                        note = scoreboard.joined(entry.get("reason"), entry.get("note"))
                        rows.append(
                            {"network": network, "set": name, "metric": metric, **numbers, "note": note}
                        )
    columns = ["network", "set", "metric", "value", "low", "high", "n", "definition", "note"]
    return pd.DataFrame(rows, columns=columns)


def summary(metric_files: Sequence[str | Path], seven: Sequence[str]) -> dict[str, Any]:
    """The extremes over the seven networks that the abstract speaks of, at a threshold of 0.5.

    Args:
        metric_files: of the networks.
        seven: their names; those without a metric file are left out.

    Returns:
        f1_lowest, f1_highest, recall_arcs_highest and recall_rings_highest, each with the interval of the
        network that has it, and its name as note.
    """
    found = scoreboard.read_metrics(metric_files)
    wanted = {
        "f1_lowest": (("f1_evaluation_at_half", "f1_testing_at_half"), min),
        "f1_highest": (("f1_evaluation_at_half", "f1_testing_at_half"), max),
        "recall_arcs_highest": (("recall_arcs_at_half",), max),
        "recall_rings_highest": (("recall_rings_at_half",), max),
    }
    summed: dict[str, Any] = {}
    for name, (keys, extreme) in wanted.items():
        entries = {}
        for network in seven:
            there = [found[network][key] for key in keys if key in found.get(network, {})]
            if there and there[0]["value"] is not None:
                entries[network] = there[0]
        if entries:
            best = extreme(entries, key=lambda network: entries[network]["value"])
            numbers = {part: entries[best].get(part) for part in ("value", "low", "high", "n", "definition")}
            note = f"{best} at a threshold of 0.5"
            summed[name] = numbers | {"note": scoreboard.joined(note, entries[best].get("note"))}
        else:
            summed[name] = {"value": None, "reason": "none of the seven networks was judged"}
    return summed


def write_summary(
    metric_files: Sequence[str | Path],
    seven: Sequence[str],
    out: str | Path,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write ``summary`` as JSON."""
    write_json(summary(metric_files, seven) | {"provenance": dict(provenance or {})}, out)


def write_tables(
    published: str | Path,
    metric_files: Sequence[str | Path],
    missing: Mapping[str, str],
    sets: Sequence[str],
    scale: str,
    out: Mapping[str, str | Path],
) -> None:
    """Write tables 2, 5, 6, 7 and ``extra_networks`` as CSV and Markdown.

    Args:
        published: as of ``table``.
        metric_files: likewise.
        missing: as of ``bands``.
        sets: that ``extra_networks`` is about.
        scale: name of the scale.
        out: path without ending for "table2", "table5", "table6", "table7" and "networks".
    """
    scoreboard.write(bands(missing), out["table2"], "Table 2: bands of the known compound lenses", "")
    words = WORDS if "evaluation" in sets else WORDS + STANDS_IN
    for key, item in (("table5", "Table 5"), ("table6", "Table 6")):
        scoreboard.write(table(item, published, metric_files, scale), out[key], TITLES[item], words)
    scoreboard.write(answered(published, metric_files, scale), out["table7"], TITLES["Table 7"], ANSWERS)
    scoreboard.write(
        networks(metric_files, sets),
        out["networks"],
        "Every network at its operating point",
        "Chosen on the validation set; 68 % intervals from redrawing parents; `n` counts parents.",
    )
