"""Which trained network searches, and at which operating point; read from JSON, without torch."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import skyneedle
from skyneedle.core.errors import BadSetting, UnknownNetwork
from skyneedle.strain.evaluate.postprocess import DEFAULT_THRESHOLD, DEFAULT_WINDOW, RECIPES

NETWORK_DETECTORS = ("H1", "L1", "V1")  # of a card that does not name them
# In a checkout a link to its folder `reference`, in an installation the files themselves.
REFERENCE = Path(skyneedle.__file__).parent / "reference" / "strain"


@dataclass(frozen=True)
class Trained:
    """A trained network as its card describes it.

    Attributes:
        stem: path of weights and card without ending.
        detectors: in the order of the network's input.
        recipe: "corrected" or "faithful".
        card: all of it.
    """

    stem: Path
    detectors: tuple[str, ...]
    recipe: str
    card: dict[str, Any]

    @property
    def scale(self) -> str:
        """Scale of the workflow that trained it."""
        provenance = self.card.get("provenance") or {}
        return str(self.card.get("scale") or provenance.get("scale") or "not recorded")


@dataclass(frozen=True)
class Point:
    """Where the smoothed output becomes a trigger.

    Attributes:
        threshold: of the smoothed probability.
        window: of the smoothing, in samples at 2048 Hz.
        origin: where the two come from, for the reader.
        seconds: time in s per false alarm: value and 68 % interval; NaN where unknown, infinite where none
            was seen.
    """

    threshold: float
    window: int
    origin: str
    seconds: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    def expected(self, judged_s: float) -> str:
        """How many triggers noise alone gives, in words."""
        value, low, high = self.seconds
        if math.isnan(value) and math.isnan(low):
            return "unknown, no false-alarm rate was measured for this threshold and window"
        numbers = [0.0 if math.isinf(s) else judged_s / s for s in (value, high, low) if not math.isnan(s)]
        text = f"{numbers[0]:.2g}"
        return f"{text} (68 % interval {numbers[1]:.2g} to {numbers[2]:.2g})" if len(numbers) == 3 else text


def find(weights: str | Path | None, given: Collection[str] = (), folder: Path = REFERENCE) -> Trained:
    """The network to use.

    Args:
        weights: path with or without ending; None takes the newest of those that come with the package, among
            them one that uses as many as it can of the detectors that are given.
        given: detectors there is strain of; empty if that is open.
        folder: where networks come with the package.

    Raises:
        UnknownNetwork: if there is none, or its card cannot be read.
    """
    if weights is not None:
        path = Path(weights)
        return _read(path.with_suffix("") if path.suffix in (".json", ".safetensors") else path)
    stems = {
        path.with_suffix("").resolve(): path.stat().st_mtime
        for path in sorted(folder.glob("*.safetensors"))
        if path.with_suffix(".json").is_file()
    }
    if not stems:
        raise UnknownNetwork(
            f"{folder}: no trained network (a .safetensors with its .json) comes with this installation; "
            "train one with `make results`, or name one with --weights STEM."
        )
    known = [_read(stem) for stem in sorted(stems)]
    usable = [one for one in known if set(one.detectors) <= set(given)]
    # A clone gives all files about the same time: then the plain name, the paper's network, goes first.
    return max(
        usable or known,
        key=lambda one: (
            len(one.detectors) if usable else 0,
            one.stem.name == "fcn",
            stems[one.stem],
            str(one.stem),
        ),
    )


def _read(stem: Path) -> Trained:
    path, weights = (
        stem.with_name(f"{stem.name.removesuffix('.last')}.json"),
        stem.with_name(f"{stem.name}.safetensors"),
    )
    for file in (weights, path):
        if not file.is_file():
            raise UnknownNetwork(
                f"{file}: no such file; a trained network is a .safetensors with its .json, name it with "
                "--weights STEM."
            )
    try:
        card = json.loads(path.read_text())
        n_detectors = len(card["normalisation"]["mean"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownNetwork(
            f"{path}: not the card of a strain network ({error!r}); give the .json that training wrote."
        ) from None
    named = card.get("detectors") or card["normalisation"].get("detectors")
    detectors = tuple(named or NETWORK_DETECTORS[:n_detectors])
    recipe = card.get("recipe") or (card.get("provenance") or {}).get("recipe") or "corrected"
    if recipe not in RECIPES or len(detectors) != n_detectors:
        raise UnknownNetwork(
            f"{path}: recipe '{recipe}' with detectors {', '.join(detectors)} and a scale for {n_detectors}; "
            f"the recipe is one of {', '.join(RECIPES)}, with one scale a detector."
        )
    return Trained(stem, detectors, recipe, card)


def operating_point(trained: Trained, threshold: float | None = None, window: int | None = None) -> Point:
    """Threshold and window of a search.

    Args:
        trained: network; its operating point lies beside it or in the results it belongs to.
        threshold: instead of that of the operating point.
        window: likewise.

    Raises:
        BadSetting: if a given value cannot be.
        UnknownNetwork: if the operating point is there and cannot be read.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise BadSetting(f"The threshold is {threshold:g}; it is a probability between 0 and 1.")
    if window is not None and window < 1:
        raise BadSetting(f"The window is {window} samples; at least 1 is needed.")
    point = _measured(trained) or Point(
        DEFAULT_THRESHOLD,
        DEFAULT_WINDOW,
        "the paper's defaults, as no operating point lies beside the weights",
    )
    wanted = (point.threshold if threshold is None else threshold, point.window if window is None else window)
    return point if wanted == (point.threshold, point.window) else Point(*wanted, "given")


def _measured(trained: Trained) -> Point | None:
    name = f"operating_point_{trained.stem.name}.json"
    places = [trained.stem.with_name(name)]
    if len(trained.stem.parents) > 2:  # <results>/strain/models/<network>/seed0
        metrics = trained.stem.parents[2] / "metrics"
        places.append(metrics / f"operating_point_{trained.card.get('name', trained.stem.name)}.json")
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return None
    try:
        there = json.loads(path.read_text())
        # JSON has no infinity: an empty field says that no false alarm was seen.
        reached = [
            math.inf if there[key] is None else float(there[key]) for key in ("reached", "low", "high")
        ]
        origin = (
            f"{path} ({there.get('rule') or 'no rule'}; measured on {there.get('set') or 'an unnamed set'})"
        )
        return Point(
            float(there["threshold"]), int(there["window"]), origin, (reached[0], reached[1], reached[2])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownNetwork(
            f"{path}: not an operating point ({error!r}); give --threshold and --window after removing it."
        ) from None
