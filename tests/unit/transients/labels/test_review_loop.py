"""Deck, simulated reviewers, votes and new labels: the loop of the paper, without people."""

import numpy as np
import pandas as pd
import pytest

from skyneedle.core import scoreboard, store
from skyneedle.core.errors import BadLabels, BadSetting, NotAReviewLog
from skyneedle.transients.labels import deck, relabel, reviewer, score, suspects, votes
from skyneedle.transients.labels.reviewer import Settings
from tests.unit.transients.labels import planted

PERFECT = Settings(slip_faint=0, slip_bright=0, unsure_faint=0, unsure_bright=0)


def given_of(known):
    return pd.DataFrame({"id": known["id"], "label": known["label_given"]})


@pytest.fixture(scope="module")
def known():
    return planted.truth()


@pytest.fixture(scope="module")
def shown(known):
    found = suspects.find(planted.scores(known), "paper")
    return deck.build(found["id"], given_of(known), share=0.2, seed=4)


def review(shown, known, settings, *names):
    logs = [
        reviewer.review(shown, known, reviewer=name, settings=settings, seed=9) for name in names or ("ann",)
    ]
    return pd.concat(logs, ignore_index=True)


def act(*rows):
    """A log from (reviewer, action, id, answer)."""
    table = pd.DataFrame(rows, columns=["reviewer", "action", "id", "answer"])
    table["index"] = np.arange(1, len(table) + 1)
    return table.assign(seconds=1.0, time="2026-01-01T00:00:00Z", role="suspect", probability=1.0, label=0)


# --- deck


def test_controls_are_the_share_asked_for_and_know_their_chance(shown, known):
    controls = shown[shown["role"] == "control"]
    assert len(controls) / len(shown) == pytest.approx(0.2, abs=0.01)
    n_suspects = len(shown) - len(controls)
    assert controls["probability"].unique() == pytest.approx([len(controls) / (len(known) - n_suspects)])
    assert shown["id"].is_unique
    given = known.set_index("id")["label_given"]
    assert (shown["label"].to_numpy() == given.loc[shown["id"]].to_numpy()).all()
    again = deck.build(shown.loc[shown["role"] == "suspect", "id"], given_of(known)[::-1], share=0.2, seed=4)
    pd.testing.assert_frame_equal(again, shown)


def test_every_reviewer_has_an_order_of_their_own_that_hides_the_roles(shown):
    first, second = (deck.order(shown["id"], name, 1) for name in ("ann", "bob"))
    assert sorted(first) == sorted(second) == shown["id"].tolist()
    assert (first != second).any()
    assert (first == deck.order(shown["id"][::-1], "ann", 1)).all()
    place = pd.Series(np.arange(len(first)), index=first)
    middle = place.groupby(shown.set_index("id")["role"]).mean() / len(first)
    assert middle.to_numpy() == pytest.approx([0.5, 0.5], abs=0.12)


def test_a_deck_of_unknown_suspects_is_refused(known):
    with pytest.raises(BadLabels, match="1 of 2 suspects"):
        deck.build([int(known["id"].iloc[0]), 1], given_of(known), share=0.1, seed=0)
    with pytest.raises(BadSetting, match="share of controls"):
        deck.build([], given_of(known), share=0.9, seed=0)


# --- simulated reviewer


def test_a_perfect_reviewer_tells_the_truth(shown, known):
    log = review(shown, known, PERFECT)
    assert list(log) == list(votes.LOG_COLUMNS)
    true = known.set_index("id")["label_true"]
    assert log["answer"].map(votes.LABEL_OF).tolist() == true.loc[log["id"]].tolist()
    assert log["id"].tolist() == deck.order(shown["id"], "ann", 9).tolist()


