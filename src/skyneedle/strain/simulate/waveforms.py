"""Binary black holes: parameters from the paper's prior, and their waveforms."""

import logging
from typing import NamedTuple

import numpy as np

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.strain.simulate.settings import Settings

# PyCBC's value. LAL's own differs in the last digit, which the integration of the orbit amplifies to 1e-3 of
# the peak.
SOLAR_MASS_KG = 1.988409870698051e30
DISTANCE_MPC = 100.0  # any would do: signals are rescaled to their SNR
SAMPLE_RATE = 4096.0
PARAMETERS = ("mass1", "mass2", "spin1z", "spin2z", "ra", "dec", "polarization", "inclination", "coa_phase")
_TURN_ON_SHARE = 0.125  # half of the Tukey window's alpha of 0.25
_MOST_REDRAWS = 100

log = logging.getLogger(__name__)


class Waveform(NamedTuple):
    """Polarizations at 4096 Hz and 100 Mpc.

    ``start_s`` is the time of the first sample relative to LAL's t = 0, the reference time of an event: it
    follows the peak of the amplitude by 4 to 12 GM/c^3, that is 1 to 5 ms.
    """

    plus: np.ndarray
    cross: np.ndarray
    start_s: float


def draw_parameters(rng: np.random.Generator, settings: Settings) -> dict[str, float]:
    """Parameters of one source.

    Args:
        rng: source of randomness.
        settings: ranges; with the corrected recipe mass1 is the larger mass.

    Returns:
        Masses in solar masses, spins dimensionless, angles in radians.

    Source: Gebhard et al. 2019, appendix A; spec A1.
    """
    masses = rng.uniform(*settings.mass_range_msun, size=2)
    if settings.recipe == "corrected":
        masses = np.sort(masses)[::-1]
    spins = rng.uniform(*settings.spin_range, size=2)
    ra, polarization, coa_phase = rng.uniform(0, 2 * np.pi, size=3)
    sin_dec, cos_inclination = rng.uniform(-1, 1, size=2)
    values = (*masses, *spins, ra, np.arcsin(sin_dec), polarization, np.arccos(cos_inclination), coa_phase)
    return {name: float(value) for name, value in zip(PARAMETERS, values, strict=True)}


def waveform(parameters: dict[str, float], settings: Settings) -> Waveform:
    """Generate the polarizations and turn them on smoothly.

    Args:
        parameters: as from ``draw_parameters``.
        settings: approximant and starting frequency.

    Returns:
        The waveform, its first eighth tapered by half a Tukey window.

    Raises:
        RuntimeError: if LAL cannot generate it.

    Source: spec A1 (turn-on taper).
    """
    import lal
    import lalsimulation

    plus, cross = lalsimulation.SimInspiralChooseTDWaveform(
        parameters["mass1"] * SOLAR_MASS_KG,
        parameters["mass2"] * SOLAR_MASS_KG,
        *(0.0, 0.0, parameters["spin1z"]),
        *(0.0, 0.0, parameters["spin2z"]),
        DISTANCE_MPC * 1e6 * lal.PC_SI,
        parameters["inclination"],
        parameters["coa_phase"],
        *(0.0, 0.0, 0.0),  # ascending node, eccentricity, anomaly
        1 / SAMPLE_RATE,
        settings.f_lower_hz,
        0.0,  # reference frequency, without meaning for aligned spins
        None,
        _approximant(settings.approximant),
    )
    values = np.stack([plus.data.data, cross.data.data])
    n_taper = int(_TURN_ON_SHARE * (values.shape[-1] - 1)) + 1
    rise = np.arange(n_taper) / (_TURN_ON_SHARE * (values.shape[-1] - 1))
    values[:, :n_taper] *= 0.5 * (1 - np.cos(np.pi * rise))
    return Waveform(values[0], values[1], float(plus.epoch))


def draw_source(settings: Settings, seed: int, *keys: int | str) -> tuple[dict[str, float], Waveform, int]:
    """Draw parameters until LAL can generate the waveform.

    Args:
        settings: prior and model.
        seed: root seed.
        *keys: what the draw is for, for instance the example id.

    Returns:
        Parameters, waveform, and the number of draws that were rejected (none is expected at 4096 Hz).

    Raises:
        BadSetting: if nothing can be generated from this prior.
    """
    for attempt in range(_MOST_REDRAWS):
        parameters = draw_parameters(generator(seed, *keys, "parameters", attempt), settings)
        try:
            return parameters, waveform(parameters, settings), attempt
        except RuntimeError as error:
            log.warning("LAL rejects draw %d of %s: %s (%s)", attempt, keys, parameters, error)
    raise BadSetting(
        f"{settings.approximant} failed for {_MOST_REDRAWS} draws in a row; widen the ranges of the prior."
    )


def _approximant(name: str) -> int:
    import lalsimulation

    try:
        return lalsimulation.SimInspiralGetApproximantFromString(name)
    except RuntimeError as error:
        raise BadSetting(
            f"approximant is {name!r}, which LAL does not know; an example is SEOBNRv4_opt."
        ) from error
