"""How figures name and draw methods, so that one looks the same in all of them."""

from collections.abc import Mapping
from typing import Any

from skyneedle.core import plotting

Provenance = Mapping[str, Any] | None
METHODS = {
    "cnn1": "CNN 1",
    "cnn2": "CNN 2",
    "cnn3": "CNN 3",
    "cnn4": "CNN 4",
    "forest": "random forest",
    "cnn1_two_images": "CNN 1, no difference",
    "searched": "found by search",
    "goldstein2015": "forest of Goldstein et al. 2015",
}
VERSIONS = {"given": "old labels", "relabelled": "new labels", "truth": "truth"}


def method(name: str) -> str:
    """What a method is called; a user's own by its name."""
    return METHODS.get(name, name.replace("_", " "))


def version(name: str) -> str:
    """What a version of the labels is called."""
    return VERSIONS.get(name, name.replace("_", " "))


def look(name: str, others: list[str], line: bool = True) -> dict[str, Any]:
    """Colour, marker and dashes of a method: always the same for known ones."""
    known = list(METHODS)
    place = known.index(name) if name in known else len(known) + others.index(name)
    return plotting.series(place, line)
