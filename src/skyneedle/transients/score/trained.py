"""Which trained network scores, and how it wants its stamps."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

import skyneedle
from skyneedle.core import inference
from skyneedle.core.errors import SkyneedleError, UnknownNetwork
from skyneedle.transients import networks
from skyneedle.transients.preprocess import Scaling

REGISTRY = networks.__name__
# In a checkout a link to its folder `reference`, in an installation the files themselves.
REFERENCE = Path(skyneedle.__file__).parent / "reference" / "transients"
DEFAULTS = ("cnn1", "cnn4")  # the first of these that is there


@dataclass(frozen=True)
class Trained:
    """A trained network and what belongs to it.

    Attributes:
        name: of the network.
        weights: file.
        network: in evaluation mode, on the CPU; its logit is that of "artifact".
        scaling: of its input.
        card: as written by the training.
    """

    name: str
    weights: Path
    network: nn.Module
    scaling: Scaling
    card: dict[str, Any]

    @functools.cached_property
    def about(self) -> dict[str, Any]:
        """What scores need beside them to be understood later."""
        provenance = self.card.get("provenance") or {}
        return {
            "name": self.name,
            "weights_sha256": hashlib.sha256(self.weights.read_bytes()).hexdigest(),
            "channels": list(self.scaling.channels),
            "recipe": self.scaling.recipe,
            "pixel_mode": self.scaling.pixel_mode,
            "scale": provenance.get("scale", "not recorded"),
            "provenance": provenance,
        }


def find(network: str | Path | None = None, folder: Path = REFERENCE) -> Trained:
    """The network to use.

    Args:
        network: one that comes with the package by its name, or the path of a trained one: its weights or
            card, with or without ending. None takes the first of ``DEFAULTS`` that comes with the package.
        folder: where networks come with the package.

    Raises:
        UnknownNetwork: if there is none, or it does not judge candidates.
    """
    there = sorted(file.stem for file in folder.glob("*.safetensors"))
    if network is None:
        name = next((name for name in DEFAULTS if name in there), None)
        if name is None:
            raise UnknownNetwork(
                f"{folder}: no trained network comes with this installation; train one with `make results "
                "EXPERIMENT=transients`, or name one with --network STEM."
            )
        return _load(folder / name)
    if str(network) in there and not Path(network).exists():
        return _load(folder / str(network))
    if str(network) in networks.PUBLISHED and not Path(network).exists():
        raise UnknownNetwork(
            f"Network '{network}' does not come with this installation ({', '.join(there) or 'none'}); "
            f"name the weights of a run, such as results/laptop/transients/models/{network}/seed0."
        )
    return _load(Path(network))


def _load(stem: Path) -> Trained:
    stem = stem.with_suffix("") if stem.suffix in (".json", ".safetensors") else stem
    network, card = inference.load(stem)
    if card.get("registry") != REGISTRY:
        raise UnknownNetwork(f"{stem}.json: the card of a network that does not judge transients.")
    try:
        scaling = Scaling(**card["normalisation"])
    except SkyneedleError:
        raise
    except (TypeError, KeyError) as error:
        raise UnknownNetwork(
            f"{stem}.json: does not say how stamps are scaled ({error}); train the network again."
        ) from None
    return Trained(
        str(card.get("name", stem.name)), stem.with_name(f"{stem.name}.safetensors"), network, scaling, card
    )
