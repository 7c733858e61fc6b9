"""What is a lens: the rule of the lens-finding challenge, and the truth it asks for.

Column names are those of the challenge's catalogue; definitions are the ones written here.
"""

from typing import Any

import numpy as np
from scipy import ndimage

LEAST_MAGNIFICATION = 1.6
LEAST_PIXELS = 20
_NEIGHBOURS = np.ones((3, 3))  # pixels that touch at a corner belong together


def is_lens(n_source_im: Any, mag_eff: Any, n_pix_source: Any) -> Any:
    """The rule of the second lens-finding challenge, for numbers or columns; missing values are no lenses.

    Args:
        n_source_im: images of the source.
        mag_eff: effective magnification.
        n_pix_source: pixels in which the source stands out.

    Source: spec A1, the notebook of Wilde et al. 2022.
    """
    return (n_source_im > 0) & (mag_eff > LEAST_MAGNIFICATION) & (n_pix_source > LEAST_PIXELS)


def image_truth(blurred: np.ndarray, magnification: float, sky_sigma: float) -> dict[str, float]:
    """What the labelling rule asks of one lensed source.

    Args:
        blurred: its noise-free image in the first band, electrons/s, shape (n, n).
        magnification: its lensed flux over its flux without a lens.
        sky_sigma: standard deviation of the sky in that band, electrons/s.

    Returns:
        n_pix_source, pixels above one standard deviation of the sky; n_source_im, connected groups of them;
        mag_eff; source_flux, the lensed flux in electrons/s.
    """
    above = blurred > sky_sigma
    return {
        "n_pix_source": int(above.sum()),
        "n_source_im": int(ndimage.label(above, structure=_NEIGHBOURS)[1]),
        "mag_eff": float(magnification),
        "source_flux": float(blurred.sum(dtype=float)),
    }


def passes(truth: dict[str, float]) -> bool:
    """Whether one lensed source, described by ``image_truth``, makes a lens."""
    return bool(is_lens(truth["n_source_im"], truth["mag_eff"], truth["n_pix_source"]))
