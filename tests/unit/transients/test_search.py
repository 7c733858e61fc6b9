"""The search for architectures: ranges, budget, reference, and that it goes on where it stopped."""

import json

import optuna
import pandas as pd
import pytest

from skyneedle.core.errors import BadSetting, UnknownNetwork
from skyneedle.transients import networks, search, training
from skyneedle.transients.evaluate import searched
from tests.unit.transients.small import JOB, made

TRAINING = {"epochs": 2, "batch_size": 16, "learning_rate": 5e-4, "max_examples": 16}
SETTINGS = {"n_trials": 4, "max_multiply_adds": 1e7, "published": ["cnn4"], "training": TRAINING}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return made(tmp_path_factory.mktemp("sets"), 60)


def run(sets, folder, **settings):
    return search.run(
        *sets,
        settings=SETTINGS | settings,
        recipe="corrected",
        scale="smoke",
        out=folder / "search.csv",
        best=folder / "best.json",
        state_dir=folder / "state",
        job=JOB,
    )


@pytest.fixture(scope="module")
def whole(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(sets, folder)


def test_the_budget_is_kept_and_what_is_left_out_is_counted(whole):
    folder, table = whole
    best = json.loads((folder / "best.json").read_text())
    states = table["state"].value_counts().to_dict()
    assert states.get("complete", 0) + states.get("pruned", 0) == 4 == best["n_trained"]
    assert best["n_skipped"] == states.get("skipped", 0)
    assert best["n_skipped"] + 4 == len(table)
    searched = table[table["network"] == "searched"]
    cheap = searched["multiply_adds"] <= 1e7
    assert (cheap == (searched["state"] != "skipped")).all()
    assert table.loc[table["state"] == "skipped", ["loss", "auc"]].isna().all(axis=None)
    trained = table[table["state"] != "skipped"]
    assert (trained["epochs"] >= 1).all()
    assert trained["loss"].notna().all()
    assert list(table["trial"]) == list(range(len(table)))
    assert [str(one) for one in pd.read_csv(folder / "search.csv").columns] == list(table.columns)


def test_the_published_network_is_the_first_whatever_it_costs(whole):
    first = whole[1].iloc[0]
    assert (first["network"], first["state"]) == ("cnn4", "complete")
    assert first["n_parameters"] == 953_785
    assert first["multiply_adds"] > 1e7
    assert first["learning_rate"] == 5e-4


def test_the_best_on_validation_is_an_entry_that_trains(sets, whole, tmp_path):
    folder, table = whole
    best = json.loads((folder / "best.json").read_text())
    complete = table[table["state"] == "complete"]
    row = complete.loc[complete["loss"].idxmin()]
    assert (best["trial"], best["loss"]) == (row["trial"], pytest.approx(row["loss"]))
    assert best["auc"] == pytest.approx(row["auc"])
    entry = best["network"]
    assert entry["options"] == json.loads(row["options"])
    assert networks.n_trainable(networks.build("searched", **entry["options"])) == row["n_parameters"]
    card = training.train(
        entry,
        *sets,
        recipe="corrected",
        scale="smoke",
        out=tmp_path / "s",
        state_dir=tmp_path / "st",
        job=JOB,
    )
    assert card["best_loss"] == pytest.approx(best["loss"], rel=1e-4)  # the same seed, network and data


class Stop(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("at", [1, 4])
def test_a_search_that_was_killed_ends_as_one_that_was_not(sets, whole, tmp_path, monkeypatch, at):
    reports = []
    original = search._report

    def stopping(trial, row):
        reports.append(trial.number)
        original(trial, row)
        if len(reports) == at:
            raise Stop

    monkeypatch.setattr(search, "_report", stopping)
    with pytest.raises(Stop):
        run(sets, tmp_path)
    assert not (tmp_path / "best.json").exists()
    pd.testing.assert_frame_equal(run(sets, tmp_path), whole[1])
    assert len(reports) == whole[1]["epochs"].sum()  # no epoch was trained twice


def test_a_finished_search_is_not_repeated_and_another_starts_anew(sets, whole, monkeypatch, capsys):
    folder, table = whole
    monkeypatch.setattr(search._Task, "run", lambda *_: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(run(sets, folder), table)
    with pytest.raises(pytest.fail.Exception):
        run(sets, folder, n_trials=5)
    assert "starts anew" in capsys.readouterr().out


@pytest.mark.parametrize("name", networks.NAMES)
def test_published_networks_lie_within_the_ranges(name):
    wanted = search.Search(**SETTINGS)
    study = optuna.create_study()
    study.enqueue_trial(search.published_as_trial(name, wanted))
    trial = study.ask()
    options, rate = search.suggest(trial, wanted)
    assert (
        tuple(networks.Block(**block) for block in map(as_tuples, options["blocks"]))
        == networks.PUBLISHED[name]
    )
    assert options["dropout"] == pytest.approx(0.3)
    assert rate == 5e-4
    assert networks.n_trainable(networks.build("searched", **options)) == networks.n_trainable(
        networks.build(name)
    )


def as_tuples(block):
    return block | {"widths": tuple(block["widths"]), "dropout": round(block["dropout"], 9)}


def test_every_suggestion_can_be_built_and_lies_within_the_ranges():
    wanted = search.Search(**SETTINGS)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(60):
        options, rate = search.suggest(study.ask(), wanted)
        blocks = [networks.Block(**block) for block in options["blocks"]]
        networks._check("searched", blocks, options["channels"])
        assert all(2 <= block.kernel <= 8 for block in blocks)
        assert all(10 <= width <= 400 for block in blocks for width in block.widths)
        assert 2e-5 <= rate <= 1e-3
        seen |= {(block.kernel, block.pool, block.stride) for block in blocks}
    assert {kernel for kernel, *_ in seen} == set(range(2, 9))
    assert {pool for _, pool, _ in seen} == {stride for *_, stride in seen} == {1, 2, 3}


def test_settings_that_cannot_work(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "N_SKIPPED", 3)
    for settings, error, words in (
        ({"n_trials": 0}, BadSetting, "at least as many trials"),
        ({"published": ["cnn9"]}, UnknownNetwork, "not {'cnn9'}"),
        ({"learning_rate_min": 0.1}, BadSetting, "ascending range"),
        ({"trials": 3}, BadSetting, "Unknown settings of the search: trials"),
    ):
        with pytest.raises(error, match=words):
            run(sets, tmp_path, **settings)
    with pytest.raises(BadSetting, match="raise max_multiply_adds"):
        run(sets, tmp_path, published=[], max_multiply_adds=10, n_trials=1)


def test_a_storage_that_is_none_is_replaced(sets, tmp_path, capsys):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "trials.sqlite").write_text("no data base")
    table = run(sets, tmp_path, published=[], n_trials=1, max_multiply_adds=1e7)
    assert (table["state"] == "complete").sum() == 1
    assert "cannot be read" in capsys.readouterr().out


def test_numbers_of_the_best_stand_beside_how_much_was_searched(whole):
    folder, table = whole
    found = searched.numbers(folder / "search.csv", folder / "best.json")
    row = table.set_index("trial").loc[found["best_trial"]]
    assert found["n_trials"] == 4
    assert found["n_skipped"] == (table["state"] == "skipped").sum()
    assert found["best_loss"] == table.loc[table["state"] == "complete", "loss"].min()
    assert (found["best_n_parameters"], found["best_auc"]) == (row["n_parameters"], pytest.approx(row["auc"]))
    assert found["best_is_published"] == (row["network"] != "searched")


def test_only_so_many_validation_examples_choose(sets, tmp_path, monkeypatch):
    seen = []

    def fit(network, learnt, validation, **_):
        seen.append((len(learnt.rows), len(validation.rows)))
        raise Stop

    monkeypatch.setattr(training, "fit", fit)
    for most in (5, None):
        with pytest.raises(Stop):
            run(sets, tmp_path / str(most), max_validation=most)
    n = (pd.read_parquet(sets[1])["split"] == "validation").sum()
    assert seen == [(16, 5), (16, n)]


def test_the_best_is_trained_longer_at_its_own_learning_rate(whole):
    best = json.loads((whole[0] / "best.json").read_text())["network"]
    entry = search.trained_longer(whole[0] / "best.json", {"epochs": 9, "batch_size": 4, "learning_rate": 1})
    rate = best["training"]["learning_rate"]
    assert entry == best | {"training": {"epochs": 9, "batch_size": 4, "learning_rate": rate}}
