"""How figures name and draw methods, so that one looks the same in all of them."""

from collections.abc import Mapping
from typing import Any

from skyneedle.core import plotting
from skyneedle.transfer.evaluate import cells

Provenance = Mapping[str, Any] | None
CHANCE = 0.5
METHODS = {**cells.BACKBONES, **cells.OTHERS}
PUBLISHED: dict[str, Any] = {
    "color": plotting.REFERENCE,
    "marker": "D",
    "markerfacecolor": "white",
    "linestyle": "none",
}


def method(name: str) -> str:
    """What a method is called: variants of a published one by its name and what is different."""
    source, _, variant = name.partition("_")
    if name in METHODS:
        return METHODS[name]
    if source in METHODS and variant:
        return f"{METHODS[source]}, {variant.replace('_', ' ')}"
    return name.replace("_", " ")


def look(name: str, others: list[str], line: bool = True) -> dict[str, Any]:
    """Colour, marker and dashes of a method: always the same for known ones."""
    known = list(METHODS)
    place = known.index(name) if name in known else len(known) + others.index(name)
    return plotting.series(place, line)
