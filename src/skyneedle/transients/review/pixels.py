"""Stamps as pictures: grey, one pixel of the picture for one of the detector."""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core.errors import BadLabels, NotADataSet
from skyneedle.core.store import DataSet

PLANES = ("temp", "srch", "diff")
STRETCHES = ("asinh", "zscale", "linear")
MASKED = 1e-29  # the survey marks masked pixels by 1e-30
SOFTENING = 3.0  # noise levels up to which the inverse hyperbolic sine is about linear
FAINTEST, BRIGHTEST = -3.0, 12.0  # noise levels; what is brighter in the stamp moves the upper end


class Stamps:
    """Stamps of a data set by id.

    Args:
        source: folder of shards, a shard, or several.

    Raises:
        NotADataSet: if it holds no triplets.
    """

    def __init__(self, source: str | Path | Sequence[str | Path]):
        self.data = DataSet(source)
        self.source = source
        missing = [name for name in ("id", "label_given") if name not in self.data.table]
        channels = list(self.data.attributes.get("channels", ()))
        if missing or sorted(channels) != sorted(PLANES):
            raise NotADataSet(
                f"{source}: no data set of transients: "
                + (f"its table lacks {', '.join(missing)}." if missing else f"its channels are {channels}.")
            )
        if self.data.table["id"].duplicated().any():
            raise NotADataSet(f"{source}: ids stand twice; give each shard once.")
        self.channel = {name: channels.index(name) for name in PLANES}
        # A GIF is stored from its top row on, FITS from the bottom row.
        self.is_gif = self.data.attributes.get("pixel_mode") == "gif"
        self._row = pd.Series(np.arange(len(self.data)), index=self.data.table["id"].to_numpy(np.int64))

    def labels(self) -> pd.DataFrame:
        """Columns id and label, as given."""
        table = self.data.table
        return pd.DataFrame(
            {"id": table["id"].astype(np.int64), "label": table["label_given"].astype(np.int8)}
        )

    def check(self, ids: Sequence[int]) -> None:
        """Raise unless all are there.

        Raises:
            BadLabels: says how many are not.
        """
        absent = [one for one in ids if one not in self._row.index]
        if absent:
            raise BadLabels(
                f"{self.source}: lacks {len(absent)} of {len(ids)} candidates of the review, the first "
                f"{absent[0]}; give the data set that they come from."
            )

    def picture(self, one: int, plane: str, stretch: str) -> bytes:
        """One plane of a candidate as PNG."""
        pixels = self.data.read("stamps", int(self._row[one]))[self.channel[plane]]
        return png(grey(pixels if self.is_gif else pixels[::-1], stretch, is_difference=plane == "diff"))


def grey(plane: np.ndarray, stretch: str, *, is_difference: bool) -> np.ndarray:
    """Grey levels of a plane.

    Args:
        plane: pixels in any unit, shape (n, n).
        stretch: ``asinh`` in units of the noise; ``zscale``, linear between the limits of IRAF's algorithm;
            ``linear`` between the least and the largest pixel but for half a per cent at each end.
        is_difference: zero is grey then, and not dark, for ``asinh``.

    Returns:
        uint8, shape (n, n); masked pixels and what is not finite are black.
    """
    plane = np.asarray(plane, np.float32)
    good = np.isfinite(plane) & ((np.abs(plane) > MASKED) | (plane == 0))
    out = np.zeros(plane.shape, np.uint8)
    values = plane[good]
    if not len(values) or np.ptp(values) == 0:
        return out
    if stretch == "asinh":
        shown = _asinh(values, is_difference)
    else:
        low, high = _limits(values, stretch)
        shown = (values - low) / (high - low)
    out[good] = np.clip(np.round(255 * shown), 0, 255).astype(np.uint8)
    return out


def _asinh(values: np.ndarray, is_difference: bool) -> np.ndarray:
    middle = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - middle)) or np.ptp(values) / BRIGHTEST
    scaled = (values - middle) / sigma
    brightest = max(float(np.percentile(np.abs(scaled) if is_difference else scaled, 99.8)), BRIGHTEST)
    low, high = -brightest if is_difference else FAINTEST, brightest
    low, high = np.arcsinh(low / SOFTENING), np.arcsinh(high / SOFTENING)
    return (np.arcsinh(scaled / SOFTENING) - low) / (high - low)


def _limits(values: np.ndarray, stretch: str) -> tuple[float, float]:
    if stretch == "zscale":
        from astropy.visualization import ZScaleInterval

        low, high = map(float, ZScaleInterval().get_limits(values))
    else:
        low, high = map(float, np.percentile(values, [0.5, 99.5]))
    return (low, high) if high > low else (float(values.min()), float(values.max()))


def png(levels: np.ndarray) -> bytes:
    """Grey levels, uint8, shape (height, width), as a PNG file."""
    height, width = levels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = levels
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
