"""From a noise-free image to what a detector records."""

import numpy as np

from skyneedle.lenses.simulate.instruments import Band, Instrument
from skyneedle.lenses.simulate.render import Images


def observe(images: Images, instrument: Instrument, random: np.random.Generator) -> Images:
    """Add the photon noise of source and sky, and the read noise of each exposure; the sky is subtracted.

    Args:
        images: noise-free, electrons/s.
        instrument: with what.
        random: stream of the noise; the first band is drawn first.

    Returns:
        Images in electrons/s, float32.
    """
    bands = instrument.bands
    vis = _recorded(images.vis, bands[0], random)
    rest = [_recorded(image, band, random) for image, band in zip(images.nisp, bands[1:], strict=True)]
    return Images(vis, np.stack(rest) if rest else images.nisp)


def _recorded(image: np.ndarray, band: Band, random: np.random.Generator) -> np.ndarray:
    expected = (np.maximum(image, 0) + band.sky_rate) * band.total_exposure_s
    electrons = random.poisson(expected).astype(np.float32)
    read = random.standard_normal(image.shape, dtype=np.float32)
    electrons += np.float32(band.read_noise * band.n_exposures**0.5) * read
    electrons /= np.float32(band.total_exposure_s)
    return electrons - np.float32(band.sky_rate)


def total(layers: dict[str, Images]) -> Images:
    """Sum of the layers of a scene."""
    parts = list(layers.values())
    return Images(np.sum([one.vis for one in parts], axis=0), np.sum([one.nisp for one in parts], axis=0))
