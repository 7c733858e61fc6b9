"""Catalogues of the lens-finding challenges, matched to the images that are really there."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core.errors import MissingBand, NotACatalogue

ID_NAMES = ("ID", "Euclid ID", "id")
LISTED = 100  # ids at most in an attribute; the counts are complete


def read(path: str | os.PathLike, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a challenge's catalogue: comment lines, a header, one row an object.

    Args:
        path: CSV file.
        columns: that must be there, beside the identifier.

    Returns:
        The table with the identifier as integer column ``id``; unnamed index columns are dropped.

    Raises:
        NotACatalogue: if the file cannot be read as such, or lacks a column.
    """
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise NotACatalogue(
            f"{path}: not a CSV catalogue ({error}); give the file of the challenge"
        ) from None
    table = table.loc[:, [not str(name).startswith("Unnamed") for name in table.columns]]
    known = [name for name in ID_NAMES if name in table]
    missing = [name for name in columns if name not in table]
    if not known or missing:
        raise NotACatalogue(
            f"{path}: no column {' or '.join(missing or ID_NAMES)} among "
            f"{', '.join(map(str, table.columns))}; give the catalogue of the training set"
        )
    table = table.rename(columns={known[0]: "id"})
    ids = pd.to_numeric(table["id"], errors="coerce")
    if ids.isna().any() or not np.array_equal(ids, ids.round()):
        row = int(np.flatnonzero(ids.isna() | (ids != ids.round()))[0])
        raise NotACatalogue(f"{path}: identifier {table['id'][row]!r} in row {row} is no whole number")
    return table.assign(id=ids.astype(np.int64))


def files(folder: Path, band: str) -> dict[int, Path]:
    """Images of one band by identifier: all files imageEUC_<band>-<id>.fits below a folder.

    Raises:
        MissingBand: if there is none.
    """
    pattern = re.compile(rf"imageEUC_{band}-(\d+)\.fits")
    found: dict[int, Path] = {}
    for where, _, names in os.walk(folder):
        for name in names:
            match = pattern.fullmatch(name)
            if match:
                found[int(match[1])] = Path(where, name)
    if not found:
        raise MissingBand(f"{folder}: no file imageEUC_{band}-<id>.fits here or below; give the unpacked set")
    return found


def match(
    catalogue: pd.DataFrame, images: Mapping[str, Mapping[int, Path]]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The objects that have a row and an image in every band, each once.

    Args:
        catalogue: with column ``id``.
        images: for each band, file by identifier.

    Returns:
        The rows to use, in the order of the catalogue, and what was left out: counts, and at most 100
        identifiers of each kind.
    """
    repeated = catalogue.duplicated("id")
    # Rows that repeat an identifier but say something else about it deserve a count of their own.
    conflicting = int(repeated.sum() - catalogue.duplicated().sum())
    once = catalogue[~repeated]
    everywhere = set.intersection(*(set(found) for found in images.values()))
    anywhere = set.union(*(set(found) for found in images.values()))
    known = set(once["id"])
    chosen = once[once["id"].isin(everywhere)].reset_index(drop=True)
    return chosen, {
        "n_rows": len(catalogue),
        "n_duplicates": int(repeated.sum()),
        "n_conflicting_duplicates": conflicting,
        **_listed("without_image", known - anywhere),
        **_listed("incomplete", (anywhere - everywhere) & known),
        **_listed("orphans", anywhere - known),
    }


def _listed(name: str, ids: set[int]) -> dict[str, Any]:
    return {f"n_{name}": len(ids), name: sorted(map(int, ids))[:LISTED]}
