"""Train any network on any examples; go on after any interruption; keep the best weights.

All of a training's state stands in one file that is replaced atomically, and whatever is random depends on
seed, epoch and batch alone; so a training that was killed ends with the same bytes as one that was not.
"""

import contextlib
import hashlib
import json
import logging
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from skyneedle.core import normalise
from skyneedle.core.batches import Examples
from skyneedle.core.errors import BadSetting
from skyneedle.core.files import appearing
from skyneedle.core.inference import weights_digest
from skyneedle.core.runtime import die_with_workflow, exclusive
from skyneedle.core.task import Plan, Settings, Task, built, weights_of
from skyneedle.core.workers import main_hidden

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
SCHEDULES = ("plateau", "cosine", "step")


def fit(
    network: Mapping[str, Any],
    train: Examples,
    validation: Examples,
    settings: Settings,
    *,
    out: str | Path,
    state_dir: str | Path,
    seed: int,
    device: str = "cpu",
    normalisation: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    fingerprint: str = "",
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = functional.binary_cross_entropy_with_logits,
    metrics: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] | None = None,
    threads: int | None = None,
    history: str | Path | None = None,
    after_epoch: Callable[[Mapping[str, Any]], None] | None = None,
    start: nn.Module | None = None,
) -> dict[str, Any]:
    """Train a network, or go on where a killed training of the same settings stopped.

    Args:
        network: ``name``, ``source``, ``options`` and ``registry``, see ``inference.build``.
        train: examples to learn from.
        validation: examples that choose the best epoch.
        settings: how.
        out: stem of the files written: ``<out>.safetensors`` (best weights), ``<out>.last.safetensors``,
            ``<out>.json`` (card).
        state_dir: folder of the resume state, of this training alone; it may be deleted afterwards.
        seed: root of all that is random.
        device: ``cpu`` or ``cuda:0``.
        normalisation: of the inputs; goes into the card.
        provenance: goes into the card.
        fingerprint: of code and data; a state with another one is discarded.
        loss: mean loss from logits (float32) and targets.
        metrics: name to mean over a batch, from logits and targets, for the history: on the validation set,
            and on training examples as they were seen, before the step and with dropout.
        threads: CPU threads of each process; None leaves them.
        history: table of losses to write, ``history.csv`` beside the weights if not given; wall times go into
            ``history.timing.csv`` next to it.
        after_epoch: is told the history's row of the validation set, when the state of the epoch is saved;
            what it raises ends the training, which goes on from there when asked for again.
        start: a trained network of the same kind, whose weights this one begins with; its averages of batch
            normalisation stay, since those of few new examples would undo what it learned. None draws
            weights.

    Returns:
        The card.

    Raises:
        FolderBusy: if another live process trains into the same state folder.
        BadSetting: if settings, network and data do not fit, or the loss is not finite.
    """
    _check(train, validation, settings, device)
    out, state_dir = Path(out), Path(state_dir)
    key = {
        "given": fingerprint,
        "network": dict(network),
        "settings": asdict(settings),
        "seed": seed,
        "examples": [train.n, validation.n],
    }
    if start is not None:
        key["start"] = weights_digest(start)
    plan = Plan(
        network=dict(network),
        train=train,
        validation=validation,
        settings=settings,
        seed=seed,
        device=device,
        state_file=state_dir / "state.pt",
        fingerprint=hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest(),
        loss=loss,
        metrics=metrics or {},
        threads=threads,
        after_epoch=after_epoch,
        start=None if start is None else weights_of(start),
    )
    with exclusive(state_dir / "lock"):
        for leftover in state_dir.glob("*.partial"):
            leftover.unlink()
        if settings.devices == 1:
            _train(plan)
        else:
            _train_in_processes(plan)
        card = {"normalisation": normalisation, "provenance": dict(provenance or {})}
        return _write_outputs(plan, card, out, Path(history or out.parent / "history.csv"))


def _check(train: Examples, validation: Examples, settings: Settings, device: str) -> None:
    positive = (
        settings.epochs,
        settings.batch_size,
        settings.devices,
        settings.learning_rate,
        settings.step_epochs,
    )
    problems = {
        f"the precision is '{settings.precision}', expected one of {', '.join(PRECISIONS)}": (
            settings.precision not in PRECISIONS
        ),
        f"the schedule is '{settings.schedule}', expected one of {', '.join(SCHEDULES)}": (
            settings.schedule not in SCHEDULES
        ),
        "16-mixed needs CUDA, choose bf16-mixed or 32-true": (
            settings.precision == "16-mixed" and device == "cpu"
        ),
        f"the device is '{device}', expected cpu or cuda:0": device.split(":")[0] not in ("cpu", "cuda"),
        f"{train.n} training and {validation.n} validation examples; at least one of each is needed": (
            min(train.n, validation.n) < 1
        ),
        "epochs, batch_size, devices, learning_rate and step_epochs must be above 0": min(positive) <= 0,
        f"dropout_from_epoch is {settings.dropout_from_epoch}, expected 0 or more": (
            settings.dropout_from_epoch < 0
        ),
    }
    for problem, is_there in problems.items():
        if is_there:
            raise BadSetting(f"Training cannot start: {problem}.")


