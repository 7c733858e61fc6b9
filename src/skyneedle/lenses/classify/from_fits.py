"""Objects in FITS files: one file a band, or one file with all bands as extensions."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skyneedle.core import fits_images
from skyneedle.core.errors import MissingBand, NotAStamp, SkyneedleError
from skyneedle.lenses.classify.objects import Group, LeftOut, Stamp, left_out
from skyneedle.lenses.fetch import euclid_q1, stamps
from skyneedle.lenses.preprocess import BANDS, NISP, PIXEL_SCALE, PIXELS

ENDINGS = (".fits", ".fit", ".fits.gz", ".fit.gz")
# VIS or Y or NIR_Y as a word of its own, touched by neither letters nor digits: J1148 is no band.
BAND_WORD = re.compile(r"(?<![A-Z0-9])(?:(?:NIR|NISP)[_-]?)?(VIS|Y|J|H)(?![A-Z0-9])", re.IGNORECASE)
CUTOUT = re.compile(rf"(?:{'|'.join(euclid_q1.EXTENSIONS.values())})_(?:{'|'.join(euclid_q1.IMAGE_ENDINGS)})")


def without_ending(path: str) -> str:
    """A path without the ending of a FITS file; another one stays."""
    ending = next((one for one in ENDINGS if path.lower().endswith(one)), "")
    return path[: len(path) - len(ending)]


def band_of(name: str) -> str | None:
    """The band in a name, the last word of several; None where there is none."""
    words = BAND_WORD.findall(name)
    return words[-1].upper() if words else None


def without_band(path: str, band: str) -> str:
    """A path without its ending and all words of one band: the same for all files of an object.

    ``EUC_VIS/imageEUC_VIS-12.fits`` gives ``EUC/imageEUC-12``.
    """
    stem = without_ending(path)
    parts = []
    for part in Path(stem).parts:
        rest = BAND_WORD.sub(lambda word: "" if word[1].upper() == band else word[0], part)
        tidy = re.sub(r"([_\-. ])[_\-. ]+", lambda run: run[0][-1], rest).strip("_-. ")
        parts += [tidy] if tidy else []
    return "/".join(parts) or Path(stem).name


def groups(files: Sequence[str], root: Path, before: str, refused: list[LeftOut]) -> list[Group]:
    """The objects in FITS files.

    Args:
        files: paths relative to ``root``.
        root: folder, or the folder of a single file.
        before: put before the names.
        refused: gets the files that cannot be told apart.

    Returns:
        At most two groups: of files with one band, and of files with all bands.
    """
    objects, wholes = _sorted_out(files, root, before, refused)
    found = []
    if objects:
        names, paths = [before + name for name in objects], list(objects.values())
        found.append(
            Group(
                "one FITS file a band",
                names,
                [str(next(iter(each.values()))) for each in paths],
                lambda i, bands: _read_bands(names[i], paths[i], bands),
                np.full(len(names), -1),
                all_files=[str(path) for each in paths for path in each.values()],
            )
        )
    if wholes:
        found.append(
            Group(
                "one FITS file an object",
                [before + without_ending(file) for file in wholes],
                [str(root / file) for file in wholes],
                lambda i, bands: _read_whole(root / wholes[i], bands),
                np.full(len(wholes), -1),
            )
        )
    return found


def _sorted_out(
    files: Sequence[str], root: Path, before: str, refused: list[LeftOut]
) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Files by object and band, and those that are an object each; arguments as of ``groups``."""
    named: dict[str, list[tuple[str, str]]] = {}
    wholes = set()
    for file in files:
        band = band_of(Path(file).name)
        if band is None:
            wholes.add(file)
        else:
            named.setdefault(without_band(file, band), []).append((band, file))
    for name, members in named.items():
        # Opening every file of a large survey takes minutes: only where the names leave a doubt.
        if sorted(band for band, _ in members) != sorted(BANDS):
            wholes.update(file for _, file in members if _is_whole(root / file))
            named[name] = [member for member in members if member[1] not in wholes]
    objects: dict[str, dict[str, Path]] = {}
    for name, members in _joined(named).items():
        known: dict[str, Path] = {}
        for band, file in members:
            if band in known:
                twice = NotAStamp(
                    f"{root / file}: {known[band].name} is its {band} image already; keep one of the two."
                )
                refused.append(left_out(before + file, str(root / file), twice))
            else:
                known[band] = root / file
        objects[name] = known
    return objects, [file for file in files if file in wholes]


