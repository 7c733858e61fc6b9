"""Wrong labels: those of the archive, which have a structure, uniform ones, and votes of observers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.transients.simulate.artifacts import DEFECTS
from skyneedle.transients.simulate.settings import Settings
from skyneedle.transients.truth import read_truth

ARTIFACT, REAL = 1, 0


class Plan(NamedTuple):
    """What an example is meant to be.

    Attributes:
        given: label that the archive states, 1 for an artifact.
        true: what it is.
        error: "", "fake_on_defect" or "real_among_artifacts".
        kind: of artifact or of non-artifact.
    """

    given: int
    true: int
    error: str
    kind: str


def plan(settings: Settings, random: np.random.Generator) -> Plan:
    """Draw a label, whether it is wrong, and the kind of example.

    A fake counts as non-artifact wherever it was put, also on a saturated star or a bad part of the CCD,
    and a real transient that nobody knew of counts as artifact (paper, section 4.4).
    """
    given = ARTIFACT if random.uniform() < settings.share_artifacts else REAL
    wrong = random.uniform()
    if given == REAL and wrong < settings.label_noise.get("fake_on_defect", 0.0):
        kinds = {kind: settings.artifacts.get(kind, 0.0) for kind in DEFECTS}
        if not any(kinds.values()):
            kinds = dict.fromkeys(DEFECTS, 1.0)
        return Plan(given, ARTIFACT, "fake_on_defect", _one_of(kinds, random))
    if given == ARTIFACT and wrong < settings.label_noise.get("real_among_artifacts", 0.0):
        kind = _one_of({"supernova": 1.0, "moving": 1.0, "variable": 1.0}, random)
        return Plan(given, REAL, "real_among_artifacts", kind)
    kinds = dict(settings.artifacts if given == ARTIFACT else settings.reals)
    return Plan(given, given, "", _one_of(kinds, random))


def _one_of(frequencies: Mapping[str, float], random: np.random.Generator) -> str:
    names = list(frequencies)
    weights = np.array([frequencies[name] for name in names], dtype=float)
    return names[int(random.choice(len(names), p=weights / weights.sum()))]


def uniform_flips(ids: np.ndarray, rate: float, seed: int) -> np.ndarray:
    """Which labels to turn where all are equally likely to be wrong; a higher rate turns the same ones and
    more.

    Args:
        ids: int64 (n,).
        rate: share of labels.
        seed: root seed.

    Returns:
        bool (n,).
    """
    return np.array([generator(seed, int(one), "uniform flip").uniform() < rate for one in ids], dtype=bool)


def votes(truth: pd.DataFrame, settings: Settings, seed: int) -> pd.DataFrame:
    """Votes of simulated observers on candidates of an ongoing survey (paper, section 4.6).

    Candidates differ in how hard they are, which makes observers err together; how often they err falls
    with the signal-to-noise ratio. Observers with experience come first, and err less than students.

    Args:
        truth: columns id, label_true, snr.
        settings: whose ``votes`` are used.
        seed: root seed.

    Returns:
        One row for each vote: id, observer, vote (1 for an artifact), sorted by id and observer.
    """
    rows = []
    rates = settings.votes
    for one in truth[["id", "label_true", "snr"]].itertuples(index=False):
        random = generator(seed, int(one.id), "votes")
        n_observers = int(rates["observers"])
        extra = random.geometric(0.35) - 1
        n_voters = min(int(rates["voters"]) + extra, n_observers)
        voters = np.sort(random.choice(n_observers, n_voters, replace=False))
        base = rates["slip_real"] if one.label_true == REAL else rates["slip_artifact"]
        excess = max(abs(one.snr) - settings.detection_sigma, 0.0)
        hard = random.gamma(2.0) / 2
        slip = base * hard * (0.4 + 1.2 * np.exp(-excess / rates["snr_scale"]))
        for voter in voters:
            skill = 0.6 if voter < 2 else 1.3
            wrong = random.uniform() < min(slip * skill, 0.7)
            rows.append((int(one.id), int(voter), int(one.label_true) ^ int(wrong)))
    return pd.DataFrame(rows, columns=["id", "observer", "vote"]).astype("int64")


def write_votes(out: str | Path, truth: Sequence[str | Path], settings: Settings, seed: int) -> None:
    """Write the votes that the given labels of a simulated survey are the majority of.

    Args:
        out: parquet to write: id, observer, vote (1 for an artifact).
        truth: parquets of the simulator.
        settings: those that the survey was simulated with.
        seed: likewise.

    Raises:
        BadSetting: if nobody votes in this survey.
    """
    if not settings.votes:
        raise BadSetting(f"{out}: nobody votes in this survey; set `votes` of its simulation.")
    known = read_truth(truth)
    tables.write_parquet(votes(known, settings, seed), out, {"votes": dict(settings.votes), "seed": seed})


def majority(voted: pd.DataFrame) -> pd.DataFrame:
    """What most observers say of each candidate.

    Args:
        voted: as ``votes`` gives them.

    Returns:
        id, label (1 for an artifact; a tie counts as one), n_votes, margin (votes of the majority minus
        those of the minority), unanimous, sorted by id.
    """
    grouped = voted.groupby("id", sort=True)["vote"].agg(["sum", "count"]).reset_index()
    artifact = 2 * grouped["sum"] >= grouped["count"]
    margin = (2 * grouped["sum"] - grouped["count"]).abs()
    return pd.DataFrame(
        {
            "id": grouped["id"],
            "label": artifact.astype("int64"),
            "n_votes": grouped["count"],
            "margin": margin,
            "unanimous": margin == grouped["count"],
        }
    )
