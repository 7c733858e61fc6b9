"""One triplet from its id: a scene, what happens in it, its subtraction and its detection."""

import math
from typing import Any, NamedTuple

import numpy as np

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.transients.simulate import artifacts, catalogue, detect, fields, scenes
from skyneedle.transients.simulate.artifacts import MASKED, Defect
from skyneedle.transients.simulate.detect import Detection
from skyneedle.transients.simulate.fields import Exposure, Host, Survey
from skyneedle.transients.simulate.labels import ARTIFACT, Plan, plan
from skyneedle.transients.simulate.scenes import SIZE, STAMP, Source
from skyneedle.transients.simulate.settings import Settings

_MOST_ATTEMPTS = 2000
_SAME_SCENE = 20  # attempts to find a bad subtraction of one source: else all of them would be bright
_MOST_OFFSET_ARCSEC = 4.0  # of an event from its host: the catalogue is searched within 5
_LOST = 0.4  # strength of a fake over that of the defect it is lost in
_SHARE_STAR_TARGETS = 0.2  # of sources that are subtracted badly

TRUTH_COLUMNS = (
    *("id", "label_true", "label_given", "kind", "error", "snr", "mag", "host_id", "host_mag", "host_sb"),
    *("hostless", "fwhm_arcsec", "night", "expid", "ccd", "band", "dx", "dy", "snr_injected"),
)


class Example(NamedTuple):
    """One triplet.

    Attributes:
        stamps: ADU, float32 (3, 51, 51) in the order ``CHANNELS``; 1e-30 where masked.
        truth: by ``TRUTH_COLUMNS``.
        features: by ``catalogue.COLUMNS``; what is computed from pixels is NaN.
    """

    stamps: np.ndarray
    truth: dict[str, Any]
    features: dict[str, float]


class Scene(NamedTuple):
    """Where something happens.

    Attributes:
        x: of the event in the work image, pixels; ``y``: likewise.
        sources: in the template; the first is the host, if there is one.
        host: None for a hostless event.
    """

    x: float
    y: float
    sources: list[Source]
    host: Host | None


class Record(NamedTuple):
    """Images of one attempt, in electrons (size, size), and what was put into them.

    Attributes:
        template: with noise.
        search: with noise.
        difference: with noise, 0 where masked.
        variance: of the search image.
        masked: pixels that are masked in the difference image.
        lost: pixels that are masked in the search image too.
        flux: electrons of the injected point source, negative for what has faded; NaN without one.
        snr: its signal-to-noise ratio as drawn.
        brightness: electrons per pixel of the noise-free template at the event.
    """

    template: np.ndarray
    search: np.ndarray
    difference: np.ndarray
    variance: np.ndarray
    masked: np.ndarray
    lost: np.ndarray
    flux: float
    snr: float
    brightness: float


def example(example_id: int, settings: Settings, seed: int) -> Example:
    """Make one triplet; depends on nothing but its id, the settings and the seed.

    Raises:
        BadSetting: if nothing of its kind passes the detection.
    """
    survey = fields.survey_of(settings, seed)
    random = generator(seed, example_id, "plan")
    planned = plan(settings, random)
    block = example_id % settings.n_blocks
    night = int(random.integers(settings.nights_per_block))
    band = list(settings.bands)[int(random.integers(len(settings.bands)))]
    exposure = survey.exposure(block, night, band)
    hostless = random.uniform() < _share_hostless(planned, settings)
    random = generator(seed, example_id, "scene")
    kept = _SAME_SCENE if planned.kind in artifacts.ON_SOURCE else 1
    for attempt in range(_MOST_ATTEMPTS):
        if attempt % kept == 0:
            scene = _scene(planned, hostless, block, exposure, survey, random)
        record = _record(planned, scene, exposure, survey, random)
        reach = artifacts.REACH.get(planned.kind, settings.detection_radius_px)
        found = detect.strongest(
            record.difference, record.variance, exposure, (scene.x, scene.y), reach, settings.both_signs
        )
        if _passes(found, record, planned, settings):
            break
    else:
        raise BadSetting(
            f"example {example_id}: no {planned.kind} of {_MOST_ATTEMPTS} is found at "
            f"{settings.detection_sigma} sigma; lower detection_sigma or brighten host_mag."
        )
    features = dict.fromkeys(catalogue.COLUMNS, math.nan)
    features |= catalogue.features(
        found,
        record.difference,
        record.template,
        record.variance,
        scene.sources,
        scene.host is not None,
        exposure,
        survey.scale,
        random,
    )
    features |= catalogue.place_on_ccd(planned.kind, random)
    stamps = _stamps(found, record, settings)
    inner = record.masked[found.y - 3 : found.y + 4, found.x - 3 : found.x + 4]
    features["MASKFRAC"] = float((stamps[2] == MASKED).mean())
    full = (
        record.search[found.y - 3 : found.y + 4, found.x - 3 : found.x + 4].max() >= survey.saturation * 0.95
    )
    features["FLAGS"] = 4.0 * full + 16.0 * bool(record.lost.any()) + 1.0 * bool(inner.any())
    truth = {"id": example_id, "label_true": planned.true, "label_given": planned.given, "kind": planned.kind}
    truth |= {"error": planned.error, "ccd": int(features["CCDID"])}
    truth |= _truth(found, scene, record, exposure, survey, planned)
    truth["hostless"] = math.isnan(features["NN_DIST_RENORM"])
    return Example(stamps, {name: truth[name] for name in TRUTH_COLUMNS}, features)


