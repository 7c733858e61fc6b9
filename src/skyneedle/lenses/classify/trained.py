"""Which trained network judges, how it wants its stamps, and from which score on it calls one a lens."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

import skyneedle
from skyneedle.core import inference
from skyneedle.core.errors import UnknownNetwork
from skyneedle.lenses import networks
from skyneedle.lenses.preprocess import Scaling
from skyneedle.lenses.training import REGISTRY, scaling_of

# In a checkout a link to its folder `reference`, in an installation the files themselves.
REFERENCE = Path(skyneedle.__file__).parent / "reference" / "lenses"
DEFAULTS = ("ou66", "ou200")  # the first of these that is there; the first is the better one at scale laptop
PUBLISHED_ENDING = ".pt"


class Point(NamedTuple):
    """From where on a stamp is called a lens.

    Attributes:
        threshold: in log odds.
        probability: the same as a score.
        origin: where it comes from, for the reader.
    """

    threshold: float
    probability: float
    origin: str


@dataclass(frozen=True)
class Trained:
    """A trained network and what belongs to it.

    Attributes:
        name: of the network.
        weights: file.
        network: in evaluation mode, on the CPU.
        scaling: of its input; its sky noise is that of the training set.
        scale: of the workflow that trained it, or a word about where it comes from.
        point: operating point; None where none was measured.
        provenance: of the training, where it is known.
    """

    name: str
    weights: Path
    network: nn.Module
    scaling: Scaling
    scale: str
    point: Point | None = None
    provenance: Any = None

    def about(self) -> dict[str, Any]:
        """What scores need beside them to be understood later."""
        return {
            "name": self.name,
            "weights": str(self.weights),
            "weights_sha256": hashlib.sha256(self.weights.read_bytes()).hexdigest(),
            "bands": list(self.scaling.bands),
            "recipe": self.scaling.recipe,
            "scale": self.scale,
            "provenance": self.provenance,
        }


def find(network: str | Path | None = None, folder: Path = REFERENCE) -> Trained:
    """The network to use.

    Args:
        network: one that comes with the package by its name, or the path of a trained one: its weights or
            card, with or without ending, or a file of the published weights (.pt). None takes the first of
            ``DEFAULTS`` that comes with the package.
        folder: where networks come with the package.

    Raises:
        UnknownNetwork: if there is none, or it does not judge stamps.
        NotWeights, WeightsMismatch: if a file of published weights is not what it should be.
    """
    if network is None:
        there = [name for name in DEFAULTS if (folder / f"{name}.safetensors").is_file()]
        if not there:
            raise UnknownNetwork(
                f"{folder}: no trained network comes with this installation; train one with `make results "
                "EXPERIMENT=lenses`, or name one with --network STEM."
            )
        return _ours(folder / there[0])
    path = Path(network)
    if path.suffix == PUBLISHED_ENDING:
        return _published(path)
    if str(network) in networks.NAMES and not path.exists():
        beside = folder / f"{network}.safetensors"
        if not beside.is_file():
            raise UnknownNetwork(
                f"Network '{network}' does not come with this installation (there: {_there(folder)}); name "
                f"the weights of a run, such as results/laptop/lenses/models/{network}/seed0."
            )
        return _ours(beside)
    if path.name == str(network) and not path.suffix and not path.with_suffix(".safetensors").exists():
        raise UnknownNetwork(
            f"Network '{network}' is neither one that comes with this installation ({_there(folder)}) nor a "
            "file here; give one of these names, or the path of trained weights."
        )
    return _ours(path)


def _there(folder: Path) -> str:
    """Names of the networks that come with the package."""
    return ", ".join(sorted(file.stem for file in folder.glob("*.safetensors"))) or "none"


def _published(path: Path) -> Trained:
    """The authors' own weights; their networks scale each band of each image to 0 ... 1."""
    if path.stem not in networks.PUBLISHED_FILES:
        raise UnknownNetwork(
            f"{path}: the name of the file tells the network; published are "
            f"{', '.join(f'{stem}{PUBLISHED_ENDING}' for stem in networks.PUBLISHED_FILES)}."
        )
    name = networks.PUBLISHED_FILES[path.stem]
    network = networks.load_published_weights(networks.build(name), path)
    point = Point(0.0, 0.5, "a probability of 0.5, as published")
    return Trained(name, path, network, Scaling(network.bands, network.size, "faithful"), "published", point)


def _ours(stem: Path) -> Trained:
    network, card = inference.load(stem)
    stem = stem.with_suffix("") if stem.suffix in (".json", ".safetensors") else stem
    if card.get("registry") != REGISTRY:
        raise UnknownNetwork(f"{stem}.json: the card of a network that does not judge stamps of galaxies.")
    provenance = card.get("provenance") or {}
    name = str(card.get("name", stem.name))
    weights = stem.with_name(f"{stem.name}.safetensors")
    scale = str(provenance.get("scale", "not recorded"))
    return Trained(name, weights, network, scaling_of(card), scale, _measured(stem, name), provenance)


def _measured(stem: Path, name: str) -> Point | None:
    """The operating point beside the weights, or in the results they belong to."""
    places = [stem.with_name(f"operating_point_{name}.json")]
    if len(stem.parents) > 2:  # <results>/lenses/models/<network>/seed0
        places.append(stem.parents[2] / "metrics" / f"operating_point_{name}.json")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    try:
        there = json.loads(path.read_text())
        origin = f"{there['rule']} on the {there['set']} set"
        return Point(float(there["threshold"]), float(there["probability"]), origin)
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownNetwork(f"{path}: not an operating point ({error!r}); remove it.") from None
