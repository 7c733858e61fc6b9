import numpy as np
import pandas as pd
import pytest

from skyneedle.core import scoreboard
from skyneedle.core.errors import BadLabels, BadScores, BadSetting, JudgedInSample
from skyneedle.transients.labels import score, suspects
from tests.unit.transients.labels import planted


def table(rows):
    return pd.DataFrame(rows, columns=["id", "label", "score"])


def test_categories_are_those_of_table_2():
    label = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    found = suspects.category(label, [0.0, 0.0999, 0.1, 0.49, 0.5, 0.0, 0.5, 0.51, 0.9, 0.91])
    assert found.tolist() == [1, 1, 2, 2, 3, 4, 4, 5, 5, 6]


def test_the_papers_rule_takes_categories_1_and_6_the_most_suspect_first():
    given = table(
        [(1, 1, 0.05), (2, 1, 0.6), (3, 0, 0.999), (4, 0, 0.2), (5, 0, 0.9), (6, 1, 0.1), (7, 1, 0.05)]
    )
    found = suspects.find(given, "paper")
    assert found["id"].tolist() == [3, 1, 7]
    assert found["category"].tolist() == [6, 1, 1]
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["self_confidence"].to_numpy() == pytest.approx([0.001, 0.05, 0.05])
    assert list(found) == list(suspects.COLUMNS)
    assert found["id"].dtype == np.int64


def test_a_ranking_gives_any_number_and_log_odds_tell_apart_what_rounds_to_one():
    given = table([(1, 0, 1.0), (2, 0, 1.0), (3, 1, 0.7), (4, 0, 0.4)]).assign(logit=[40.0, 60.0, 0.8, -0.4])
    assert suspects.find(given, "self_confidence", 3)["id"].tolist() == [2, 1, 4]
    assert len(suspects.find(given, "self_confidence", 100)) == 4
    with pytest.raises(BadSetting, match="number"):
        suspects.find(given, "self_confidence")


@pytest.mark.parametrize("rule", [rule for rule in suspects.RULES if rule.startswith("cleanlab")])
def test_cleanlab_finds_what_is_planted_and_knows_which_column_is_which(rule):
    known = planted.truth()
    found = suspects.find(planted.scores(known), rule)
    wrong = set(known.loc[known["error"] != "", "id"])
    assert len(wrong & set(found["id"])) / len(wrong) > 0.75
    assert len(found) < 3 * len(wrong)  # with the columns swapped it flags nearly everything


