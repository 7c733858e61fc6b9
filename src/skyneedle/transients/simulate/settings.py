"""What can be set about a simulated survey; the keys of the configuration section ``transients.simulate``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from skyneedle.core.errors import BadSetting

RECIPES = ("corrected", "faithful")
SURVEYS = ("des", "ongoing")
ARTIFACT_KINDS = (
    *("dipole", "psf_mismatch", "cosmic_ray", "saturated", "bad_column", "trail"),
    *("edge", "noise_peak", "hot_pixel"),
)
REAL_KINDS = ("supernova", "moving", "variable")
BAND_KEYS = ("zero_point", "sky_mag", "exposure_s")
BAND_NUMBERS = {"g": 0, "r": 1, "i": 2, "z": 3}

# DECam: 0.2637 arcsec a pixel, zero points of 1 electron/s, read noise, gain and saturation: spec G.
DECAM = {"pixel_scale_arcsec": 0.2637, "gain": 4.15, "read_noise": 6.5, "saturation_adu": 42000.0}
DECAM_BANDS = {
    "g": {"zero_point": 26.93, "sky_mag": 22.0, "exposure_s": 175.0},
    "r": {"zero_point": 26.92, "sky_mag": 21.1, "exposure_s": 150.0},
    "i": {"zero_point": 26.88, "sky_mag": 20.1, "exposure_s": 200.0},
    "z": {"zero_point": 26.62, "sky_mag": 19.0, "exposure_s": 400.0},
}


def _mapping(values: Mapping[str, Any]) -> Any:
    return field(default_factory=lambda: dict(values))


@dataclass(frozen=True)
class Settings:
    """How triplets are made; the defaults are the survey of Goldstein et al. 2015 (spec G).

    Attributes:
        instrument: ``pixel_scale_arcsec``, ``gain`` in electrons/ADU, ``read_noise`` in electrons,
            ``saturation_adu``.
        bands: by name (g, r, i, z): ``zero_point`` (AB magnitude of 1 electron/s), ``sky_mag``
            (mag/arcsec^2) and ``exposure_s`` of a search image.
        fwhm_arcsec: range of the seeing of search images.
        template_fwhm_ratio: range of the seeing of the template over that of the search image. Above 1 the
            kernel sharpens, which gives noise the texture of worms that half of the public stamps have.
        n_epochs: range of the number of exposures that a template is the mean of.
        jitter_px: astrometric error of a stamp, standard deviation of each coordinate.
        scale_error: relative photometric error of a stamp, standard deviation.
        share_artifacts: share of examples that are given as artifacts.
        artifacts: relative frequency of each kind of artifact; 0 leaves one out.
        reals: relative frequency of each kind of non-artifact.
        hostless: share of examples without a catalogued source within 5 arcsec.
        host_mag: range of the r magnitude of hosts.
        host_slope: hosts are distributed as 10^(slope mag).
        host_weight: they are taken with a probability that grows as flux to this power, as the rate of
            supernovae grows with the luminosity of hosts.
        snr: ``minimum``, ``maximum`` and ``index`` of the power law of signal-to-noise ratios.
        detection_sigma: threshold of the matched filter.
        detection_radius_px: how far from where something was put the detection may lie.
        both_signs: also find what has faded.
        label_noise: ``fake_on_defect``, the share of given non-artifacts that are artifacts, and
            ``real_among_artifacts``, the share of given artifacts that are real.
        n_blocks: fields, each with its own nights and hosts.
        nights_per_block: nights of each field.
        hosts_per_block: galaxies of each field, used again in all its nights; stars come on top.
        first_night: YYYYMMDD of the first.
        votes: of simulated observers; empty where labels are not voted. ``observers``, ``voters`` (least
            number for each candidate), ``slip_real`` and ``slip_artifact``: rate of wrong votes, and
            ``snr_scale``: how fast it falls with the signal-to-noise ratio.
    """

    instrument: Mapping[str, float] = _mapping(DECAM)
    bands: Mapping[str, Mapping[str, float]] = _mapping(DECAM_BANDS)
    fwhm_arcsec: Sequence[float] = (0.9, 1.3)
    template_fwhm_ratio: Sequence[float] = (0.9, 1.35)
    n_epochs: Sequence[int] = (6, 14)
    jitter_px: float = 0.02
    scale_error: float = 0.01
    share_artifacts: float = 0.4949
    artifacts: Mapping[str, float] = _mapping(
        dict(zip(ARTIFACT_KINDS, (0.34, 0.22, 0.10, 0.10, 0.06, 0.03, 0.05, 0.06, 0.04), strict=True))
    )
    reals: Mapping[str, float] = _mapping({"supernova": 1.0})
    hostless: float = 0.06
    host_mag: Sequence[float] = (17.5, 23.5)
    host_slope: float = 0.2
    host_weight: float = 1.0
    snr: Mapping[str, float] = _mapping({"minimum": 5.0, "maximum": 200.0, "index": 2.0})
    detection_sigma: float = 5.5
    detection_radius_px: float = 3.0
    both_signs: bool = False
    label_noise: Mapping[str, float] = _mapping({"fake_on_defect": 0.0124, "real_among_artifacts": 0.0040})
    n_blocks: int = 60
    nights_per_block: int = 2
    hosts_per_block: int = 200
    first_night: int = 20130901
    votes: Mapping[str, float] = _mapping({})

    def __post_init__(self) -> None:
        _known("instrument", self.instrument, DECAM)
        for key in ("pixel_scale_arcsec", "gain", "saturation_adu"):
            if self.instrument.get(key, 0) <= 0:
                raise BadSetting(
                    f"instrument.{key} is {self.instrument.get(key)}; expected a positive number."
                )
        _known("bands", self.bands, BAND_NUMBERS)
        for name, band in self.bands.items():
            if set(band) != set(BAND_KEYS):
                raise BadSetting(
                    f"bands.{name} has the keys {sorted(band)}; expected {', '.join(BAND_KEYS)}."
                )
        for name, allowed in (("artifacts", ARTIFACT_KINDS), ("reals", REAL_KINDS)):
            _frequencies(name, getattr(self, name), allowed)
        _known("label_noise", self.label_noise, ("fake_on_defect", "real_among_artifacts"))
        for name, share in {
            "share_artifacts": self.share_artifacts,
            "hostless": self.hostless,
            **{f"label_noise.{key}": value for key, value in self.label_noise.items()},
        }.items():
            if not 0 <= share <= 1:
                raise BadSetting(f"{name} is {share}; expected a share from 0 to 1.")
        for name in ("fwhm_arcsec", "template_fwhm_ratio", "n_epochs", "host_mag"):
            low_high = getattr(self, name)
            if len(low_high) != 2 or not 0 < low_high[0] <= low_high[1]:
                raise BadSetting(f"{name} is {low_high}; expected a lower and an upper limit above 0.")
        if (
            set(self.snr) != {"minimum", "maximum", "index"}
            or not 0 < self.snr["minimum"] < self.snr["maximum"]
        ):
            raise BadSetting(f"snr is {dict(self.snr)}; expected minimum < maximum, and index.")
        for name in ("n_blocks", "nights_per_block", "hosts_per_block", "detection_sigma"):
            if getattr(self, name) <= 0:
                raise BadSetting(f"{name} is {getattr(self, name)}; expected a positive number.")


def _known(name: str, given: Mapping[str, Any], allowed: Mapping[str, Any] | Sequence[str]) -> None:
    unknown = sorted(set(given) - set(allowed))
    if unknown or not given:
        raise BadSetting(f"{name} has the keys {sorted(given)}; expected some of {', '.join(allowed)}.")


def _frequencies(name: str, given: Mapping[str, float], allowed: Sequence[str]) -> None:
    _known(name, given, allowed)
    if min(given.values()) < 0 or sum(given.values()) <= 0:
        raise BadSetting(f"{name} is {dict(given)}; expected frequencies, not all 0.")


# An ongoing survey (paper, section 4.6): other seeing, shallower templates, real variables of both signs,
# more marginal signals, 11 artifacts for each real detection, labels by vote. Rates of slips give the
# paper's 75 % and 95 % of unanimous votes.
ONGOING: dict[str, Any] = {
    "fwhm_arcsec": (1.0, 1.8),
    "template_fwhm_ratio": (0.85, 1.35),
    "n_epochs": (3, 8),
    "jitter_px": 0.05,
    "scale_error": 0.02,
    "share_artifacts": 11 / 12,
    "artifacts": dict(
        zip(ARTIFACT_KINDS, (0.30, 0.20, 0.14, 0.08, 0.06, 0.03, 0.04, 0.10, 0.05), strict=True)
    ),
    "reals": {"supernova": 0.3, "moving": 0.2, "variable": 0.5},
    "snr": {"minimum": 4.5, "maximum": 200.0, "index": 2.5},
    "detection_sigma": 5.0,
    "both_signs": True,
    "label_noise": {"fake_on_defect": 0.0, "real_among_artifacts": 0.0},
    "first_night": 20210301,
    "votes": {"observers": 5, "voters": 3, "slip_real": 0.16, "slip_artifact": 0.018, "snr_scale": 8.0},
}


def profile(survey: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """Settings of a survey, "des" or "ongoing", with what is set otherwise.

    Raises:
        BadSetting: if the survey or a key is unknown.
    """
    if survey not in SURVEYS:
        raise BadSetting(f"survey is {survey!r}; expected one of {', '.join(SURVEYS)}.")
    changes = dict(changes or {})
    unknown = sorted(set(changes) - {one.name for one in fields(Settings)})
    if unknown:
        raise BadSetting(f"transients.simulate has the key {unknown[0]!r}, which is no setting of a survey.")
    return Settings(**({} if survey == "des" else ONGOING) | changes)
