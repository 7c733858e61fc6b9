"""The six categories of Tables 2, 3 and 5, and the histogram of Fig. 5."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import scored
from skyneedle.transients.evaluate.scored import Scored
from skyneedle.transients.labels.suspects import category

CATEGORIES = (
    (1, 1, "0-0.1", "Strongly mis-classified artifact"),
    (2, 1, "0.1-0.5", "Weakly mis-classified artifact"),
    (3, 1, "0.5-1", "Correctly classified artifact"),
    (4, 0, "0-0.5", "Correctly classified non-artifact"),
    (5, 0, "0.5-0.9", "Weakly mis-classified non-artifact"),
    (6, 0, "0.9-1", "Strongly mis-classified non-artifact"),
)
STRONG = {1: (1, 2, 3), 6: (4, 5, 6)}  # strongly misclassified, and where another method may put the same
N_BINS = 50
INTERMEDIATE = (0.2, 0.8)  # scores that hardly any example should have (Sec. 4.2)


def shares(part: Scored, n_bootstrap: int = 1000, rng: np.random.Generator | None = None) -> pd.DataFrame:
    """Share of all examples in each category (a column of Table 2 or 5).

    Returns:
        Columns category, label, prediction, description, count, share, low, high (68 %, redrawing groups), n
        (groups). Shares add up to 1.
    """
    found = category(part.labels, part.scores)
    member = found[:, None] == [number for number, *_ in CATEGORIES]
    entry = metrics.bootstrap(lambda weights: weights @ member / weights.sum(), part.groups, n_bootstrap, rng)
    table = pd.DataFrame(CATEGORIES, columns=["category", "label", "prediction", "description"])
    numbers = {"share": entry["value"], "low": entry["low"], "high": entry["high"], "n": entry["n"]}
    return table.assign(count=member.sum(axis=0), **numbers)


def agreement(reference: Scored, others: Mapping[str, Scored]) -> pd.DataFrame:
    """Table 3: where other methods put what the reference misclassifies strongly.

    Returns:
        Columns reference_category (1, 6), method, category, count, n, share, low, high (binomial, 68 %);
        shares of one method and reference category add up to 1; no number where there is no such example.
    """
    rows = []
    for name, other in others.items():
        first, second = scored.common([reference, other])
        strong = category(first.labels, first.scores)
        theirs = category(second.labels, second.scores)
        for which, places in STRONG.items():
            chosen = theirs[strong == which]
            for place in places:
                share = metrics.binomial(int((chosen == place).sum()), len(chosen))
                rows.append(
                    {"reference_category": which, "method": name, "category": place}
                    | {"count": int((chosen == place).sum()), "n": len(chosen), "share": share["value"]}
                    | {"low": share["low"], "high": share["high"]}
                )
    return pd.DataFrame(rows)


def histogram(part: Scored, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fig. 5: how many of each label lie in bins of the score; columns label, low, high, n."""
    edges = np.linspace(0, 1, n_bins + 1).round(12)  # 0.3, not 0.30000000000000004
    rows = []
    for label in (0, 1):
        counts, _ = np.histogram(part.scores[part.labels == label], edges)
        rows.append(pd.DataFrame({"label": label, "low": edges[:-1], "high": edges[1:], "n": counts}))
    return pd.concat(rows, ignore_index=True)