def _train(plan: Plan, rank: int = 0) -> None:
    """Train to the end in this process, one of ``devices``."""
    settings, is_cpu = plan.settings, plan.device == "cpu"
    if plan.threads:
        torch.set_num_threads(plan.threads)
    with _quiet(), _reproducible(is_cpu):
        state = _load_state(plan, tell=rank == 0)
        if state and state["finished"]:
            return
        task = Task(plan, state, rank)
        first = [int(plan.device.partition(":")[2] or 0)]
        trainer = lightning.Trainer(
            accelerator="cpu" if is_cpu else "gpu",
            devices=settings.devices if is_cpu or settings.devices > 1 else first,
            strategy="ddp" if settings.devices > 1 else "auto",
            plugins=[LightningEnvironment()],
            precision=settings.precision,  # type: ignore[arg-type]
            max_epochs=settings.epochs - task.epoch,
            reload_dataloaders_every_n_epochs=1,  # the order of the rows is another one in each epoch
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=plan.state_file.parent,
        )
        if trainer.world_size != settings.devices:
            raise BadSetting(
                f"{settings.devices} devices were asked for, {trainer.world_size} take part; ask for fewer."
            )
        trainer.fit(task)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the banners of Lightning and its advice about loggers and workers."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        warnings.filterwarnings("ignore", message=".*(does not have many workers|LeafSpec|srun).*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def _reproducible(is_cpu: bool) -> Iterator[None]:
    """The same bytes each time: CUDA chooses among algorithms that may differ, unless told not to."""
    if is_cpu:
        with torch.random.fork_rng(devices=[]):
            yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    fills: Any = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), fills.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    fills.fill_uninitialized_memory = False  # would cost a pass over every activation
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        fills.fill_uninitialized_memory = before[1]


def _train_in_processes(plan: Plan) -> None:
    """One process a device; a fresh interpreter each, since CUDA does not survive a fork."""
    try:
        pickle.dumps(plan)
    except Exception as error:
        raise BadSetting(
            f"Training on {plan.settings.devices} devices needs picklable data ({error})."
        ) from error
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        with main_hidden():
            torch.multiprocessing.spawn(_train_as_rank, (plan, port), nprocs=plan.settings.devices)
    except torch.multiprocessing.ProcessRaisedException as error:
        raise BadSetting(f"One of {plan.settings.devices} training processes failed: {error}") from error


def _train_as_rank(rank: int, plan: Plan, port: int) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(plan.settings.devices),
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }
    die_with_workflow()
    _train(plan, rank)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


# --- files


def _load_state(plan: Plan, tell: bool = True) -> dict[str, Any] | None:
    """The state to go on from, or None; one of other code, data or settings is discarded."""
    if not plan.state_file.is_file():
        return None
    try:
        state = torch.load(plan.state_file, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = f"cannot be read ({error})"
    else:
        if state["fingerprint"] == plan.fingerprint:
            return state
        reason = "belongs to other code, data or settings"
    if tell:
        print(f"{plan.state_file}: {reason}; training starts anew.", file=sys.stderr, flush=True)
    return None


def _write_outputs(plan: Plan, card: dict[str, Any], out: Path, history: Path) -> dict[str, Any]:
    """Write weights, card and history from the state of the finished training."""
    state = torch.load(plan.state_file, map_location="cpu", weights_only=True)
    best, spec = state["best"], plan.network
    networks = {"": _as_defined(plan, best["weights"]), ".last": _as_defined(plan, state["network"])}
    card = {
        "name": spec.get("name", spec["source"]),
        "source": spec["source"],
        "options": dict(spec.get("options") or {}),
        "registry": spec.get("registry"),
        "n_parameters": sum(parameter.numel() for parameter in networks[""].parameters()),
        "training": asdict(plan.settings) | {"seed": plan.seed, "n_examples": plan.train.n},
        "epochs_trained": state["epoch"],
        "best_epoch": best["epoch"],
        "best_loss": best["loss"],
        "last_loss": state["history"][-1]["loss"],  # of the validation set too
    } | card
    frame = pd.DataFrame(state["history"])
    first = ["epoch", "split", "loss"]
    frame = frame[[*first, *sorted(set(frame.columns) - {*first, "learning_rate"}), "learning_rate"]]
    with appearing(history) as partial:
        frame.to_csv(partial, index=False)
    with appearing(history.with_suffix(".timing.csv")) as partial:
        pd.DataFrame(state["timing"]).to_csv(partial, index=False)
    for ending, network in networks.items():
        with appearing(out.with_name(f"{out.name}{ending}.safetensors")) as partial:
            partial.write_bytes(save(weights_of(network)))
    with appearing(out.with_name(f"{out.name}.json")) as partial:
        partial.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return card


def _as_defined(plan: Plan, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """A trained network without what its training added to it."""
    with torch.random.fork_rng(devices=[]):
        network = built(plan)
    network.load_state_dict(weights)
    normalise.fold(network)
    return network
