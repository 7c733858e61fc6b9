"""Settings that no code can act on are refused by name."""

import pytest

from skyneedle.core.errors import BadSetting
from skyneedle.transients.simulate import settings


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"artifacts": {"ghost": 1.0}}, "artifacts"),
        ({"artifacts": {"dipole": 0.0}}, "artifacts"),
        ({"reals": {"kilonova": 1.0}}, "reals"),
        ({"bands": {"u": {}}}, "bands"),
        ({"bands": {"g": {"zero_point": 26.0}}}, "bands.g"),
        ({"hostless": 1.2}, "hostless"),
        ({"label_noise": {"fake_on_defect": -0.1}}, "fake_on_defect"),
        ({"snr": {"minimum": 5.0, "maximum": 4.0, "index": 2.0}}, "snr"),
        ({"fwhm_arcsec": (1.3, 0.9)}, "fwhm_arcsec"),
        ({"n_blocks": 0}, "n_blocks"),
        ({"colour": 1}, "colour"),
        ({"instrument": {"pixel_scale_arcsec": 0.0, "gain": 4.0}}, "pixel_scale_arcsec"),
    ],
)
def test_bad_settings(changes, named):
    with pytest.raises(BadSetting, match=named):
        settings.profile("des", changes)


def test_unknown_survey():
    with pytest.raises(BadSetting, match="ztf"):
        settings.profile("ztf")
