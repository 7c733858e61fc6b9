"""From an archive of stamps and its catalogue to one shard of a data set, in a stream."""

import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skyneedle.core import store
from skyneedle.core.errors import NotACatalogue, NotAnArchive, NotAStamp, TruncatedFile, WrongStampSize
from skyneedle.core.manifest import sha256_of
from skyneedle.core.progress import progress
from skyneedle.transients.fetch.stamps import Archive
from skyneedle.transients.preprocess import CHANNELS, bad_pixels

N_FEATURES = 38
BLOCK = 256  # stamps in memory
ROWS = 50_000  # of the catalogue in memory
N_NAMED = 10  # ids of each kind left out that are told
LABEL_POSITIVE = "artifact"
UNKNOWN = -1


def write_shard(
    out: str | Path,
    tar: str | Path,
    catalogue: str | Path,
    hosts: str | Path | None = None,
    *,
    pixel_mode: str,
    provenance: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """Write the candidates of one archive that have three planes and a label; tell what is left out.

    Args:
        out: shard to write: ``stamps`` (n, 3, 51, 51), float32 or uint8, planes template, search, difference;
            ``catalogue`` (n, 38) float32 in the order of the file; a table with id, label_given (1 artifact),
            night (YYYYMMDD), expid, band (as the catalogue numbers it), host_id (these four -1 where unknown)
            and n_bad, masked or not finite pixels; attributes channels, pixel_mode, catalogue_columns,
            label_positive, counts, left_out (the first ids of each kind) and archive_sha256.
        tar: archive of stamps, see ``stamps.Archive``.
        catalogue: CSV with comment lines, ID, OBJECT_TYPE and 38 features.
        hosts: CSV with ID and HOST_ID, which only simulated archives have.
        pixel_mode: "gif" or "fits".
        provenance: stored in the file.

    Returns:
        The attribute ``counts``: ``kept``, and candidates and planes left out by reason.

    Raises:
        NotAnArchive: if the archive is none, or no candidate is complete.
        NotACatalogue: if catalogue or hosts lack columns or hold something else than numbers.
    """
    with Archive(tar, pixel_mode) as archive:
        packing = _Packing(archive, read_catalogue(catalogue, archive.candidates), read_hosts(hosts))
        attributes = {
            "channels": list(CHANNELS),
            "pixel_mode": pixel_mode,
            "catalogue_columns": packing.catalogue.columns,
            "label_positive": LABEL_POSITIVE,
            "archive_sha256": sha256_of(tar),
            "provenance": dict(provenance or {}),
        }

        def finish() -> tuple[pd.DataFrame, dict[str, Any]]:
            if not packing.kept:
                raise NotAnArchive(
                    f"{tar}: none of its {len(archive.candidates)} candidates has three planes of 51 x 51 "
                    f"and a label in {catalogue} ({packing.counts()})."
                )
            first = {reason: ids[:N_NAMED] for reason, ids in packing.left_out.items()}
            return packing.table(), attributes | {"counts": packing.counts(), "left_out": first}

        store.write_blocks(out, packing.blocks(), finish)
    counts = packing.counts()
    print(f"{tar}: {', '.join(f'{count} {name}' for name, count in counts.items())}", file=sys.stderr)
    return counts


@dataclass
class Catalogue:
    """Rows of a catalogue, one for each id.

    Attributes:
        columns: names of the features, in the order of the file.
        place: from the id to its row.
        label: 1 artifact, 0 not, shape (n,).
        features: shape (n, 38), float32, NaN where the file has none.
        conflicting: ids with rows of both labels, which are left out.
        n_duplicates: further rows of an id, of which the first is kept.
        n_other: rows of ids that were not asked for.
    """

    columns: list[str]
    place: dict[int, int]
    label: np.ndarray
    features: np.ndarray
    conflicting: set[int]
    n_duplicates: int
    n_other: int


def read_catalogue(path: str | Path, wanted: Container[int]) -> Catalogue:
    """Read the rows of some ids from a catalogue of any length.

    Args:
        path: CSV; lines that begin with # are comments; columns ID, OBJECT_TYPE (1 artifact, 0 not) and 38
            features.
        wanted: ids.

    Raises:
        NotACatalogue: if it cannot be read, lacks columns, or ids or labels are not what they should be.
    """
    place: dict[int, int] = {}
    labels: list[int] = []
    features, conflicting, n_duplicates, n_other = [], set(), 0, 0
    columns: list[str] = []
    for piece in _pieces(path, ("ID", "OBJECT_TYPE")):
        columns = [name for name in piece.columns if name not in ("ID", "OBJECT_TYPE")]
        if len(columns) != N_FEATURES:
            raise NotACatalogue(
                f"{path}: {len(columns)} columns beside ID and OBJECT_TYPE, expected {N_FEATURES} features."
            )
        if not piece["OBJECT_TYPE"].isin([0, 1]).all():
            raise NotACatalogue(f"{path}: OBJECT_TYPE holds other values than 0 and 1 (artifact).")
        new = []
        for k, (one, label) in enumerate(
            zip(piece["ID"].tolist(), piece["OBJECT_TYPE"].tolist(), strict=True)
        ):
            if one not in wanted:
                n_other += 1
            elif one in place:
                n_duplicates += 1
                if labels[place[one]] != label:
                    conflicting.add(one)
            else:
                place[one] = len(labels)
                labels.append(int(label))
                new.append(k)
        try:
            features.append(piece.iloc[new][columns].to_numpy(dtype=np.float32))
        except ValueError as error:
            raise NotACatalogue(f"{path}: a feature is no number ({error}).") from None
    stacked = np.concatenate(features) if features else np.empty((0, N_FEATURES), np.float32)
    return Catalogue(columns, place, np.array(labels, np.int64), stacked, conflicting, n_duplicates, n_other)


def read_hosts(path: str | Path | None) -> dict[int, int]:
    """Host of each id from a CSV with ID and HOST_ID; empty if there is none."""
    if path is None:
        return {}
    hosts: dict[int, int] = {}
    for piece in _pieces(path, ("ID", "HOST_ID")):
        host = piece["HOST_ID"].fillna(UNKNOWN).astype(np.int64)
        hosts.update(zip(piece["ID"].tolist(), host.tolist(), strict=True))
    return hosts


def _pieces(path: str | Path, needed: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    try:
        # As int64 from the first: a float would round ids above 2^53.
        with pd.read_csv(path, comment="#", chunksize=ROWS, dtype={"ID": np.int64}) as pieces:
            for piece in pieces:
                absent = [name for name in needed if name not in piece]
                if absent:
                    raise NotACatalogue(
                        f"{path}: no column {', '.join(absent)}; it has {', '.join(piece.columns[:6])}, ..."
                    )
                yield piece
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise NotACatalogue(f"{path}: cannot be read as CSV with whole ids ({error}).") from None


class _Packing:
    """Candidates of an archive on their way into a shard, and what became of each."""

    def __init__(self, archive: Archive, catalogue: Catalogue, hosts: Mapping[int, int]):
        self.archive, self.catalogue, self.hosts = archive, catalogue, hosts
        self.kept: list[int] = []
        self.n_bad: list[int] = []
        self.left_out: dict[str, list[int]] = {
            name: [] for name in ("missing_planes", "no_label", "conflicting_labels", "damaged", "wrong_size")
        }

    def blocks(self) -> Iterator[dict[str, np.ndarray]]:
        """Stamps and catalogue rows of those that are kept."""
        everything = self.archive.candidates
        stamps: list[np.ndarray] = []
        for one in progress(everything, len(everything), f"pack {self.archive.path.name}"):
            stamp = self._stamp(one)
            if stamp is not None:
                self.kept.append(one)
                stamps.append(stamp)
            if len(stamps) == BLOCK:
                yield self._block(stamps)
                stamps = []
        if stamps:
            yield self._block(stamps)

    def _stamp(self, one: int) -> np.ndarray | None:
        if len(self.archive.candidates[one].planes) < len(CHANNELS):
            self.left_out["missing_planes"].append(one)
        elif one not in self.catalogue.place:
            self.left_out["no_label"].append(one)
        elif one in self.catalogue.conflicting:
            self.left_out["conflicting_labels"].append(one)
        else:
            try:
                return self.archive.read(one)
            except WrongStampSize:
                self.left_out["wrong_size"].append(one)
            except (NotAStamp, TruncatedFile):
                self.left_out["damaged"].append(one)
        return None

    def _block(self, stamps: list[np.ndarray]) -> dict[str, np.ndarray]:
        block = np.stack(stamps)
        self.n_bad.extend(bad_pixels(block).sum((1, 2, 3)).tolist())
        rows = [self.catalogue.place[one] for one in self.kept[-len(block) :]]
        return {"stamps": block, "catalogue": self.catalogue.features[rows]}

    def table(self) -> pd.DataFrame:
        """One row for each that was kept."""
        rows = [self.catalogue.place[one] for one in self.kept]
        where = [self.archive.candidates[one] for one in self.kept]
        band = np.full(len(rows), UNKNOWN)
        if "BAND" in self.catalogue.columns:
            numbers = self.catalogue.features[rows, self.catalogue.columns.index("BAND")]
            band = np.nan_to_num(numbers, nan=UNKNOWN).astype(np.int64)
        return pd.DataFrame(
            {
                "id": np.array(self.kept, np.int64),
                "label_given": self.catalogue.label[rows],
                "night": np.array([one.night for one in where], np.int64),
                "expid": np.array([one.expid for one in where], np.int64),
                "band": band,
                "host_id": np.array([self.hosts.get(one, UNKNOWN) for one in self.kept], np.int64),
                "n_bad": np.array(self.n_bad, np.int64),
            }
        )

    def counts(self) -> dict[str, int]:
        """Candidates kept and left out, members of other kinds, rows of the catalogue without a candidate."""
        members = {name: n for name, n in sorted(self.archive.counts.items()) if name != "stamps"}
        return (
            {"kept": len(self.kept)}
            | {name: len(ids) for name, ids in self.left_out.items()}
            | dict.fromkeys(("duplicate_planes", "unsafe_names"), 0)
            | members
            | {
                "duplicate_rows": self.catalogue.n_duplicates,
                "rows_without_candidate": self.catalogue.n_other,
            }
        )
