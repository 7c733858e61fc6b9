"""The four known compound lenses, their bands put where the networks expect those of Euclid.

Source: Wilde et al. 2022, Sec. 2.3 and Table 2.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skyneedle.core import fits_images
from skyneedle.core.errors import BadSetting, MissingBand, NotAStamp, SkyneedleError
from skyneedle.lenses.fetch import stamps
from skyneedle.lenses.preprocess import BANDS, NISP, PIXELS, RECIPES, resize

STAMP_ARCSEC = 20.0
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".pdf")


@dataclass(frozen=True)
class Compound:
    """One known compound lens.

    Attributes:
        name: as the paper's Table 7 has it.
        folder: where its FITS files are looked for.
        telescope: that took the images.
        bands: which filter stands for VIS, Y, J and H, by Table 2.
        by_wavelength: the same filters from blue to red, where Table 2 is not in that order.
    """

    name: str
    folder: str
    telescope: str
    bands: tuple[str, str, str, str]
    by_wavelength: tuple[str, str, str, str] | None = None

    def filters(self, recipe: str) -> dict[str, str]:
        """Filter for each Euclid band; ``corrected`` gives the bluest to VIS, as the paper's text says."""
        chosen = self.by_wavelength if recipe == "corrected" and self.by_wavelength else self.bands
        return dict(zip(("VIS", "Y", "J", "H"), chosen, strict=True))


KNOWN = (
    Compound("SL2S J02176-0513", "SL2SJ02176-0513", "HST", ("F606", "F606", "F814", "F814")),
    Compound("HSC J142449-005322", "HSCJ142449-005322", "HSC", ("R", "I", "Z", "Y")),
    Compound("SDSS J1148+1930", "cosmic_horseshoe", "HST", ("F475", "F606", "F606", "F814")),
    Compound(
        "SDSS J0946+1006",
        "SDSSJ0946+1006",
        "HST",
        ("F160", "F336", "F438", "F814"),
        # Table 2 puts the reddest filter into VIS, against the text ("0.1 arcsec/pixel for the bluest band").
        by_wavelength=("F336", "F438", "F814", "F160"),
    ),
)


def filter_of(path: Path) -> str | None:
    """The filter of an image by its file name: f475w gives F475, and ..._r.fits or HSC-R gives R."""
    name = path.stem.upper()
    numbered = re.findall(r"(?<![A-Z0-9])F(\d{3})(?:W|LP|N|M|X)?(?![A-Z0-9])", name)
    if numbered:
        return f"F{numbered[-1]}"
    letters = re.findall(r"(?:^|[_\-.])([GRIZY])(?=$|[_\-.])", name)
    return letters[-1] if letters else None


def read(compound: Compound, folder: str | os.PathLike, recipe: str = "faithful") -> dict[str, np.ndarray]:
    """One compound lens as if Euclid had seen it: the middle 20 arcsec at 0.1 and 0.3 arcsec a pixel.

    Args:
        compound: one of ``KNOWN``.
        folder: with one FITS image a filter, the lens in the middle.
        recipe: "faithful" (Table 2) or "corrected" (by wavelength).

    Returns:
        ``vis`` (200, 200) and ``nisp`` (3, 66, 66) in the order J, Y, H, as surface brightness in the unit of
        the files. The 20 arcsec fill 66 pixels, which are thus 0.303 arcsec wide, as in the paper.

    Raises:
        MissingBand: if a filter has no FITS file; says so where there are only pictures.
        WrongStampSize: if an image covers less than 20 arcsec.
        NotAStamp, TruncatedFile, WrongPixelScale, StampHasNaN, ConstantStamp: as of ``stamps``.
    """
    if recipe not in RECIPES:
        raise BadSetting(f"recipe is '{recipe}', expected one of {', '.join(RECIPES)}.")
    filters = compound.filters(recipe)
    paths = _files(compound, Path(folder), set(filters.values()))
    middles = {name: _middle(path) for name, path in paths.items()}
    planes = {band: resize(middles[filters[band]], PIXELS[band]) for band in BANDS}
    return {"vis": planes["VIS"], "nisp": np.stack([planes[band] for band in NISP])}


def _files(compound: Compound, folder: Path, filters: set[str]) -> dict[str, Path]:
    everything = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    found: dict[str, Path] = {}
    for path in everything:
        name = filter_of(path)
        if path.suffix.lower() in (".fits", ".fit") and name in filters:
            if name in found:
                raise NotAStamp(f"{path}: {found[name].name} is an image in {name} too; keep one of the two")
            found[name] = path
    lacking = sorted(filters - set(found))
    if lacking:
        pictures = [path.name for path in everything if path.suffix.lower() in PICTURES]
        why = (
            f"only a picture is there ({pictures[0]}), and a picture is not data"
            if pictures and not found
            else f"{len(found)} of {len(filters)} filters are there"
        )
        raise MissingBand(
            f"{compound.name}: no FITS image in {', '.join(lacking)} ({compound.telescope}) in the folder "
            f"{folder.name}: {why}"
        )
    return found


def _middle(path: Path) -> np.ndarray:
    image = fits_images.first_image(path)
    if image.pixel_scale is None:
        raise NotAStamp(f"{image.path}: the header has no world coordinates to tell 20 arcsec")
    # The check of the content comes after cutting: mosaics have empty corners.
    side = round(STAMP_ARCSEC / image.pixel_scale)
    middle = stamps.centre(image.values, side, image.path)
    return stamps.check(fits_images.Image(middle, image.header, image.pixel_scale, image.path))


def find(root: str | os.PathLike, recipe: str = "faithful") -> stamps.Source:
    """The known compound lenses that are really there.

    Args:
        root: folder with one folder a lens, named as ``Compound.folder``.
        recipe: see ``read``.

    Returns:
        The stamps, each with label 1 and its place in ``KNOWN`` as id. The attribute ``missing`` gives the
        reason for each lens that cannot be shown; none is replaced.

    Raises:
        MissingBand: if none is there.
    """
    examples, missing = {}, {}
    for number, compound in enumerate(KNOWN):
        try:
            examples[number] = read(compound, Path(root, compound.folder), recipe)
        except SkyneedleError as error:
            missing[compound.name] = str(error)
    if not examples:
        raise MissingBand(
            f"{root}: none of the known compound lenses is there: {'; '.join(missing.values())}"
        )
    numbers = list(examples)
    used = {
        f"filter_{band}": [KNOWN[i].filters(recipe)[band] for i in numbers] for band in ("VIS", "Y", "J", "H")
    }
    table = pd.DataFrame(
        {"id": numbers, "label": 1, "parent_id": numbers, "name": [KNOWN[i].name for i in numbers], **used}
    )
    return stamps.Source(
        table,
        lambda row: examples[numbers[row]],
        {"vis": (PIXELS["VIS"],) * 2, "nisp": (len(NISP), PIXELS["J"], PIXELS["J"])},
        {
            "survey": "known_compounds",
            "recipe": recipe,
            "unit": "of each file, as surface brightness",
            **stamps.grid({band: STAMP_ARCSEC / PIXELS[band] for band in BANDS}),
            "missing": missing,
        },
    )
