"""Rates of wrong labels, and votes."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.transients.simulate import artifacts, labels, settings


def test_wrong_labels_have_the_rates_and_the_structure_of_the_archive():
    noisy = settings.profile("des", {"label_noise": {"fake_on_defect": 0.05, "real_among_artifacts": 0.02}})
    random = np.random.default_rng(1)
    drawn = pd.DataFrame([labels.plan(noisy, random) for _ in range(20000)])
    assert drawn["given"].mean() == pytest.approx(noisy.share_artifacts, abs=0.012)
    fakes = drawn[drawn["given"] == labels.REAL]
    wrong = fakes[fakes["error"] == "fake_on_defect"]
    assert len(wrong) / len(fakes) == pytest.approx(0.05, abs=0.007)
    assert set(wrong["true"]) == {labels.ARTIFACT}
    assert set(wrong["kind"]) == set(artifacts.DEFECTS)
    bogus = drawn[drawn["given"] == labels.ARTIFACT]
    missed = bogus[bogus["error"] == "real_among_artifacts"]
    assert len(missed) / len(bogus) == pytest.approx(0.02, abs=0.005)
    assert set(missed["true"]) == {labels.REAL}
    assert set(missed["kind"]) <= set(settings.REAL_KINDS)
    right = drawn[drawn["error"] == ""]
    assert (right["given"] == right["true"]).all()
    shares = right.loc[right["true"] == labels.ARTIFACT, "kind"].value_counts(normalize=True)
    assert set(shares.index) == set(settings.ARTIFACT_KINDS)
    for kind, share in noisy.artifacts.items():
        assert shares[kind] == pytest.approx(share, abs=0.02)


def test_defaults_are_the_published_rates():
    assert settings.profile("des").label_noise == {"fake_on_defect": 0.0124, "real_among_artifacts": 0.004}


def test_uniform_flips_nest():
    ids = np.arange(4000)
    few, many = labels.uniform_flips(ids, 0.02, 1), labels.uniform_flips(ids, 0.1, 1)
    assert many.mean() == pytest.approx(0.1, abs=0.015)
    assert (many[few]).all()
    assert (labels.uniform_flips(ids[::-1], 0.02, 1)[::-1] == few).all()
    assert not labels.uniform_flips(ids, 0.0, 1).any()


def test_votes_are_more_often_wrong_on_faint_candidates():
    ongoing = settings.profile("ongoing")
    n = 1500
    truth = pd.DataFrame({"id": np.arange(2 * n), "label_true": 0, "snr": np.repeat([5.0, -60.0], n)})
    voted = labels.votes(truth, ongoing, 2)
    counts = voted.groupby("id").size()
    assert counts.min() == 3
    assert counts.max() == ongoing.votes["observers"]
    assert not voted.duplicated(["id", "observer"]).any()
    wrong = voted["vote"].eq(1).groupby(voted["id"] >= n).mean()
    assert wrong[False] > 2 * wrong[True] > 0
    some = labels.votes(truth.iloc[100:110], ongoing, 2)  # a vote depends on the candidate alone
    pd.testing.assert_frame_equal(some, voted[voted["id"].between(100, 109)].reset_index(drop=True))


def test_majority_by_hand():
    voted = pd.DataFrame(
        [(7, 0, 1), (7, 1, 1), (7, 2, 0), (3, 0, 0), (3, 2, 0), (3, 4, 0), (9, 0, 1), (9, 1, 0)],
        columns=["id", "observer", "vote"],
    )
    decided = labels.majority(voted)
    assert decided["id"].tolist() == [3, 7, 9]
    assert decided["label"].tolist() == [0, 1, 1]
    assert decided["margin"].tolist() == [3, 1, 0]
    assert decided["unanimous"].tolist() == [True, False, False]


def test_votes_are_as_unanimous_as_the_published_ones():
    """Paper, section 4.6: majorities by two or more agree in 75 % of good and 95 % of bad candidates."""
    ongoing = settings.profile("ongoing")
    random = np.random.default_rng(3)
    n = 6000
    snr = 5.0 * (1 - random.uniform(size=n)) ** (-1 / 1.5)
    truth = pd.DataFrame({"id": np.arange(n), "label_true": (np.arange(n) % 12 > 0).astype(int), "snr": snr})
    decided = labels.majority(labels.votes(truth, ongoing, 4))
    clear = decided[decided["margin"] >= 2]
    unanimous = clear.groupby("label")["unanimous"].mean()
    assert unanimous[labels.REAL] == pytest.approx(0.75, abs=0.08)
    assert unanimous[labels.ARTIFACT] == pytest.approx(0.95, abs=0.02)


def test_written_votes_are_those_behind_the_given_labels(tmp_path):
    ongoing = settings.profile("ongoing")
    rng = np.random.default_rng(0)
    truth = pd.DataFrame({"id": 7 + np.arange(60), "label_true": rng.integers(0, 2, 60), "snr": 6.0})
    for name, part in (("a", truth[:25]), ("b", truth[25:])):
        part.assign(kind="any").to_parquet(tmp_path / name)
    labels.write_votes(tmp_path / "votes", [tmp_path / "a", tmp_path / "b"], ongoing, 4)
    found = pd.read_parquet(tmp_path / "votes")
    assert list(found.columns) == ["id", "observer", "vote"]
    pd.testing.assert_frame_equal(labels.majority(found), labels.majority(labels.votes(truth, ongoing, 4)))
    with pytest.raises(BadSetting, match="votes"):
        labels.write_votes(tmp_path / "none", [tmp_path / "a"], settings.profile("des"), 4)
    assert not (tmp_path / "none").exists()
