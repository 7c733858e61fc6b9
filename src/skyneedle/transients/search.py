"""Search for an architecture over the ranges that the paper names, instead of about 100 models by hand.

Source: Ayyar et al. 2022, Sec. 4.1: kernels 2 to 8, widths 10 to 400, places and shares of dropout, pooling
or stride, learning rates.
"""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from skyneedle.core import metrics, tables
from skyneedle.core.errors import BadSetting, UnknownNetwork
from skyneedle.core.runtime import Job, exclusive
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transients import networks, samples, training
from skyneedle.transients.networks import Block
from skyneedle.transients.samples import Sample

KERNELS, WIDTHS = (2, 8), (10, 400)
BLOCKS, CONVOLUTIONS, REDUCTIONS = (2, 4), (1, 2), (2, 3)
INNER_DROPOUT, DROPOUT, STEP = (0.0, 0.3), (0.0, 0.5), 0.1
SKIPPED = "skipped"  # attribute of a trial that was too large to be trained
N_SKIPPED = 50  # for each trial of the budget; a cap that leaves nothing must not run for ever
COLUMNS = ("trial", "network", "state", "n_parameters", "multiply_adds", "epochs", "loss", "auc")


@dataclass(frozen=True)
class Search:
    """How much is searched.

    Attributes:
        n_trials: networks that are trained, the published ones among them.
        max_multiply_adds: of one stamp; larger networks are skipped and counted, not trained.
        published: names of published networks that are trained first as reference, whatever their size.
        learning_rate_min, learning_rate_max: range of the learning rate; the published networks take the one
            of ``training``.
        warm_up_trials: trials before the first is pruned.
        warm_up_epochs: epochs of a trial before it may be pruned.
        channels: of all networks.
        momentum: of batch normalisation of all networks, see ``networks.published``.
        max_validation: examples of the validation split that choose, drawn by id alone; None takes all.
        training: ``core.task.Settings`` and ``max_examples``, as of a network of the configuration.
    """

    n_trials: int
    max_multiply_adds: float
    training: Mapping[str, Any]
    published: Sequence[str] = networks.NAMES
    learning_rate_min: float = 2e-5
    learning_rate_max: float = 1e-3
    warm_up_trials: int = 5
    warm_up_epochs: int = 1
    channels: Sequence[str] = networks.CHANNELS
    momentum: float = networks.MOMENTUM
    max_validation: int | None = None

    def __post_init__(self) -> None:
        unknown = set(self.published) - set(networks.NAMES)
        if unknown:
            raise UnknownNetwork(f"Published networks are {', '.join(networks.NAMES)}, not {unknown}.")
        if self.n_trials < max(1, len(self.published)) or self.max_multiply_adds <= 0:
            raise BadSetting(
                f"{self.n_trials} trials of at most {self.max_multiply_adds:g} multiply-adds: expected at "
                f"least as many trials as published networks ({len(self.published)}) and a cap above 0."
            )
        if not 0 < self.learning_rate_min < self.learning_rate_max:
            raise BadSetting(
                f"Learning rates from {self.learning_rate_min:g} to {self.learning_rate_max:g}: expected an "
                "ascending range above 0."
            )


def run(
    shards: Sequence[str | Path] | str | Path,
    split_file: str | Path,
    labels: str | Path | None = None,
    *,
    settings: Mapping[str, Any],
    recipe: str,
    scale: str,
    out: str | Path,
    best: str | Path,
    state_dir: str | Path,
    job: Job,
    training_split: str | Sequence[str] = "training",
    validation_split: str | Sequence[str] = "validation",
) -> pd.DataFrame:
    """Search for the architecture with the least validation loss; the same call goes on after a kill.

    Args:
        shards, split_file, labels, training_split, validation_split: as of ``training.train``; nothing else
            than the validation split chooses.
        settings: fields of ``Search``.
        recipe: of scaling and flips, see ``training.train``.
        scale: name of the scale, for the cards.
        out: CSV to write, one row a trial in order: ``trial``, ``network`` (name of a published one, else
            "searched"), ``state`` (complete, pruned, skipped), ``n_parameters``, ``multiply_adds``,
            ``epochs``, ``loss`` and ``auc`` on the validation split (of the best epoch; the auc empty unless
            complete), the varied quantities, and ``options`` of the network as JSON.
        best: JSON to write: ``network``, an entry of the configuration that ``training.train`` takes,
            ``trial``, ``loss``, ``auc``, ``n_trained``, ``n_pruned``, ``n_skipped`` and the settings.
        state_dir: folder of the storage and of the networks; it may be deleted afterwards.
        job: seed, device, threads and provenance.

    Returns:
        The table.

    Raises:
        BadSetting: if a setting is unknown or cannot work.
    """
    unknown = set(settings) - {one.name for one in fields(Search)}
    if unknown:
        raise BadSetting(f"Unknown settings of the search: {', '.join(sorted(unknown))}.")
    search, state_dir = Search(**settings), Path(state_dir)
    data = DataSet(shards)
    n_most = search.training.get("max_examples")
    learnt = samples.sample(data, split_file, training_split, labels, n_most)
    validation = samples.sample(data, split_file, validation_split, labels, search.max_validation)
    with exclusive(state_dir / "lock"):
        key = f"{training.fingerprint(learnt, validation, job)} {job.seed} {recipe} {asdict(search)}"
        study = _study(state_dir, key, search)
        task = _Task(search, learnt, validation, recipe, scale, state_dir, job)
        _finish(study, task)
    table = _table(study)
    tables.write_csv(table, out)
    tables.write_json(_best(study, search), best)
    return table


