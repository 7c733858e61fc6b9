"""The simulated survey in the form of the archive of Goldstein et al. 2015: tar of stamps, table of features.

Columns that are sums and fits over pixels are left empty beside FITS stamps (AMP, COLMEDS, DIFFSUMRN,
FLUX_RATIO, GAUSS, L1, LACOSMIC, N2SIG3, N2SIG3SHIFT, N2SIG5, N2SIG5SHIFT, N3SIG3, N3SIG3SHIFT, N3SIG5,
N3SIG5SHIFT, NUMNEGRN, SCALE): they follow from the stamps. Beside 8-bit stamps they are there, measured on
the fluxes.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from skyneedle.core.errors import BadSetting
from skyneedle.core.files import appearing
from skyneedle.core.progress import progress
from skyneedle.core.tables import write_parquet
from skyneedle.core.workers import in_order
from skyneedle.transients.features.pixels import PIXEL_FEATURES, measure
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.simulate import catalogue, examples, labels
from skyneedle.transients.simulate.scenes import STAMP
from skyneedle.transients.simulate.settings import RECIPES, SURVEYS, Settings

PLANES = ("srch", "temp", "diff")  # order of the files of one id
_CARD, _BLOCK = 80, 2880
_CHUNK = 32  # examples that a worker makes at a time
_MOST_BYTES = 1 << 30  # of one shard in memory
# Shares of pixels of a plane that an 8-bit stamp clips: about 12 and 3 of 2601 in the public samples (spec
# A2).
_CLIPPED_LOW, _CLIPPED_HIGH = 0.0045, 0.001
_TICK = 10


class Made(NamedTuple):
    """Examples of one piece of work: encoded planes, lines of the truth and of the catalogue."""

    files: list[list[bytes]]
    truth: list[dict[str, Any]]
    features: list[dict[str, float]]


def write_shard(
    tar: str | Path,
    table: str | Path,
    hosts: str | Path,
    truth: str | Path,
    *,
    settings: Settings,
    recipe: str,
    survey: str,
    shard: int | str,
    ids: range,
    seed: int,
    workers: int = 1,
) -> None:
    """Simulate the examples of one shard and write them as the archive has them.

    Bytes depend on the settings, the recipe, the ids and the seed, not on the number of workers; an
    example is the same in any shard.

    Args:
        tar: stamps, ``SNWG/Archive/<year>/Y1/<night>/<expid>/{srch,temp,diff}<ID>.{fits,gif}``: FITS with
            float32 in ADU for the corrected recipe, 8-bit GIF with burnt-in marks for the faithful one.
            Row 0 of a stamp is the first row in both.
        table: CSV of six lines that start with #, then ID, OBJECT_TYPE and 38 features.
        hosts: CSV of ID and HOST_ID, -1 for hostless events.
        truth: parquet of ``examples.TRUTH_COLUMNS``, for scoring alone.
        settings: how; with ``votes``, OBJECT_TYPE is what most observers say.
        recipe: "corrected" or "faithful".
        survey: "des" or "ongoing", written into the files.
        shard: likewise.
        ids: of the examples.
        seed: root seed.
        workers: processes; each uses one core.

    Raises:
        BadSetting: if recipe or survey is unknown, or the shard does not fit in memory.
    """
    for name, value, allowed in (("recipe", recipe, RECIPES), ("survey", survey, SURVEYS)):
        if value not in allowed:
            raise BadSetting(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")
    if len(ids) * 3 * (_BLOCK * 5) > _MOST_BYTES:
        raise BadSetting(
            f"{tar}: {len(ids)} examples in one shard do not fit in 1 GiB; raise the number of shards."
        )
    made = _all(ids, settings, recipe, seed, workers, f"simulate {survey} {shard}")
    known = pd.DataFrame(made.truth, columns=list(examples.TRUTH_COLUMNS))
    if settings.votes:
        _vote(known, settings, seed)
    with appearing(tar) as partial, tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
        for row, files in zip(known.itertuples(index=False), made.files, strict=True):
            folder = f"SNWG/Archive/{row.night // 10000}/Y1/{row.night}/{row.expid}"
            for plane, content in zip(PLANES, files, strict=True):
                member = tarfile.TarInfo(f"{folder}/{plane}{row.id}.{_suffix(recipe)}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    _write_catalogue(table, known, made.features, survey, shard)
    with appearing(hosts) as partial:
        host_ids = known[["id", "host_id"]].set_axis(["ID", "HOST_ID"], axis=1)
        host_ids.to_csv(partial, index=False, lineterminator="\n")
    about = {
        "survey": survey,
        "shard": str(shard),
        "recipe": recipe,
        "seed": seed,
        "settings": repr(settings),
    }
    write_parquet(known, truth, about)


def _suffix(recipe: str) -> str:
    return "fits" if recipe == "corrected" else "gif"


def _all(ids: range, settings: Settings, recipe: str, seed: int, workers: int, what: str) -> Made:
    """All examples in the order of their ids; pieces are such that each exposure is made in one of them."""
    pieces = list(_pieces(ids, settings.n_blocks))
    files: dict[int, list[bytes]] = {}
    truth: dict[int, dict[str, Any]] = {}
    features: dict[int, dict[str, float]] = {}
    done = in_order(_make, pieces, workers, settings, recipe, seed)
    for piece, made in zip(pieces, progress(done, len(pieces), what), strict=True):
        files |= zip(piece, made.files, strict=True)
        truth |= zip(piece, made.truth, strict=True)
        features |= zip(piece, made.features, strict=True)
    return Made([files[one] for one in ids], [truth[one] for one in ids], [features[one] for one in ids])


def _pieces(ids: range, n_blocks: int) -> Iterator[list[int]]:
    """Ids of a block, block by block, in pieces of about the same size."""
    piece: list[int] = []
    for block in range(n_blocks):
        piece += [one for one in ids if one % n_blocks == block]
        if len(piece) >= _CHUNK:
            yield piece
            piece = []
    if piece:
        yield piece


def _make(ids: Sequence[int], settings: Settings, recipe: str, seed: int) -> Made:
    made = Made([], [], [])
    order = [CHANNELS.index(plane) for plane in PLANES]
    encode = fits_bytes if recipe == "corrected" else gif_bytes
    for example_id in ids:
        one = examples.example(example_id, settings, seed)
        made.files.append([encode(one.stamps[channel]) for channel in order])
        made.truth.append(one.truth)
        made.features.append(one.features)
        if recipe == "faithful":
            # The survey computed them from fluxes, which 8-bit stamps no longer hold.
            measured = measure(one.stamps[None])
            made.features[-1] = one.features | dict(zip(PIXEL_FEATURES, measured[0].tolist(), strict=True))
    return made


def _vote(known: pd.DataFrame, settings: Settings, seed: int) -> None:
    """Replace given labels by those of most observers; what they get wrong is a "vote"."""
    decided = labels.majority(labels.votes(known, settings, seed)).set_index("id")["label"]
    known["label_given"] = decided.loc[known["id"]].to_numpy()
    known.loc[known["label_given"] != known["label_true"], "error"] = "vote"


def _write_catalogue(
    path: str | Path, known: pd.DataFrame, features: list[dict[str, float]], survey: str, shard: int | str
) -> None:
    lines = (
        f"Simulated survey {survey}, shard {shard}: detections on difference images",
        f"Columns: ID, OBJECT_TYPE and {len(catalogue.COLUMNS)} features of Goldstein et al. 2015, Table 2",
        "OBJECT_TYPE: 1 for an artifact, 0 for a non-artifact, as labelled",
        "BAND: 0 g, 1 r, 2 i, 3 z; magnitudes are AB; NN_DIST_RENORM is in arcsec, other lengths in pixels",
        "Empty reference columns: no source of the template's catalogue within 5 arcsec",
        "Columns computed from pixels follow from the fluxes, and are empty beside stamps that hold these",
    )
    frame = pd.DataFrame(features, columns=list(catalogue.COLUMNS)).astype("float32")
    frame.insert(0, "ID", known["id"].to_numpy())
    frame.insert(1, "OBJECT_TYPE", known["label_given"].to_numpy())
    for name in ("BAND", "CCDID", "FLAGS", "MAGLIM"):
        frame[name] = frame[name].astype("int64")
    with appearing(path) as partial, partial.open("w", newline="") as file:
        file.writelines(f"# {line}\n" for line in lines)
        frame.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")


# --- one stamp


def fits_bytes(stamp: np.ndarray) -> bytes:
    """A stamp as FITS: one image of big-endian float32."""
    cards = (
        ("SIMPLE", "T"),
        ("BITPIX", "-32"),
        ("NAXIS", "2"),
        ("NAXIS1", str(stamp.shape[1])),
        ("NAXIS2", str(stamp.shape[0])),
    )
    header = "".join(f"{key:8s}= {value:>20s}".ljust(_CARD) for key, value in cards) + "END".ljust(_CARD)
    pixels = np.ascontiguousarray(stamp, dtype=">f4").tobytes()
    return _padded(header.encode(), b" ") + _padded(pixels, b"\0")


def _padded(content: bytes, filler: bytes) -> bytes:
    return content + filler * (-len(content) % _BLOCK)


def tick_marks() -> np.ndarray:
    """The 40 pixels burnt into 8-bit stamps: ten along the diagonal from each corner; bool (51, 51)."""
    place = np.arange(STAMP)
    ends = place[(place < _TICK) | (place >= STAMP - _TICK)]
    marks = np.zeros((STAMP, STAMP), bool)
    marks[ends, ends] = True
    marks[ends, STAMP - 1 - ends] = True
    return marks


def stretched(stamp: np.ndarray, marked: bool = True) -> np.ndarray:
    """A plane in 8 bits: linear between its own quantiles, with the marks of the archive unless told not to;
    uint8 (51, 51)."""
    low, high = np.quantile(stamp, (_CLIPPED_LOW, 1 - _CLIPPED_HIGH))
    scaled = (stamp - low) * (255.0 / (high - low)) if high > low else np.zeros_like(stamp)
    plane = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    if marked:
        plane[tick_marks()] = 255
    return plane


def gif_bytes(stamp: np.ndarray) -> bytes:
    """A stamp as 8-bit GIF with grey levels for a palette."""
    content = io.BytesIO()
    Image.fromarray(stretched(stamp)).save(content, format="GIF", optimize=False)
    return content.getvalue()
