"""What can be set about simulated examples; the keys of the configuration section ``strain.simulate``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from skyneedle.core.errors import BadSetting

RECIPES = ("corrected", "faithful")
SOURCES = ("simulated", "gwosc")
GLITCH_KINDS = ("blip", "scattered_light", "power_line")
SNR_DETECTORS = (
    "H1",
    "L1",
)  # the network of the nominal SNR, whatever other detectors are simulated beside it
F_LOW_HZ = MappingProxyType({"corrected": 20.0, "faithful": 18.0})  # lower limit of the SNR integral

_DEFAULT_GLITCHES = {
    "blip": {"rate_hz": 0.005, "snr_range": [5.0, 50.0]},
    "scattered_light": {"rate_hz": 0.001, "snr_range": [5.0, 50.0]},
    "power_line": {"rate_hz": 0.001, "snr_range": [5.0, 50.0]},
}


@dataclass(frozen=True)
class Settings:
    """How examples are made.

    Attributes:
        recipe: "corrected", or "faithful" to the published code.
        source: of the background, "simulated" or "gwosc".
        detectors: which detectors get strain, in this order; H1 and L1 are among them.
        psd: noise of the simulated background: a name that lalsimulation knows (``SimNoisePSD<name>``), or a
            text file of two columns, frequency in Hz and value; or a mapping from detector to either.
        psd_file_holds: whether such a file holds a "psd" in 1/Hz or an "asd" in 1/sqrt(Hz).
        approximant: waveform model of LAL.
        f_lower_hz: frequency at which waveforms start.
        mass_range_msun: of both component masses, uniform.
        spin_range: of both components' spins along the orbital axis, uniform.
        snr_range: of the network optimal SNR, uniform.
        share_injection: share of examples that contain a signal, exact in every block of consecutive ids.
        position_s: time of the event after the start of the crop; None draws it (corrected) or is 5.5 s
            (faithful).
        glitches: for each kind (blip, scattered_light, power_line) ``rate_hz`` per detector, and
            ``snr_range``, the range of the optimal SNR in its detector, log-uniform. Only for the simulated
            background.
        plan: JSON file that says which archive files and intervals each set may use (source gwosc).
        sets: ``first_id`` and ``n_examples`` of each set (source gwosc, which shares out its time).
        psd_span_s: least and greatest length of data for the PSD that sets the SNR (source gwosc, corrected).
    """

    recipe: str = "corrected"
    source: str = "simulated"
    detectors: tuple[str, ...] = ("H1", "L1")
    psd: str | Mapping[str, str] = "aLIGOEarlyHighSensitivityP1200087"
    psd_file_holds: str = "psd"
    approximant: str = "SEOBNRv4_opt"
    f_lower_hz: float = 18.0
    mass_range_msun: tuple[float, float] = (10.0, 80.0)
    spin_range: tuple[float, float] = (0.0, 0.998)
    snr_range: tuple[float, float] = (5.0, 20.0)
    share_injection: float = 0.75
    position_s: float | None = None
    glitches: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _DEFAULT_GLITCHES)
    plan: str | None = None
    sets: Mapping[str, Mapping[str, int]] | None = None
    psd_span_s: tuple[float, float] = (64.0, 256.0)

    def __post_init__(self) -> None:
        for name in ("detectors", "mass_range_msun", "spin_range", "snr_range", "psd_span_s"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_choices()
        for name in ("mass_range_msun", "spin_range", "snr_range", "psd_span_s"):
            _check_range(name, getattr(self, name))
        if not 0 <= self.share_injection <= 1:
            raise BadSetting(f"share_injection is {self.share_injection}; expected a number from 0 to 1.")
        # The receptive field must see the event from its middle: 1 s of network input on either side.
        if self.position_s is not None and not 1.0 <= self.position_s <= 7.0:
            raise BadSetting(f"position_s is {self.position_s}; the 8-s crop can judge times from 1 to 7 s.")
        if self.source == "gwosc" and not (self.plan and self.sets):
            raise BadSetting("source is 'gwosc', which needs plan (a JSON file) and sets (their ids).")

    def _check_choices(self) -> None:
        for name, value, allowed in (
            ("recipe", self.recipe, RECIPES),
            ("source", self.source, SOURCES),
            ("psd_file_holds", self.psd_file_holds, ("psd", "asd")),
        ):
            if value not in allowed:
                raise BadSetting(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")
        missing = [name for name in SNR_DETECTORS if name not in self.detectors]
        if missing:
            raise BadSetting(
                f"detectors is {list(self.detectors)}; {missing[0]} is needed, as it defines the network SNR."
            )
        if isinstance(self.psd, Mapping) and set(self.detectors) - set(self.psd):
            raise BadSetting(
                f"psd has no entry for {sorted(set(self.detectors) - set(self.psd))[0]}; give one for each."
            )
        for kind, values in self.glitches.items():
            if kind not in GLITCH_KINDS:
                raise BadSetting(
                    f"glitches has the kind {kind!r}; expected one of {', '.join(GLITCH_KINDS)}."
                )
            if set(values) != {"rate_hz", "snr_range"} or values["rate_hz"] < 0:
                raise BadSetting(
                    f"glitches.{kind} is {dict(values)}; expected rate_hz (not negative) and snr_range."
                )
            _check_range(f"glitches.{kind}.snr_range", values["snr_range"])

    def psd_of(self, detector: str) -> str:
        """Name or file of the noise PSD of one detector."""
        return self.psd if isinstance(self.psd, str) else self.psd[detector]


def set_of(sets: Mapping[str, Mapping[str, int]], example_id: int) -> tuple[str, int]:
    """Set of an example and its number within the set.

    Raises:
        BadSetting: if the id lies in no set.
    """
    for name, ids in sets.items():
        number = example_id - ids["first_id"]
        if 0 <= number < ids["n_examples"]:
            return name, number
    raise BadSetting(f"Example {example_id} belongs to none of the sets {', '.join(sets)}.")


def _check_range(name: str, values: Any) -> None:
    if len(values) != 2 or not values[0] <= values[1]:
        raise BadSetting(f"{name} is {list(values)}; expected a lower and an upper limit.")
