"""Candidates from stamps in the survey's names, in a folder or a tar, and from data sets of this package."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from skyneedle.core.errors import MissingChannel, NotADataSet, WrongPixelMode
from skyneedle.core.store import DataSet
from skyneedle.transients import preprocess
from skyneedle.transients.fetch import stamps
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.score.candidates import Candidate, Source
from skyneedle.transients.score.from_alerts import image_of

NAME = re.compile(r"^(srch|temp|diff)(\d+)\.(gif|fits)$", re.IGNORECASE)


def tar(path: Path, pixel_mode: str) -> Source:
    """The stamps of an archive, which is read in place.

    Raises:
        NotAnArchive: if it holds no stamps of this kind.
    """
    archive = stamps.Archive(path, pixel_mode)

    def each() -> Iterator[Candidate]:
        for one in archive.candidates:
            yield Candidate(str(one), str(path), partial(_of_tar, archive, one))

    return Source(f"stamps in a tar ({pixel_mode})", str(path), True, each, len(archive.candidates))


def _of_tar(archive: stamps.Archive, one: int) -> dict[str, np.ndarray]:
    return dict(zip(CHANNELS, archive.read(one), strict=True))


def folder(path: Path, files: list[str], pixel_mode: str) -> Source | None:
    """Stamps in a folder, at any depth; planes of a candidate lie side by side.

    Args:
        path: folder.
        files: in it, relative.
        pixel_mode: kind of the stamps to take; those of the other kind are left alone.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for file in files:
        parent, base = os.path.split(file)
        match = NAME.match(base)
        if match and match[3].lower() == pixel_mode:
            found.setdefault((parent, match[2]), {})[match[1].lower()] = file
    if not found:
        return None

    def each() -> Iterator[Candidate]:
        for (parent, one), planes in found.items():
            yield Candidate(
                os.path.join(parent, one), str(path / parent), partial(_of_folder, path, one, planes)
            )

    return Source(f"stamps in files ({pixel_mode})", str(path), True, each, len(found))


def _of_folder(path: Path, one: str, planes: Mapping[str, str]) -> dict[str, np.ndarray]:
    found = {}
    for channel in CHANNELS:
        if channel not in planes:
            there = ", ".join(sorted(planes.values()))
            raise MissingChannel(f"{one}: its {channel} plane is missing beside {there}.")
        file = path / planes[channel]
        read = stamps.read_gif if file.suffix.lower() == ".gif" else image_of
        found[channel] = read(file.read_bytes(), str(file))
    return found


def data_set(path: Path, pixel_mode: str) -> Source:
    """A shard of a data set.

    Raises:
        NotADataSet: if it is none of stamps.
        WrongPixelMode: if its stamps are not what the network learned from.
    """
    data = DataSet(path)
    if "id" not in data.table:
        raise NotADataSet(f"{path}: its table has no column id.")
    mode = preprocess.mode_of(data)
    if mode != pixel_mode:
        raise WrongPixelMode(
            f"{path}: stamps of pixel mode '{mode}', but the network learned from '{pixel_mode}'; score with "
            "another network, or pack the archive with that pixel mode."
        )
    ids = data.table["id"].tolist()
    labels = data.table["label_given"].tolist() if "label_given" in data.table else [-1] * len(ids)

    def each() -> Iterator[Candidate]:
        for row, (one, label) in enumerate(zip(ids, labels, strict=True)):
            yield Candidate(str(one), str(path), partial(_of_set, data, row), label=int(label))

    return Source(f"data set ({mode})", str(path), True, each, len(ids))


def _of_set(data: DataSet, row: int) -> dict[str, np.ndarray]:
    return dict(zip(CHANNELS, data.read("stamps", row), strict=True))