def _passes(found: Detection, record: Record, planned: Plan, settings: Settings) -> bool:
    """Whether the survey detects it; of what is real, the detection must have its sign."""
    strength = abs(found.snr) if settings.both_signs else found.snr
    own = planned.true == ARTIFACT or found.snr * record.flux > 0
    return strength >= settings.detection_sigma and own


def _share_hostless(planned: Plan, settings: Settings) -> float:
    """Chance of no host: as many artifacts as non-artifacts have none, though some sit on sources."""
    if planned.true != ARTIFACT:
        return 0.0 if planned.kind == "variable" else settings.hostless
    total = sum(settings.artifacts.values())
    free = sum(value for kind, value in settings.artifacts.items() if kind not in artifacts.ON_SOURCE) / total
    return 0.0 if planned.kind in artifacts.ON_SOURCE or not free else min(settings.hostless / free, 1.0)


# --- scenes


def _scene(
    planned: Plan, hostless: bool, block: int, exposure: Exposure, survey: Survey, random: np.random.Generator
) -> Scene:
    """Where the event is and what is around it."""
    x, y = SIZE // 2 + random.uniform(-0.5, 0.5, 2)
    scale = survey.scale
    if hostless:
        drawn = fields.neighbours(random, free_arcsec=catalogue.REFERENCE_RADIUS_ARCSEC + 1.0)
        colour = exposure.zero_point
        sources = [
            Source(x + dx / scale, y + dy / scale, 10 ** (-0.4 * (mag - colour)), n, radius / scale, q, phi)
            for dx, dy, mag, n, radius, q, phi in drawn
        ]
        return Scene(float(x), float(y), [one for one in sources if fields.near(one)], None)
    among, offset = _target(planned.kind, random)
    host = survey.host(block, among, random)
    if offset == "light":
        source = host.sources(0, 0, exposure, scale)[0]
        dx, dy = scenes.photon(source, random)
        while scale * math.hypot(dx, dy) > _MOST_OFFSET_ARCSEC:
            dx, dy = scenes.photon(source, random)
    elif offset == "beside":
        dx, dy = random.uniform(-8, 8, 2)
    elif offset == "anywhere":
        radius, angle = (
            _MOST_OFFSET_ARCSEC / scale * math.sqrt(random.uniform()),
            random.uniform(0, 2 * math.pi),
        )
        dx, dy = radius * math.cos(angle), radius * math.sin(angle)
    else:
        dx, dy = 0.0, 0.0
    return Scene(float(x), float(y), host.sources(x - dx, y - dy, exposure, scale), host)


def _target(kind: str, random: np.random.Generator) -> tuple[str, str]:
    """What an event of a kind sits on, and how it lies there."""
    if kind == "saturated":
        return "bright", "beside"
    if kind in artifacts.ON_SOURCE:
        return ("stars" if random.uniform() < _SHARE_STAR_TARGETS else "galaxies"), "centre"
    if kind == "variable":
        return ("stars" if random.uniform() < 0.6 else "galaxies"), "centre"
    # Defects fall near galaxies as supernovae do, or the template alone would tell them apart.
    return "galaxies", "anywhere" if kind == "moving" else "light"


# --- images


def _record(
    planned: Plan, scene: Scene, exposure: Exposure, survey: Survey, random: np.random.Generator
) -> Record:
    """Observe a scene and what happens in it, and subtract."""
    settings = survey.settings
    is_artifact = planned.true == ARTIFACT
    change = artifacts.defect(planned.kind, scene.x, scene.y, exposure, random) if is_artifact else Defect()
    psf = exposure.psf if change.psf is None else change.psf
    light = scenes.light(scene.sources)
    template = scenes.image(light * exposure.psf_template)
    brightness = float(template[round(scene.y), round(scene.x)])
    dark = exposure.sky + settings.instrument["read_noise"] ** 2
    jitter = random.normal(0, settings.jitter_px, 2) + change.shift
    light = light * (scenes.shift_transform(*jitter) * np.float32(1 + random.normal(0, settings.scale_error)))
    search = scenes.image(light * psf)
    wanted = _snr(settings, random)
    flux, injected = math.nan, math.nan
    if not is_artifact or planned.error:
        injected = _LOST * wanted if is_artifact else wanted
        flux = _flux(injected, scene, template, search, dark, exposure)
        flux *= _sign(planned.kind, flux, scene, settings, random)
        search += scenes.image(_point(planned.kind, scene, flux, exposure, random) * psf)
    if change.pattern is not None:
        search += _scaled(change.pattern, change.snr or wanted, search + dark, scene, exposure)
    return _observed(change, template, search, dark, exposure, survey, random)._replace(
        flux=flux, snr=injected, brightness=brightness
    )