def test_slips_are_as_frequent_as_said_and_more_so_among_faint_ones(known):
    everything = deck.build(known["id"], given_of(known), share=0.0, seed=0)
    settings = Settings(slip_faint=0.3, slip_bright=0.02, unsure_faint=0.2, unsure_bright=0.0, snr_scale=4.0)
    log = review(everything, known, settings)
    about = known.set_index("id").loc[log["id"]]
    snr, unsure = about["snr"].to_numpy(), (log["answer"] == "unsure").to_numpy()
    slip = ~unsure & (log["answer"].map(votes.LABEL_OF).to_numpy() != about["label_true"].to_numpy())
    for low, high in ((5, 8), (15, 40)):
        here = (snr >= low) & (snr < high)
        decay = np.exp(-(snr[here] - 5) / 4)
        doubts, slips = 0.2 * decay, (1 - 0.2 * decay) * (0.02 + 0.28 * decay)
        for seen, expected in ((unsure, doubts), (slip, slips)):
            assert seen[here].mean() == pytest.approx(
                expected.mean(), abs=4 * np.sqrt(expected.mean() / here.sum())
            )


def test_anchoring_counts_only_where_a_label_is_shown(known):
    everything = deck.build(known["id"], given_of(known), share=0.0, seed=0)
    pulled = {"slip_faint": 0.0, "slip_bright": 0.0, "unsure_faint": 0.0, "anchoring": 0.6}
    wrong = known[known["error"] != ""].set_index("id")

    def kept_errors(shows):
        answers = review(everything, known, Settings(**pulled, shows=shows)).set_index("id")["answer"]
        return (answers.loc[wrong.index].map(votes.LABEL_OF) == wrong["label_given"]).mean()

    assert kept_errors("nothing") == 0
    assert kept_errors("given") == pytest.approx(0.6, abs=0.2)
    assert kept_errors("flipped") == 0  # the paper's tool: its anchor helps where a suspect is truly wrong
    right = known[known["error"] == ""].set_index("id")
    answers = review(everything, known, Settings(**pulled, shows="flipped")).set_index("id")["answer"]
    spoiled = (answers.loc[right.index].map(votes.LABEL_OF) != right["label_given"]).mean()
    assert spoiled == pytest.approx(0.6, abs=0.05)  # and flips what was right


def test_reviewers_err_on_their_own(shown, known):
    settings = Settings(slip_faint=0.3, slip_bright=0.3)
    ann, bob = (
        review(shown, known, settings, name).set_index("id")["answer"].sort_index() for name in ("ann", "bob")
    )
    assert 0.2 < (ann != bob).mean() < 0.6
    again = review(shown, known, settings, "ann").set_index("id")["answer"].sort_index()
    assert (again == ann).all()


@pytest.mark.parametrize("bad", [{"slip_faint": 1.2}, {"snr_scale": 0.0}, {"shows": "truth"}])
def test_impossible_reviewers_are_refused(bad):
    with pytest.raises(BadSetting, match="Reviewer"):
        Settings(**bad)


# --- votes


def test_an_undo_takes_back_the_last_answer_that_stands_of_this_reviewer():
    log = act(
        ("ann", "answer", 1, "real"),
        ("bob", "answer", 1, "bogus"),
        ("ann", "answer", 2, "bogus"),
        ("ann", "undo", 2, "bogus"),
        ("ann", "answer", 2, "unsure"),
        ("ann", "answer", 1, "bogus"),  # thinks again
        ("bob", "undo", 1, "bogus"),
    )
    found = votes.standing(log)
    assert list(zip(found["reviewer"], found["id"], found["answer"], strict=True)) == [
        ("ann", 2, "unsure"),
        ("ann", 1, "bogus"),
    ]
    undone = votes.standing(pd.concat([log, act(("ann", "undo", 1, "bogus"))], ignore_index=True))
    assert undone.set_index("id")["answer"].to_dict() == {1: "real", 2: "unsure"}


def test_a_log_that_no_review_writes_is_refused(tmp_path):
    with pytest.raises(NotAReviewLog, match="takes back no answer"):
        votes.standing(act(("ann", "answer", 1, "real"), ("ann", "undo", 2, "real")))
    good = act(("ann", "answer", 1, "real"), ("ann", "answer", 2, "bogus"))
    for name, bad in (
        ("lacks", good.drop(columns="answer")),
        ("rows that no review writes", good.assign(answer="maybe")),
        ("another order", good[::-1]),
    ):
        bad.to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(NotAReviewLog, match=name):
            votes.read([tmp_path / "bad.csv"])
    good.to_csv(tmp_path / "good.csv", index=False)
    good.to_parquet(tmp_path / "good.parquet")
    with pytest.raises(NotAReviewLog, match="'ann' stands in 2 logs"):
        votes.read([tmp_path / "good.csv", tmp_path / "good.parquet"])
    pd.testing.assert_frame_equal(
        votes.read([tmp_path / "good.csv"]), votes.read([tmp_path / "good.parquet"]), check_dtype=False
    )
    (tmp_path / "page.parquet").write_text("<html>")
    with pytest.raises(NotAReviewLog, match="cannot be read"):
        votes.read([tmp_path / "page.parquet"])


