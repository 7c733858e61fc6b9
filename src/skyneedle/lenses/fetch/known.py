"""The known compound lenses as a data set, as far as their files are to be had; none is replaced."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import fits_images, store
from skyneedle.core.download import NOT_DELIVERED, download, is_address, write_status
from skyneedle.core.errors import MissingBand, SkyneedleError
from skyneedle.core.manifest import read_manifest, sha256_of
from skyneedle.lenses.fetch import compounds, stamps
from skyneedle.lenses.fetch.compounds import KNOWN, Compound
from skyneedle.lenses.preprocess import BANDS, NISP, PIXELS

FITS = (".fits", ".fit")


def fetch(
    compound: Compound,
    folder: str | Path,
    *,
    mirrors: Sequence[str] = (),
    network: bool = True,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
) -> str:
    """Bring the files of one known compound lens into a folder, from mirrors and then from addresses.

    Args:
        compound: one of ``compounds.KNOWN``.
        folder: gets a folder ``compound.folder`` with its files.
        mirrors: folders, in which a folder of that name is looked for, and base addresses.
        network: whether addresses may be used at all.
        manifest: table of what was fetched before.
        datasets: table of what is published; its rows of the lens name it in the column citation.

    Returns:
        Why no file came, without names of folders, as it stands in figures; empty if one did, which need not
        be all. What each place answered is printed.
    """
    destination = Path(folder, compound.folder)
    listed = {
        name: row for name, row in read_manifest(datasets).items() if compound.name in row.get("citation", "")
    }
    names = dict.fromkeys(listed)
    for mirror in mirrors:
        if not is_address(str(mirror)):
            names |= dict.fromkeys(_names(Path(mirror), compound))
    refused = False
    for name in names:
        row = listed.get(name, {})
        try:
            download(
                name,
                destination,
                mirrors=mirrors,
                urls=[row["url"]] if row.get("url") else [],
                network=network,
                manifest=manifest,
                datasets=datasets,
                check=_check if Path(name).suffix in FITS else None,
            )
        except NOT_DELIVERED as error:
            print(f"{compound.name}: {error}")
            refused = True
    if destination.is_dir() and any(path.is_file() for path in destination.iterdir()):
        return ""
    if not network:
        return "not fetched: no mirror has its files, and network is false"
    if refused and any(row.get("url") for row in listed.values()):
        return "not fetched: neither a mirror nor its address delivers its files"
    return "not fetched: no mirror has its files, and no address of them is known"


def _names(mirror: Path, compound: Compound) -> list[str]:
    """Files in the folders of a lens anywhere under a mirror."""
    found = [path for path in sorted(mirror.rglob(compound.folder)) if path.is_dir()]
    return [path.name for one in found for path in sorted(one.rglob("*")) if path.is_file()]


def _check(path: Path, name: str) -> None:
    fits_images.check_signature(path)


def write(
    out: str | Path,
    folder: str | Path,
    recipe: str,
    *,
    status: str | Path | None = None,
    mirrors: Sequence[str] = (),
    network: bool = True,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
) -> dict[str, str]:
    """Fetch what there is and write it as one shard, with none of them too.

    Args:
        out: shard to write: ``vis`` (n, 200, 200), ``nisp`` (n, 3, 66, 66), and a table with id (place in
            ``compounds.KNOWN``), label 1, parent_id, name and the filters that stand for the bands.
        folder: of the files.
        recipe: "faithful" (bands of Table 2) or "corrected" (by wavelength).
        status: JSON to write: status ("fetched" if all lenses can be shown, else "missing"), reason, mirrors,
            folder, and ``lenses``, from the name to its status, reason, and sha256 and bytes of its files.
        mirrors, network, manifest, datasets: as of ``fetch``.

    Returns:
        The attribute ``missing``: reason for each lens that is not there.
    """
    options: dict[str, Any] = {"network": network, "manifest": manifest, "datasets": datasets}
    absent = {one.name: fetch(one, folder, mirrors=mirrors, **options) for one in KNOWN}
    try:
        source = compounds.find(folder, recipe)
    except MissingBand:
        source = _nothing(folder, recipe)
    missing = {
        one.name: absent[one.name] or source.attributes["missing"][one.name].removeprefix(f"{one.name}: ")
        for one in KNOWN
        if absent[one.name] or one.name in source.attributes["missing"]
    }
    source = replace(source, attributes={**source.attributes, "set": "known", "missing": missing})
    made = [source.read(row) for row in range(len(source.table))]
    arrays = {
        name: np.stack([one[name] for one in made]) if made else np.empty((0, *shape), np.float32)
        for name, shape in source.shapes.items()
    }
    store.write(out, arrays, source.table, source.attributes)
    if status is not None:
        lenses = {one.name: _status(Path(folder, one.folder), missing.get(one.name, "")) for one in KNOWN}
        whole = {
            "status": "missing" if missing else "fetched",
            "reason": "; ".join(f"{name}: {reason}" for name, reason in missing.items()),
        }
        places = {"mirrors": [str(one) for one in mirrors], "folder": str(folder)}
        write_status(status, whole | places | {"lenses": lenses})
    return missing


def _status(folder: Path, reason: str) -> dict[str, Any]:
    """What became of one lens, with the files that are there, be they enough or not."""
    paths = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    files = {one.name: {"sha256": sha256_of(one), "bytes": one.stat().st_size} for one in paths}
    return {"status": "missing" if reason else "fetched", "reason": reason, "files": files}


def _nothing(folder: str | Path, recipe: str) -> stamps.Source:
    """A set without a lens, with the reason for each."""
    columns = ("id", "label", "parent_id", "name", *(f"filter_{band}" for band in BANDS))
    numbers = {"id", "label", "parent_id"}
    table = pd.DataFrame({name: pd.Series(dtype=int if name in numbers else object) for name in columns})
    shapes = {"vis": (PIXELS["VIS"],) * 2, "nisp": (len(NISP), PIXELS["J"], PIXELS["J"])}
    missing = {}
    for one in KNOWN:
        try:
            compounds.read(one, Path(folder, one.folder), recipe)
        except SkyneedleError as error:
            missing[one.name] = str(error)
    attributes = {"survey": "known_compounds", "recipe": recipe, "missing": missing}
    return stamps.Source(table, lambda row: {}, shapes, attributes)
