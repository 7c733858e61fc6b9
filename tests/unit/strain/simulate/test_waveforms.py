"""The prior, the taper, the redraw, and the model."""

import numpy as np
import pytest
from scipy import signal, stats

from skyneedle.core.errors import BadSetting
from skyneedle.core.seeds import generator
from skyneedle.strain.simulate import waveforms
from skyneedle.strain.simulate.settings import Settings

BINARY = {
    "mass1": 36.0,
    "mass2": 29.0,
    "spin1z": 0.3,
    "spin2z": 0.1,
    "ra": 1.0,
    "dec": 0.2,
    "polarization": 0.3,
    "inclination": 0.9,
    "coa_phase": 1.2,
}


def _draws(recipe, n=3000):
    settings = Settings(recipe=recipe)
    rows = [waveforms.draw_parameters(generator(0, number), settings) for number in range(n)]
    return {name: np.array([row[name] for row in rows]) for name in waveforms.PARAMETERS}


def test_prior_is_that_of_the_paper():
    drawn = _draws("faithful")
    uniform = {
        "mass1": (drawn["mass1"] - 10) / 70,
        "mass2": (drawn["mass2"] - 10) / 70,
        "spin1z": drawn["spin1z"] / 0.998,
        "spin2z": drawn["spin2z"] / 0.998,
        "ra": drawn["ra"] / (2 * np.pi),
        "dec": (np.sin(drawn["dec"]) + 1) / 2,
        "polarization": drawn["polarization"] / (2 * np.pi),
        "inclination": (np.cos(drawn["inclination"]) + 1) / 2,
        "coa_phase": drawn["coa_phase"] / (2 * np.pi),
    }
    for name, values in uniform.items():
        assert stats.kstest(values, "uniform").pvalue > 1e-3, name
    assert (drawn["mass1"] < drawn["mass2"]).mean() == pytest.approx(0.5, abs=0.05)


def test_corrected_recipe_orders_the_masses():
    drawn = _draws("corrected", 500)
    assert (drawn["mass1"] >= drawn["mass2"]).all()


def test_first_eighth_is_turned_on_smoothly():
    from pycbc.waveform import get_td_waveform

    ours = waveforms.waveform(BINARY, Settings())
    keys = ("mass1", "mass2", "spin1z", "spin2z", "inclination", "coa_phase")
    plus, _ = get_td_waveform(
        approximant="SEOBNRv4_opt",
        distance=100,
        delta_t=1 / 4096,
        f_lower=18,
        **{key: BINARY[key] for key in keys},
    )
    taper = signal.windows.tukey(len(plus), 0.25)
    taper[len(plus) // 2 :] = 1
    assert ours.plus == pytest.approx(plus.numpy() * taper, abs=1e-9 * np.abs(plus.numpy()).max())
    assert ours.start_s == float(plus.start_time)


@pytest.mark.parametrize("spin", [0.0, 0.5])
def test_time_zero_follows_the_peak_of_the_amplitude_by_some_gm_over_c3(spin):
    binary = BINARY | {"inclination": 0.0, "spin1z": spin, "spin2z": spin}
    ours = waveforms.waveform(binary, Settings())
    peak = np.argmax(np.hypot(ours.plus, ours.cross)) / 4096 + ours.start_s
    assert 3 < -peak / (65 * 4.925e-6) < 12


def test_failed_draws_are_counted_and_redrawn(monkeypatch):
    real, calls = waveforms.waveform, []

    def fails_twice(parameters, settings):
        calls.append(parameters)
        if len(calls) <= 2:
            raise RuntimeError("XLAL")
        return real(parameters, settings)

    monkeypatch.setattr(waveforms, "waveform", fails_twice)
    parameters, _, redrawn = waveforms.draw_source(Settings(), 1, 7)
    assert redrawn == 2
    assert parameters == calls[2] != calls[0]


def test_a_prior_that_always_fails_ends(monkeypatch):
    def fails(parameters, settings):
        raise RuntimeError("XLAL")

    monkeypatch.setattr(waveforms, "waveform", fails)
    with pytest.raises(BadSetting, match="in a row"):
        waveforms.draw_source(Settings(), 1, 7)


def test_unknown_approximant_is_named():
    with pytest.raises(BadSetting, match="SEOBNRv99"):
        waveforms.waveform(BINARY, Settings(approximant="SEOBNRv99"))


def test_light_and_fast_spinning_binaries_can_be_generated():
    """Spec F3: at 2048 Hz their ringdown is beyond the Nyquist frequency and LAL refuses."""
    binary = BINARY | {"mass1": 11.0, "mass2": 11.0, "spin1z": 0.99, "spin2z": 0.99}
    assert len(waveforms.waveform(binary, Settings()).plus) > 4096


@pytest.mark.slow
def test_optimised_model_equals_seobnrv4():
    from pycbc.filter import match
    from pycbc.psd import from_string
    from pycbc.types import TimeSeries

    pair = [waveforms.waveform(BINARY, Settings(approximant=name)) for name in ("SEOBNRv4", "SEOBNRv4_opt")]
    n = 16384
    series = [TimeSeries(np.pad(one.plus, (n - len(one.plus), 0)), delta_t=1 / 4096) for one in pair]
    psd = from_string("aLIGOEarlyHighSensitivityP1200087", n // 2 + 1, 0.25, 15.0)
    overlap, _ = match(*series, psd=psd, low_frequency_cutoff=20.0, high_frequency_cutoff=1000.0)
    assert 1 - overlap < 3e-4
