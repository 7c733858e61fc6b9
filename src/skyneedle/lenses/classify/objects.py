"""Objects to classify, whatever kind of file they lie in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.errors import SkyneedleError

OF_THE_FILES = "of the files"
Tell = Callable[[str], Any]


class Stamp(NamedTuple):
    """What is seen of one object.

    Attributes:
        planes: stamp of each band asked for, checked, shape (n, n).
        unit: stamps of a group that have the same unit have the same noise of the sky.
    """

    planes: Mapping[str, np.ndarray]
    unit: str = OF_THE_FILES


@dataclass(frozen=True)
class Group:
    """Objects of one survey, in one kind of file.

    Attributes:
        kind: of file, for the reader.
        names: of the objects.
        files: where each of them lies; one of several.
        read: one object, by its place and the bands that are needed; raises an error of this package for
            whatever is wrong with it.
        labels: 1 for lenses, 0 for others, -1 unknown, shape (n,).
        sky_sigma: noise of the sky by band, where the files say it.
        all_files: where an object has several.
    """

    kind: str
    names: list[str]
    files: list[str]
    read: Callable[[int, Sequence[str]], Stamp]
    labels: np.ndarray
    sky_sigma: Mapping[str, float] = field(default_factory=dict)
    all_files: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)


class LeftOut(NamedTuple):
    """What cannot be classified: an object, or a whole file."""

    name: str
    file: str
    error: str
    reason: str


def how_many(n: int, what: str, verb: str = "") -> str:
    """``1 object is``, ``2 objects are``; the verb of several, without one the number and the thing."""
    ones = {"are": "is", "were": "was", "have": "has", "": ""}
    return f"{n} {what} {ones[verb]}".strip() if n == 1 else f"{n} {what}s {verb}".strip()


def left_out(name: str, file: str, error: SkyneedleError) -> LeftOut:
    """What an error says, in one line."""
    return LeftOut(name, file, type(error).__name__, " ".join(str(error).split()))