# --- new labels


def test_the_majority_of_those_who_are_sure_decides_and_is_on_record():
    given = pd.DataFrame({"id": [1, 2, 3, 4, 5], "label": 0})
    log = act(
        *(("ann", "answer", one, "bogus") for one in (1, 2, 3, 4)),
        ("bob", "answer", 1, "bogus"),
        ("bob", "answer", 2, "real"),
        ("bob", "answer", 3, "unsure"),
        ("bob", "answer", 4, "real"),
        ("eve", "answer", 4, "real"),
        ("eve", "answer", 1, "real"),
    )
    table = relabel.relabel(given, log).set_index("id")
    assert table["label"].to_dict() == {1: 1, 2: 0, 3: 1, 4: 0, 5: 0}  # tie: as given
    assert table["flipped_by"].to_dict() == {1: "ann;bob", 2: "", 3: "ann", 4: "", 5: ""}
    assert table.at[1, "flipped_at"] == "1;5"
    assert table.at[3, "flipped_time"] == "2026-01-01T00:00:00Z"
    assert table["is_reviewed"].tolist() == [True, True, True, True, False]
    summary = relabel.counts(table.reset_index(), log)
    assert (summary["n_flipped"], summary["n_undecided"], summary["n_reviewed"]) == (2, 1, 4)
    unsure = relabel.relabel(given.assign(label=1), act(("ann", "answer", 1, "unsure")).assign(label=1))
    assert unsure["label"].tolist() == [1] * 5


def test_labels_that_a_review_was_not_made_on_are_refused():
    given = pd.DataFrame({"id": [1, 2], "label": [0, 1]})
    with pytest.raises(BadLabels, match="1 reviewed examples have no given label"):
        relabel.relabel(given, act(("ann", "answer", 3, "real")))
    with pytest.raises(BadLabels, match="another label"):
        relabel.relabel(given, act(("ann", "answer", 2, "real")))


def test_the_whole_loop_lowers_the_share_of_wrong_labels(shown, known, tmp_path):
    for name, table in (("truth", known), ("given", given_of(known)), ("deck", shown)):
        table.to_parquet(tmp_path / f"{name}.parquet")
    reviewer.write(
        tmp_path / "log.parquet",
        tmp_path / "deck.parquet",
        [tmp_path / "truth.parquet"],
        reviewers=["ann", "bob", "eve"],
        settings=Settings(),
        seed=2,
    )
    relabel.write(
        tmp_path / "out.parquet",
        tmp_path / "given.parquet",
        [tmp_path / "log.parquet"],
        summary=tmp_path / "out.json",
    )
    table = pd.read_parquet(tmp_path / "out.parquet")
    true = known.set_index("id")["label_true"].loc[table["id"]].to_numpy()
    before, after = ((table[name].to_numpy() != true).mean() for name in ("label_given", "label"))
    assert after < 0.2 * before
    flipped = table["label"] != table["label_given"]
    assert (table.loc[flipped, "flipped_by"] != "").all()
    assert (table.loc[~flipped, "flipped_by"] == "").all()
    found = scoreboard.read_metrics([tmp_path / "out.json"])["out"]
    assert found["n_flipped"]["value"] == flipped.sum()
    assert found["n_reviewers"]["value"] == 3
    suspected = shown.loc[shown["role"] == "suspect", "id"]
    assert found["n_reviewed_suspects"]["value"] == len(suspected) < found["n_reviewed"]["value"]
    share = found["share_flipped"]
    assert share["value"] == pytest.approx((flipped & table["id"].isin(suspected)).sum() / len(suspected))
    assert share["low"] < share["value"] <= share["high"]
    assert found["share_relabelled"]["value"] == pytest.approx(flipped.mean())
    assert found["share_relabelled"]["n"] == len(known)
    assert 0 <= found["remaining_error_rate"]["value"] < 0.05