def trained_longer(best: str | Path, training: Mapping[str, Any]) -> dict[str, Any]:
    """The best network as an entry of the configuration, with the learning rate that it was found with.

    Args:
        best: JSON of ``run``.
        training: all other settings of its training.
    """
    entry = json.loads(Path(best).read_text())["network"]
    rate = entry["training"]["learning_rate"]
    return entry | {"training": dict(training) | {"learning_rate": rate}}


# --- what is searched


def suggest(trial: Trial, search: Search) -> tuple[dict[str, Any], float]:
    """Options of a "searched" network and its learning rate."""
    n_blocks = trial.suggest_int("blocks", *BLOCKS)
    n_convolutions = trial.suggest_int("convolutions", *CONVOLUTIONS)
    kernel = trial.suggest_int("kernel", *KERNELS)
    way = trial.suggest_categorical("reduction", ["pool", "stride"])
    factor = trial.suggest_int("factor", *REDUCTIONS)
    # How many blocks, from the first on, make their maps smaller; a fourth would leave a pixel or none.
    n_reductions = min(trial.suggest_int("reductions", 1, 3), n_blocks)
    inner = trial.suggest_float("inner_dropout", *INNER_DROPOUT, step=STEP)
    outer = trial.suggest_float("dropout", *DROPOUT, step=STEP)
    blocks = []
    for k in range(n_blocks):
        width = trial.suggest_int(f"width_{k + 1}", *WIDTHS, log=True)
        block = {"widths": [width] * n_convolutions, "kernel": kernel, "dropout": inner}
        blocks.append(block | ({way: factor} if k < n_reductions else {}))
    rate = trial.suggest_float("learning_rate", search.learning_rate_min, search.learning_rate_max, log=True)
    options = {"blocks": blocks, "channels": list(search.channels), "dropout": outer}
    return options | {"momentum": search.momentum}, rate


def published_as_trial(name: str, search: Search) -> dict[str, Any]:
    """The varied quantities with which ``suggest`` gives a published network."""
    blocks = networks.PUBLISHED[name]
    strided = any(block.stride > 1 for block in blocks)
    reductions = [block.stride if strided else block.pool for block in blocks]
    rate = search.training["learning_rate"]
    return {
        "blocks": len(blocks),
        "convolutions": len(blocks[0].widths),
        "kernel": blocks[0].kernel,
        "reduction": "stride" if strided else "pool",
        "factor": reductions[0],
        "reductions": sum(one > 1 for one in reductions),
        "inner_dropout": blocks[0].dropout,
        "dropout": 0.3,
        "learning_rate": min(max(rate, search.learning_rate_min), search.learning_rate_max),
    } | {f"width_{k + 1}": block.widths[0] for k, block in enumerate(blocks)}


# --- trials


@dataclass(frozen=True)
class _Task:
    search: Search
    learnt: Sample
    validation: Sample
    recipe: str
    scale: str
    folder: Path
    job: Job

    def run(self, trial: Trial) -> float:
        """Train the network of a trial, or go on with it; its least validation loss.

        Raises:
            TrialPruned: if it is too large, or worse than half of those before it.
        """
        options, rate = suggest(trial, self.search)
        blocks = [Block(**block) for block in options["blocks"]]
        cost = networks.multiply_adds(blocks, len(self.search.channels))
        trial.set_user_attr("options", options)
        trial.set_user_attr("multiply_adds", cost)
        with torch.device("meta"):  # without memory for weights that may be too many
            network = networks.build("searched", **options)
        trial.set_user_attr("n_parameters", networks.n_trainable(network))
        if cost > self.search.max_multiply_adds and "published" not in trial.user_attrs:
            trial.set_user_attr(SKIPPED, True)
            raise optuna.TrialPruned
        folder = self.folder / f"trial{trial.number}"
        card = training.fit(
            self.network(options, rate),
            self.learnt,
            self.validation,
            recipe=self.recipe,
            scale=self.scale,
            out=folder / "network",
            state_dir=folder / "state",
            job=self.job,
            after_epoch=lambda row: _report(trial, row),
        )
        held = self.validation
        table, _ = training.scores(folder / "network", held.data, held.rows, held.labels, self.job, "best")
        ranking = metrics.Ranking(table["label"].to_numpy(dtype=int), table["logit"].to_numpy())
        trial.set_user_attr("auc", float(ranking.auroc()))
        return float(card["best_loss"])

    def network(self, options: Mapping[str, Any], rate: float) -> dict[str, Any]:
        """The entry of the configuration."""
        settings = dict(self.search.training) | {"learning_rate": rate}
        return {"name": "searched", "source": "searched", "options": dict(options), "training": settings}


