"""How contrived: overlaps, the factor of the SNR against PyCBC, likelihood as noise, and the whole table."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from skyneedle.core import store
from skyneedle.core.errors import OneClassOnly
from skyneedle.strain import networks
from skyneedle.strain.interpret import bank, contrived, measures
from skyneedle.strain.simulate.settings import Settings

PSD = "aLIGOEarlyHighSensitivityP1200087"
SETTINGS = asdict(Settings(psd=PSD, mass_range_msun=(30.0, 60.0)))
DETECTORS = ("H1", "L1")


def _white(n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 2, 6144))


@pytest.fixture(scope="module")
def templates():
    return bank.template_bank(3, SETTINGS, DETECTORS, "corrected", 0)


@pytest.fixture(scope="module")
def model():
    return measures.calibrate(_white(60))


def _placed(series, start=0):
    """One template's plus polarization in both detectors, moved by ``start`` samples (not above 0)."""
    out = np.zeros((1, 2, 6144))
    out[0, :, : 6144 + start] = series[:, 0, -start:]
    return out


@pytest.mark.parametrize("shift", [-1024, -700, -1])
def test_template_overlaps_fully_with_itself_wherever_it_is(templates, shift):
    found = measures.likeness(_placed(templates[1].series, shift), templates)
    assert found.network[0] == pytest.approx(1, abs=1e-3)
    assert found.template[0] == 1
    assert found.event[0] == bank.BEFORE + shift


def test_phase_and_amplitude_do_not_matter(templates):
    plus, cross = templates[2].series[:, 0], templates[2].series[:, 1]
    turned = np.zeros((1, 2, 6144))
    turned[0, :, :-1024] = np.stack([plus[0] * 0.6 + cross[0] * 0.8, -3 * cross[1]])[:, 1024:]
    found = measures.likeness(turned, templates)
    assert found.network[0] == pytest.approx(1, abs=1e-3)
    assert found.template[0] == 2


def test_detectors_further_apart_than_light_travels_do_not_add_up(templates):
    apart = _placed(templates[0].series, -512)
    apart[0, 1] = np.roll(apart[0, 1], 200)  # 0.1 s
    found = measures.likeness(apart, templates)
    assert (found.single[0] > 0.99).all()
    assert found.network[0] < 0.9


def test_white_noise_overlaps_little(templates):
    assert measures.likeness(_white(4, 5), templates).network.max() < 0.1


def test_optimal_snr_is_that_of_pycbc():
    """A signal over a PSD, by PyCBC; the same signal whitened by the bank, over white noise, by us."""
    from pycbc.filter import sigma
    from pycbc.psd import from_string
    from pycbc.types import TimeSeries
    from pycbc.waveform import get_td_waveform

    one = bank.template_bank(1, SETTINGS, ("H1",), "corrected", 7)[0]
    plus, _ = get_td_waveform(
        approximant=SETTINGS["approximant"],
        **one.parameters,
        delta_t=1 / 4096,
        f_lower=18.0,
        inclination=0.0,
        distance=100.0,
    )
    series = TimeSeries(np.zeros(65536), delta_t=1 / 4096)
    series.data[: len(plus)] = plus.numpy()
    psd = from_string(PSD, 32769, 1 / 16, 10.0)
    theirs = sigma(series, psd, 20.0, 1024.0)
    ours = np.sqrt((one.series[0, 0] ** 2).sum())
    assert ours == pytest.approx(theirs, rel=0.02)


def test_snr_of_samples_by_hand(model):
    """Unit-variance white noise at 2048 Hz has the density 2 / 2048: a sine of amplitude A for N samples has
    rho^2 = A^2 N / 2."""
    time = np.arange(6144) / 2048
    sine = np.zeros((1, 2, 6144))
    sine[0, 0] = 0.5 * np.sin(2 * np.pi * 100 * time)
    snr = measures.optimal_snr(sine, model)[0]
    assert snr[0] == pytest.approx(np.sqrt(0.25 * 6144 / 2), rel=0.01)
    assert snr[1] == 0
    # What the high-pass leaves no noise for is not counted.
    slow = np.ones((1, 2, 6144))
    assert measures.optimal_snr(slow, model).max() < 1e-6


