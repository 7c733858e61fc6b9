"""Training: it learns, it is the same each time, and no interruption changes what comes out."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import TensorDataset

from skyneedle.core import inference, training
from skyneedle.core.batches import Examples, epoch_rows, share_rows
from skyneedle.core.errors import BadSetting, FolderBusy, UnknownNetwork
from skyneedle.core.runtime import exclusive

OUTPUTS = ("seed0.safetensors", "seed0.last.safetensors", "seed0.json", "history.csv")

# A network as a user would write one, with dropout, so that random numbers in training matter.
OWN_NETWORK = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.output_offset = 0
        first, last = nn.Conv1d(2, width, 1), nn.Conv1d(width, 1, 1)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.3), last)

    def forward(self, x):
        return self.layers(x)[:, 0]
"""


def toy(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two noisy series; the target is whether their sum is positive, which is learned in a few steps."""
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 2, 20)).astype(np.float32))
    return x, (x.sum(1) > 0).float()


def examples(n: int, seed: int = 0) -> Examples:
    return Examples.of(TensorDataset(*toy(n, seed)))


@pytest.fixture
def own(tmp_path: Path) -> dict:
    path = tmp_path / "own.py"
    path.write_text(OWN_NETWORK)
    return {"name": "own", "source": f"{path}:Own", "options": {"width": 5}}


def fit(network: dict, folder: Path, *, train=None, validation=None, seed=1, **options) -> dict:
    keywords = ("fingerprint", "loss", "metrics", "device", "after_epoch", "start")
    given = {key: options.pop(key) for key in keywords if key in options}
    settings = training.Settings(**{"epochs": 3, "batch_size": 8, "learning_rate": 0.02} | options)
    return training.fit(
        network,
        train or examples(30),
        validation or examples(13, seed=9),
        settings,
        out=folder / "seed0",
        state_dir=folder / "state",
        seed=seed,
        normalisation={"mean": [0.0, 0.0], "std": [1.0, 1.0]},
        provenance={"code": "abc"},
        threads=1,
        **given,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def test_history_has_metrics_of_training_and_validation_examples(own, tmp_path):
    # 30 examples in batches of 8: the last one is short, and must count less.
    fit(own, tmp_path, epochs=2, metrics={"positives": lambda z, t: t.mean()})
    history = pd.read_csv(tmp_path / "history.csv").set_index("split")["positives"]
    assert history["train"].tolist() == pytest.approx([toy(30)[1].mean().item()] * 2)
    assert history["validation"].tolist() == pytest.approx([toy(13, seed=9)[1].mean().item()] * 2)


def test_learns_and_writes_its_files(own, tmp_path):
    card = fit(
        own, tmp_path, epochs=12, metrics={"accuracy": lambda z, t: ((z > 0) == (t > 0.5)).float().mean()}
    )
    history = pd.read_csv(tmp_path / "history.csv")
    losses = history[history.split == "validation"].loss.to_numpy()
    assert list(history.columns) == ["epoch", "split", "loss", "accuracy", "learning_rate"]
    assert losses[-1] < 0.5 * losses[0]
    assert history[history.split == "validation"].accuracy.iloc[-1] > 0.9
    assert card == json.loads((tmp_path / "seed0.json").read_text())
    assert card["n_parameters"] == (2 + 1) * 5 + 6
    assert (card["provenance"], card["best_epoch"]) == ({"code": "abc"}, int(np.argmin(losses)) + 1)
    assert len(pd.read_csv(tmp_path / "history.timing.csv")) == 12
    network, _ = inference.load(tmp_path / "seed0")
    x, target = toy(13, seed=9)
    with torch.no_grad():
        loss = nn.functional.binary_cross_entropy_with_logits(network(x), target)
    assert loss.item() == pytest.approx(card["best_loss"], rel=1e-5)
    assert not list(tmp_path.rglob("*.partial"))


def test_same_bytes_twice_and_others_with_another_seed(own, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(own, tmp_path / name, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["seed0.safetensors"] != contents(tmp_path / "c")["seed0.safetensors"]


def test_number_of_loading_processes_changes_nothing(own, tmp_path):
    for workers in (0, 1):
        fit(own, tmp_path / str(workers), num_workers=workers, epochs=2)
    assert contents(tmp_path / "0")["seed0.safetensors"] == contents(tmp_path / "1")["seed0.safetensors"]


def test_random_numbers_of_the_caller_are_left_alone(own, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(own, tmp_path, epochs=1)
    assert torch.equal(torch.rand(3), expected)


class Stop(Exception):
    """Stands for a power cut."""


def stopping(data: Examples, at: tuple[int, int]) -> Examples:
    """The same examples, until the given epoch and batch are read."""
    seen = {"epoch": -1, "batch": 0}

    def read(rows, epoch):
        seen["batch"] = 0 if epoch != seen["epoch"] else seen["batch"] + 1
        seen["epoch"] = epoch
        if (epoch, seen["batch"]) == at:
            raise Stop
        return data.read(rows, epoch)

    return Examples(data.n, read)


@pytest.mark.parametrize("at", [(0, 2), (1, 0), (1, 3), (2, 1)])
@pytest.mark.parametrize(
    ("checkpoint_minutes", "schedule"), [(0.0, "plateau"), (0.0, "cosine"), (10.0, "cosine"), (0.0, "step")]
)
def test_interrupted_training_ends_with_the_same_bytes(own, tmp_path, at, checkpoint_minutes, schedule):
    options = {"checkpoint_minutes": checkpoint_minutes, "plateau_patience": 0, "schedule": schedule}
    fit(own, tmp_path / "whole", **options)
    with pytest.raises(Stop):
        fit(own, tmp_path / "cut", train=stopping(examples(30), at), **options)
    assert not (tmp_path / "cut" / "seed0.safetensors").exists()
    counted = {"n": 0}

    def read(rows, epoch):
        counted["n"] += 1
        return examples(30).read(rows, epoch)

    fit(own, tmp_path / "cut", train=Examples(30, read), **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")
    # Nothing that was saved is computed again: four batches an epoch, from the one that was interrupted on.
    from_batch = max(at[1] - 1, 0) if checkpoint_minutes == 0 and at[1] else 0
    assert counted["n"] <= 4 * (3 - at[0]) - from_batch


def test_dropout_starts_with_the_epoch_asked_for(own, tmp_path):
    late = own | {"name": "late"}
    never = own | {"name": "never"}
    for name, network, start in (("late", late, 2), ("never", never, 9), ("always", own, 0)):
        fit(network, tmp_path / name, epochs=3, dropout_from_epoch=start)
    losses = {
        name: pd.read_csv(tmp_path / name / "history.csv").loss.to_numpy().reshape(3, 2)
        for name in ("late", "never", "always")
    }
    assert (losses["late"][:2] == losses["never"][:2]).all()
    assert (losses["late"][2] != losses["never"][2]).all()
    assert losses["always"][0, 0] != losses["never"][0, 0]
    with pytest.raises(BadSetting, match="dropout_from_epoch is -1"):
        fit(own, tmp_path, dropout_from_epoch=-1)


@pytest.mark.parametrize("at", [(1, 2), (2, 0), (2, 2)])
def test_interruption_around_the_start_of_dropout_changes_nothing(own, tmp_path, at):
    options = {"checkpoint_minutes": 0.0, "dropout_from_epoch": 2}
    fit(own, tmp_path / "whole", **options)
    with pytest.raises(Stop):
        fit(own, tmp_path / "cut", train=stopping(examples(30), at), **options)
    fit(own, tmp_path / "cut", **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")


def test_batch_normalisation_is_only_in_training(own, tmp_path):
    """What is saved is the network as defined, and its loss is the one that training measured."""
    options = {"checkpoint_minutes": 0.0, "batch_norm": True}
    card = fit(own, tmp_path / "whole", **options)
    with pytest.raises(Stop):
        fit(own, tmp_path / "cut", train=stopping(examples(30), (1, 2)), **options)
    fit(own, tmp_path / "cut", **options)
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")
    assert card["n_parameters"] == 2 * 5 + 5 + 5 + 1
    network, _ = inference.load(tmp_path / "whole" / "seed0")
    x, target = toy(13, seed=9)
    with torch.no_grad():
        loss = nn.functional.binary_cross_entropy_with_logits(network.eval()(x), target)
    assert float(loss) == pytest.approx(card["best_loss"], rel=1e-5)


NORMALISED = OWN_NETWORK.replace("nn.ReLU(),", "nn.BatchNorm1d(width), nn.ReLU(),")


def test_training_goes_on_from_a_trained_network_and_holds_its_averages(tmp_path):
    """Even where new examples look different; without a step the network answers as before."""
    path = tmp_path / "own.py"
    path.write_text(NORMALISED)
    network = {"name": "own", "source": f"{path}:Own", "options": {"width": 5}}
    fit(network, tmp_path / "first")
    first, _ = inference.load(tmp_path / "first" / "seed0")
    x, target = toy(30, seed=4)
    shifted = Examples.of(TensorDataset(5 * x + 2, target))
    cards = {}
    for rate in (1e-12, 0.01):
        folder = tmp_path / str(rate)
        cards[rate] = fit(network, folder, train=shifted, validation=shifted, start=first, learning_rate=rate)
        after, before = inference.load(folder / "seed0")[0].state_dict(), first.state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before if "running" in name)
    with torch.no_grad():
        loss = nn.functional.binary_cross_entropy_with_logits(first(5 * x + 2), target)
    assert cards[1e-12]["best_loss"] == pytest.approx(float(loss), rel=1e-5)
    assert cards[0.01]["best_loss"] < float(loss)


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[3])
import test_training as t
from pathlib import Path
from skyneedle.core.batches import Examples

data = t.examples(30)
calls = []
def read(rows, epoch):
    calls.append(epoch)
    if len(calls) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return data.read(rows, epoch)
t.fit({"name": "own", "source": sys.argv[1] + ":Own", "options": {"width": 5}}, Path(sys.argv[2]),
      train=Examples(30, read), checkpoint_minutes=0.0)
"""


@pytest.mark.slow
def test_killed_process_leaves_a_state_that_goes_on(own, tmp_path):
    fit(own, tmp_path / "whole", checkpoint_minutes=0.0)
    command = [sys.executable, "-c", KILLED, own["source"].removesuffix(":Own"), str(tmp_path / "cut")]
    path = os.pathsep.join(item for item in sys.path if item)
    run = subprocess.run(
        [*command, str(Path(__file__).parent)], env=os.environ | {"PYTHONPATH": path}, timeout=60
    )
    assert run.returncode == -signal.SIGKILL
    (tmp_path / "cut" / "state" / ".state.pt.1.partial").write_bytes(b"half a state")
    fit(own, tmp_path / "cut", checkpoint_minutes=0.0)
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")
    assert not list(tmp_path.rglob("*.partial"))


def test_finished_training_is_not_repeated(own, tmp_path):
    fit(own, tmp_path)
    before = contents(tmp_path)
    for name in OUTPUTS:
        (tmp_path / name).unlink()
    fit(own, tmp_path, train=stopping(examples(30), (0, 0)))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("change", [{"fingerprint": "new code"}, {"learning_rate": 0.01}, {"seed": 2}])
def test_state_of_other_code_or_settings_is_discarded(own, tmp_path, capsys, change):
    fit(own, tmp_path / "cut", epochs=1)
    fit(own, tmp_path / "cut", epochs=1, **change)
    assert "belongs to other code, data or settings; training starts anew" in capsys.readouterr().err
    fit(own, tmp_path / "fresh", epochs=1, **change)
    assert contents(tmp_path / "cut") == contents(tmp_path / "fresh")


def test_unreadable_state_is_discarded(own, tmp_path, capsys):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.pt").write_bytes(b"no state")
    fit(own, tmp_path, epochs=1)
    assert "cannot be read" in capsys.readouterr().err


def test_second_process_is_refused(own, tmp_path):
    with exclusive(tmp_path / "state" / "lock"), pytest.raises(FolderBusy):
        fit(own, tmp_path)
    fit(own, tmp_path, epochs=1)


def opposite(n: int) -> Examples:
    """Targets against those of the training set: what is learned makes the validation loss rise."""
    x, target = toy(n, seed=9)
    return Examples.of(TensorDataset(x, 1 - target))


def test_early_stopping_and_best_against_last(own, tmp_path):
    card = fit(own, tmp_path, validation=opposite(13), epochs=20, early_stopping=4)
    losses = pd.read_csv(tmp_path / "history.csv").query("split == 'validation'").loss.to_numpy()
    assert card["best_epoch"] == int(np.argmin(losses)) + 1
    assert card["epochs_trained"] == card["best_epoch"] + 4 == len(losses)
    assert (card["best_loss"], card["last_loss"]) == pytest.approx((losses.min(), losses[-1]))
    x, target = toy(13, seed=9)
    for stem, epoch in (("seed0", card["best_epoch"]), ("seed0.last", len(losses))):
        with torch.no_grad():
            loss = nn.functional.binary_cross_entropy_with_logits(
                inference.load(tmp_path / stem)[0](x), 1 - target
            )
        assert loss.item() == pytest.approx(losses[epoch - 1], rel=1e-5)


def test_learning_rate_halves_on_a_plateau_down_to_its_floor(own, tmp_path):
    options = {"plateau_patience": 0, "min_learning_rate": 0.004}
    fit(own, tmp_path, validation=opposite(13), epochs=8, **options)
    rates = pd.read_csv(tmp_path / "history.csv").query("split == 'train'").learning_rate.to_numpy()
    assert rates[0] == 0.02
    assert rates[-1] == 0.004
    assert set(rates) <= {0.02, 0.01, 0.005, 0.004}


def test_cosine_rises_and_falls_within_the_training(own, tmp_path):
    options = {"schedule": "cosine", "min_learning_rate": 0.0001, "learning_rate": 0.02}
    settings = training.Settings(**options)
    by_hand = {0.0: 0.0001, 0.05: 0.009938, 0.5: 0.01, 0.75: 0.0029289, 1: 0.0001}
    assert [settings.cosine_rate(done) for done in by_hand] == pytest.approx(list(by_hand.values()), rel=1e-4)
    fit(own, tmp_path, epochs=10, **options)
    rates = pd.read_csv(tmp_path / "history.csv").query("split == 'train'").learning_rate.to_numpy()
    assert (np.diff(rates)[1:] < 0).all()
    assert rates[-1] < 0.002
    with pytest.raises(BadSetting, match="schedule is 'linear', expected one of plateau, cosine, step"):
        fit(own, tmp_path / "b", schedule="linear")


def test_steps_halve_the_learning_rate_after_every_so_many_epochs(own, tmp_path):
    options = {"schedule": "step", "step_epochs": 2, "min_learning_rate": 0.004}
    fit(own, tmp_path, epochs=7, **options)
    rates = pd.read_csv(tmp_path / "history.csv").query("split == 'train'").learning_rate.tolist()
    assert rates == [0.02, 0.02, 0.01, 0.01, 0.005, 0.005, 0.004]


def test_whoever_is_told_of_an_epoch_can_end_the_training_and_let_it_go_on(own, tmp_path):
    fit(own, tmp_path / "whole", epochs=4)
    told = []

    def listen(row):
        told.append((row["epoch"], row["split"], row["loss"]))
        if len(told) == 2:
            raise Stop

    with pytest.raises(Stop):
        fit(own, tmp_path / "cut", epochs=4, after_epoch=listen)
    assert not (tmp_path / "cut" / "seed0.json").exists()
    fit(own, tmp_path / "cut", epochs=4, after_epoch=listen)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    losses = pd.read_csv(tmp_path / "whole" / "history.csv").query("split == 'validation'").loss
    assert [loss for _, _, loss in told] == pytest.approx(losses.tolist())
    assert [row[:2] for row in told] == [(k, "validation") for k in (1, 2, 3, 4)]


def test_curriculum_trains_on_the_rows_of_its_epoch(own, tmp_path):
    data, seen = examples(30), {0: [], 1: [], 2: []}

    def read(rows, epoch):
        seen[epoch].extend(rows.tolist())
        return data.read(rows, epoch)

    train = Examples(30, read, subset=lambda epoch: np.arange(10 * (epoch + 1)))
    fit(own, tmp_path, train=train)
    assert [sorted(rows) for rows in seen.values()] == [list(range(10)), list(range(20)), list(range(30))]
    assert seen[2] != sorted(seen[2])
    with pytest.raises(BadSetting, match="no training example for epoch 1"):
        fit(
            own,
            tmp_path / "b",
            train=Examples(30, data.read, subset=lambda epoch: np.arange(3 * (1 - epoch))),
        )


def test_order_depends_on_seed_and_epoch_alone():
    data = examples(50)
    first = epoch_rows(data, seed=3, epoch=4)
    assert sorted(first) == list(range(50))
    np.testing.assert_array_equal(first, epoch_rows(data, seed=3, epoch=4))
    assert (first != epoch_rows(data, seed=3, epoch=5)).any()
    assert (first != epoch_rows(data, seed=4, epoch=4)).any()


@pytest.mark.parametrize(("n", "size", "world"), [(30, 4, 2), (33, 4, 2), (7, 2, 3), (5, 8, 1), (9, 4, 2)])
def test_shared_batches_have_the_mean_of_the_common_batch(n, size, world):
    values = np.random.default_rng(0).normal(size=n)
    shares = [share_rows(np.arange(n), size, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1  # every process takes part in every step
    for step, start in enumerate(range(0, n, size * world)):
        parts = [values[share[step][0]].mean() * share[step][1] for share in shares]
        assert np.mean(parts) == pytest.approx(values[start : start + size * world].mean())


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_with_the_doubled_batch(tmp_path):
    network = {"name": "fcn", "source": "fcn", "options": {"channels": 4, "n_blocks": 2}}
    network["registry"] = "skyneedle.strain.networks"
    x, target = toy(27)
    train = Examples.of(TensorDataset(x, target[:, 3:]))
    for devices, batch_size in ((1, 8), (2, 4)):
        folder = tmp_path / str(devices)
        fit(network, folder, train=train, validation=train, devices=devices, batch_size=batch_size)
    one, two = (load_file(tmp_path / str(devices) / "seed0.last.safetensors") for devices in (1, 2))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-5)
    histories = [pd.read_csv(tmp_path / str(devices) / "history.csv") for devices in (1, 2)]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=1e-5)


def test_data_for_several_processes_must_be_picklable(own, tmp_path):
    with pytest.raises(BadSetting, match="picklable"):
        fit(own, tmp_path, train=Examples(30, lambda rows, epoch: toy(len(rows))), devices=2)


def test_half_precision_learns_too(own, tmp_path):
    fit(own, tmp_path, epochs=10, precision="bf16-mixed")
    losses = pd.read_csv(tmp_path / "history.csv").query("split == 'validation'").loss.to_numpy()
    assert losses[-1] < 0.6 * losses[0]
    assert {weight.dtype for weight in load_file(tmp_path / "seed0.safetensors").values()} == {torch.float32}


def test_images_in_channels_last_layout(tmp_path):
    # A bias before batch normalisation has no gradient but rounding errors, which Adam makes steps of.
    (tmp_path / "image.py").write_text(
        "from torch import nn\n\ndef made():\n    return nn.Sequential("
        "nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), "
        "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1), nn.Flatten(0))\n"
    )
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32))
    data = Examples.of(TensorDataset(x, (x.mean((1, 2, 3)) > 0).float()))
    network = {"name": "image", "source": f"{tmp_path / 'image.py'}:made"}
    losses = []
    for channels_last in (False, True):
        folder = tmp_path / str(channels_last)
        card = fit(network, folder, train=data, validation=data, channels_last=channels_last)
        losses.append(card["best_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_last_batch_of_one_example(own, tmp_path):
    fit(own, tmp_path, train=examples(9), validation=examples(9), batch_size=8, epochs=1)


def test_classes_by_another_loss(tmp_path):
    (tmp_path / "many.py").write_text("from torch import nn\n\ndef made():\n    return nn.Linear(2, 3)\n")
    x = torch.randn(40, 2)
    data = Examples.of(TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()))
    network = {"name": "many", "source": f"{tmp_path / 'many.py'}:made"}
    loss = partial(nn.functional.cross_entropy, label_smoothing=0.0)
    fit(network, tmp_path, train=data, validation=data, loss=loss, epochs=10)
    losses = pd.read_csv(tmp_path / "history.csv").query("split == 'validation'").loss
    assert losses.iloc[-1] < losses.iloc[0]


def test_no_banners_and_no_warnings(own, tmp_path, capsys, recwarn):
    fit(own, tmp_path, epochs=2)
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert not recwarn.list
    assert not (Path.cwd() / "lightning_logs").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "half"}, "expected one of 32-true"),
        ({"precision": "16-mixed"}, "needs CUDA"),
        ({"batch_size": 0}, "above 0"),
        ({"device": "gpu"}, "expected cpu or cuda:0"),
        ({"train": Examples(0, lambda rows, epoch: None)}, "at least one of each"),
    ],
)
def test_settings_that_cannot_work(own, tmp_path, options, sentence):
    with pytest.raises(BadSetting, match=sentence):
        fit(own, tmp_path, **options)
    assert not (tmp_path / "seed0.json").exists()


def test_targets_of_another_shape_are_named(own, tmp_path):
    x, target = toy(30)
    data = Examples.of(TensorDataset(x, target[:, :7]))
    with pytest.raises(BadSetting, match=r"'own' gives logits of shape \(8, 20\), .* shape \(8, 7\)"):
        fit(own, tmp_path, train=data, validation=data)


def test_loss_that_is_not_finite_ends_training(own, tmp_path):
    x, target = toy(30)
    x[4, 0, 2] = torch.nan
    data = Examples.of(TensorDataset(x, target))
    with pytest.raises(BadSetting, match="not finite; look for NaN"):
        fit(own, tmp_path, train=data, validation=data)


def test_own_network_that_cannot_be_built(own, tmp_path):
    with pytest.raises(UnknownNetwork):
        fit(own | {"source": "nothing.py:Own"}, tmp_path)
