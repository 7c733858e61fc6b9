"""Preimages, how contrived they are, and receptive fields."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from skyneedle.core import store
from skyneedle.core.errors import BadSetting, ConstraintBroken, DetectorMismatch, GridMismatch, OneClassOnly
from skyneedle.strain import networks
from skyneedle.strain.interpret import bank as banks
from skyneedle.strain.interpret import contrived, measures, preimages, receptive_field

DETECTORS = ("H1", "L1")
PRIOR = {
    "mass_range_msun": [10.0, 80.0],
    "spin_range": [0.0, 0.998],
    "snr_range": [5.0, 20.0],
    "approximant": "SEOBNRv4_opt",
    "f_lower_hz": 18.0,
    "psd": "aLIGOEarlyHighSensitivityP1200087",
}
MIDDLE = slice(3072 - 512, 3072 + 512)


def network(seed=0, channels=4, **options):
    torch.manual_seed(seed)
    return networks.build("fcn", detectors=2, channels=channels, **options)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).standard_normal((2, 2, 6144)).astype(np.float32)


@pytest.fixture(scope="module")
def found(noise):
    return preimages.preimages(network(), noise, [7, 9], steps=6, seed=3)


@pytest.fixture(scope="module")
def bank():
    return banks.template_bank(8, PRIOR, DETECTORS, "corrected", 1)


@pytest.fixture(scope="module")
def white():
    """Noise model of white noise of unit variance."""
    return measures.calibrate(np.random.default_rng(2).standard_normal((60, 2, 6144)))


def of(found, name):
    return np.array(found.constraint) == name


def probability(made, inputs):
    with torch.no_grad():
        return torch.sigmoid(made(torch.from_numpy(inputs))).numpy()


# --- preimages


def test_target_is_a_tenth_of_a_second_in_the_middle_of_one_second():
    target = preimages.target()
    assert (len(target), target.sum()) == (2049, 204)
    assert np.flatnonzero(target)[[0, -1]].tolist() == [1024 - 102, 1024 + 101]


def test_each_of_the_five_constraints_holds_on_what_is_saved(found):
    assert found.constraint == [name for name in preimages.CONSTRAINTS for _ in range(2)]
    assert found.example.tolist() == [7, 9] * 5
    added, outside = found.inputs - found.original, np.ones(6144, dtype=bool)
    outside[MIDDLE] = False
    assert (added[of(found, "gw_like")][..., outside] == 0).all()
    assert (added[of(found, "gw_like")][..., ~outside] != 0).any()
    assert (added[of(found, "minimal_perturbation")][..., MIDDLE] == 0).all()
    assert (found.inputs[of(found, "positive_strain")] >= 0).all()
    assert (found.inputs[of(found, "zero_coalescence")][..., 3072 - 256 : 3072 + 256] == 0).all()
    assert np.abs(found.inputs[of(found, "minimal_amplitude")]).max() <= np.float32(0.08)
    assert found.holds.all()


def test_saved_output_belongs_to_the_saved_input(found):
    assert np.abs(probability(network(), found.inputs) - found.output).max() < 1e-6


def test_loss_falls(noise):
    found = preimages.preimages(network(2, 8), noise[:1], [7], steps=25, seed=3)
    assert (found.losses[-1] < found.losses[0]).all()
    assert found.losses.shape == (25, 5)


def test_published_order_breaks_constraints_and_parts_inputs_from_outputs(noise):
    """Regression: the original saved inputs that were one step ahead of constraint and output (spec A4)."""
    found = preimages.preimages(network(), noise, [7, 9], recipe="faithful", steps=6, seed=3)
    off = np.abs(probability(network(), found.inputs) - found.output).max(axis=1)
    for name in ("positive_strain", "zero_coalescence", "minimal_amplitude"):
        assert not found.holds[of(found, name)].any(), name
        assert (off[of(found, name)] > 1e-5).all(), name
    # The sum of noise and signal is formed before the pass, so there the output belongs to the input; but the
    # constraint ends after half or four fifths of the steps.
    for name in ("gw_like", "minimal_perturbation"):
        assert (off[of(found, name)] < 1e-6).all()
        assert not found.holds[of(found, name)].any()


def test_published_weights_are_smoothed_across_the_edge_and_ours_keep_off_it():
    rule = preimages.CONSTRAINTS["zero_coalescence"].rule
    published, ours = rule.weights("faithful"), rule.weights("corrected")
    # Box of 7: the first sample inside the window sees three ones outside.
    assert published[3072 - 256] == pytest.approx(3 / 7)
    assert published[0] == pytest.approx(4 / 7)  # zeros beyond the end
    assert ours[3072 - 256] == 0
    assert ours[3072 - 256 - 1] == pytest.approx(1 / 7)
    assert ours[[0, -1]].tolist() == [1, 1]
    gw_like = preimages.CONSTRAINTS["gw_like"].rule.weights("faithful")
    assert gw_like[1000] == pytest.approx(0.01)
    assert gw_like[3072] == pytest.approx(1)


def test_examples_and_constraints_of_one_batch_do_not_influence_each_other(noise, found):
    alone = preimages.preimages(network(), noise[1:], [9], ["gw_like", "minimal_amplitude"], steps=6, seed=3)
    small = preimages.preimages(network(), noise, [7, 9], steps=6, seed=3, rows_at_once=3)
    for name in ("gw_like", "minimal_amplitude"):
        both = found.inputs[of(found, name) & (found.example == 9)]
        assert np.abs(alone.inputs[of(alone, name)] - both).max() < 1e-5
    assert np.abs(small.inputs - found.inputs).max() < 1e-5


def test_start_depends_on_example_and_seed_alone(noise):
    same = np.stack([noise[0], noise[0]])
    first = preimages.preimages(network(), same, [1, 2], ["gw_like"], steps=1, seed=0)
    other = preimages.preimages(network(), same[:1], [1], ["gw_like"], steps=1, seed=1)
    added = first.inputs - first.original
    assert np.abs(added[0] - added[1]).max() > 0.1
    assert np.abs(added[0] - (other.inputs - other.original)[0]).max() > 0.1


def test_network_is_left_as_it_was(noise):
    made = network().train()
    made.blocks[0].eval()
    made.output.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    preimages.preimages(made, noise[:1], [7], ["positive_strain"], steps=2)
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert (made.training, made.blocks[0].training, made.blocks[1].training) == (True, False, True)
    assert not made.output.weight.requires_grad
    assert made.input.weight.requires_grad
    assert all(parameter.grad is None for parameter in made.parameters())


def test_broken_preimages_are_named(found):
    with pytest.raises(ConstraintBroken, match="output that is"):
        preimages.check(network(), found._replace(output=found.output * 0.5))
    with pytest.raises(ConstraintBroken, match="gw_like of example 7"):
        preimages.check(network(), found._replace(holds=np.zeros(10, dtype=bool)))


def test_bad_input_is_named(noise):
    with pytest.raises(BadSetting, match="names among"):
        preimages.preimages(network(), noise, [7, 9], ["no_such"])
    with pytest.raises(GridMismatch, match="expected \\(example, detector, 6144\\)"):
        preimages.preimages(network(), noise[..., :6000], [7, 9])
    with pytest.raises(GridMismatch, match="receptive field of 4096"):
        preimages.preimages(network(n_blocks=3), noise, [7, 9], steps=1)


def test_success_needs_the_target_and_the_constraint(found):
    perfect = np.tile(preimages.target(), (10, 1))
    held = np.arange(10) % 2 == 0
    metrics = preimages.success_metrics(found._replace(output=perfect, holds=held))
    assert {entry["value"] for entry in metrics.values()} == {0.5}
    assert metrics["gw_like_success"]["n"] == 2
    assert preimages.reached(perfect).all()
    assert not preimages.reached(np.ones((1, 2049)))[0]
    assert not preimages.reached(np.zeros((1, 2049)))[0]


def test_table_has_every_sample_and_outputs_at_their_input_samples(found):
    table = preimages.preimage_table(found)
    assert len(table) == 10 * 6144
    row = table[(table["constraint"] == "gw_like") & (table["example"] == 9)].set_index("sample")
    assert row["output"].first_valid_index() == 2047
    assert row["output"].last_valid_index() == 4095
    assert row["target"].idxmax() == 2047 + 922
    assert row.loc[3071, "output"] == pytest.approx(found.output[1, 1024])
    assert row.loc[2048, "time_s"] == 1.0
    assert np.array_equal(row["L1_original"].to_numpy(), found.original[1, 1])


# --- SNR, likelihood, overlap


def test_squares_of_a_whitened_template_are_the_snr_of_pycbc(bank):
    from pycbc.filter import sigma
    from pycbc.psd import from_string
    from pycbc.waveform import get_td_waveform

    for template in bank[:3]:
        plus, _ = get_td_waveform(
            approximant="SEOBNRv4_opt",
            **template.parameters,
            delta_t=1 / 4096,
            f_lower=18.0,
            distance=100.0,
        )
        plus.resize(16 * 4096)
        psd = from_string(PRIOR["psd"], 8 * 4096 + 1, 1 / 16, 10.0)
        expected = sigma(plus, psd, low_frequency_cutoff=20.0, high_frequency_cutoff=1024.0)
        assert np.sqrt((template.series[0, 0] ** 2).sum()) == pytest.approx(expected, rel=0.02)


def test_snr_does_not_depend_on_how_the_data_are_scaled():
    """Noise of any standard deviation is the unit: a sinusoid in it keeps its ratio to the noise."""
    rng = np.random.default_rng(5)
    wave = 0.5 * np.sin(2 * np.pi * 100 * np.arange(6144) / 2048) * np.ones((1, 2, 1))
    for scale in (1.0, 33.0):
        model = measures.calibrate(scale * rng.standard_normal((80, 2, 6144)))
        assert measures.optimal_snr(scale * wave, model)[0] == pytest.approx(
            [np.sqrt(6144 * 0.125)] * 2, rel=0.02
        )
    low = np.sin(2 * np.pi * 10 * np.arange(6144) / 2048) * np.ones((1, 2, 1))
    assert measures.optimal_snr(low, model).max() < 0.01


def test_conditioned_injections_have_their_nominal_snr():
    """From raw strain on: a signal added before whitening keeps the SNR that it was given."""
    from skyneedle.strain import preprocess
    from skyneedle.strain.simulate import examples
    from skyneedle.strain.simulate.settings import Settings

    settings = Settings(share_injection=1.0, snr_range=(10.0, 10.0), glitches={}, position_s=4.0)
    segments, added = [], []
    for number in range(10):
        example = examples.example(number, settings, 1)
        both = preprocess.condition(np.stack([example.raw, example.raw - example.signal]), "corrected")
        crop = preprocess.crop(both, "corrected") / 32
        segments += [crop[1, :, :6144], crop[1, :, 6144:12288]]
        # Half the difference of adding and subtracting: the signal's part in the PSD cancels at first order.
        less = preprocess.crop(
            preprocess.condition(example.raw - 2 * example.signal, "corrected"), "corrected"
        )
        added.append((crop[0] - less / 32)[:, 4096:10240] / 2)
    model = measures.calibrate(np.stack(segments))
    snr = np.sqrt((measures.optimal_snr(np.stack(added), model) ** 2).sum(axis=1))
    # 3 s hold nearly all of it; the PSD that whitens is measured on 16 s and scatters.
    assert snr.mean() == pytest.approx(10, rel=0.04)


def test_chi_squared_of_white_noise_is_standard_normal(white):
    x = np.random.default_rng(6).standard_normal((150, 2, 6144))
    found = measures.noise_likelihood(x, white)
    for name, values in found.items():
        if name.startswith("chi2_z"):
            assert abs(values.mean()) < 0.6, name
            # Below 20 Hz the unit is the median deviation of 60 noise examples, which scatters itself.
            assert 0.8 < values.std() < (1.6 if name.endswith("below_20hz") else 1.25), name
    assert abs(found["noise_loglik_z"].mean()) < 0.6
    assert 0.6 < found["noise_loglik_z"].std() < 1.5
    assert 0.3 < found["noise_share_beyond"].mean() < 0.7


def test_excess_shows_in_its_band_and_quiet_input_on_the_other_side(white):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((3, 2, 6144))
    x[0] += 0.5 * np.sin(2 * np.pi * 100 * np.arange(6144) / 2048)
    x[1] += 0.3  # what no high-passed strain has
    x[2] *= 0.05
    found = measures.noise_likelihood(x, white)
    assert found["chi2_z_64_256hz"][0] > 10
    assert abs(found["chi2_z_256_1024hz"][0]) < 4
    assert found["chi2_z_below_20hz"][1] > 10
    assert abs(found["noise_loglik_z"][1]) < 4
    assert found["noise_loglik_z"][0] < -3
    assert found["noise_loglik_z"][2] > 30
    assert found["noise_share_beyond"][2] == 0


def test_a_glitch_in_one_calibration_segment_does_not_change_the_noise(white):
    rng = np.random.default_rng(2)
    segments = rng.standard_normal((60, 2, 6144))
    segments[0, :, 3000:3100] += 50
    loud = measures.calibrate(segments)
    assert np.abs(loud.power / white.power - 1).max() < 0.1


def test_overlap_of_a_template_with_itself_is_one_and_of_noise_small(bank, white):
    series = np.stack([[template.series[0, 0], np.roll(template.series[1, 1], 12)] for template in bank])
    placed = contrived.place_signals(series, np.full(len(bank), 10.0), white)
    found = measures.likeness(measures.whitened(placed, white), bank)
    assert (found.network > 0.995).all()
    assert (found.network <= 1).all()
    assert (found.single > 0.995).all()
    assert found.template.tolist() == list(range(len(bank)))
    assert (found.event == preimages.EVENT).all()
    noise = np.random.default_rng(8).standard_normal((10, 2, 6144))
    assert measures.likeness(measures.whitened(noise, white), bank).network.max() < 0.12
    assert measures.likeness(np.zeros((1, 2, 6144)), bank).network.tolist() == [0]


def test_overlap_needs_detectors_within_the_light_travel_time(bank, white):
    late = [[bank[0].series[0, 0], np.roll(bank[0].series[1, 0], 150)]]
    placed = contrived.place_signals(np.stack(late), np.array([10.0]), white)
    found = measures.likeness(measures.whitened(placed, white), bank[:1])
    assert found.single.min() > 0.99
    assert found.network[0] < 0.9


def test_signals_of_the_prior_are_near_the_bank_and_arrive_within_ten_milliseconds(bank, white):
    signals = banks.signals(6, PRIOR, DETECTORS, "corrected", 1)
    placed = contrived.place_signals(signals, np.full(6, 12.0), white)
    assert np.sqrt((measures.optimal_snr(placed, white) ** 2).sum(axis=1)) == pytest.approx(12, rel=1e-4)
    found = measures.likeness(measures.whitened(placed, white), bank)
    assert np.median(found.network) > 0.8
    peak = np.abs(signals).argmax(axis=-1)
    assert np.abs(peak - banks.BEFORE).max() < 100


def test_bank_depends_on_its_seed_and_numbers_alone(bank):
    again = banks.template_bank(3, PRIOR, DETECTORS, "corrected", 1)
    assert all(np.array_equal(one.series, two.series) for one, two in zip(again, bank[:3], strict=True))
    assert banks.template_bank(1, PRIOR, DETECTORS, "corrected", 2)[0].parameters != bank[0].parameters


def test_templates_are_whitened_by_the_noise_that_the_data_are_made_of():
    """PyCBC's curve against that of the simulation, which the faithful recipe folds at 1024 Hz."""
    from skyneedle.strain.simulate.noise import noise_psd

    psd = noise_psd(PRIOR["psd"])
    for recipe, expected in (("corrected", psd[:4097]), ("faithful", psd[:4097] + psd[4096:][::-1])):
        ratio = banks._asd(PRIOR["psd"], "psd", recipe)[::4] ** 2 / expected
        inside = (np.arange(4097) > 80) & (np.arange(4097) < 4096)
        assert np.abs(ratio[inside] - 1).max() < 0.03, recipe  # its ripple
    with pytest.raises(BadSetting, match="noise curve"):
        banks._asd("no_such_curve", "psd", "corrected")