def _report(trial: Trial, row: Mapping[str, Any]) -> None:
    trial.report(row["loss"], int(row["epoch"]))
    if "published" not in trial.user_attrs and trial.should_prune():
        raise optuna.TrialPruned


def _study(folder: Path, key: str, search: Search) -> optuna.Study:
    """The study in a folder, begun anew if it is of other code, data or settings."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    file = folder / "trials.sqlite"
    storage = f"sqlite:///{file}"
    pruner = optuna.pruners.MedianPruner(search.warm_up_trials, search.warm_up_epochs)
    if file.is_file():
        try:
            study = optuna.load_study(study_name="search", storage=storage, pruner=pruner)
            if study.user_attrs.get("fingerprint") == key:
                return study
            reason = "belongs to other code, data or settings"
        except Exception as error:  # whatever a file that is no such storage makes the library raise
            reason = f"cannot be read ({type(error).__name__})"
        print(f"{file}: {reason}; the search starts anew.", flush=True)
        file.unlink()
    study = optuna.create_study(study_name="search", storage=storage, pruner=pruner)
    study.set_user_attr("fingerprint", key)
    return study


def _finish(study: optuna.Study, task: _Task) -> None:
    """Run trials until as many as wanted are trained."""
    search = task.search
    while True:
        done = study.get_trials(deepcopy=False)
        n_skipped = sum(SKIPPED in one.user_attrs for one in done)
        n_trained = sum(one.state.is_finished() for one in done) - n_skipped
        # What a killed run left: a trial it was at, or a published one it was about to begin.
        running = [one for one in done if one.state == TrialState.RUNNING]
        waiting = [one for one in done if one.state == TrialState.WAITING]
        if n_trained >= search.n_trials and not running:
            return
        if n_skipped > N_SKIPPED * search.n_trials:
            raise BadSetting(
                f"{n_skipped} networks had more than {search.max_multiply_adds:g} multiply-adds and "
                f"{n_trained} had fewer; raise max_multiply_adds."
            )
        number = min((one.number for one in (*running, *waiting)), default=len(done))
        # By the trial's number alone, so a search that goes on finds what one without a break does.
        study.sampler = optuna.samplers.TPESampler(
            seed=int(generator(task.job.seed, "search", number).integers(2**31)), multivariate=False
        )
        if running:
            trial = Trial(study, running[0]._trial_id)
        else:
            if number < len(search.published) and not waiting:
                name = search.published[number]
                study.enqueue_trial(published_as_trial(name, search), user_attrs={"published": name})
            trial = study.ask()
        try:
            study.tell(trial, task.run(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        shutil.rmtree(task.folder / f"trial{number}", ignore_errors=True)
        _tell(study.get_trials(deepcopy=False)[number], search)


def _tell(trial: FrozenTrial, search: Search) -> None:
    cost = trial.user_attrs["multiply_adds"] / 1e6
    loss = f", loss {_loss(trial):.4f}" if trial.intermediate_values else ""
    print(f"trial {trial.number}: {_state(trial)}, {cost:.0f} million multiply-adds{loss}", flush=True)


# --- results


def _state(trial: FrozenTrial) -> str:
    return SKIPPED if SKIPPED in trial.user_attrs else trial.state.name.lower()


def _loss(trial: FrozenTrial) -> float:
    return min(trial.intermediate_values.values(), default=math.nan)


def _table(study: optuna.Study) -> pd.DataFrame:
    rows = [
        {
            "trial": trial.number,
            "network": trial.user_attrs.get("published", "searched"),
            "state": _state(trial),
            "n_parameters": trial.user_attrs["n_parameters"],
            "multiply_adds": trial.user_attrs["multiply_adds"],
            "epochs": len(trial.intermediate_values),
            "loss": _loss(trial),
            "auc": trial.user_attrs.get("auc", math.nan),
        }
        | trial.params
        | {"options": json.dumps(trial.user_attrs["options"], sort_keys=True)}
        for trial in study.get_trials(deepcopy=False)
    ]
    table = pd.DataFrame(rows)
    varied = [name for name in table.columns if name not in (*COLUMNS, "options")]
    return table[[*COLUMNS, *sorted(varied), "options"]]


def _best(study: optuna.Study, search: Search) -> dict[str, Any]:
    trial, done = study.best_trial, study.get_trials(deepcopy=False)
    states = [_state(one) for one in done]
    settings = dict(search.training) | {"learning_rate": trial.params["learning_rate"]}
    options = trial.user_attrs["options"]
    return {
        "network": {"name": "searched", "source": "searched", "options": options, "training": settings},
        "trial": trial.number,
        "published": trial.user_attrs.get("published"),
        "loss": trial.value,
        "auc": trial.user_attrs["auc"],
        "n_trained": len(states) - states.count(SKIPPED),
        "n_pruned": states.count("pruned"),
        "n_skipped": states.count(SKIPPED),
        "settings": asdict(search),
    }
