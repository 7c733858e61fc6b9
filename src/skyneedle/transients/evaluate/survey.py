"""The study of an ongoing survey: a network applied as it is and retrained, against the votes of observers.

Scores here are P(artifact) as everywhere; the paper's section on this survey turns them round, so its
"real/bogus score" is one minus ours, and only this module speaks of it.

Source: Ayyar et al. 2022, Sec. 4.6, Figs 12 and 13.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import metrics, tables
from skyneedle.core.errors import GridMismatch
from skyneedle.core.metrics import Interval
from skyneedle.core.seeds import generator
from skyneedle.transients.evaluate import rates, scored
from skyneedle.transients.evaluate.scored import Scored

LEAST_VOTES = 3
LEAST_MARGIN = 2  # votes of the majority minus those of the minority
HIGH_SNR = 10.0  # in the difference image
REAL_BOGUS = 0.3  # from which on a detection is sent out
N_BINS = 40


def majority(
    votes: pd.DataFrame, least_votes: int = LEAST_VOTES, least_margin: int = LEAST_MARGIN
) -> pd.DataFrame:
    """Candidates on which enough observers agree.

    Args:
        votes: one row for each vote: id, vote (1 artifact, 0 not).
        least_votes: of a candidate.
        least_margin: of the majority over the minority.

    Returns:
        Columns id, label (of the majority), n_votes, unanimous, sorted by id.
    """
    counted = votes.groupby("id")["vote"].agg(["sum", "count"]).reset_index()
    n, bogus = counted["count"].to_numpy(), counted["sum"].to_numpy()
    margin = np.abs(2 * bogus - n)
    table = pd.DataFrame(
        {
            "id": counted["id"],
            "label": (2 * bogus > n).astype(np.int64),
            "n_votes": n,
            "unanimous": margin == n,
        }
    )
    return table[(n >= least_votes) & (margin >= least_margin)].reset_index(drop=True)


def curves(part: Scored) -> pd.DataFrame:
    """Fig. 12: columns real_bogus (kept from here on), mdr, fpr, cleanliness (share of real ones among what
    is kept, at the prevalence of the set; NaN where nothing is), from the highest cut to the lowest."""
    points = rates.curve(part.labels, part.scores)
    n_bogus = part.labels.sum()
    real, bogus = points["tpr"] * (len(part.labels) - n_bogus), points["fpr"] * n_bogus
    with np.errstate(invalid="ignore"):
        cleanliness = real / (real + bogus)
    return pd.DataFrame(
        {
            "real_bogus": np.clip(1 - points["threshold"], 0, 1),
            "mdr": points["mdr"],
            "fpr": points["fpr"],
            "cleanliness": cleanliness,
        }
    )


def histogram(part: Scored, n_bins: int = N_BINS) -> pd.DataFrame:
    """Fig. 13: columns tagged ("real", "bogus"), low, high (of the real/bogus score), n."""
    edges = np.linspace(0, 1, n_bins + 1).round(12)  # 0.3, not 0.30000000000000004
    rows = []
    for label, name in ((0, "real"), (1, "bogus")):
        counts, _ = np.histogram(1 - part.scores[part.labels == label], edges)
        rows.append(pd.DataFrame({"tagged": name, "low": edges[:-1], "high": edges[1:], "n": counts}))
    return pd.concat(rows, ignore_index=True)


def judge(
    as_is: Scored,
    retrained: Scored,
    unanimous: np.ndarray,
    snr: np.ndarray | None = None,
    n_bootstrap: int = 1000,
    rng: np.random.Generator | None = None,
) -> dict[str, Interval]:
    """The numbers of Sec. 4.6, each with value, low, high (68 %, redrawing groups), n and definition.

    Args:
        as_is: scores of the network that was trained on the other survey, labels of the majority.
        retrained: of the one trained on this survey, same examples.
        unanimous: whether all observers agreed, shape (example,).
        snr: of the detections, shape (example,); for the last row.
        n_bootstrap: redraws.
        rng: random stream.

    Returns:
        mdr_as_is_consensus (of unanimously good events, at a real/bogus score of 0.3), mdr_as_is, fpr_as_is,
        mdr_retrained, fpr_retrained, mdr_gain (as is minus retrained), auc_as_is, auc_retrained,
        cleanliness_retrained, unanimous_good, unanimous_bad (shares), mean_good_consensus,
        mean_good_disagreed, mean_bad_consensus, mean_bad_disagreed (real/bogus scores of the retrained
        network), good_difference, bad_difference (consensus minus disagreed) and
        unanimous_high_snr_minus_all (share of unanimous votes at an SNR above 10, minus that of all). NaN
        where a class is empty.

    Raises:
        GridMismatch: if the two are not of the same examples.
    """
    if not np.array_equal(as_is.ids, retrained.ids):
        raise GridMismatch(
            f"{len(as_is.ids)} scores as is and {len(retrained.ids)} after retraining are not of the same "
            "candidates; predict both on the same set."
        )
    good, bad = as_is.labels == 0, as_is.labels == 1
    kept = {name: part.scores <= 1 - REAL_BOGUS for name, part in _named(as_is, retrained)}
    ranked = {name: rates.ranking(part.labels, part.scores) for name, part in _named(as_is, retrained)}
    real_bogus = 1 - retrained.scores
    statistics = {
        "mdr_as_is_consensus": metrics.weighted_share(~kept["as_is"], good & unanimous),
        **{f"mdr_{name}": metrics.weighted_share(~passed, good) for name, passed in kept.items()},
        **{f"fpr_{name}": metrics.weighted_share(passed, bad) for name, passed in kept.items()},
        **{f"auc_{name}": one.auroc for name, one in ranked.items()},
        "cleanliness_retrained": metrics.weighted_share(good, kept["retrained"]),
        "unanimous_good": metrics.weighted_share(unanimous, good),
        "unanimous_bad": metrics.weighted_share(unanimous, bad),
        "mean_good_consensus": metrics.weighted_share(real_bogus, good & unanimous),
        "mean_good_disagreed": metrics.weighted_share(real_bogus, good & ~unanimous),
        "mean_bad_consensus": metrics.weighted_share(real_bogus, bad & unanimous),
        "mean_bad_disagreed": metrics.weighted_share(real_bogus, bad & ~unanimous),
    }
    high = np.zeros(len(good), bool) if snr is None else np.asarray(snr) > HIGH_SNR
    agreed, agreed_high = metrics.weighted_share(unanimous), metrics.weighted_share(unanimous, high)
    names = [*statistics, "mdr_gain", "good_difference", "bad_difference", "unanimous_high_snr_minus_all"]

    def measure(weights: np.ndarray) -> np.ndarray:
        found = {name: statistic(weights) for name, statistic in statistics.items()}
        found["mdr_gain"] = found["mdr_as_is"] - found["mdr_retrained"]
        for kind in ("good", "bad"):
            found[f"{kind}_difference"] = found[f"mean_{kind}_consensus"] - found[f"mean_{kind}_disagreed"]
        found["unanimous_high_snr_minus_all"] = agreed_high(weights) - agreed(weights)
        return np.array([found[name] for name in names])

    entry = metrics.bootstrap(measure, as_is.groups, n_bootstrap, rng)
    return {
        name: metrics.interval(entry["value"][i], entry["low"][i], entry["high"][i], entry["n"])
        for i, name in enumerate(names)
    }


def _named(as_is: Scored, retrained: Scored) -> tuple[tuple[str, Scored], tuple[str, Scored]]:
    return ("as_is", as_is), ("retrained", retrained)


def write(
    as_is: str | Path,
    retrained: str | Path,
    votes: str | Path,
    split: str | Path,
    out: Mapping[str, str | Path],
    *,
    features: str | Path | None = None,
    n_bootstrap: int = 1000,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the study of Sec. 4.6 on the testing set of the ongoing survey.

    Args:
        as_is: parquet of scores of the network of the first survey.
        retrained: of the one trained on this survey.
        votes: parquet with id and vote, one row for each vote.
        split: of this survey: id, group and split.
        out: "curves" (Fig. 12) and "histogram" (Fig. 13), parquet or CSV by their ending, and "metrics",
            JSON: as of ``judge``, and n_good, n_bad, bad_over_good and n_rated of all candidates voted on.
        features: parquet with id and SNR, for the share of unanimous votes at high SNR.
        n_bootstrap: redraws.
        provenance: stored in the metrics.
    """
    tagged = majority(pd.read_parquet(votes))
    first, second = (
        _of_tagged(scored.read(path, split, ("testing",)), tagged) for path in (as_is, retrained)
    )
    unanimous = tagged.set_index("id")["unanimous"].loc[first.ids].to_numpy(bool)
    snr = None
    if features is not None:
        snr = (
            pd.read_parquet(features, columns=["id", "SNR"]).set_index("id")["SNR"].loc[first.ids].to_numpy()
        )
    found: dict[str, Any] = {**judge(first, second, unanimous, snr, n_bootstrap, generator(0, "survey"))}
    n_bad = int((tagged["label"] == 1).sum())
    n_good = len(tagged) - n_bad
    found |= {"n_rated": {"value": int(pd.read_parquet(votes)["id"].nunique())}}
    found |= {"n_good": {"value": n_good}, "n_bad": {"value": n_bad}}
    found |= {"bad_over_good": {"value": n_bad / n_good if n_good else None}}
    kinds = {"as_is": first, "retrained": second}
    _write_table(
        pd.concat([curves(part).assign(network=name) for name, part in kinds.items()]), out["curves"]
    )
    bars = pd.concat([histogram(part).assign(network=name) for name, part in kinds.items()])
    _write_table(bars, out["histogram"])
    tables.write_json(found | {"provenance": dict(provenance or {})}, out["metrics"])


def _of_tagged(part: Scored, tagged: pd.DataFrame) -> Scored:
    """The candidates that the majority is clear about, labelled by it."""
    chosen = part.chosen(np.isin(part.ids, tagged["id"]))
    return chosen._replace(labels=tagged.set_index("id")["label"].loc[chosen.ids].to_numpy(np.int64))


def _write_table(table: pd.DataFrame, path: str | Path) -> None:
    write_it = tables.write_csv if Path(path).suffix == ".csv" else tables.write_parquet
    write_it(table.reset_index(drop=True), path)
