"""Small archives in the survey's format."""

import io
import tarfile

import numpy as np
from PIL import Image

CHANNELS = ("temp", "srch", "diff")
HEADER = "".join(f"# line {k}\n" for k in range(6))
FEATURES = [f"F{k}" for k in range(36)] + ["CCDID", "BAND"]


def gif(plane, **options):
    """An 8-bit plane as a GIF file."""
    file = io.BytesIO()
    Image.fromarray(plane).save(file, format="GIF", **options)
    return file.getvalue()


def fits_bytes(plane, **cards):
    """A plane as a FITS file, written by astropy."""
    from astropy.io import fits

    file = io.BytesIO()
    unit = fits.PrimaryHDU(plane)
    unit.header.update(cards)
    unit.writeto(file)
    return file.getvalue()


def write_tar(path, members, format=tarfile.USTAR_FORMAT):
    """A tar of (name, content) in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def members(stamps, ids, ending="gif", night=20130901, expid=232382):
    """Names and contents of the planes of some candidates, shape (n, 3, 51, 51), two candidates a night."""
    encode = gif if ending == "gif" else fits_bytes
    for k, (identifier, planes) in enumerate(zip(ids, stamps, strict=True)):
        folder = f"SNWG/Archive/2013/Y1/{night + k // 2}/{expid + k}"
        for channel, plane in zip(CHANNELS, planes, strict=True):
            yield f"{folder}/{channel}{identifier}.{ending}", encode(plane)


def write_catalogue(path, ids, labels, seed=0):
    """A features file: six comment lines, ID, OBJECT_TYPE and 38 features, some of them missing."""
    rng = np.random.default_rng(seed)
    lines = [",".join(["ID", "OBJECT_TYPE", *FEATURES])]
    for one, label in zip(ids, labels, strict=True):
        values = [f"{value:.5f}" for value in rng.normal(size=36)] + ["12", str(one % 4)]
        values[3] = "" if one % 3 == 0 else values[3]
        lines.append(",".join([str(one), str(label), *values]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return path


def write_hosts(path, ids, hosts):
    path.write_text("ID,HOST_ID\n" + "".join(f"{i},{h}\n" for i, h in zip(ids, hosts, strict=True)))
    return path