def test_noise_is_as_likely_as_noise(model):
    found = measures.noise_likelihood(_white(300, 9), model)
    for name in ("noise_loglik_z", "chi2_z", *(f"chi2_z_{band}" for band in measures.REPORTED_HZ)):
        assert abs(np.median(found[name])) < 0.5, name
        assert found[name].std() == pytest.approx(1, abs=0.35), name


def test_loud_is_unlikely_and_quiet_is_too_likely(model):
    noise = _white(1, 3)
    loud, quiet = (measures.noise_likelihood(noise * f, model) for f in (1.5, 0.05))
    assert loud["noise_loglik_z"][0] < -20
    assert quiet["noise_loglik_z"][0] > 20
    assert loud["noise_share_beyond"][0] == quiet["noise_share_beyond"][0] == 0


def test_a_line_shows_up_in_its_band_alone(model):
    line = _white(1, 4) + 0.5 * np.sin(2 * np.pi * 40 * np.arange(6144) / 2048)
    found = measures.noise_likelihood(line, model)
    assert found["chi2_z_20_64hz"][0] > 10
    assert abs(found["chi2_z_256_1024hz"][0]) < 4


def test_two_noise_examples_are_too_few():
    with pytest.raises(OneClassOnly, match="2 noise examples"):
        measures.calibrate(_white(2))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The whole room on white noise instead of conditioned strain, twice."""
    folder = tmp_path_factory.mktemp("interpret")
    table = pd.DataFrame(
        {
            "id": np.arange(500, 510),
            "label": 0,
            "event_index": -1,
            "glitch": "",
            "snr": np.nan,
            "gps_h1": np.nan,
        }
    )
    noise = 32 * np.random.default_rng(0).standard_normal((10, 2, 16384)).astype(np.float32)
    store.write(folder / "000.h5", {"strain": noise}, table, {"detectors": list(DETECTORS)})
    torch.manual_seed(0)
    save_file(networks.fcn(channels=4).state_dict(), folder / "seed0.safetensors")
    card = {
        "name": "fcn",
        "source": "fcn",
        "options": {"channels": 4},
        "registry": "skyneedle.strain.networks",
        "normalisation": {"mean": [0.0, 0.0], "std": [32.0, 32.0], "detectors": list(DETECTORS)},
    }
    (folder / "seed0.json").write_text(json.dumps(card))
    endings = {"preimages": "parquet", "preimages_metrics": "json", "contrived_metrics": "json"}
    names = (*endings, "contrived", "receptive_field", "connectivity")
    runs = []
    for run in ("first", "second"):
        paths = {name: folder / run / f"{name}.{endings.get(name, 'csv')}" for name in names}
        contrived.write(
            folder / "seed0.safetensors",
            [folder / "000.h5"],
            settings={"n_examples": 2, "steps": 2, "n_templates": 2, "n_reference": 4},
            simulate=SETTINGS,
            recipe="corrected",
            seed=1,
            outputs=SimpleNamespace(**paths),
        )
        runs.append(paths)
    return runs


def test_tables_hold_what_figures_read(written):
    table = pd.read_csv(written[0]["contrived"])
    assert table["kind"].value_counts().to_dict() == {"preimage": 10, "injection": 4, "noise": 4}
    numbers = table[["overlap_best", "optimal_snr", "noise_loglik_z", "output_peak"]]
    assert np.isfinite(numbers).all(axis=None)
    assert table["overlap_best"].between(0, 1).all()
    median = table.groupby("kind")["overlap_best"].median()
    assert median["injection"] > 0.6
    assert median["noise"] < 0.1
    injected = table[table["kind"] == "injection"]
    assert injected["optimal_snr"].between(5, 20).all()
    assert len(pd.read_parquet(written[0]["preimages"])) == 5 * 2 * 6144
    assert pd.read_csv(written[0]["receptive_field"])["receptive_field"].max() == 4096


def test_metrics_have_the_names_of_the_scoreboard(written):
    found = json.loads(written[0]["contrived_metrics"].read_text())
    assert found["receptive_field_samples"]["value"] == 4096
    for constraint in ("gw_like", "minimal_perturbation", "positive_strain"):
        for quantity in ("overlap_best", "optimal_snr"):
            entry = found[f"{constraint}_{quantity}"]
            assert entry["low"] <= entry["value"] <= entry["high"]
            assert entry["n"] == 2
            assert entry["definition"]
    assert len(json.loads(written[0]["preimages_metrics"].read_text())) == 5


def test_same_bytes_twice(written):
    first, second = written
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
