"""The Lightning task that trains every network, its settings and its state."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from tqdm import tqdm

from skyneedle.core import inference, normalise
from skyneedle.core.batches import Batches, Examples, epoch_rows, share_rows
from skyneedle.core.errors import BadSetting
from skyneedle.core.files import appearing
from skyneedle.core.seeds import generator

BATCHES_BETWEEN_QUESTIONS = 25
WARM_UP = 0.1  # of a training with the cosine schedule
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
SECONDS_BETWEEN_LINES = 30.0  # of progress within an epoch, where there is no terminal


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples at once, in each process.
        learning_rate: of Adam, at the start.
        amsgrad: use the AMSGrad variant of Adam.
        schedule: of the learning rate: "plateau" lowers it whenever the validation loss stops falling,
            "cosine" lets it rise over the first tenth of the training and fall to its minimum at the end,
            "step" lowers it after every so many epochs.
        plateau_factor: what the learning rate is multiplied by when the validation loss stops falling, or at
            a step.
        plateau_patience: epochs without improvement before that.
        step_epochs: epochs between two steps.
        min_learning_rate: where that ends.
        dropout_from_epoch: epochs at the start without dropout, which can keep a network at the constant
            answer.
        batch_norm: normalise after each convolution in training; what is saved has it folded in.
        early_stopping: epochs without improvement after which training ends; None trains all epochs.
        precision: 32-true, bf16-mixed or 16-mixed.
        channels_last: memory layout of images.
        devices: processes, each with its own device.
        num_workers: processes that load data, for each process that trains; 0 loads in the same one.
        checkpoint_minutes: longest time between two saved states within an epoch.
    """

    epochs: int = 64
    batch_size: int = 64
    learning_rate: float = 3e-4
    amsgrad: bool = True
    schedule: str = "plateau"
    plateau_factor: float = 0.5
    plateau_patience: int = 8
    step_epochs: int = 10
    min_learning_rate: float = 1e-6
    dropout_from_epoch: int = 0
    batch_norm: bool = False
    early_stopping: int | None = None
    precision: str = "32-true"
    channels_last: bool = False
    devices: int = 1
    num_workers: int = 0
    checkpoint_minutes: float = 10.0

    def cosine_rate(self, share_done: float) -> float:
        """Learning rate of the schedule "cosine" when a share of the training, from 0 to 1, is done."""
        rise = min(share_done / WARM_UP, 1.0)
        fall = (1 + math.cos(math.pi * share_done)) / 2
        return max(self.learning_rate * rise * fall, self.min_learning_rate)

    def step_rate(self, epoch: int) -> float:
        """Learning rate of the schedule "step" in an epoch, counted from 0."""
        lowered = self.learning_rate * self.plateau_factor ** (epoch // self.step_epochs)
        return max(lowered, self.min_learning_rate)


@dataclass(frozen=True)
class Plan:
    """Everything that a training process needs; goes to each of them."""

    network: Mapping[str, Any]
    train: Examples
    validation: Examples
    settings: Settings
    seed: int
    device: str
    state_file: Path
    fingerprint: str
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    metrics: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = field(default_factory=dict)
    threads: int | None = None
    after_epoch: Callable[[Mapping[str, Any]], None] | None = None
    start: Mapping[str, torch.Tensor] | None = None


class Task(lightning.LightningModule):
    """Any network, any loss; see ``fit``. Holds epoch, batch, history and best weights itself.

    Lightning runs steps, devices and precision. Its own resume is not used: it cannot go on within an epoch.
    """

    def __init__(self, plan: Plan, state: dict[str, Any] | None, rank: int = 0):
        super().__init__()
        self.plan, self.settings = plan, plan.settings
        torch.manual_seed(int(generator(plan.seed, "weights").integers(2**62)))
        self.network = built(plan)
        prepare = getattr(self.network, "for_training", None)
        if callable(prepare):
            prepare()
        if plan.start is not None:
            normalise.hold(self.network)
        if self.settings.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.epoch, self.batch = 0, 0  # both are the next to be done
        self.best: dict[str, Any] = {"epoch": -1, "loss": math.inf, "weights": {}}
        self.history: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        # Of training losses, of examples, and of the metrics on training examples as they were seen.
        self.sums = torch.zeros(2 + len(plan.metrics), dtype=torch.float64)
        self.seconds, self.finished = 0.0, False
        self._restored = state
        if state:
            self.network.load_state_dict(state["network"])
            for name in ("epoch", "batch", "best", "history", "timing", "sums", "seconds"):
                setattr(self, name, state[name])
            if rank:
                self.sums = torch.zeros_like(self.sums)  # the first process holds those of all

    # data

    def train_dataloader(self) -> DataLoader:
        rows = epoch_rows(self.plan.train, self.plan.seed, self.epoch)
        batches = share_rows(rows, self.settings.batch_size, self.global_rank, self.trainer.world_size)
        self.n_batches = len(batches)
        return self._loader(Batches(self.plan.train, batches[self.batch :], self.epoch))

    def val_dataloader(self) -> DataLoader:
        mine = np.arange(self.plan.validation.n)[self.global_rank :: self.trainer.world_size]
        size = self.settings.batch_size
        batches = [(mine[start : start + size], 1.0) for start in range(0, len(mine), size)]
        return self._loader(Batches(self.plan.validation, batches, 0))

    def _loader(self, batches: Batches) -> DataLoader:
        workers, on_gpu = self.settings.num_workers, self.plan.device != "cpu"
        return DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=on_gpu)

    # steps

    def configure_optimizers(self) -> torch.optim.Optimizer:
        settings = self.settings
        optimizer = torch.optim.Adam(self.parameters(), lr=settings.learning_rate, amsgrad=settings.amsgrad)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            min_lr=settings.min_learning_rate,
        )
        if self._restored:
            optimizer.load_state_dict(self._restored["optimizer"])
            self.plateau.load_state_dict(self._restored["plateau"])
        return optimizer

    def on_train_start(self) -> None:
        if self._restored:
            self.trainer.precision_plugin.load_state_dict(self._restored["precision"])
            self._restored = None
        self.saved_at = time.monotonic()

    def on_train_epoch_start(self) -> None:
        for module in self.network.modules():
            if isinstance(module, DROPOUT):
                # A function of the epoch alone, so an interrupted training needs to remember nothing.
                module.train(self.epoch >= self.settings.dropout_from_epoch)
        if self.settings.schedule == "step":
            self._set_rate(self.settings.step_rate(self.epoch))
        self.started = time.monotonic()
        total = self.settings.epochs
        self.progress = _Progress(
            f"epoch {self.epoch + 1}/{total}", self.n_batches, self.batch, self.global_rank
        )

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout must not depend on where a training was interrupted.
        keys = ("step", self.epoch, self.batch, self.global_rank)
        torch.manual_seed(int(generator(self.plan.seed, *keys).integers(2**62)))
        if self.settings.schedule == "cosine":
            # A function of epoch and batch alone, so an interrupted training needs to remember nothing.
            done = (self.epoch + self.batch / self.n_batches) / self.settings.epochs
            self._set_rate(self.settings.cosine_rate(done))

    def _set_rate(self, rate: float) -> None:
        for group in self.plateau.optimizer.param_groups:
            group["lr"] = rate

    def _logits(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if self.settings.channels_last and x.ndim == 4:
            x = x.to(memory_format=torch.channels_last)
        logits = self.network(x).float()
        if self.plan.loss is functional.binary_cross_entropy_with_logits and logits.shape != target.shape:
            raise BadSetting(
                f"Network '{self.plan.network.get('name')}' gives logits of shape {tuple(logits.shape)}, its "
                f"targets have shape {tuple(target.shape)}; both must be the same."
            )
        return logits

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor, float], batch_idx: int) -> torch.Tensor:
        x, target, weight = batch
        logits = self._logits(x, target)
        loss = self.plan.loss(logits, target)
        n = len(x) if weight else 0
        with torch.no_grad():
            means = [float(f(logits, target)) for f in self.plan.metrics.values()]
        row = [float(loss.detach()), 1.0, *means]
        self.sums += torch.tensor(row, dtype=torch.float64) * n
        return loss * weight

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batch += 1
        self.progress.update(float(self.sums[0] / self.sums[1].clamp(min=1)))
        if self.batch < self.n_batches and self._is_save_due():
            self._save_state()

    def _is_save_due(self) -> bool:
        due = time.monotonic() - self.saved_at > 60 * self.settings.checkpoint_minutes
        if self.trainer.world_size == 1:
            return due
        # Clocks differ: the first process decides for all, now and then, since asking costs a round trip.
        return self.batch % BATCHES_BETWEEN_QUESTIONS == 0 and bool(self.trainer.strategy.broadcast(due))

    def on_validation_epoch_start(self) -> None:
        self.validation_sums = torch.zeros(2 + len(self.plan.metrics), dtype=torch.float64)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor, float], batch_idx: int) -> None:
        x, target, _ = batch
        logits = self._logits(x, target)
        means = [self.plan.loss(logits, target), *(f(logits, target) for f in self.plan.metrics.values())]
        row = [1.0, *(float(mean) for mean in means)]
        self.validation_sums += torch.tensor(row, dtype=torch.float64) * len(x)

    def on_train_epoch_end(self) -> None:
        train_loss, n_seen, *train_metrics = self._total(self.sums).tolist()
        train_loss /= n_seen
        n, loss, *metrics = self._total(self.validation_sums).tolist()
        loss /= n
        if not (math.isfinite(train_loss) and math.isfinite(loss)):
            raise BadSetting(
                f"Training loss {train_loss}, validation loss {loss} in epoch {self.epoch + 1}: not finite; "
                "look for NaN in the data or lower the learning rate."
            )
        rate = self.plateau.optimizer.param_groups[0]["lr"]
        row = {"epoch": self.epoch + 1, "learning_rate": rate}
        for split, mean, sums, count in (
            ("train", train_loss, train_metrics, n_seen),
            ("validation", loss, metrics, n),
        ):
            values = {name: value / count for name, value in zip(self.plan.metrics, sums, strict=True)}
            self.history.append(row | {"split": split, "loss": mean} | values)
        if loss < self.best["loss"]:
            self.best = {"epoch": self.epoch + 1, "loss": loss, "weights": weights_of(self.network)}
        if self.settings.schedule == "plateau":
            self.plateau.step(loss)
        self.seconds += time.monotonic() - self.started
        speed = n_seen / max(self.seconds, 1e-9)
        self.timing.append({"epoch": self.epoch + 1, "seconds": self.seconds, "examples_per_second": speed})
        self.progress.close(train_loss, loss, rate)
        self.epoch, self.batch, self.seconds = self.epoch + 1, 0, 0.0
        self.sums = torch.zeros_like(self.sums)
        patience = self.settings.early_stopping
        if patience is not None and self.epoch - self.best["epoch"] >= patience:
            self.trainer.should_stop = True
        self.finished = self.trainer.should_stop or self.epoch == self.settings.epochs
        self._save_state()
        if self.plan.after_epoch is not None and self.global_rank == 0:
            self.plan.after_epoch(self.history[-1])  # of the validation set

    def _total(self, sums: torch.Tensor) -> torch.Tensor:
        """Sum over processes; single precision, where a device has no other, would lose examples."""
        if self.trainer.world_size == 1:
            return sums
        total = sums.to(self.device, copy=True)
        torch.distributed.all_reduce(total)
        return total.cpu()

    def _save_state(self) -> None:
        sums = self._total(self.sums)
        seconds = self.seconds + (time.monotonic() - self.started if self.batch else 0.0)
        state = {
            "fingerprint": self.plan.fingerprint,
            "network": weights_of(self.network),
            "optimizer": self.plateau.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "precision": self.trainer.precision_plugin.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "best": self.best,
            "history": self.history,
            "timing": self.timing,
            "sums": sums,
            "seconds": seconds,
            "finished": self.finished,
        }
        self.saved_at = time.monotonic()
        if self.global_rank == 0:
            with appearing(self.plan.state_file) as partial:
                torch.save(state, partial)


