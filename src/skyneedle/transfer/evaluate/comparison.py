"""What the thesis concludes of its networks, each as a number with an interval on redraws of parents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skyneedle.core import metrics, tables
from skyneedle.core.metrics import Statistic
from skyneedle.core.seeds import generator
from skyneedle.transfer.evaluate import cells, scored
from skyneedle.transfer.evaluate.cells import Entry
from skyneedle.transfer.evaluate.scored import Scored

Parts = Mapping[str, Scored]
GROUPS = {
    "frozen": "AUC with a frozen pretrained trunk, mean over networks and folds",
    "full": "AUC with the full network trained, mean over networks and folds",
    "scratch": "AUC of networks trained from random Xavier weights, mean over networks and folds",
    "random": "AUC with a frozen trunk of random Xavier weights, mean over networks and folds",
    "learned": "AUC with a frozen pretrained trunk and a learned stem, mean over networks and folds",
}
DIFFERENCES = {
    "frozen_minus_full": ("frozen", "full"),
    "frozen_minus_scratch": ("frozen", "scratch"),
    "learned_minus_frozen": ("learned", "frozen"),
    "pretrained_minus_random": ("frozen", "random"),
}


def groups(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Names of the networks of each of ``GROUPS``."""
    found: dict[str, list[str]] = {name: [] for name in GROUPS}
    for entry in filter(cells.is_backbone, entries):
        group = entry["mode"]
        if group == "frozen" and entry["weights"] == "random":
            group = "random"
        elif group == "frozen" and entry["stem"] == "learned":
            group = "learned"
        found[group].append(entry["name"])
    return found


def compare(
    parts: Parts, entries: Sequence[Entry], n_folds: int, n_bootstrap: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Means over modes, and differences between methods.

    Args:
        parts: out-of-fold scores by name.
        entries: settings of the methods.
        n_folds: of the cross-validation.
        n_bootstrap: redraws of parents.
        seed: of the redraws.

    Returns:
        ``auc_<group>`` of ``GROUPS``; ``DIFFERENCES``, on networks of the same source and folds that all
        judged; large_minus_small, best_minus_classical and best_minus_lensflow; each with its interval, or
        with the reason for none. What a number is of stands in its note, with what each was restricted to.
    """
    there = [entry for entry in entries if entry["name"] in parts]
    grouped, told = groups(there), {entry["name"]: _told(entry, n_folds) for entry in there}

    def difference(first: Sequence[str], second: Sequence[str]) -> dict[str, Any]:
        note = " minus ".join(", ".join(told[name] for name in names) for names in (first, second))
        return _difference(parts, first, second, note, n_bootstrap, seed)

    found = {
        f"auc_{name}": _interval(_chosen(parts, grouped[name]), None, n_bootstrap, seed)
        | {"definition": text, "note": ", ".join(told[one] for one in grouped[name])}
        if grouped[name]
        else {"value": None, "reason": f"no network of this kind at this scale: {text.split(',')[0]}"}
        for name, text in GROUPS.items()
    }
    source = {entry["name"]: entry["source"] for entry in there}
    for name, (first, second) in DIFFERENCES.items():
        shared = {source[one] for one in grouped[first]} & {source[one] for one in grouped[second]}
        pair = [[one for one in grouped[group] if source[one] in shared] for group in (first, second)]
        found[name] = difference(*pair)
    nearest = {one: cells.nearest(there, one, n_folds) for one in cells.BACKBONES}
    names = {one: entry["name"] for one, entry in nearest.items() if entry is not None}
    small = [names[one] for one in names if one in cells.SMALL]
    large = [names[one] for one in names if one not in cells.SMALL]
    best = _highest(parts, list(names.values()))
    classical = _highest(parts, [one["name"] for one in there if one["source"] in cells.CLASSICAL])
    lensflow = [one["name"] for one in there if one["source"] == "lensflow"]
    return found | {
        "n_backbones": {"value": len(names), "definition": "of the six networks, those with a frozen trunk"},
        "large_minus_small": difference(large, small) | _uneven(there, [*large, *small]),
        "best_minus_classical": difference(best, classical),
        "best_minus_lensflow": difference(best, lensflow),
    }


def _told(entry: Entry, n_folds: int) -> str:
    """Name of a method, and what it was restricted to where it was."""
    limits = cells.limits(entry, n_folds)
    return f"{entry['name']} ({', '.join(limits)})" if limits else str(entry["name"])


def _uneven(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, str]:
    """A note where networks that are compared by size differ in their weights, too."""
    weights = {entry["name"]: str(entry["weights"]) for entry in entries if entry["name"] in names}
    if len(set(weights.values())) < 2:
        return {}
    told = "; ".join(
        f"{', '.join(name for name in weights if weights[name] == kind)}: {kind}"
        for kind in dict.fromkeys(weights.values())
    )
    return {"note": f"trunks differ in their weights, too ({told})"}


def _chosen(parts: Parts, names: Sequence[str]) -> list[Scored]:
    return [parts[name] for name in names]


def _highest(parts: Parts, names: Sequence[str]) -> list[str]:
    areas = {name: scored.Folds(parts[name]).mean_auc() for name in names}
    return [max(areas, key=lambda name: areas[name])] if areas else []


def _difference(
    parts: Parts, first: Sequence[str], second: Sequence[str], note: str, n_bootstrap: int, seed: int
) -> dict[str, Any]:
    if not first or not second:
        return {"value": None, "reason": "one of the two was not trained at this scale"}
    # Networks that were judged on some folds only are compared on these.
    shared = sorted(set.intersection(*(set(parts[name].folds) for name in {*first, *second})))
    if not shared:
        return {"value": None, "reason": f"{note}: no fold was judged by all of them"}
    same = {name: parts[name].chosen(np.isin(parts[name].folds, shared)) for name in {*first, *second}}
    entry = _interval(_chosen(same, first), _chosen(same, second), n_bootstrap, seed)
    definition = "difference of mean AUCs, on the same folds and the same redraws of parents"
    return entry | {"definition": definition, "note": note, "n_folds": len(shared)}


def _interval(
    first: Sequence[Scored], second: Sequence[Scored] | None, n_bootstrap: int, seed: int
) -> dict[str, Any]:
    """Interval of the mean AUC of some methods, less that of others."""
    everything = [*first, *(second or ())]
    parents, places = scored.common_parents(everything)
    of_first = scored.mean_auc(first, places[: len(first)])
    rng = generator(seed, "comparison")
    if second is None:
        return metrics.bootstrap(of_first, parents, n_bootstrap, rng)
    of_second: Statistic = scored.mean_auc(second, places[len(first) :])
    return metrics.paired_difference(of_first, of_second, parents, n_bootstrap, rng)


def write(
    scores: Mapping[str, str | Path],
    entries: Sequence[Entry],
    n_folds: int,
    out: str | Path,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write ``compare`` as JSON.

    Args:
        scores: out-of-fold parquet by name.
        entries: as of ``compare``.
        n_folds: likewise.
        out: to write.
        n_bootstrap: redraws of parents.
        provenance: stored in the file.
    """
    parts = {name: scored.read(path) for name, path in scores.items()}
    found = compare(parts, entries, n_folds, n_bootstrap)
    tables.write_json(found | {"provenance": dict(provenance or {})}, out)
