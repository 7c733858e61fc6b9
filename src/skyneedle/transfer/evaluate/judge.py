"""All that is judged of transfer, in one go: importing costs more than judging."""

from collections.abc import Mapping, Sequence
from typing import Any

from skyneedle.transfer.evaluate import comparison, crossvalidation, grades, leak, provenance, reality
from skyneedle.transfer.evaluate.cells import Entry

Files = Mapping[str, Any]


def write(
    entries: Sequence[Entry],
    given: Files,
    out: Files,
    *,
    leaked: Sequence[str],
    n_folds: int,
    n_bootstrap: int,
    origin: Mapping[str, Any],
) -> None:
    """Judge all methods on all there is.

    Args:
        entries: settings of the methods, in the order of the files of their scores.
        given: "scores" (out of fold) and "others" (sets in no fold), a list each; "leak" and "provenance", a
            list each; "status" of the real stamps.
        out: "methods", a list of metric files; the metric files "table", "modes", "grades", "leak",
            "provenance" and "reality"; the tables "methods_table", "folds", "roc", "grades_table",
            "candidates", "leak_table", "provenance_table", "reality_table" and "answers".
        leaked: networks of the lists "leak" and "provenance".
        n_folds: of the cross-validation.
        n_bootstrap: redraws of parents.
        origin: provenance, stored in the metric files.
    """
    names = [entry["name"] for entry in entries]
    scores = dict(zip(names, given["scores"], strict=True))
    others = dict(zip(names, given["others"], strict=True))
    drawn: dict[str, Any] = {"n_bootstrap": n_bootstrap, "provenance": origin}
    crossvalidation.write(
        scores,
        entries,
        n_folds,
        metrics_out=dict(zip(names, out["methods"], strict=True)),
        out={"methods": out["methods_table"], **{key: out[key] for key in ("folds", "roc", "table")}},
        **drawn,
    )
    comparison.write(scores, entries, n_folds, out["modes"], **drawn)
    grades.write(
        others,
        entries,
        n_folds,
        out=out["grades_table"],
        candidates=out["candidates"],
        metrics_out=out["grades"],
        **drawn,
    )
    for name, write_one in (("leak", leak.write), ("provenance", provenance.write)):
        of_network = dict(zip(leaked, given[name], strict=True))
        write_one(of_network, out[f"{name}_table"], out[name], **drawn)
    reality.write(
        others,
        entries,
        given["status"],
        out=out["reality_table"],
        answers=out["answers"],
        metrics_out=out["reality"],
        **drawn,
    )
