"""File names of the archive: what they say, and which files of a folder cover a time."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Site, detector, description, GPS start, duration (LIGO-T050017): H-H1_LOSC_4_V2-1126259446-32.hdf5
FILE_NAME = re.compile(r"^[A-Z]-([A-Z]\d)_\w+-(\d+)-(\d+)\.(?:hdf5|h5|txt\.gz|txt)$")
RATE_16_KHZ = re.compile(r"_LOSC_16_|_16KHZ_")


@dataclass(frozen=True)
class StrainFileName:
    """What a name says: detector, GPS start (s), duration (s), and the name or path it was read from."""

    detector: str
    gps_start: int
    duration: int
    source: str

    @property
    def name(self) -> str:
        """Without folder or address."""
        return self.source.rsplit("/", 1)[-1]

    @property
    def gps_end(self) -> int:
        """GPS time of the end (exclusive), in s."""
        return self.gps_start + self.duration

    @property
    def rank(self) -> tuple[int, bool, str]:
        """Preference among files of one detector that cover a time: longer, newer naming, higher version.

        The 4-kHz files of the very first release (GW150914, V1) have a phase error of the down-sampling,
        corrected from V2 on (note of the archive's data set GW150914-v1).
        """
        return self.duration, "GWOSC" in self.name, self.name


def parse_name(source: str | os.PathLike) -> StrainFileName | None:
    """Read a name, path or address; None if it does not name a 4-kHz strain file."""
    text = str(source)
    match = FILE_NAME.match(text.rsplit("/", 1)[-1])
    if not match or RATE_16_KHZ.search(text):
        return None
    return StrainFileName(match.group(1), int(match.group(2)), int(match.group(3)), text)


def in_folders(folders: Iterable[str | os.PathLike]) -> list[StrainFileName]:
    """All strain files anywhere under some folders, by detector and time; a missing folder holds none."""
    found = [
        name
        for folder in folders
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and (name := parse_name(path))
    ]
    return sorted(found, key=lambda n: (n.detector, n.gps_start, n.duration, n.name))


def best_common(
    files: Iterable[StrainFileName], detectors: Iterable[str], start: float, end: float
) -> dict[str, StrainFileName]:
    """Of each detector the preferred file that covers [start, end] GPS s, of one common span if possible."""
    by_detector: dict[str, list[StrainFileName]] = {d: [] for d in detectors}
    for file in files:
        if file.detector in by_detector and file.gps_start <= start and file.gps_end >= end:
            by_detector[file.detector].append(file)
    spans = [{(f.gps_start, f.duration) for f in found} for found in by_detector.values()]
    common = set.intersection(*spans) if spans else set()
    if common:
        by_detector = {
            d: [f for f in found if (f.gps_start, f.duration) in common] for d, found in by_detector.items()
        }
    return {d: max(found, key=lambda f: f.rank) for d, found in by_detector.items() if found}
