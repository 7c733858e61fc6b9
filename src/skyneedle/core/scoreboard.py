"""Published numbers beside ours: every row of ``config/published.tsv``, with a value or the reason for
none."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core.errors import BadSetting
from skyneedle.core.plotting import write_bytes

COLUMNS = [
    "paper",
    "item",
    "quantity",
    "unit",
    "published",
    "reproduced",
    "low",
    "high",
    "n",
    "scale",
    "note",
]
REQUIRED = ["paper", "item", "quantity", "value", "unit", "sentence", "metric"]
OPTIONAL = ("reason", "note")
OR = "|"  # between metrics of which the first that is there counts: some sets exist at some scales only
# What is shown for every network of an experiment, the user's own included; a metric file belongs to the
# first experiment of which it has a metric.
NETWORK_METRICS = {
    "strain": {
        "detection_ratio": "detection ratio at the operating point chosen on the validation set",
        "inverse_false_positive_rate_s": "time per false positive, of the time really evaluated",
    },
    "lenses": {
        "auroc_testing": "AUROC on the testing set",
        "tpr10_testing": "largest recall with fewer than ten false positives on the testing set",
        "recall_testing": "recall of single lenses at the operating point chosen on the validation set",
        "false_positive_rate_testing": "false positive rate there",
        "recall_arcs": "recall of compound arcs there",
        "recall_rings": "recall of double rings there",
    },
    "transfer": {
        "mean_auc": "ROC AUC, mean over folds",
        "mean_f1": "F1 at a probability of 0.5, mean over folds",
        "mean_auprc": "area under the precision-recall curve, mean over folds",
        "pooled_auc": "ROC AUC, all folds in one ranking",
    },
}
SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86400.0}
WORDS = "Intervals (low, high) are 68 %; `n` counts trials or events; rows of 'ours' go beyond the papers."
Metrics = dict[str, dict[str, dict[str, Any]]]


def read_published(path: str | Path) -> pd.DataFrame:
    """The published numbers, all columns as text.

    Args:
        path: tab-separated table with the columns of ``REQUIRED`` and, where wanted, of ``OPTIONAL``.

    Raises:
        BadSetting: if a column is missing, a row has no sentence, or has neither metric nor reason.
    """
    # Sentences are quoted exactly, so quotation marks have no meaning to the parser.
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise BadSetting(f"{path}: columns {missing} are missing; expected {REQUIRED}, tab-separated.")
    for name in OPTIONAL:
        if name not in table:
            table[name] = ""
    for line, row in enumerate(table.itertuples(index=False), start=2):
        if not row.sentence or not row.value:
            raise BadSetting(f"{path}, line {line}: a published number needs a value and its sentence.")
        if not row.metric and not row.reason:
            raise BadSetting(
                f"{path}, line {line}: needs a metric '<file>/<key>', or the reason why there is none."
            )
    return table


def read_metrics(files: Sequence[str | Path]) -> Metrics:
    """Metric files by the stem of their name; entries that are no metrics, such as provenance, are left out.

    Raises:
        BadSetting: if two files have the same stem, or one is not JSON.
    """
    metrics: Metrics = {}
    for path in map(Path, files):
        if path.stem in metrics:
            raise BadSetting(
                f"{path}: a second metric file of the name '{path.stem}'; rename one of the two."
            )
        try:
            content = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise BadSetting(
                f"{path}: is not JSON ({error}); delete it and run the workflow again."
            ) from None
        metrics[path.stem] = {
            key: entry for key, entry in content.items() if isinstance(entry, dict) and "value" in entry
        }
    return metrics


def networks(metrics: Metrics) -> dict[str, str]:
    """The metric files that belong to a network, in the order given, each with its experiment."""
    found = {}
    for stem, entries in metrics.items():
        for experiment, keys in NETWORK_METRICS.items():
            if stem not in found and any(key in entries for key in keys):
                found[stem] = experiment
    return found


def network_table(
    files: Sequence[str | Path], keys: Sequence[str] = tuple(NETWORK_METRICS["strain"])
) -> pd.DataFrame:
    """The metrics of all networks as a tidy table, for the figures that compare them.

    Args:
        files: metric JSONs of one experiment; those that hold no network are passed over.
        keys: which metrics.

    Returns:
        Columns network, metric, value, low, high (NaN where there is none), n, reason.
    """
    metrics = read_metrics(files)
    rows = []
    for name in networks(metrics):
        for key in keys:
            entry = metrics[name].get(key, {"value": None, "reason": f"no metric '{key}' in {name}.json"})
            numbers = {part: _number(entry.get(part)) for part in ("value", "low", "high")}
            rows.append(
                {"network": name, "metric": key, **numbers, "n": entry.get("n", 0)}
                | {"reason": _reason(entry)}
            )
    return pd.DataFrame(rows, columns=["network", "metric", "value", "low", "high", "n", "reason"])


def build(
    published: str | Path,
    metric_files: Sequence[str | Path],
    scale: str,
    design: Mapping[str, float] | None = None,
    absent: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Compare what the paper prints with what was measured.

    Args:
        published: the table of ``read_published``.
        metric_files: JSONs ``{"<metric>": {"value", "low", "high", "n", ["reason"], ["note"]}}``; an entry
            with ``item`` and ``quantity`` asks for a row of its own.
        scale: name of the scale that the values belong to.
        design: sizes and settings of this run by key, as if they stood in a file ``design.json``.
        absent: why there is no metric file, by the stem of its name.

    Returns:
        Columns of ``COLUMNS``: each published row once and in order, then the metrics of each network
        (``NETWORK_METRICS``) and all entries that ask for a row, as far as they are not among them. Times in
        seconds are converted to the unit that the paper prints. Where ``reproduced`` is empty, ``note``
        begins with the reason.

    Raises:
        BadSetting: see ``read_published`` and ``read_metrics``.
    """
    table = read_published(published)
    metrics = read_metrics(metric_files)
    for key, value in (design or {}).items():
        metrics.setdefault("design", {}).setdefault(key, {"value": value})
    reasons = absent or {}
    rows = [_row(row, metrics, scale, reasons) for row in table.to_dict("records")]
    shown = {metric for cell in table["metric"] for metric in cell.split(OR)}
    wanted = [
        (f"{name}/{key}", name, quantity)
        for name, experiment in networks(metrics).items()
        for key, quantity in NETWORK_METRICS[experiment].items()
    ]
    wanted += [
        (f"{stem}/{key}", entry["item"], entry["quantity"])
        for stem, entries in metrics.items()
        for key, entry in entries.items()
        if "item" in entry and "quantity" in entry
    ]
    for metric, item, quantity in wanted:
        if metric not in shown:
            row = {"paper": "ours", "item": item, "quantity": quantity, "metric": metric}
            rows.append(_row(row | {"unit": "min" if metric.endswith("_s") else ""}, metrics, scale, reasons))
    return pd.DataFrame(rows, columns=COLUMNS)