# --- tables


def test_summary_has_medians_intervals_and_shares():
    rows = [("preimage", "gw_like", n, n / 10) for n in range(10)] + [
        ("noise", "", n, 0.05) for n in range(4)
    ]
    table = pd.DataFrame(rows, columns=["kind", "constraint", "example", "overlap_best"])
    for name in contrived.QUANTITIES[1:]:
        table[name] = table["overlap_best"] * 2
    summary = contrived.summarise(table, n_bootstrap=200)
    at = summary.set_index(["kind", "constraint", "quantity"])
    entry = at.loc["preimage", "gw_like", "overlap_best"]
    assert entry["value"] == pytest.approx(0.45)
    assert 0.15 < entry["low"] < 0.45 < entry["high"] < 0.75
    assert at.loc[("preimage", "gw_like", "overlap_above_0.5"), "value"] == pytest.approx(0.4)
    assert at.loc[("noise", "", "overlap_above_0.9"), "high"] > 0
    metrics = contrived.summary_metrics(summary)
    assert metrics["gw_like_overlap_best"]["value"] == pytest.approx(0.45)
    assert metrics["noise_overlap_best"]["n"] == 4


@pytest.fixture
def testing_set(tmp_path):
    rng, n = np.random.default_rng(9), 14
    table = pd.DataFrame({"id": 100 + np.arange(n), "label": (np.arange(n) < 2).astype(int), "glitch": ""})
    strain = 32 * rng.standard_normal((n, 2, 16384)).astype(np.float32)
    store.write(tmp_path / "testing.h5", {"strain": strain}, table, {"detectors": list(DETECTORS)})
    save_file(network().state_dict(), tmp_path / "seed0.safetensors")
    card = {"name": "fcn", "source": "fcn", "options": {"detectors": 2, "channels": 4}}
    card |= {"registry": "skyneedle.strain.networks"}
    card["normalisation"] = {"mean": [0.0, 0.0], "std": [32.0, 32.0], "detectors": list(DETECTORS)}
    (tmp_path / "seed0.json").write_text(json.dumps(card))
    return tmp_path


