"""Cross-validation: who judges whom, what is kept, what a kill costs, how restrictions are told."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file

from skyneedle.core import inference, metrics
from skyneedle.core import training as core_training
from skyneedle.core.errors import OneClassOnly
from skyneedle.transfer import crossvalidation, training
from skyneedle.transfer.examples import Embeddings
from tests.unit.transfer.small import JOB, embed, entry, fold_file, killed, outputs, set_of, table_of

AUGMENTATION = {"rotation_deg": 45.0, "zoom": [0.9, 1.0], "shear_deg": 15.0}
OWN = """
import torch
from torch import nn


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 9, stride=8)
        self.linear = nn.Linear(2, 2)

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).amax((2, 3)))
"""


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    table = table_of(60, pairs=6)
    files = {
        "hst": embed(folder / "hst.h5", table, copies=2),
        "hard": embed(folder / "hard.h5", table_of(10, 1000)),
        "real": embed(folder / "real.h5", table_of(0, 2000).assign(name="")),
    }
    return files, fold_file(folder / "folds.parquet", table)


def run(sets, folder, network=None, recipe="corrected", job=JOB):
    return training.crossvalidate_head(
        network or entry(),
        *sets,
        outputs(folder),
        recipe=recipe,
        scale="smoke",
        state_dir=folder / "state",
        job=job,
    )


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, run(sets, folder, entry(epochs=12))


# --- heads


def test_a_planted_direction_is_found_out_of_fold(sets, trained):
    folder, found = trained
    table = pd.read_parquet(folder / "hst.parquet")
    pd.testing.assert_frame_equal(table, found)
    assert table["id"].tolist() == list(range(60))
    assert table["fold"].tolist() == pd.read_parquet(sets[1])["fold"].tolist()
    assert (table["copy"] == -1).all()
    assert metrics.Ranking(table["label"], table["logit"]).auroc() > 0.8
    assert table.attrs["n_trained"] == [20, 20, 20]
    assert (folder / "models" / "history.csv").is_file()
    assert set(pd.read_csv(folder / "models" / "history.csv")["fold"]) == {0, 1, 2}


def test_each_fold_network_judges_all_of_the_other_sets(trained):
    table = pd.read_parquet(trained[0] / "others.parquet")
    assert table.groupby(["set", "fold"]).size().to_dict() == {("hard", k): 10 for k in range(3)}
    assert metrics.Ranking(table["label"], table["logit"]).auroc() > 0.7


def test_kept_heads_give_the_scores_that_were_written(sets, trained):
    folder, table = trained
    network, card = inference.load(folder / "models" / "fold1")
    source = training.Embeddings.read(sets[0]["hst"])
    of_fold = (table["fold"] == 1).to_numpy()
    with torch.no_grad():
        logits = network(torch.from_numpy(source.plain[of_fold])).double()
    expected = (logits[:, 1] - logits[:, 0]).numpy()
    assert table["logit"].to_numpy()[of_fold] == pytest.approx(expected, abs=1e-5)
    assert card["provenance"]["fold"] == 1
    assert card["provenance"]["network"]["source"] == "resnet"
    assert card["training"]["precision"] == "32-true"


def test_a_fold_learns_nothing_from_what_it_judges(sets, tmp_path):
    table = table_of(60, pairs=6)
    judged = (pd.read_parquet(sets[1])["fold"] == 0).to_numpy()
    changed = table.assign(label=np.where(judged, 1 - table["label"], table["label"]))
    weights = []
    for name, one in (("a", table), ("b", changed)):
        files = {"hst": embed(tmp_path / f"{name}.h5", one, copies=2, planted=0)}
        run((files, sets[1]), tmp_path / name)
        models = tmp_path / name / "models"
        weights.append([load_file(models / f"fold{k}.safetensors")["linear.weight"] for k in range(2)])
    assert (weights[0][0] == weights[1][0]).all()
    assert (weights[0][1] != weights[1][1]).any()  # the network of the next fold learned from them


KILLED = """
import os, signal, sys
from pathlib import Path
from skyneedle.core import training
from skyneedle.transfer.examples import Embeddings
from tests.unit.transfer import test_training as t

fit, drawn, fits = training.fit, Embeddings.drawn, []

def counted(*arguments, **options):
    fits.append(1)
    return fit(*arguments, **options)

def dies(self, row, epoch):
    if (len(fits), epoch) == (2, 5):
        os.kill(os.getpid(), signal.SIGKILL)
    return drawn(self, row, epoch)