def built(plan: Plan) -> nn.Module:
    """The network of a plan as it is trained."""
    spec = plan.network
    network = inference.build(spec["source"], spec.get("options"), spec.get("registry"))
    if plan.start:
        network.load_state_dict(plan.start)
    if plan.settings.batch_norm:
        normalise.attach(network)
    return network


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().clone().contiguous() for key, value in network.state_dict().items()}


class _Progress:
    """A bar on a terminal; in a log one line an epoch, and one now and then within long epochs."""

    def __init__(self, label: str, n_batches: int, done: int, rank: int):
        self.label, self.n_batches, self.done, self.is_silent = label, n_batches, done, rank > 0
        self.told_at = time.monotonic()
        self.bar = None
        if not self.is_silent and sys.stderr.isatty():
            self.bar = tqdm(total=n_batches, initial=done, desc=label, leave=False, unit="batch")

    def update(self, loss: float) -> None:
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self.bar.update()
        elif time.monotonic() - self.told_at > SECONDS_BETWEEN_LINES:
            self.told_at = time.monotonic()
            self._tell(f"{self.label}: batch {self.done}/{self.n_batches}, loss {loss:.4f}")

    def close(self, train_loss: float, validation_loss: float, learning_rate: float) -> None:
        if self.bar is not None:
            self.bar.close()
        losses = f"loss {train_loss:.5f}, validation {validation_loss:.5f}"
        self._tell(f"{self.label}: {losses}, learning rate {learning_rate:.2g}")

    def _tell(self, line: str) -> None:
        if not self.is_silent:
            print(line, file=sys.stderr, flush=True)