def test_everything_is_written_and_again_the_same(testing_set):
    names = {"preimages": "parquet", "contrived": "csv", "receptive_field": "csv", "connectivity": "csv"}
    names |= {"preimages_metrics": "json", "contrived_metrics": "json"}
    settings = {"n_examples": 2, "steps": 2, "n_templates": 2, "n_reference": 6}
    written = []
    for run in ("one", "two"):
        paths = {name: testing_set / run / f"{name}.{ending}" for name, ending in names.items()}
        contrived.write(
            testing_set / "seed0.safetensors",
            [testing_set / "testing.h5"],
            settings,
            PRIOR,
            "corrected",
            1,
            SimpleNamespace(**paths),
        )
        written.append({name: path.read_bytes() for name, path in paths.items()})
    assert written[0] == written[1]
    table = pd.read_csv(paths["contrived"], keep_default_na=False)
    assert table["kind"].value_counts().to_dict() == {"preimage": 10, "injection": 6, "noise": 6}
    needed = ["overlap_best", "optimal_snr", "noise_loglik_z", "chi2_z", "output_peak"]
    assert np.isfinite(table[needed].to_numpy(float)).all()
    injected = table[table["kind"] == "injection"]
    assert injected["optimal_snr"].between(5, 20).all()
    # Noise that preimages start from is not what they are held against.
    assert not set(table["example"][table["kind"] == "preimage"]) & set(injected["example"])
    assert len(pd.read_parquet(paths["preimages"])) == 10 * 6144
    assert pd.read_csv(paths["receptive_field"])["receptive_field"].tolist() == [2**n for n in range(13)]
    assert "gw_like_success" in json.loads(paths["preimages_metrics"].read_text())
    assert json.loads(paths["contrived_metrics"].read_text())["minimal_perturbation_overlap_best"]["n"] == 2


