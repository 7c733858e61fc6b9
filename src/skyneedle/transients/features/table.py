"""Features of a whole survey as one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import tables
from skyneedle.core.errors import BadSetting, NotACatalogue, NotADataSet
from skyneedle.core.progress import progress
from skyneedle.core.store import DataSet
from skyneedle.core.workers import in_order
from skyneedle.transients.features.pixels import CHANNELS, PIXEL_FEATURES, measure

# Of the detection and of the nearest object in the catalogue of the coadded sky.
CATALOGUE_FEATURES = (
    *("GFLUX", "MAG", "A_IMAGE", "B_IMAGE", "ELLIPTICITY", "FLAGS", "SNR", "MAG_FROM_LIMIT", "MAGDIFF"),
    *("MAGLIM", "SPREAD_MODEL", "SPREADERR_MODEL", "MAG_REF", "MAG_REF_ERR", "A_REF", "B_REF"),
    *("NN_DIST_RENORM", "MIN_DISTANCE_TO_EDGE_IN_NEW", "CCDID", "BAND"),
)
# Not there without an object of the catalogue within 5 arcsec.
REFERENCE_FEATURES = ("A_REF", "B_REF", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM")
FEATURES = (*PIXEL_FEATURES, *CATALOGUE_FEATURES)
SOURCES = ("stamps", "catalogue")
BLOCK = 256  # stamps at once: few enough that their planes stay in the cache


def write(
    out: str | Path,
    shards: Sequence[str | Path] | str | Path,
    *,
    pixels: str = "stamps",
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write the features of all candidates of a survey, in the order of its shards.

    Args:
        out: parquet to write: id (int64), the 18 pixel features and, where the survey has a catalogue, the 20
            of the catalogue (``FEATURES``, float32, NaN where not defined), and ``complete``: none is NaN.
        shards: of the data set.
        pixels: "stamps" measures pixel features on the stamps; "catalogue" takes those that the survey
            published, as the paper did, whose networks saw 8-bit stamps while its forest had features of the
            FITS files; a column that is empty in a shard is measured all the same.
        workers: processes.
        provenance: stored in the file, beside the number of candidates with a missing value by feature.

    Raises:
        BadSetting: if ``pixels`` is something else, or there is no catalogue to take pixel features from.
        NotADataSet: if a shard lacks stamps, or has its channels in another order.
        NotACatalogue: if the catalogue lacks a feature.
    """
    if pixels not in SOURCES:
        raise BadSetting(f"Pixel features come from {' or '.join(SOURCES)}, not from '{pixels}'.")
    paths = DataSet(shards).shards
    parts = progress(in_order(of_shard, paths, workers, pixels), len(paths), "features of shards")
    table = pd.concat(list(parts), ignore_index=True)
    missing = table.isna().sum()
    attributes = {
        "pixels": pixels,
        "n_missing": {name: int(n) for name, n in missing.items() if n},
        "n_incomplete": int((~table["complete"]).sum()),
        "provenance": dict(provenance or {}),
    }
    tables.write_parquet(table, out, attributes)


def of_shard(path: str | Path, pixels: str = "stamps") -> pd.DataFrame:
    """Features of one shard; arguments, columns and errors as of ``write``."""
    data = DataSet(path)
    _check_channels(data, path)
    named = _catalogue(data, path)
    if pixels == "catalogue" and not named:
        raise BadSetting(f"{path}: has no catalogue to take pixel features from; measure them on the stamps.")
    published = {name: named[name] for name in PIXEL_FEATURES if pixels == "catalogue"}
    # A simulated catalogue leaves such columns empty: they follow from its stamps.
    columns = {name: values for name, values in published.items() if not np.isnan(values).all()}
    if len(columns) < len(PIXEL_FEATURES):
        measured = [np.empty((0, len(PIXEL_FEATURES)), np.float32)]
        measured += [measure(stamps) for _, stamps in data.blocks("stamps", BLOCK)]
        columns = dict(zip(PIXEL_FEATURES, np.concatenate(measured).T, strict=True)) | columns
    columns |= {name: named[name] for name in CATALOGUE_FEATURES if named}
    table = pd.DataFrame({"id": data.table["id"].to_numpy(np.int64)} | columns)
    return table.assign(complete=table.notna().all(axis=1).to_numpy())


def _check_channels(data: DataSet, path: str | Path) -> None:
    channels = tuple(data.attributes.get("channels", ()))
    if channels != CHANNELS:
        raise NotADataSet(
            f"{path}: channels are {channels}, expected {CHANNELS}; pack the survey's archive again."
        )


def _catalogue(data: DataSet, path: str | Path) -> dict[str, np.ndarray]:
    """Columns of the survey's catalogue by name; empty if it has none."""
    names = list(data.attributes.get("catalogue_columns", ()))
    if not names:
        return {}
    lacking = [name for name in FEATURES if name not in names]
    if lacking:
        raise NotACatalogue(f"{path}: the catalogue lacks {lacking}; its columns are {names}.")
    values = data.read("catalogue", slice(None)).astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return dict(zip(names, values.T, strict=True))
