"""What images are taken with, as data: bands, pixels, sensitivity and noise."""

import math
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from skyneedle.core.errors import BadSetting


class Band(NamedTuple):
    """One band of an instrument.

    Attributes:
        name: of the band.
        wavelength_nm: limits of its passband, taken as a box.
        n_pixels: along one side of the stamp.
        pixel_scale_arcsec: side of a pixel.
        zero_point: AB magnitude of a source that gives 1 electron/s.
        exposure_s: of one exposure.
        n_exposures: how many are added.
        sky_mag: brightness of the sky, AB mag / arcsec^2.
        read_noise: electrons an exposure and pixel.
        fwhm_arcsec: of the point-spread function, before it is averaged over the pixel.
    """

    name: str
    wavelength_nm: tuple[float, float]
    n_pixels: int
    pixel_scale_arcsec: float
    zero_point: float
    exposure_s: float
    n_exposures: int
    sky_mag: float
    read_noise: float
    fwhm_arcsec: float

    @property
    def total_exposure_s(self) -> float:
        """Exposure of the whole stack, s."""
        return self.exposure_s * self.n_exposures

    @property
    def sky_rate(self) -> float:
        """Electrons/s that the sky puts into one pixel."""
        return 10 ** (-0.4 * (self.sky_mag - self.zero_point)) * self.pixel_scale_arcsec**2

    @property
    def sky_sigma(self) -> float:
        """Standard deviation of an empty pixel of the stack, electrons/s."""
        electrons = self.sky_rate * self.total_exposure_s + self.n_exposures * self.read_noise**2
        return math.sqrt(electrons) / self.total_exposure_s

    def flux(self, magnitude: float | np.ndarray) -> float | np.ndarray:
        """Electrons/s of a source of this AB magnitude."""
        return 10 ** (-0.4 * (magnitude - self.zero_point))

    def magnitude(self, flux: float) -> float:
        """AB magnitude of a source of this many electrons/s; infinite for none."""
        return self.zero_point - 2.5 * math.log10(flux) if flux > 0 else math.inf


class Instrument(NamedTuple):
    """Bands that share their centre; the first has the finest pixels, the others whole multiples of them.

    Attributes:
        name: of the instrument.
        bands: the first is stored as array ``vis``, the others together as ``nisp``, in this order.
    """

    name: str
    bands: tuple[Band, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands."""
        return tuple(band.name for band in self.bands)

    def multiple(self, band: int) -> tuple[int, int]:
        """Pixels of the first band along one pixel of another, and where the other's stamp begins.

        Raises:
            BadSetting: if the pixels of the two do not line up.
        """
        first, other = self.bands[0], self.bands[band]
        ratio = round(other.pixel_scale_arcsec / first.pixel_scale_arcsec)
        rest = first.n_pixels - ratio * other.n_pixels
        exact = math.isclose(ratio * first.pixel_scale_arcsec, other.pixel_scale_arcsec, rel_tol=1e-6)
        if not exact or rest < 0 or rest % 2:
            raise BadSetting(
                f"Instrument {self.name}: pixels of {other.name} ({other.n_pixels} of "
                f"{other.pixel_scale_arcsec} arcsec) are no whole multiples of those of {first.name} "
                f"({first.n_pixels} of {first.pixel_scale_arcsec} arcsec) around the same centre."
            )
        return ratio, rest // 2


# Passbands of Euclid as boxes at half of the peak transmission: Laureijs et al. 2011 (VIS), Euclid
# Collaboration: Schirmer et al. 2022 (NISP).
VIS_NM, Y_NM, J_NM, H_NM = (550.0, 900.0), (949.6, 1212.3), (1167.6, 1567.0), (1521.5, 2021.4)

# Zero points, exposures, sky and widths of Euclid: spec G, as lenstronomy has them.
_EUCLID = Instrument(
    "euclid",
    (
        Band("VIS", VIS_NM, 200, 0.1, 25.72, 566.0, 4, 22.3, 4.2, 0.16),
        Band("J", J_NM, 66, 0.3, 25.26, 87.2, 4, 22.2, 6.1, 0.49),
        Band("Y", Y_NM, 66, 0.3, 25.04, 87.2, 4, 22.1, 6.1, 0.48),
        Band("H", H_NM, 66, 0.3, 25.21, 87.2, 4, 22.3, 6.1, 0.50),
    ),
)
# The notebook behind Wilde et al. 2022 gives all bands VIS's zero point and PSF, and counts each exposure
# three times (spec A4.8); its gains enter nothing, since it works in electrons.
_WILDE2022 = Instrument(
    "wilde2022",
    (
        Band("VIS", VIS_NM, 200, 0.1, 24.0, 1800.0, 3, 22.35, 4.2, 0.16),
        Band("J", J_NM, 66, 0.3, 24.0, 264.0, 3, 22.35, 10.0, 0.16),
        Band("Y", Y_NM, 66, 0.3, 24.0, 264.0, 3, 22.35, 10.0, 0.16),
        Band("H", H_NM, 66, 0.3, 24.0, 264.0, 3, 22.35, 10.0, 0.16),
    ),
)
# Typical of the Advanced Camera for Surveys: one orbit in three exposures.
_HST = Instrument("hst_f814w", (Band("F814W", (702.0, 954.0), 100, 0.05, 25.94, 720.0, 3, 21.8, 4.2, 0.10),))
INSTRUMENTS = MappingProxyType({one.name: one for one in (_EUCLID, _WILDE2022, _HST)})


def instrument(name: str) -> Instrument:
    """An instrument by name; it cannot be changed in place, only copied with ``_replace``.

    Raises:
        BadSetting: if there is none of this name.
    """
    if name not in INSTRUMENTS:
        raise BadSetting(f"instrument is {name!r}; expected one of {', '.join(INSTRUMENTS)}.")
    return INSTRUMENTS[name]