def test_ids_that_a_float_cannot_hold_come_through_the_loop(tmp_path):
    known = planted.truth(400)
    known["id"] += 2**53 - known["id"].min() + 1  # half of them would be rounded
    found = suspects.find(planted.scores(known), "paper")
    assert len(found)
    shown = deck.build(found["id"], given_of(known), share=0.2, seed=4)
    log = review(shown, known, PERFECT)
    for path, write in ((tmp_path / "log.csv", log.to_csv), (tmp_path / "log.parquet", log.to_parquet)):
        write(path, index=False)
        table = relabel.relabel(given_of(known), votes.read([path]))
        assert table["id"].dtype == np.int64
        assert table["id"].tolist() == known["id"].tolist()
        assert table.loc[table["is_reviewed"], "id"].isin(shown["id"]).all()
        assert table["is_reviewed"].sum() == len(shown)


def test_controls_tell_how_many_errors_are_left(known):
    """Nothing but controls: their rate is that of the whole set, within the interval's width."""
    rng = np.random.default_rng(0)
    drawn = known.iloc[rng.permutation(len(known))[:800]]
    cards = pd.DataFrame(
        {"id": drawn["id"], "label": drawn["label_given"], "role": "control", "probability": 0.2}
    )
    log = review(cards, known, PERFECT)
    table = relabel.relabel(given_of(known), log)
    found = relabel.remaining_errors(table, log)
    expected = (known["error"] != "").mean()
    assert abs(found["value"] - expected) < 3 * (found["high"] - found["low"]) / 2
    assert found["n"] == 800
    # Twice as many artifacts as others were drawn: weights put that right.
    often = np.where(known["label_given"] == 1, 0.4, 0.2)
    taken = rng.random(len(known)) < often
    cards = pd.DataFrame({"id": known["id"], "label": known["label_given"], "probability": often})[taken]
    log = review(cards.assign(role="control"), known, PERFECT)
    table = relabel.relabel(given_of(known), log)
    weighted = relabel.remaining_errors(table, log)
    wrong = known["error"] != ""
    by_hand = (wrong[taken] / often[taken]).sum() / (1 / often[taken]).sum()
    assert weighted["value"] == pytest.approx(by_hand)
    assert weighted["low"] < by_hand < weighted["high"]


def test_labels_as_given_and_as_true_have_one_form(known, tmp_path):
    known.to_parquet(tmp_path / "truth.parquet")
    score.write_truth_labels(tmp_path / "labels" / "truth.parquet", [tmp_path / "truth.parquet"])
    for shard, part in enumerate((known[:1000], known[1000:])):
        store.write(tmp_path / f"{shard}.h5", {}, part[["id", "label_given"]], {})
    relabel.write_given(tmp_path / "labels" / "given.parquet", [tmp_path / "0.h5", tmp_path / "1.h5"])
    true, given = (pd.read_parquet(tmp_path / "labels" / f"{name}.parquet") for name in ("truth", "given"))
    assert true["id"].tolist() == given["id"].tolist() == known["id"].tolist()
    assert (true["label"] != given["label"]).sum() == (known["error"] != "").sum()
    assert true.dtypes.to_dict() == given.dtypes.to_dict()


def test_without_controls_nothing_is_claimed():
    log = act(("ann", "answer", 1, "real"))
    table = relabel.relabel(pd.DataFrame({"id": [1], "label": [0]}), log)
    left = relabel.measures(table, log)["remaining_error_rate"]
    assert np.isnan(left["value"])
    assert "no control" in left["reason"]


def test_a_review_without_suspects_has_no_share_of_them():
    log = act(("ann", "answer", 1, "bogus")).assign(role="control")
    found = relabel.measures(relabel.relabel(pd.DataFrame({"id": [1, 2], "label": 0}), log), log)
    assert (found["n_flipped"]["value"], found["n_flipped_controls"]["value"]) == (1, 1)
    assert np.isnan(found["share_flipped"]["value"])
    assert found["share_relabelled"]["value"] == 0.5