def write(
    scores: Mapping[str, str | Path],
    split: str | Path,
    out: Mapping[str, str | Path],
    *,
    reference: str,
    prefix: str = "",
    labels: str | Path | None = None,
    notes: Mapping[str, str] | None = None,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write Table 2 for all methods, Table 3 for those beside the reference, and the histograms.

    Args:
        scores: parquet for each method.
        split: parquet with id, group and split.
        out: "categories", "agreement", "histogram" (CSV, with a column method) and "metrics" (JSON: keys
            ``<method>_category<k>``, ``<method>_category<k>_of_<reference category>``,
            ``<method>_intermediate``: the share of scores between 0.2 and 0.8, and ``<method>_strong``: that
            of categories 1 and 6).
        reference: the method whose misclassified examples the others are asked about.
        prefix: of the keys.
        labels: parquet (id, label) to judge by; the labels of the scores if left out.
        notes: what every row of a method has to say.
        n_bootstrap: redraws.
        provenance: stored in the metrics.
    """
    version = None if labels is None else pd.read_parquet(labels)
    parts = {name: scored.read(path, split, ("testing",), version) for name, path in scores.items()}
    columns = {
        name: shares(part, n_bootstrap, generator(0, "categories", name)) for name, part in parts.items()
    }
    agreed = agreement(parts[reference], {name: part for name, part in parts.items() if name != reference})
    tables.write_csv(_stacked(columns), out["categories"])
    tables.write_csv(agreed, out["agreement"])
    tables.write_csv(_stacked({name: histogram(part) for name, part in parts.items()}), out["histogram"])
    found = {
        f"{prefix}{name}_category{row.category}": {"value": row.share, "low": row.low, "high": row.high}
        | {"n": row.n, "count": row.count_, "definition": f"share of all examples: {row.description}"}
        for name, table in columns.items()
        for row in table.rename(columns={"count": "count_"}).itertuples()
    }
    found |= {
        f"{prefix}{row.method}_category{row.category}_of_{row.reference_category}": (
            {"value": row.share, "low": row.low, "high": row.high, "n": row.n}
            if row.n
            else {"value": None, "reason": f"{reference} has no example in category {row.reference_category}"}
        )
        for row in agreed.itertuples()
    }
    for name, part in parts.items():
        between = metrics.weighted_share((part.scores > INTERMEDIATE[0]) & (part.scores < INTERMEDIATE[1]))
        strong = metrics.weighted_share(np.isin(category(part.labels, part.scores), list(STRONG)))
        for key, share in (("intermediate", between), ("strong", strong)):
            found[f"{prefix}{name}_{key}"] = metrics.bootstrap(
                share, part.groups, n_bootstrap, generator(0, key, name)
            )
    for name, note in (notes or {}).items():
        own = tuple(f"{prefix}{name}_{what}" for what in ("category", "intermediate", "strong"))
        found |= {key: entry | {"note": note} for key, entry in found.items() if key.startswith(own)}
    tables.write_json(found | {"provenance": dict(provenance or {})}, out["metrics"])


def write_cases(
    cases: Mapping[str, tuple[str | Path, str | Path, str | Path | None]],
    out: str | Path,
    metrics_out: str | Path,
    *,
    n_bootstrap: int = 1000,
    sets: Sequence[str] = ("testing",),
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write Table 5: categories of one method, trained and tested with old or new labels.

    Args:
        cases: for each name ("old_old", "old_new", "new_new") scores, split and labels (None: of the scores).
        out: CSV to write, columns of ``shares`` and case.
        metrics_out: JSON to write, keys ``<case>_category<k>``, and for the last case minus the first
            ``<last>_minus_<first>_category<k>``.
        n_bootstrap: redraws.
        sets: splits that are judged.
        provenance: stored in the metrics.
    """
    found = {}
    for name, (path, split, labels) in cases.items():
        version = None if labels is None else pd.read_parquet(labels)
        part = scored.read(path, split, sets, version)
        found[name] = shares(part, n_bootstrap, generator(0, "cases", name))
    tables.write_csv(_stacked(found, "case"), out)
    entries = {
        f"{name}_category{number}": {key: float(table[source].iloc[i]) for key, source in _NUMBERS.items()}
        | {"n": int(table["n"].iloc[i]), "definition": f"share of all examples: {CATEGORIES[i][3]}"}
        for name, table in found.items()
        for i, number in enumerate(table["category"])
    }
    first, *_, last = found
    entries |= {
        f"{last}_minus_{first}_category{k}": _apart(
            entries[f"{last}_category{k}"], entries[f"{first}_category{k}"]
        )
        for k, *_ in CATEGORIES
    }
    tables.write_json(entries | {"provenance": dict(provenance or {})}, metrics_out)


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Difference of two shares of different test sets, errors added in quadrature."""
    value = one["value"] - other["value"]
    down = np.hypot(one["value"] - one["low"], other["high"] - other["value"])
    up = np.hypot(one["high"] - one["value"], other["value"] - other["low"])
    return metrics.interval(value, value - down, value + up, min(one["n"], other["n"]))


_NUMBERS = {"value": "share", "low": "low", "high": "high"}


def _stacked(parts: Mapping[str, pd.DataFrame], column: str = "method") -> pd.DataFrame:
    named = [table.assign(**{column: name})[[column, *table.columns]] for name, table in parts.items()]
    return pd.concat(named, ignore_index=True)
