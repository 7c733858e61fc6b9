"""The real stamps as a data set, as far as their files are to be had, with an account of what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import store
from skyneedle.core.download import NOT_DELIVERED, download, is_address, write_status
from skyneedle.core.errors import NotACatalogue, SkyneedleError
from skyneedle.core.seeds import generator
from skyneedle.transfer.fetch import origins, stamps
from skyneedle.transfer.fetch.origins import CATALOGUE, COLLECTIONS, Collection
from skyneedle.transfer.fetch.stamps import SIDE

FIRST_ID, _IDS = 900_000, 10_000  # ids of each collection have a range of their own
COLUMNS = ("id", "label", "name", "parent_id", "kind", "n_padded", "collection", "file")
_NUMBERS = {"id", "label", "parent_id", "n_padded"}


@dataclass
class Account:
    """What became of one collection; goes into the status file.

    Attributes:
        words: what the collection is.
        home: its page, if the thesis prints one.
        status: "fetched" or "missing".
        reason: why it is missing, without names of folders, as it stands in figures and tables.
        n_stamps: stamps that came of it.
        files: name, sha256 and bytes of each file.
        left_out: what was wrong with images that were not taken.
    """

    words: str
    home: str
    status: str = "missing"
    reason: str = ""
    n_stamps: int = 0
    files: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def write(
    out: str | Path,
    status: str | Path,
    folder: str | Path,
    seed: int,
    *,
    mirrors: Sequence[str] = (),
    network: bool = True,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
) -> dict[str, Any]:
    """Fetch what there is and write it as one shard, with none of it too.

    Args:
        out: shard to write: ``vis`` (n, 100, 100) in standard deviations of each image's sky, and a table
            with ``COLUMNS``; n may be 0. Ids are even, as no two stamps share a scene.
        status: JSON to write: status, reason and an ``Account`` of each collection.
        folder: gets a folder with the files of each collection.
        seed: root seed, of the padding.
        mirrors: folders, searched recursively, and base addresses.
        network: whether addresses may be used at all.
        manifest: table of what was fetched before.
        datasets: table of what is published.

    Returns:
        What the status file says.
    """
    options: dict[str, Any] = {"network": network, "manifest": manifest, "datasets": datasets}
    accounts = {one.name: fetch(one, Path(folder, one.name), mirrors, options) for one in COLLECTIONS}
    found = [
        pair
        for number, one in enumerate(COLLECTIONS)
        for pair in _stamps(one, Path(folder, one.name), FIRST_ID + number * _IDS, seed, accounts[one.name])
    ]
    table = pd.DataFrame([row for row, _ in found], columns=list(COLUMNS))
    if not found:
        table = pd.DataFrame({name: pd.Series(dtype=int if name in _NUMBERS else object) for name in COLUMNS})
    vis = np.stack([values for _, values in found]) if found else np.empty((0, SIDE, SIDE), np.float32)
    store.write(out, {"vis": vis}, table, _attributes(accounts, seed))
    content = {
        "name": "real",
        "status": "fetched" if found else "missing",
        "reason": _reason(table["label"].to_numpy()),
        "collections": {name: vars(one) for name, one in accounts.items()},
    }
    return write_status(status, content)


def _attributes(accounts: dict[str, Account], seed: int) -> dict[str, Any]:
    return {
        "set": "real",
        "bands": ["F814W"],
        "sky_sigma": [1.0],
        "unit": "standard deviations of the sky",
        "seed": seed,
        "missing": {name: one.reason for name, one in accounts.items() if one.status == "missing"},
    }


def fetch(collection: Collection, place: Path, mirrors: Sequence[str], options: dict[str, Any]) -> Account:
    """Bring the files of a collection into a folder; what is there already is kept.

    Args:
        collection: one of ``origins.COLLECTIONS``.
        place: folder for its files.
        mirrors: folders, searched recursively, and base addresses.
        options: network, manifest and datasets as of ``core.download.download``.

    Returns:
        Its account, with files and, if none came, the reason.
    """
    account = Account(collection.words, collection.home)
    wanted = {name: list(mirrors) for name in collection.files}
    if not collection.files:
        wanted = {path.name: [str(path.parent)] for path in _in_folders(collection, mirrors)}
        here = sorted(place.iterdir()) if place.is_dir() else []
        wanted |= {path.name: [] for path in here if path.suffix in origins.ENDINGS}
    for name, places in wanted.items():
        _bring(name, place, places, options, account)
    if (place / CATALOGUE).is_file():
        try:
            listed = origins.listed(place / CATALOGUE)
        except NotACatalogue:
            listed = []  # said when it is read
        for name in dict.fromkeys(name for _, name, _ in listed):
            _bring(name, place, mirrors, options, account)
    if not account.files:
        what = "none of its files" if collection.files else f"no folder '{collection.name}' with images"
        account.reason = (
            f"not fetched: {what} is in the folders of mirrors, and no address of a file is known"
        )
    return account


def _in_folders(collection: Collection, mirrors: Sequence[str]) -> list[Path]:
    """Images in folders of the collection's name anywhere under the mirrors."""
    folders = [
        one
        for mirror in mirrors
        if not is_address(str(mirror))
        for one in sorted(Path(mirror).rglob(collection.name))
        if one.is_dir()
    ]
    return [path for one in folders for path in sorted(one.rglob("*")) if path.suffix in origins.ENDINGS]


def _bring(name: str, place: Path, mirrors: Sequence[str], options: dict[str, Any], account: Account) -> None:
    try:
        got = download(name, place, mirrors=mirrors, **options)
    except NOT_DELIVERED as error:
        print(f"{name}: {error}")  # with names of folders, which are for the log alone
    else:
        account.files.append({"name": name, "sha256": got.sha256, "bytes": got.bytes})


def _stamps(
    collection: Collection, place: Path, first_id: int, seed: int, account: Account
) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Rows and stamps of a collection; completes its account."""
    found = []
    for position, one in enumerate(origins.images(collection, place)):
        number = first_id + 2 * position
        try:
            if isinstance(one, SkyneedleError):
                raise one
            stamp = stamps.stamp(one.image, generator(seed, "padding", collection.name, one.name), one.name)
        except SkyneedleError as error:
            account.left_out.append(str(error).replace(f"{place}/", ""))
            continue
        row = {"id": number, "label": collection.label, "name": one.name, "parent_id": number}
        row |= {"kind": collection.kind, "n_padded": stamp.n_padded}
        found.append((row | {"collection": collection.name, "file": one.file}, stamp.values))
    account.n_stamps = len(found)
    if found:
        account.status = "fetched"
    elif account.files:
        account.reason = f"not usable: {(account.left_out or ['no image in its files'])[0]}"
    return found


def _reason(labels: np.ndarray) -> str:
    """Why real stamps cannot be judged; empty if there are lenses and others."""
    absent = [word for word, label in (("lens", 1), ("galaxy without a lens", 0)) if label not in labels]
    return f"no image of a {' or of a '.join(absent)} is in the folders of mirrors" if absent else ""
