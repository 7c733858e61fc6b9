"""The second Euclid strong-lens-finding challenge: four bands a system, with the catalogue of its truth.

Layout: ``Public/EUC_{VIS,J,Y,H}/imageEUC_{BAND}-{ID}.fits`` and a CSV catalogue with comment lines on top.

Source: the challenge's data release (Bologna Lens Factory); Wilde et al. 2022, Secs. 2.1 and 3.2.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.lenses.fetch import catalogue as catalogues
from skyneedle.lenses.fetch import stamps
from skyneedle.lenses.labels import is_lens
from skyneedle.lenses.preprocess import BANDS, NISP, PIXEL_SCALE, PIXELS

LABEL_COLUMNS = ("n_source_im", "mag_eff", "n_pix_source")
# Rows of the training catalogue for which no image was released.
KNOWN_WITHOUT_IMAGE = (213913, 226305, 233597, 244071, 259871, 261145, 270458, 288731, 294173)


def find(root: str | os.PathLike, catalogue: str | os.PathLike | None = None) -> stamps.Source:
    """The challenge's stamps in an unpacked folder.

    Args:
        root: folder that holds ``Public/`` or the four band folders, at any depth.
        catalogue: CSV file of the truth; without it all labels are -1.

    Returns:
        The stamps, with those columns that the catalogue has; every system is its own parent. Attributes
        count duplicates, rows without image, rows without all bands, and images without row.

    Raises:
        MissingBand: if a band has no image at all.
        NotACatalogue: if the catalogue lacks the columns of the labels.
    """
    images = {band: catalogues.files(Path(root), band) for band in BANDS}
    there = {number for found in images.values() for number in found}
    if catalogue is None:
        table = pd.DataFrame({"id": sorted(there)})
        labels = np.full(len(table), -1)
    else:
        table = catalogues.read(catalogue, LABEL_COLUMNS)
        passed = is_lens(table["n_source_im"], table["mag_eff"], table["n_pix_source"])
        labels = passed.to_numpy().astype(np.int64)
    table = table.assign(label=labels, parent_id=table["id"])
    table = table[
        ["id", "label", "parent_id", *table.columns.difference(["id", "label", "parent_id"], sort=False)]
    ]
    expected = set(KNOWN_WITHOUT_IMAGE) & set(table["id"]) - there
    table, report = catalogues.match(table, images)
    report["n_without_image_unexpected"] = report["n_without_image"] - len(expected)

    def read(row: int) -> dict[str, np.ndarray]:
        planes = {}
        for band in BANDS:
            image = stamps.read(images[band][int(table["id"][row])])
            planes[band] = stamps.check(image, (PIXELS[band],) * 2, PIXEL_SCALE[band])
        return {"vis": planes["VIS"], "nisp": np.stack([planes[band] for band in NISP])}

    return stamps.Source(
        table,
        read,
        {"vis": (PIXELS["VIS"],) * 2, "nisp": (len(NISP), PIXELS["J"], PIXELS["J"])},
        {"survey": "challenge2", "unit": "of the challenge", **stamps.grid(PIXEL_SCALE), **report},
    )
