import numpy as np
import pandas as pd
import pytest

from skyneedle.core import store
from skyneedle.core.errors import DetectorMismatch, OneClassOnly, StrainTooShort
from skyneedle.strain.evaluate import baseline
from skyneedle.strain.evaluate.match import tally, trigger_table
from skyneedle.strain.evaluate.operating_point import choose

N = 16384


def write_set(path, strain, label, event):
    n = len(label)
    table = pd.DataFrame(
        {"id": np.arange(n), "label": label, "event_index": event, "snr": 12.0, "parent": np.arange(n)}
    )
    table["crop_gps"] = 1126051217.0 + 32 * np.arange(n)
    attributes = {"detectors": ["H1", "L1"], "recipe": "corrected"}
    store.write(path, {"strain": strain.astype(np.float32)}, table, attributes)
    return path


@pytest.fixture(scope="module")
def noise_card(tmp_path_factory):
    rng = np.random.default_rng(0)
    strain = rng.normal(0, 32, (24, 2, N))
    path = write_set(tmp_path_factory.mktemp("train") / "0.h5", strain, np.zeros(24, int), np.full(24, -1))
    return baseline.fit(path)


def test_power_is_centred_on_the_sample_of_its_output():
    # A single click: the power is symmetric about its place, and reaches no further than filter and window.
    settings = baseline.Settings()
    click = np.zeros((1, 1, N))
    click[..., 9000] = 1.0
    power = baseline.band_power(click, settings)[0, 0]
    assert power.shape == (12289,)
    centre = 9000 - 2047
    np.testing.assert_allclose(
        power[centre + 1 : centre + 600], power[centre - 1 : centre - 600 : -1], atol=1e-15
    )
    reach = (settings.n_taps + settings.width - 2) // 2
    assert np.flatnonzero(power > 1e-12).min() >= centre - reach
    assert reach <= 2047  # no output sees more than the network's receptive field


def test_power_of_a_tone_in_and_out_of_the_band():
    t = np.arange(N) / 2048
    inside, outside = (
        baseline.band_power(np.sin(2 * np.pi * f * t), baseline.Settings()) for f in (120.0, 600.0)
    )
    np.testing.assert_allclose(inside, 0.5, rtol=0.03)
    assert outside.max() < 1e-4


def test_noise_is_standardised_and_a_burst_stands_out_in_its_place(noise_card):
    rng = np.random.default_rng(1)
    fresh = baseline.logits(rng.normal(0, 32, (8, 2, N)), noise_card) + baseline.Settings().zero
    assert abs(np.median(fresh)) < 0.3  # about 190 independent windows: 0.1 expected
    assert np.std(fresh) == pytest.approx(1, abs=0.15)
    t = (np.arange(N) - 9000) / 2048
    burst = 32 * 3 * np.exp(-((t / 0.05) ** 2)) * np.sin(2 * np.pi * 100 * t)
    out = baseline.logits(rng.normal(0, 32, (1, 2, N)) + burst, noise_card)[0]
    assert out.max() > 3
    assert abs(out.argmax() - (9000 - 2047)) < 300


def test_it_runs_through_the_same_evaluation_as_a_network(tmp_path, noise_card):
    rng = np.random.default_rng(2)
    strain, label = rng.normal(0, 32, (16, 2, N)), np.array([0] * 4 + [1] * 12)
    event = np.where(label == 1, rng.integers(2560, 13825, 16), -1)
    for k in np.flatnonzero(label):
        t = (np.arange(N) - event[k]) / 2048
        strain[k] += 32 * 4 * np.exp(-((t / 0.05) ** 2)) * np.sin(2 * np.pi * 100 * t)
    truth = write_set(tmp_path / "set" / "0.h5", strain, label, event)
    outputs = tmp_path / "outputs"
    baseline.save(noise_card, tmp_path / "card.json")
    baseline.predict(truth, baseline.load(tmp_path / "card.json"), outputs)
    assert store.DataSet(outputs).shape("logit") == (16, 12289)
    assert store.DataSet(outputs).table["gps_start"][1] == 1126051217 + 32 + 2047 / 2048
    point = choose(tally(outputs, truth, (64, 256), (0.3, 0.6, 0.9), "corrected"), 20.0)
    assert point["detection_ratio"]["value"] > 0.9
    triggers = trigger_table(outputs, truth, point["threshold"], point["window"], "corrected")
    assert list(triggers) == ["gps", "statistic", "duration", "example", "detected", "offset_s"]


def test_a_card_of_other_detectors_and_short_strain_are_refused(noise_card, tmp_path):
    with pytest.raises(DetectorMismatch, match="3 detectors"):
        baseline.logits(np.zeros((3, N)), noise_card)
    with pytest.raises(StrainTooShort, match="4000"):
        baseline.logits(np.zeros((2, 4000)), noise_card)
    path = write_set(tmp_path / "0.h5", np.zeros((2, 2, N)), np.ones(2, int), np.full(2, 8000))
    with pytest.raises(OneClassOnly, match="without a signal"):
        baseline.fit(path)