def _observed(
    change: Defect,
    template: np.ndarray,
    search: np.ndarray,
    dark: float,
    exposure: Exposure,
    survey: Survey,
    random: np.random.Generator,
) -> Record:
    """Add noise to both images, saturate, mask and subtract."""
    variance = dark + np.maximum(search, 0)
    spread = np.sqrt(variance)
    spread_template = np.sqrt((dark + np.maximum(template, 0)) / exposure.n_epochs)
    search = search + spread * random.standard_normal(search.shape, dtype=np.float32)
    template = template + spread_template * random.standard_normal(search.shape, dtype=np.float32)
    masked = np.zeros(search.shape, bool)
    lost = masked
    if change.saturates:
        full = artifacts.bleed(search, survey.saturation, random.uniform(0.7, 1.1), random)
        artifacts.bleed(template, survey.saturation, random.uniform(0.5, 1.0), random)
        masked = full if random.uniform() < 0.5 else masked
        variance = np.minimum(variance, survey.saturation)
    if change.masked is not None:
        masked = lost = change.masked
        search = np.where(lost, 0, search)
    blurred = scenes.image(scenes.transform(template) * exposure.kernel_transform)
    difference = search - blurred  # images have no sky left; the fit's background takes up the wings of stars
    difference[masked] = 0
    return Record(template, search, difference, variance, masked, lost, math.nan, math.nan, math.nan)


def _snr(settings: Settings, random: np.random.Generator) -> float:
    """Signal-to-noise ratio from the power law."""
    low, high, index = settings.snr["minimum"], settings.snr["maximum"], settings.snr["index"]
    u = random.uniform()
    if index == 1:
        return float(low * (high / low) ** u)
    power = 1 - index
    return float((low**power + u * (high**power - low**power)) ** (1 / power))


def _flux(
    snr: float, scene: Scene, template: np.ndarray, search: np.ndarray, dark: float, exposure: Exposure
) -> float:
    """Electrons that give a point source this signal-to-noise ratio in the difference image."""
    noise = dark + np.maximum(search, 0) + (dark + np.maximum(template, 0)) / exposure.n_epochs
    error = detect.flux_error(noise, exposure, round(scene.x), round(scene.y), 0)
    return snr * float(error[0, 0])


def _sign(kind: str, flux: float, scene: Scene, settings: Settings, random: np.random.Generator) -> float:
    """Variables also fade, where the survey looks for it and there is enough to lose."""
    faded = kind == "variable" and settings.both_signs and random.uniform() < 0.5
    return -1.0 if faded and flux < 0.8 * scene.sources[0].flux else 1.0


def _point(
    kind: str, scene: Scene, flux: float, exposure: Exposure, random: np.random.Generator
) -> np.ndarray:
    """Transform of the injected source above the atmosphere; what moves is drawn out by up to the seeing."""
    point = scenes.light([Source(scene.x, scene.y, flux)])
    if kind == "moving":
        point = point * scenes.smear_transform(
            random.uniform(0.2, 1.0) * exposure.fwhm, random.uniform(0, math.pi)
        )
    return point


def _scaled(
    pattern: np.ndarray, snr: float, variance: np.ndarray, scene: Scene, exposure: Exposure
) -> np.ndarray:
    """A pattern as strong as to be found at this signal-to-noise ratio."""
    found = detect.flux_map(pattern, exposure)[round(scene.y) - 2 : round(scene.y) + 3]
    response = float(found[:, round(scene.x) - 2 : round(scene.x) + 3].max())
    error = detect.flux_error(np.maximum(variance, 1), exposure, round(scene.x), round(scene.y), 0)
    return pattern * np.float32(snr * float(error[0, 0]) / response)


# --- what leaves the survey


def _stamps(found: Detection, record: Record, settings: Settings) -> np.ndarray:
    """Cut around the detection, in ADU."""
    half = STAMP // 2
    inner = (slice(found.y - half, found.y + half + 1), slice(found.x - half, found.x + half + 1))
    gain = np.float32(settings.instrument["gain"])
    made = np.stack([record.template[inner], record.search[inner], record.difference[inner]]) / gain
    made[1][record.lost[inner]] = MASKED
    made[2][record.masked[inner]] = MASKED
    return made.astype(np.float32)


def _truth(
    found: Detection, scene: Scene, record: Record, exposure: Exposure, survey: Survey, planned: Plan
) -> dict[str, Any]:
    mag = exposure.magnitude(abs(record.flux)) if math.isfinite(record.flux) else math.nan
    surface = exposure.magnitude(record.brightness / survey.scale**2)
    return {
        "snr": found.snr,
        "snr_injected": record.snr,
        "mag": mag,
        "host_id": scene.host.host_id if scene.host else -1,
        "host_mag": scene.host.mags[exposure.band] if scene.host else math.nan,
        "host_sb": surface if scene.host else math.nan,
        "fwhm_arcsec": exposure.fwhm * survey.scale,
        "night": exposure.night,
        "expid": exposure.expid,
        "band": exposure.band,
        "dx": scene.x - found.x,
        "dy": scene.y - found.y,
    }