def _joined(named: Mapping[str, list[tuple[str, str]]]) -> dict[str, list[tuple[str, str]]]:
    """The same with the files of an object together whose name has a band: H-ATLAS_1_H beside H-ATLAS_1_J.

    Without its band the former is ATLAS_1. Objects that lack bands and whose paths differ in words of bands
    alone are one, if no band is there twice.
    """
    joined = {name: members for name, members in named.items() if members}
    alike: dict[str, list[str]] = {}
    for name, members in joined.items():
        if len(members) < len(BANDS):
            alike.setdefault(BAND_WORD.sub("*", without_ending(members[0][1])), []).append(name)
    for names in alike.values():
        together = [member for name in names for member in joined[name]]
        if len(names) > 1 and len({band for band, _ in together}) == len(together):
            longest = max(names, key=len)
            joined[longest] = together
            for name in names:
                if name != longest:
                    del joined[name]
    return joined


def _is_whole(path: Path) -> bool:
    """Whether a file holds several bands, whatever its name says: the H of H-ATLAS is none."""
    try:
        names = fits_images.extensions(path)
    except SkyneedleError:  # is named when its turn comes
        return False
    cutouts = {band_of(name.rsplit("_", 1)[0]) for name in names if CUTOUT.fullmatch(name)}
    return max(len(_bands_in(names)), len(cutouts)) > 1


def _bands_in(names: Sequence[str]) -> dict[str, str]:
    """Extensions that are a band, by band."""
    return {match[1].upper(): name for name in names if (match := BAND_WORD.fullmatch(name))}


def _read_bands(name: str, paths: Mapping[str, Path], bands: Sequence[str]) -> Stamp:
    """An object whose bands are files; each file's first image is taken."""
    lacking = [band for band in bands if band not in paths]
    if lacking:
        there = ", ".join(str(path) for path in paths.values())
        raise MissingBand(
            f"{name}: no image in {', '.join(lacking)} beside {there}; all files of an object have the same "
            "path but for the word of the band."
        )
    planes = {}
    for band in bands:
        image = fits_images.first_image(paths[band])
        inside = band_of(str(image.header.get("EXTNAME", "")))
        if inside not in (None, band):
            raise NotAStamp(
                f"{image.path}: the name of the file says {band}, that of its first image "
                f"'{image.header['EXTNAME']}'; rename the file."
            )
        planes[band] = stamps.check(image, (PIXELS[band],) * 2, PIXEL_SCALE[band])
    return Stamp(planes)


def _read_whole(path: Path, bands: Sequence[str]) -> Stamp:
    """An object whose bands are extensions of one file."""
    names = fits_images.extensions(path)
    if any(CUTOUT.fullmatch(name) for name in names):
        cutout = euclid_q1.read(path)
        nisp = dict(zip(NISP, cutout["nisp"], strict=True))
        return Stamp({band: cutout["vis"] if band == "VIS" else nisp[band] for band in bands}, "nJy")
    found = _bands_in(names)
    lacking = [band for band in bands if band not in found]
    if lacking:
        raise MissingBand(
            f"{path}: no image in {', '.join(lacking)}: neither the name of the file nor one of its "
            f"{len(names)} extensions ({fits_images.listed(names)}) is a word VIS, Y, J or H."
            if not found
            else f"{path}: no extension {', '.join(lacking)}; the file holds {fits_images.listed(names)}."
        )
    images = fits_images.read_all(path, [found[band] for band in bands])
    return Stamp(
        {
            band: stamps.check(image, (PIXELS[band],) * 2, PIXEL_SCALE[band])
            for band, image in zip(bands, images, strict=True)
        }
    )
