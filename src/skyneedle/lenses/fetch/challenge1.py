"""The first strong-lens-finding challenge, space-based half: VIS stamps of 101 x 101 pixels.

Source: Metcalf et al. 2019, A&A 625, A119.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import fits_images
from skyneedle.lenses.fetch import catalogue as catalogues
from skyneedle.lenses.fetch import stamps

PIXELS = 101
PIXEL_SCALE = 0.1  # arcsec
FOLDER_LABELS = {"lens": 1, "nolens": 0}


def find(root: str | os.PathLike, classifications: str | os.PathLike | None = None) -> stamps.Source:
    """The challenge's VIS stamps in an unpacked folder.

    Args:
        root: folder with files imageEUC_VIS-<id>.fits at any depth.
        classifications: the challenge's classifications.csv with the column is_lens. Without it, stamps below
            a folder ``lens`` or ``nolens`` have that label, and all others -1.

    Returns:
        The stamps, with only the array ``vis``; every system is its own parent.

    Raises:
        MissingBand: if there is no image.
        NotACatalogue: if the catalogue lacks its columns.
    """
    images = catalogues.files(Path(root), "VIS")
    if classifications is None:
        ids = sorted(images)
        labels = [_folder_label(images[number].relative_to(root)) for number in ids]
        table = pd.DataFrame({"id": ids, "label": labels})
    else:
        table = catalogues.read(classifications, ("is_lens",))
        table.insert(1, "label", (table["is_lens"] > 0).astype(np.int64))
    table.insert(2, "parent_id", table["id"])
    table, report = catalogues.match(table, {"VIS": images})

    def read(row: int) -> dict[str, np.ndarray]:
        image = fits_images.read(images[int(table["id"][row])])
        return {"vis": stamps.check(image, (PIXELS, PIXELS), PIXEL_SCALE)}

    return stamps.Source(
        table,
        read,
        {"vis": (PIXELS, PIXELS)},
        {
            "survey": "challenge1",
            "unit": "of the challenge",
            **stamps.grid({"VIS": PIXEL_SCALE}),
            **report,
        },
    )


def _folder_label(path: Path) -> int:
    labels = [FOLDER_LABELS[part] for part in path.parts if part in FOLDER_LABELS]
    return labels[-1] if labels else -1
