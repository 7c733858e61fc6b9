"""Real stamps that came with the published code, and a real alert, where they are to be had."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.download import NOT_DELIVERED, Status, download, write_status
from skyneedle.core.errors import BadScores, ChecksumMismatch, NoLabel, NotAStamp, WrongStampSize
from skyneedle.core.manifest import read_manifest
from skyneedle.transients.preprocess import CHANNELS, SIZE

# Ten stamps of the archive as 8-bit pictures with marks, their labels, and what the paper's Model 1 says of
# them; names as in the repository of Ayyar et al. 2022.
STAMPS, LABELS, SCORES = "input_x.npy", "input_labels_y.txt", "y_pred.txt"
ALERT = "alert.avro"  # one packet of DECam
NAMES = (STAMPS, LABELS, SCORES, ALERT)


class Real(NamedTuple):
    """Real stamps with what was published about them.

    Attributes:
        stamps: 8-bit pictures, planes in the order of ``CHANNELS``, shape (n, 3, 51, 51), uint8.
        labels: 1 artifact, 0 not, shape (n,).
        scores: P(artifact) by the published network, shape (n,).
    """

    stamps: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def fetch(
    status: str | Path,
    folder: str | Path,
    *,
    mirrors: Sequence[str] = (),
    network: bool = True,
    manifest: str | Path | None = None,
    datasets: str | Path | None = None,
) -> dict[str, Any]:
    """Bring the files into a folder and write what became of them; never raises for their absence.

    Args:
        status: JSON to write: from the name of each file to the fields of ``core.download.Status``, whose
            reason names no folder, so that it can stand in a table.
        folder: where the files go.
        mirrors: folders that are searched for the names, and base addresses, tried in order.
        network: whether addresses may be used at all.
        manifest: table of what was fetched before.
        datasets: table of what is published, with hashes and, where one is known, an address.

    Returns:
        What was written.
    """
    listed = read_manifest(datasets)
    files = {}
    for name in NAMES:
        url = listed.get(name, {}).get("url", "")
        options: dict[str, Any] = {"network": network, "manifest": manifest, "datasets": datasets}
        try:
            found = download(name, folder, mirrors=mirrors, urls=[url] if url else [], **options)
        except NOT_DELIVERED as error:
            print(f"{name}: {error}", flush=True)
            found = Status(name, "missing", _why(error, network, url), [*map(str, mirrors)])
        files[name] = asdict(found)
    return write_status(status, files)


def _why(error: Exception, network: bool, url: str) -> str:
    if isinstance(error, ChecksumMismatch):
        return "not fetched: what is there under its name is another file"
    if url and network:
        return "not fetched: neither a mirror nor its address delivers it"
    return f"not fetched: no mirror has it, and {'network is false' if url else 'no address of it is known'}"


def read(stamps: str | Path, labels: str | Path, scores: str | Path) -> Real:
    """The stamps, their labels and their published scores.

    Args:
        stamps: .npy of shape (n, 51, 51, 3), uint8, channels template, search and difference.
        labels: a number for each, 1 artifact and 0 not.
        scores: likewise P(artifact).

    Raises:
        NotAStamp: if a file cannot be read, or they hold other numbers of stamps.
        WrongStampSize: if the stamps have another shape or type.
        NoLabel: if a label is neither 0 nor 1.
        BadScores: if a score is not in [0, 1].
    """
    try:
        pictures = np.load(stamps, allow_pickle=False)
        given, said = (np.loadtxt(path, ndmin=1) for path in (labels, scores))
    except (OSError, ValueError, EOFError) as error:
        raise NotAStamp(f"{stamps}: cannot be read with its labels and scores ({error}).") from None
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIZE, SIZE, len(CHANNELS)):
        raise WrongStampSize(
            f"{stamps}: {pictures.dtype} of shape {pictures.shape}, expected uint8 of shape "
            f"(n, {SIZE}, {SIZE}, {len(CHANNELS)})."
        )
    if not len(pictures) == len(given) == len(said):
        raise NotAStamp(f"{stamps}: {len(pictures)} stamps, {len(given)} labels, {len(said)} scores.")
    if not np.isin(given, (0, 1)).all():
        raise NoLabel(f"{labels}: labels other than 0 (non-artifact) and 1 (artifact) are in it.")
    if not ((said >= 0) & (said <= 1)).all():
        raise BadScores(f"{scores}: scores outside of [0, 1] are in it.")
    return Real(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)), given.astype(np.int64), said)