def test_too_little_noise_and_missing_detectors_are_named(testing_set):
    data = store.DataSet(testing_set / "testing.h5")
    scale = {"mean": [0.0] * 2, "std": [32.0] * 2, "detectors": ["H1", "L1"]}
    with pytest.raises(OneClassOnly, match="raise n_examples"):
        contrived.choose_noise(data, scale, 11, 6, 0)
    with pytest.raises(DetectorMismatch, match="no strain of V1"):
        contrived.choose_noise(data, scale | {"detectors": ["H1", "V1"]}, 2, 6, 0)
    with pytest.raises(OneClassOnly, match="too few to know the noise"):
        measures.calibrate(np.zeros((2, 2, 6144)))


# --- receptive field


def test_the_network_sees_4096_samples_and_three_blocks_see_8():
    assert receptive_field.receptive_field(network(), 4200) == (4096, 0, 4095)
    assert receptive_field.receptive_field(network(n_blocks=3), 64) == (8, 0, 7)


def test_every_block_doubles_the_field_and_the_third_joins_every_value_once():
    made = network(channels=8, n_blocks=6).train()
    fields = receptive_field.layer_receptive_fields(made)
    assert fields.receptive_field["receptive_field"].tolist() == [1, 2, 4, 8, 16, 32, 64]
    used = fields.connectivity[fields.connectivity["connected"] == 1].groupby("layer")["unit"].agg(list)
    assert used.to_dict() == {0: list(range(4, 12)), 1: [4, 6, 8, 10], 2: [4, 8], 3: [4]}
    assert fields.connectivity.groupby("layer").size().tolist() == [16, 15, 13, 9]
    assert made.training


def test_layers_of_a_network_of_ones_own_are_found_by_hooks_that_go_again():
    torch.manual_seed(0)
    own = torch.nn.Sequential(
        torch.nn.Conv1d(2, 8, 3), torch.nn.Tanh(), torch.nn.Conv1d(8, 1, 5, dilation=2), torch.nn.Flatten(1)
    )
    fields = receptive_field.layer_receptive_fields(own)
    # 3 samples, then 5 values two samples apart: 11 in all, without holes.
    assert fields.receptive_field["receptive_field"].tolist() == [1, 3, 11]
    assert receptive_field.receptive_field(own, 100).n == 11
    assert not any(module._forward_hooks for module in own.modules())


def test_layers_are_those_of_the_network_itself():
    """The blocks, called one by one, give what the network gives."""
    made = network(channels=8, n_blocks=5)
    x = torch.randn(2, 2, 100)
    with torch.no_grad():
        last = receptive_field._layers(made, x)[-1]
        assert torch.allclose(made.output(last)[:, 0], made(x), atol=1e-5)