def write(table: pd.DataFrame, stem: str | Path, title: str = "Scoreboard", words: str = WORDS) -> list[Path]:
    """Write a table as ``<stem>.csv`` and ``<stem>.md``; each appears complete or not at all.

    Args:
        table: the scoreboard, or any other table of the results.
        stem: path without ending.
        title: heading of the Markdown file.
        words: below the heading.

    Returns:
        The paths written.
    """
    text = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    markdown = f"# {title}\n\n{words}\n\n{to_markdown(table)}"
    return [
        write_bytes(Path(f"{stem}.csv"), text.encode()),
        write_bytes(Path(f"{stem}.md"), markdown.encode()),
    ]


def to_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, numbers with three or four significant figures, nothing where there is nothing."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * table.shape[1]]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def joined(*notes: str | None) -> str:
    """Notes in one, those that say nothing left out."""
    return "; ".join(filter(None, notes))


def _row(row: Mapping[str, str], metrics: Metrics, scale: str, absent: Mapping[str, str]) -> dict[str, Any]:
    entry = _lookup(row["metric"], metrics, row.get("reason", ""), absent)
    factor = _factor(row["metric"], row["unit"])
    numbers = {
        part: _number(entry.get(source)) * factor
        for part, source in (("reproduced", "value"), ("low", "low"), ("high", "high"))
    }
    numbers = {part: value if math.isfinite(value) else math.nan for part, value in numbers.items()}
    notes = [row.get("note", ""), entry.get("note", "")]
    if math.isnan(numbers["reproduced"]):
        # No false positive in the whole exposure: only the lower end of the interval means something.
        one_sided = math.isfinite(numbers["low"]) and math.isnan(numbers["high"])
        notes.insert(
            0,
            entry.get("reason") or ("'low' is a lower limit: none was seen" if one_sided else _reason(entry)),
        )
    described = {name: row[name] for name in ("paper", "item", "quantity", "unit")}
    published = row.get("value", "")
    n = entry.get("n")
    return (
        described
        | {"published": published}
        | numbers
        | {
            "n": "" if n is None or math.isnan(numbers["low"]) else int(n),
            "scale": scale,
            "note": joined(*notes),
        }
    )


def _lookup(metric: str, metrics: Metrics, reason: str, absent: Mapping[str, str]) -> dict[str, Any]:
    if not metric:
        return {"value": None, "reason": reason}
    stem, _, key = _present(metric, metrics).partition("/")
    if stem not in metrics:
        return {"value": None, "reason": absent.get(stem) or reason or f"no metric file: {stem}.json"}
    if key not in metrics[stem]:
        return {"value": None, "reason": reason or f"no metric '{key}' in {stem}.json"}
    entry = metrics[stem][key]
    return entry if entry.get("value") is not None else {"reason": reason} | entry


def _present(metric: str, metrics: Metrics) -> str:
    """The first of several metrics that has been measured; the last if none has."""
    choices = metric.split(OR)
    paths = (choice.partition("/") for choice in choices)
    there = [key in metrics.get(stem, {}) for stem, _, key in paths]
    return choices[there.index(True)] if any(there) else choices[-1]


def _factor(metric: str, unit: str) -> float:
    # Metrics with the word "s" in their key are in seconds; the paper prints minutes or hours.
    in_seconds = "s" in metric.partition("/")[2].split("_")
    return 1.0 / SECONDS[unit] if in_seconds and unit in SECONDS else 1.0


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _reason(entry: Mapping[str, Any]) -> str:
    return entry.get("reason") or "the metric file gives neither value nor reason"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e7 else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
