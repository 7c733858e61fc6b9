"""Colours of galaxies: smooth rest-frame spectra, shifted to their redshift and averaged over passbands."""

from functools import cache

import numpy as np

from skyneedle.lenses.simulate.instruments import Instrument

# Magnitudes per unit frequency relative to 550 nm, rest frame, of three kinds of galaxies from red to blue: a
# quiescent elliptical with its break at 400 nm, a spiral, and a star-forming irregular. They are smooth
# curves of ours with the broad-band colours that such galaxies have; below 121.6 nm the intergalactic gas
# absorbs.
_NODES_NM = (80, 121, 122, 150, 230, 300, 370, 400, 425, 475, 550, 650, 800, 1000, 1250, 1650, 2200)
_MAGNITUDES = (
    (9.0, 8.5, 6.6, 6.0, 5.0, 3.6, 2.15, 1.65, 0.85, 0.45, 0.0, -0.35, -0.68, -0.95, -1.20, -1.45, -1.30),
    (6.0, 5.5, 3.3, 2.9, 2.6, 2.1, 1.45, 1.05, 0.60, 0.30, 0.0, -0.22, -0.42, -0.55, -0.68, -0.85, -0.70),
    (3.7, 3.2, 1.0, 0.95, 0.90, 0.85, 0.75, 0.48, 0.30, 0.15, 0.0, -0.08, -0.12, -0.15, -0.18, -0.22, -0.05),
)
KINDS = (0.0, 0.5, 1.0)  # of the three spectra
_N_WAVELENGTHS = 24


def rest_frame(kind: float, wavelength_nm: np.ndarray) -> np.ndarray:
    """AB magnitude of a spectrum at rest-frame wavelengths, relative to 550 nm.

    Args:
        kind: 0 red (elliptical), 0.5 spiral, 1 blue (irregular); in between interpolated, and a little
            beyond extrapolated.
        wavelength_nm: where.
    """
    logs = np.log(wavelength_nm)
    curves = [np.interp(logs, np.log(_NODES_NM), row) for row in _MAGNITUDES]
    lower = 0 if kind < KINDS[1] else 1
    weight = (kind - KINDS[lower]) / (KINDS[lower + 1] - KINDS[lower])
    return (1 - weight) * curves[lower] + weight * curves[lower + 1]


@cache
def _wavelengths(limits_nm: tuple[float, float]) -> np.ndarray:
    # Photons count, so the average of the flux per frequency is over the logarithm of the wavelength.
    return np.geomspace(*limits_nm, _N_WAVELENGTHS)


def colours(kind: float, z: float, instrument: Instrument) -> np.ndarray:
    """Magnitude of each band minus that of the first, for a galaxy at redshift z.

    Args:
        kind: see ``rest_frame``.
        z: redshift; everything is K-corrected through it.
        instrument: whose bands.

    Returns:
        Shape (band,), the first is 0.
    """
    magnitudes = []
    for band in instrument.bands:
        observed = rest_frame(kind, _wavelengths(band.wavelength_nm) / (1 + z))
        magnitudes.append(-2.5 * np.log10((10 ** (-0.4 * observed)).mean()))
    return np.array(magnitudes) - magnitudes[0]


def faithful_colours(z: float, instrument: Instrument) -> np.ndarray:
    """Colours as the published notebook made them, broken twice: it lost the weights of the templates and
    forced the same absolute magnitude in every band, so that galaxies get bluer the nearer they are.

    Its spectra are not at hand; what it gave was measured at two redshifts, VIS - H of -0.28 at 0.5 and of
    +0.89 at 3.5, and is drawn as a line through both, with the other bands on the way from VIS to H.

    Args:
        z: redshift.
        instrument: whose bands.

    Returns:
        As ``colours``.

    Source: spec A4.7.
    """
    vis_minus_h = -0.28 + (0.89 + 0.28) * (z - 0.5) / 3.0
    centres = np.log([sum(band.wavelength_nm) for band in instrument.bands])
    if len(centres) == 1:
        return np.zeros(1)
    return -vis_minus_h * (centres - centres[0]) / (centres.max() - centres[0])