training.fit, Embeddings.drawn = counted, dies
files = dict(zip(("hst", "hard", "real"), sys.argv[3:], strict=True))
t.run((files, sys.argv[2]), Path(sys.argv[1]), t.entry(epochs=12))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_within_its_fold_and_ends_with_the_same_bytes(
    sets, trained, tmp_path, monkeypatch
):
    files, folds = sets
    killed(KILLED, tmp_path, folds, *files.values())
    assert not (tmp_path / "models").exists()
    assert sorted(path.parent.name for path in (tmp_path / "state").glob("*/done.json")) == ["fold0"]
    fit, drawn, learned = core_training.fit, Embeddings.drawn, {}

    def counted(*arguments, **options):
        learned[options["out"].parent.parent.name] = []
        return fit(*arguments, **options)

    def noted(self, row, epoch):
        learned[list(learned)[-1]].append(epoch)
        return drawn(self, row, epoch)

    monkeypatch.setattr(core_training, "fit", counted)
    monkeypatch.setattr(Embeddings, "drawn", noted)
    run(sets, tmp_path, entry(epochs=12))
    assert list(learned) == ["fold1", "fold2"]  # the first fold is not trained again,
    assert (min(learned["fold1"]), min(learned["fold2"])) == (5, 0)  # nor are epochs of the second
    ends = [
        {path.relative_to(folder): path for path in files_in(folder)} for folder in (tmp_path, trained[0])
    ]
    assert ends[0].keys() == ends[1].keys()
    assert len(ends[0]) == 3 * 2 + 1 + 3  # weights and cards of folds, history, scores and what was trained
    assert [name for name, path in ends[0].items() if path.read_bytes() != ends[1][name].read_bytes()] == []


def files_in(folder):
    """What a run has left, but for how long it took."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "history.timing.csv"]


def test_what_was_finished_with_other_settings_is_not_taken(sets, tmp_path, monkeypatch):
    fit, calls = core_training.fit, []

    def counted(*arguments, **options):
        calls.append(1)
        return fit(*arguments, **options)

    monkeypatch.setattr(core_training, "fit", counted)
    monkeypatch.setattr(crossvalidation, "forget", lambda state_dir: None)
    network = entry(epochs=1) | {"folds": 1}
    run(sets, tmp_path, network)
    run(sets, tmp_path, network)
    assert len(calls) == 1
    run(sets, tmp_path, entry(epochs=2) | {"folds": 1})
    assert len(calls) == 2


def test_restrictions_are_told(sets, tmp_path):
    table = run(sets, tmp_path, entry(epochs=1, max_examples=12) | {"folds": 2})
    assert set(table["fold"]) == {0, 1}
    card = json.loads((tmp_path / "models" / "fold0.json").read_text())
    assert card["training"]["n_examples"] == 12
    assert card["provenance"]["max_examples"] == 12
    told = json.loads((tmp_path / "training.json").read_text())
    assert told["examples_trained"]["value"] == 12
    assert "at most 12" in told["examples_trained"]["definition"]
    assert (told["folds_judged"]["value"], told["folds_judged"]["n"]) == (2, 3)


def test_the_faithful_recipe_judges_copies(sets, tmp_path):
    table = run(sets, tmp_path, entry(epochs=1), recipe="faithful")
    assert len(table) == 120
    assert sorted(table["copy"].unique()) == [0, 1]
    assert table.groupby("id")["fold"].nunique().max() > 1


def test_one_class_alone_is_refused(tmp_path):
    table = table_of(12).assign(label=1)
    files = {"hst": embed(tmp_path / "hst.h5", table, copies=2)}
    with pytest.raises(OneClassOnly, match="fold 0 learns from 4 examples, 4 of them lenses"):
        run((files, fold_file(tmp_path / "folds.parquet", table)), tmp_path)


# --- whole networks


@pytest.fixture(scope="module")
def stamps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stamps")
    table = table_of(24)
    sets = {
        "hst": [set_of(folder / "hst.h5", table)],
        "hard": [set_of(folder / "hard.h5", table_of(4, 1000))],
        "real": set_of(folder / "real.h5", table_of(0, 2000).assign(name="")),
    }
    return sets, fold_file(folder / "folds.parquet", table)


def run_network(stamps, folder, network, trunk=None, recipe="corrected"):
    return training.crossvalidate_network(
        network,
        *stamps,
        outputs(folder),
        trunk=trunk,
        augmentation=AUGMENTATION,
        copies=2,
        recipe=recipe,
        scale="smoke",
        state_dir=folder / "state",
        job=JOB,
    )


def test_a_network_of_ones_own_is_trained_on_stamps(stamps, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    network = entry("own", epochs=12, learning_rate=0.03) | {"source": f"{tmp_path}/own.py:Tiny"}
    table = run_network(stamps, tmp_path, network)
    assert metrics.Ranking(table["label"], table["logit"]).auroc() > 0.9
    network, card = inference.load(tmp_path / "models" / "fold0")
    assert sorted(network.state_dict()) == sorted(load_file(tmp_path / "models" / "fold0.safetensors"))
    assert len(pd.read_parquet(tmp_path / "others.parquet")) == 12
    once = entry("own", epochs=1) | {"source": card["source"]}
    faithful = run_network(stamps, tmp_path / "f", once, recipe="faithful")
    assert len(faithful) == 48


@pytest.mark.parametrize(("mode", "stem"), [("scratch", "fixed"), ("frozen", "learned")])
def test_no_trunk_is_kept(stamps, tmp_path, stub, mode, stem):
    network = entry("whole", epochs=1, precision="32-true", max_examples=8)
    network |= {"source": stub, "mode": mode, "stem": stem, "folds": 1}
    run_network(stamps, tmp_path, network)
    kept = load_file(tmp_path / "models" / "fold0.safetensors")
    parts = {name.split(".")[0] for name in kept}
    assert parts == {"head"} | ({"stem"} if stem == "learned" else set())
    assert not (tmp_path / "state").exists()
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors")) < 1e5
    assert len(pd.read_parquet(tmp_path / "hst.parquet")) == 8
