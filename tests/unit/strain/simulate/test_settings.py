"""Settings that no code can act on are refused with a sentence."""

import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.strain.simulate.settings import Settings, set_of

SETS = {
    "training": {"first_id": 0, "n_examples": 8},
    "validation": {"first_id": 100, "n_examples": 4},
    "testing": {"first_id": 200, "n_examples": 6},
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recipe": "right"}, "recipe"),
        ({"source": "o1"}, "source"),
        ({"source": "gwosc"}, "plan"),
        ({"detectors": ["H1", "V1"]}, "L1"),
        ({"psd": {"H1": "aLIGOZeroDetHighPower"}}, "L1"),
        ({"psd_file_holds": "power"}, "psd_file_holds"),
        ({"snr_range": [20, 5]}, "snr_range"),
        ({"share_injection": 1.5}, "share_injection"),
        ({"position_s": 0.5}, "position_s"),
        ({"glitches": {"koi_fish": {"rate_hz": 1, "snr_range": [5, 6]}}}, "koi_fish"),
        ({"glitches": {"blip": {"rate_hz": -1, "snr_range": [5, 6]}}}, "rate_hz"),
        ({"glitches": {"blip": {"rate_hz": 1}}}, "snr_range"),
    ],
)
def test_bad_settings_are_named(change, named):
    with pytest.raises(BadSetting, match=named):
        Settings(**change)


def test_lists_of_a_configuration_file_are_accepted():
    settings = Settings(detectors=["L1", "H1", "V1"], snr_range=[5, 20], glitches={})
    assert settings.detectors == ("L1", "H1", "V1")
    assert settings.psd_of("V1") == settings.psd


def test_an_id_belongs_to_one_set():
    assert set_of(SETS, 0) == ("training", 0)
    assert set_of(SETS, 103) == ("validation", 3)
    assert set_of(SETS, 200) == ("testing", 0)
    for nowhere in (8, 104, 206):
        with pytest.raises(BadSetting, match=str(nowhere)):
            set_of(SETS, nowhere)
