"""Small FITS files for the tests of the loaders."""

import numpy as np
from astropy.io import fits


def header(scale_arcsec=None, **more):
    made = fits.Header()
    if scale_arcsec:
        made["CTYPE1"], made["CTYPE2"] = "RA---TAN", "DEC--TAN"
        made["CD1_1"], made["CD2_2"] = -scale_arcsec / 3600, scale_arcsec / 3600
    made.update(more)
    return made


def write(path, values, scale_arcsec=None, **more):
    """One image as primary array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.writeto(path, np.asarray(values, np.float32), header(scale_arcsec, **more), overwrite=True)
    return path


def write_extensions(path, extensions):
    """(name, values, header) for each extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units = [fits.ImageHDU(values, head, name=name) for name, values, head in extensions]
    fits.HDUList([fits.PrimaryHDU(), *units]).writeto(path, overwrite=True)
    return path


def first_image(path, shape):
    """The primary array straight from the bytes: 2880-byte header blocks, then big-endian floats."""
    content = path.read_bytes()
    end = next(i for i in range(0, len(content), 80) if content[i : i + 8] == b"END     ")
    start = (end // 2880 + 1) * 2880
    return np.frombuffer(content, ">f4", int(np.prod(shape)), start).reshape(shape)
