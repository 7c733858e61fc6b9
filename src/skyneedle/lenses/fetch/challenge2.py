"""The second Euclid strong-lens-finding challenge: four bands a system, with the catalogue of its truth.

Layout: ``Public/EUC_{VIS,J,Y,H}/imageEUC_{BAND}-{ID}.fits`` and a CSV catalogue with comment lines on top.

Source: the challenge's data release (Bologna Lens Factory); Wilde et al. 2022, Secs. 2.1 and 3.2.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import fits_images
from skyneedle.core.errors import BadSetting, NotADataSet, SkyneedleError
from skyneedle.lenses.fetch import catalogue as catalogues
from skyneedle.lenses.fetch import convert, stamps
from skyneedle.lenses.labels import is_lens
from skyneedle.lenses.preprocess import BANDS, NISP, PIXEL_SCALE, PIXELS, SKY_FROM, sky_noise

LABEL_COLUMNS = ("n_source_im", "mag_eff", "n_pix_source")
ARCSEC = 180 * 3600 / np.pi  # of a radian
PLAUSIBLE_ARCSEC = (0.1, 10.0)  # of the median Einstein radius
# Rows of the training catalogue for which no image was released.
KNOWN_WITHOUT_IMAGE = (213913, 226305, 233597, 244071, 259871, 261145, 270458, 288731, 294173)


def find(root: str | os.PathLike, catalogue: str | os.PathLike | None = None) -> stamps.Source:
    """The challenge's stamps in an unpacked folder.

    Args:
        root: folder that holds ``Public/`` or the four band folders, at any depth.
        catalogue: CSV file of the truth; without it all labels are -1.

    Returns:
        The stamps, with those columns that the catalogue has, and theta_e (see ``einstein_radius``) where it
        has ein_area; every system is its own parent. Attributes count duplicates, rows without image, rows
        without all bands, and images without row.

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
    if "ein_area" in table:
        table["theta_e"] = einstein_radius(table["ein_area"])
    table = table[
        ["id", "label", "parent_id", *table.columns.difference(["id", "label", "parent_id"], sort=False)]
    ]
    expected = set(KNOWN_WITHOUT_IMAGE) & set(table["id"]) - there
    table, report = catalogues.match(table, images)
    report["n_without_image_unexpected"] = report["n_without_image"] - len(expected)

    def read(row: int) -> dict[str, np.ndarray]:
        planes = {}
        for band in BANDS:
            image = fits_images.read(images[band][int(table["id"][row])])
            planes[band] = stamps.check(image, (PIXELS[band],) * 2, PIXEL_SCALE[band])
        return {"vis": planes["VIS"], "nisp": np.stack([planes[band] for band in NISP])}

    return stamps.Source(
        table,
        read,
        {"vis": (PIXELS["VIS"],) * 2, "nisp": (len(NISP), PIXELS["J"], PIXELS["J"])},
        {"survey": "challenge2", "unit": "of the challenge", **stamps.grid(PIXEL_SCALE), **report},
    )


def einstein_radius(ein_area: pd.Series) -> np.ndarray:
    """Radius in arcsec of circles of these areas in steradian, shape (n,); NaN where there is no area.

    The catalogue does not tell the unit; its users take it in steradian. Where the median radius would then
    be none of a galaxy, outside 0.1 to 10 arcsec, all are NaN: a wrong radius is worse than none.
    """
    area = pd.to_numeric(ein_area, errors="coerce").to_numpy(float)
    radius = ARCSEC * np.sqrt(np.where(area > 0, area, np.nan) / np.pi)
    known = radius[np.isfinite(radius)]
    low, high = PLAUSIBLE_ARCSEC
    if not len(known) or not low < np.median(known) < high:
        return np.full(len(area), np.nan)
    return radius


def sky_of(source: stamps.Source) -> list[float]:
    """Standard deviation of the sky in VIS, J, Y and H, the same for whatever is taken of a source.

    The median over those of its first 200 stamps that can be read, from the differences of neighbouring
    pixels, in which smooth light of galaxies cancels: simulated stamps give 2 to 9 % too much in this way,
    and 10 to 35 % from their pixels themselves, most in H. Noise must be white for that; in the VIS stamps of
    the first challenge, neighbours and pixels three apart tell the same within 1 %.

    Raises:
        NotADataSet: if none can.
    """
    noise, why = [], "there are none"
    for row in range(min(SKY_FROM, len(source.table))):
        try:
            made = source.read(row)
        except SkyneedleError as error:  # named and counted where the row itself is converted
            why = str(error)
        else:
            planes = made["vis"][None], made["nisp"]
            noise.append(np.concatenate([sky_noise(np.diff(one)) / np.sqrt(2) for one in planes]))
    if not noise:
        raise NotADataSet(f"Not one of the first {SKY_FROM} stamps could be read; the last of them: {why}")
    return np.median(noise, axis=0).tolist()


def write_shard(
    path: str | Path, set_name: str, root: str | os.PathLike, catalogue: str | os.PathLike, rows: range
) -> None:
    """Write one shard of a set of real images, in the form of the simulated ones.

    Args:
        path: of the shard.
        set_name: name of the set, for its attributes.
        root, catalogue: as of ``find``.
        rows: of those objects that have a row and all images, in the order of the catalogue.

    Raises:
        BadSetting: if there are fewer rows.
        MissingBand, NotACatalogue, NotADataSet: as of ``find`` and ``convert.write``.
    """
    source = find(root, catalogue)
    if rows.stop > len(source.table):
        raise BadSetting(
            f"{catalogue}: set '{set_name}' needs the objects {rows.start} to {rows.stop - 1}, counted from "
            f"0, but only {len(source.table)} have images; lower n_examples of the sets, or give this one "
            f"images of its own: lenses.sets.{set_name}.images."
        )
    written = convert.write(
        source,
        path,
        rows,
        {"set": set_name, "content": "singles", "stretch": "linear", "sky_sigma": sky_of(source)},
    )
    counts = {name: value for name, value in written.items() if name.startswith("n_")}
    print(f"{path}: {counts}; left out: {written['left_out'] or 'none'}")