def test_in_sample_scores_hide_errors_that_out_of_fold_scores_show(tmp_path):
    known = planted.truth()
    half = np.arange(len(known)) % 2 == 0
    # The paper's second pass: half of the data had been trained on, and much of their labels remembered.
    in_sample = planted.scores(known, remembered=0.0)
    learned = planted.scores(known, remembered=0.7)
    in_sample.loc[half] = learned.loc[half]
    folds = pd.DataFrame({"id": known["id"], "fold": np.arange(len(known)) % 4})
    held_out = planted.scores(known).assign(fold=folds["fold"])
    split = pd.DataFrame({"id": known["id"], "split": np.where(half, "training", "reserve")})
    at = {name: tmp_path / f"{name}.parquet" for name in ("in", "oof", "folds", "truth", "split")}
    for path, content in zip(at.values(), (in_sample, held_out, folds, known, split), strict=True):
        content.to_parquet(path)
    suspects.write(tmp_path / "s_in.parquet", at["in"], rule="paper")
    suspects.write(tmp_path / "s_oof.parquet", at["oof"], rule="out_of_fold", folds=at["folds"])
    entries = [
        ("paper", "one_network", tmp_path / "s_in.parquet", at["in"]),
        ("out_of_fold", "out_of_fold", tmp_path / "s_oof.parquet", at["oof"]),
    ]
    score.write(
        tmp_path / "rules.csv",
        entries,
        [at["truth"]],
        at["split"],
        metrics_out=tmp_path / "suspects.json",
        seed=3,
        n_bootstrap=200,
    )
    rows = pd.read_csv(tmp_path / "rules.csv").set_index(["rule", "sample", "error"])
    whole, part, rest = (
        rows.loc[("paper", name, "all")] for name in ("one_network", "in_sample", "out_of_sample")
    )
    assert part["n_judged"] == rest["n_judged"] == whole["n_judged"] / 2
    for name in ("n_errors", "n_flagged", "n_found"):
        assert part[name] + rest[name] == whole[name]
    same = rows.loc[("out_of_fold", "out_of_fold_same", "all")]
    assert same["n_errors"] == part["n_errors"]
    assert part["recall"] < 0.5  # of ten labels seven are remembered
    assert min(same["recall"], rest["recall"]) > 0.85
    found = scoreboard.read_metrics([tmp_path / "suspects.json"])["suspects"]
    assert found["recall_paper"]["value"] == pytest.approx(whole["recall"])
    assert found["recall_paper_in_sample"]["value"] == pytest.approx(part["recall"])
    assert found["precision_out_of_fold_out_of_fold_same"]["n"] == same["n_flagged"]
    difference = found["recall_out_of_fold_minus_paper_in_sample"]
    assert difference["value"] == pytest.approx(same["recall"] - part["recall"])
    assert difference["low"] > 0
    with pytest.raises(BadSetting, match="'in_sample'; expected one of one_network"):
        score.write(
            tmp_path / "no.csv",
            [("paper", "in_sample", tmp_path / "s_in.parquet", at["in"])],
            [at["truth"]],
            at["split"],
            metrics_out=tmp_path / "no.json",
            seed=3,
        )


def test_out_of_fold_is_checked():
    folds = pd.DataFrame({"id": [1, 2, 3], "fold": [0, 1, 1]})
    good = pd.DataFrame({"id": [3, 1], "fold": [1, 0]})
    suspects.check_out_of_fold(good, folds)
    with pytest.raises(JudgedInSample, match="fold 0, but was held out in fold 1"):
        suspects.check_out_of_fold(good.assign(fold=[0, 0]), folds)
    with pytest.raises(JudgedInSample, match="lies in no fold"):
        suspects.check_out_of_fold(good.assign(id=[4, 1]), folds)
    with pytest.raises(JudgedInSample, match="no column fold"):
        suspects.check_out_of_fold(good[["id"]], folds)
    with pytest.raises(JudgedInSample, match="more than one fold"):
        suspects.check_out_of_fold(good, pd.concat([folds, folds.assign(fold=2)]))
    suspects.check_out_of_fold(good, folds.assign(group=[5, 6, 6]))
    with pytest.raises(JudgedInSample, match="1 groups"):
        suspects.check_out_of_fold(good, folds.assign(group=[5, 5, 6]))


def test_bad_scores_are_named(tmp_path):
    good = table([(1, 1, 0.2), (2, 0, 0.4)])
    for bad, error, words in (
        (good.assign(id=1), BadLabels, "twice"),
        (good.assign(label=[1, 2]), BadLabels, "neither 0"),
        (good.assign(score=[0.1, np.nan]), BadScores, "1 of 2"),
        (good.assign(score=[0.1, 3.0]), BadLabels, "log odds"),
        (good[["id", "score"]], BadLabels, "lacks label"),
    ):
        with pytest.raises(error, match=words):
            suspects.find(bad, "paper")
    with pytest.raises(BadLabels, match="both classes"):
        suspects.find(good.assign(label=1), "cleanlab_both")
    with pytest.raises(BadSetting, match="no rule 'papers'"):
        suspects.find(good, "papers")
    good.to_parquet(tmp_path / "scores.parquet")
    with pytest.raises(BadSetting, match="held out"):
        suspects.write(tmp_path / "out.parquet", tmp_path / "scores.parquet", rule="out_of_fold")
    assert not (tmp_path / "out.parquet").exists()
