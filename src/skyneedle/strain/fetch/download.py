"""Strain files in: as ``core.download``, and opened before they are believed."""

import os
from functools import partial

from skyneedle.core import download as fetching
from skyneedle.core.errors import NotAStrainFile, WrongSampleRate
from skyneedle.strain.fetch.gwosc_files import read
from skyneedle.strain.fetch.names import parse_name

SAMPLE_RATE = 4096  # Hz, of the files whose names `parse_name` knows


def check_strain(path: str | os.PathLike, name: str) -> None:
    """Raise unless the file opens as strain and is of the detector, time and rate that its name says.

    Raises:
        NotHDF5, TruncatedFile, NotAStrainFile: see `read`.
        WrongSampleRate: if it is not sampled at 4096 Hz.
    """
    # The reader picks the format by name, and a partial file has another one.
    strain = read(path, allow_nan=True, name=name)
    said = parse_name(name)
    if not said:
        return
    if (
        said.detector != strain.detector
        or abs(said.gps_start - strain.gps_start) > 0.5
        or abs(said.duration - strain.duration) > 0.5
    ):
        raise NotAStrainFile(
            f"{path}: the name {name} says {said.detector} from GPS {said.gps_start} for {said.duration} s, "
            f"the file holds {strain.detector} from GPS {strain.gps_start:.0f} for {strain.duration:g} s; "
            "delete it and fetch it again"
        )
    if strain.sample_rate != SAMPLE_RATE:
        raise WrongSampleRate(
            f"{path}: sampled at {strain.sample_rate:g} Hz, {SAMPLE_RATE} Hz were expected; fetch the "
            "archive's 4-kHz file"
        )


# The same with this check in place of none.
download = partial(fetching.download, check=check_strain)
fetch_optional = partial(fetching.fetch_optional, check=check_strain)
