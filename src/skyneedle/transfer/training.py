"""Cross-validate the networks of transfer: heads on cached embeddings, all others as a whole on stamps."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from skyneedle.core.runtime import Job
from skyneedle.core.seeds import generator
from skyneedle.core.store import DataSet
from skyneedle.transfer import networks
from skyneedle.transfer.crossvalidation import Outputs, Run, cross_validate
from skyneedle.transfer.examples import DIVIDED, Embeddings, Stamps, division_of
from skyneedle.transfer.preprocess import Augmentation

REGISTRY = "skyneedle.transfer.networks"


def crossvalidate_head(
    network: Mapping[str, Any],
    embeddings: Mapping[str, str | Path],
    folds_file: str | Path,
    out: Outputs,
    *,
    recipe: str,
    scale: str,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Train the head of a network with a frozen trunk on cached embeddings, once for each judged fold.

    Args:
        network: name, source, stem, mode, weights, size, options, folds and training; see
            ``transfer_network`` of the rules.
        embeddings: file of each set; "hst" is the divided one.
        folds_file: fold of each stamp of it.
        out: files to write.
        recipe: "corrected", or "faithful": copies are divided without regard to parents and judged.
        scale: name of the scale, for the cards.
        state_dir: folder of what is finished and of the resume state; deleted when all folds are done.
        job: seed, device, threads and provenance.

    Returns:
        The scores of the divided set.

    Raises:
        BadSplit: if the folds are not those of the set.
        OneClassOnly: if a fold would learn from one class only.
    """
    seed = int(generator(job.seed, "drawn").integers(2**31))
    sources = {name: Embeddings.read(path, seed, name == DIVIDED) for name, path in embeddings.items()}
    divided = sources[DIVIDED]
    run = Run(
        spec=head_spec(network, divided.n_features),
        training=head_training(network["training"]),
        source=divided,
        division=division_of(divided.table, folds_file, recipe, divided.n_copies, job.seed),
        draws=recipe == "corrected",
        seed=job.seed,
        job=job,
        others={name: source for name, source in sources.items() if name != DIVIDED},
        about=about(network, recipe, scale, "all of the head, which follows a trunk of its own file"),
    )
    return cross_validate(run, int(network["folds"]), out, Path(state_dir))


def crossvalidate_network(
    network: Mapping[str, Any],
    sets: Mapping[str, str | Path | Sequence[str | Path]],
    folds_file: str | Path,
    out: Outputs,
    *,
    trunk: str | Path | None,
    augmentation: Mapping[str, Any],
    copies: int,
    recipe: str,
    scale: str,
    state_dir: str | Path,
    job: Job,
) -> pd.DataFrame:
    """Train a whole network on stamps, augmented anew in each epoch, once for each judged fold.

    Args:
        sets: shards of each set; "hst" is the divided one.
        trunk: file of the weights of its trunk, where it has one.
        augmentation: fields of ``preprocess.Augmentation``, of the examples learned from.
        copies: of each stamp that are divided with the recipe "faithful".

    Other arguments, result and errors as of ``crossvalidate_head``.
    """
    changes = Augmentation(**augmentation)
    sources = {name: Stamps(DataSet(shards), changes, job.seed) for name, shards in sets.items()}
    divided = sources[DIVIDED]
    run = Run(
        spec={
            "name": network["name"],
            "source": network["source"],
            "options": networks.options_of(network, trunk),
            "registry": REGISTRY,
        },
        training=dict(network["training"]),
        source=divided,
        division=division_of(divided.table, folds_file, recipe, copies, job.seed),
        draws=recipe == "corrected",
        seed=job.seed,
        job=job,
        others={name: source for name, source in sources.items() if name != DIVIDED},
        about=about(network, recipe, scale, "stem and head; all where there is no trunk")
        | {"trunk": hashlib.sha256(Path(trunk).read_bytes()).hexdigest() if trunk else ""},
    )
    return cross_validate(run, int(network["folds"]), out, Path(state_dir))


def head_spec(network: Mapping[str, Any], n_features: int) -> dict[str, Any]:
    """The head of a network of the configuration, as ``core.training.fit`` takes it."""
    dropout = network["options"].get("dropout", networks.DROPOUT)
    options = {"n_features": n_features, "dropout": dropout}
    return {"name": network["name"], "source": "head", "options": options, "registry": REGISTRY}


def head_training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the training of a head, from those of its network.

    One matrix of a few thousand numbers a class gains nothing from half precision, workers or more devices.
    """
    return dict(training) | {"precision": "32-true", "num_workers": 0, "devices": 1}


def about(network: Mapping[str, Any], recipe: str, scale: str, kept: str) -> dict[str, Any]:
    """What a card says of a network beyond its head."""
    asked = {name: network[name] for name in ("source", "weights", "stem", "mode", "size", "folds")}
    most = network["training"].get("max_examples")
    return {"recipe": recipe, "scale": scale, "kept": kept, "network": asked, "max_examples": most}
