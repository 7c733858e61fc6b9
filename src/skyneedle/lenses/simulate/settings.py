"""What can be set about the simulated survey; the keys of the configuration section ``lenses.simulate``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skyneedle.core.errors import BadSetting
from skyneedle.lenses.simulate import instruments
from skyneedle.lenses.simulate.instruments import Instrument
from skyneedle.lenses.simulate.populations import POPULATIONS

RECIPES = ("corrected", "faithful")
COMPOUNDS = ("arcs", "rings")
CONTENTS = ("singles", *COMPOUNDS, "morphology")
PSF_SHAPES = ("gaussian", "trefoil")
ROLLS = ("fixed", "random")
NEGATIVE_KINDS = ("elliptical", "companions", "spiral", "ring_galaxy", "merger", "edge_on")


@dataclass(frozen=True)
class Settings:
    """How images are made.

    Attributes:
        recipe: "corrected", or "faithful" to the published notebook, which concerns compound lenses.
        population: key of ``populations.POPULATIONS``.
        instrument: key of ``instruments.INSTRUMENTS``; compound lenses of the faithful recipe are always seen
            with "wilde2022".
        psf: ``shape`` (gaussian, or trefoil with three lobes), ``amplitude`` of the lobes, and ``roll``: the
            same for all images ("fixed") or each its own ("random").
        share_negatives: share of single-lens examples that are drawn as impostors; lenses that fail the
            labelling rule come on top.
        share_pairs: share of examples that come in pairs, a lens and an impostor made of the same scene.
        negatives: relative frequency of each kind of impostor; 0 leaves one out.
    """

    recipe: str = "corrected"
    population: str = "challenge"
    instrument: str = "euclid"
    psf: Mapping[str, str | float] = field(
        default_factory=lambda: {"shape": "gaussian", "amplitude": 0.1, "roll": "fixed"}
    )
    share_negatives: float = 0.1
    share_pairs: float = 0.1
    negatives: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(NEGATIVE_KINDS, 1.0))

    def __post_init__(self) -> None:
        instruments.instrument(self.instrument)
        for name, value, allowed in (
            ("recipe", self.recipe, RECIPES),
            ("population", self.population, tuple(POPULATIONS)),
            ("psf.shape", self.psf.get("shape"), PSF_SHAPES),
            ("psf.roll", self.psf.get("roll"), ROLLS),
        ):
            if value not in allowed:
                raise BadSetting(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")
        if not 0 <= float(self.psf.get("amplitude", -1)) <= 1:
            raise BadSetting(f"psf is {dict(self.psf)}; expected an amplitude from 0 to 1.")
        if not 0 <= self.share_pairs <= 1 or not self.share_pairs / 2 <= self.share_negatives <= 1:
            raise BadSetting(
                f"share_negatives is {self.share_negatives} and share_pairs {self.share_pairs}; expected "
                "both from 0 to 1, and negatives at least half of the pairs, as each pair has one."
            )
        if self.share_negatives > 1 - self.share_pairs / 2:
            raise BadSetting(
                f"share_negatives is {self.share_negatives} and share_pairs {self.share_pairs}; half of the "
                "pairs are lenses, so at most 1 - share_pairs / 2 can be negatives."
            )
        unknown = set(self.negatives) - set(NEGATIVE_KINDS)
        if unknown:
            expected = ", ".join(NEGATIVE_KINDS)
            raise BadSetting(f"negatives has the kind {sorted(unknown)[0]!r}; expected some of {expected}.")
        if min(self.negatives.values(), default=0) < 0 or sum(self.negatives.values()) <= 0:
            raise BadSetting(f"negatives is {dict(self.negatives)}; expected frequencies, not all 0.")

    def seen_with(self, content: str) -> Instrument:
        """The instrument that a set of this content is seen with."""
        published = self.recipe == "faithful" and content in COMPOUNDS
        return instruments.instrument("wilde2022" if published else self.instrument)
