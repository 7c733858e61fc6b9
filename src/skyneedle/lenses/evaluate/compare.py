"""All methods held against each other on the same examples: what each table and figure of them draws."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.lenses.evaluate import curves, matching, printed, score, selection
from skyneedle.lenses.evaluate.baseline import NAME as BASELINE


class Methods(NamedTuple):
    """Files of the methods, each a mapping from the method's name.

    Attributes:
        scores: parquet by name of the set.
        points: operating point, JSON.
        metrics: JSON.
    """

    scores: Mapping[str, Mapping[str, str | Path]]
    points: Mapping[str, str | Path]
    metrics: Mapping[str, str | Path]


def write(
    methods: Methods,
    shards: Mapping[str, Sequence[str | Path]],
    out: Mapping[str, str | Path],
    *,
    complete: Sequence[str],
    drawn: Sequence[str],
    seven: Sequence[str],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write everything that several methods are in.

    Args:
        methods: files to read.
        shards: of each set.
        out: "curves" (``curves.write``), "completeness", "impostors" and "without" (``selection.write``),
            "table" and "matched" (``matching.write``), "summary" (``printed.write_summary``) and "margins"
            (``margins``), each to write.
        complete: methods that learned from all kinds of impostors; others are only among the impostors.
        drawn: sets with ROC curves.
        seven: networks of the paper that the summary is of.
        settings: of all of these.
        provenance: stored in metrics.
    """
    scores = {name: methods.scores[name] for name in complete}
    points = {name: json.loads(Path(path).read_text())["threshold"] for name, path in methods.points.items()}
    judged = {name: json.loads(Path(path).read_text()) for name, path in methods.metrics.items()}
    of_curves = {name: {one: files[one] for one in drawn} for name, files in scores.items()}
    curves.write(of_curves, shards, out["curves"], settings)
    selection.write(methods.scores, points, shards, settings, out)
    matching.write(
        scores,
        points,
        shards,
        judged,
        settings,
        table=out["table"],
        out=out["matched"],
        provenance=provenance,
    )
    printed.write_summary(list(methods.metrics.values()), seven, out["summary"], provenance)
    sets = [one for one in ("testing", "evaluation") if one in shards]
    found = margins(
        {name: {one: score.read(files[one], shards[one]) for one in sets} for name, files in scores.items()},
        settings["n_bootstrap"],
    )
    tables.write_json(found | {"provenance": dict(provenance or {})}, out["margins"])


def margins(scores: Mapping[str, Mapping[str, score.Scored]], n_bootstrap: int = 1000) -> dict[str, Any]:
    """AUROC of each method minus that of flux, size and colour, on the same examples.

    Args:
        scores: for each method by name of the set, the baseline among them.
        n_bootstrap: redraws of parents, the same for both, so that what they share cancels.

    Returns:
        ``auroc_minus_baseline_<set>_<method>``; a note where the interval reaches zero.
    """
    found: dict[str, Any] = {}
    for method, sets in scores.items():
        for name, scored in sets.items() if method != BASELINE else ():
            theirs = scores[BASELINE][name]
            ours, base = (metrics.Ranking(one.labels, one.logits) for one in (scored, theirs))
            rng = generator(0, "margins", name)
            entry = metrics.paired_difference(ours.auroc, base.auroc, scored.parents, n_bootstrap, rng)
            found[f"auroc_minus_baseline_{name}_{method}"] = {
                **entry,
                "item": method,
                "quantity": f"AUROC on the {name} set minus that of flux, size and colour",
                "definition": "area under the ROC curve, difference on the same examples",
            } | ({"note": "tells no more than flux, size and colour"} if entry["low"] <= 0 else {})
    return found
