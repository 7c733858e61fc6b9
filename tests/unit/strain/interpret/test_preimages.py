"""Preimages: constraints hold, outputs belong to inputs, and the published order of steps breaks both."""

import numpy as np
import pytest
import torch

from skyneedle.core.errors import BadSetting, ConstraintBroken, GridMismatch
from skyneedle.strain import networks
from skyneedle.strain.interpret import preimages as module

STEPS = 4


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return networks.fcn(channels=4)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).standard_normal((2, 2, 6144)).astype(np.float32)


@pytest.fixture(scope="module")
def corrected(network, noise):
    return module.preimages(network, noise, [7, 9], steps=STEPS, seed=3)


@pytest.fixture(scope="module")
def faithful(network, noise):
    return module.preimages(network, noise, [7, 9], recipe="faithful", steps=STEPS, seed=3)


def _of(found, constraint):
    return np.array(found.constraint) == constraint


def _output(network, inputs):
    with torch.no_grad():
        return torch.sigmoid(network(torch.from_numpy(inputs))).numpy()


def test_target_is_a_tenth_of_a_second_in_the_middle():
    target = module.target()
    assert target.shape == (2049,)
    assert np.flatnonzero(target)[[0, -1]].tolist() == [922, 1125]
    assert target.sum() == 204


def test_losses_fall_under_every_constraint(corrected):
    first, last = corrected.losses[0], corrected.losses[-1]
    for constraint in module.CONSTRAINTS:
        rows = _of(corrected, constraint)
        assert (last[rows] < first[rows]).all(), constraint


def test_corrected_constraints_hold_exactly(corrected):
    assert corrected.holds.all()
    assert corrected.inputs[_of(corrected, "positive_strain")].min() >= 0
    assert (corrected.inputs[_of(corrected, "zero_coalescence")][..., 3072 - 256 : 3072 + 256] == 0).all()
    assert np.abs(corrected.inputs[_of(corrected, "minimal_amplitude")]).max() <= np.float32(0.08)
    assert corrected.inputs[_of(corrected, "minimal_amplitude")].std() > 0


def test_corrected_output_is_that_of_the_saved_input(network, corrected):
    assert np.abs(_output(network, corrected.inputs) - corrected.output).max() < 1e-5


def test_faithful_saves_inputs_one_step_ahead_of_their_outputs(network, faithful):
    """Regression: the published code constrains before the pass and saves what comes after the last step."""
    assert faithful.inputs[_of(faithful, "positive_strain")].min() < 0
    zero = faithful.inputs[_of(faithful, "zero_coalescence")][..., 3072 - 200 : 3072 + 200]
    assert (zero != 0).any()
    assert np.abs(faithful.inputs[_of(faithful, "minimal_amplitude")]).max() > 0.08
    off = np.abs(_output(network, faithful.inputs) - faithful.output).max(axis=1)
    direct = ~(_of(faithful, "gw_like") | _of(faithful, "minimal_perturbation"))
    assert (off[direct] > 1e-3).all()
    # The published code forms noise + signal before the pass, so these two do belong together.
    assert (off[~direct] < 1e-5).all()


def test_examples_and_constraints_do_not_influence_each_other(network, noise, corrected):
    alone = module.preimages(network, noise[1:], [9], ["zero_coalescence"], steps=STEPS, seed=3)
    row = np.flatnonzero(_of(corrected, "zero_coalescence"))[1]
    assert np.array_equal(alone.inputs[0], corrected.inputs[row])
    smaller = module.preimages(network, noise, [7, 9], steps=STEPS, seed=3, rows_at_once=3)
    assert np.array_equal(smaller.inputs, corrected.inputs)


def test_twice_the_same_and_another_id_another_start(network, noise, corrected):
    again = module.preimages(network, noise, [7, 9], ["gw_like"], steps=STEPS, seed=3)
    assert np.array_equal(again.inputs, corrected.inputs[_of(corrected, "gw_like")])
    other = module.preimages(network, noise, [8, 9], ["gw_like"], steps=STEPS, seed=3)
    assert not np.array_equal(other.inputs[0], again.inputs[0])
    assert np.array_equal(other.inputs[1], again.inputs[1])


def test_weights_and_mode_are_left_as_they_were(noise):
    network = networks.fcn(channels=4).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    module.preimages(network, noise[:1], [1], ["gw_like"], steps=1)
    assert network.training
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_is_not_a_preimage_is_refused(network, corrected):
    broken = corrected._replace(holds=~corrected.holds)
    with pytest.raises(ConstraintBroken, match="does not obey"):
        module.check(network, broken)
    with pytest.raises(ConstraintBroken, match="off what the network gives"):
        module.check(network, corrected._replace(output=1 - corrected.output))


def test_success_needs_constraint_and_output(corrected):
    wanted = np.tile(module.target(), (len(corrected.output), 1))
    perfect = corrected._replace(output=wanted)
    found = module.success_metrics(perfect)
    assert set(found) == {f"{name}_success" for name in module.CONSTRAINTS}
    assert found["positive_strain_success"]["value"] == 1
    assert found["positive_strain_success"]["low"] < 1
    assert {"low", "high", "n", "definition"} <= set(found["gw_like_success"])
    assert module.success_metrics(perfect._replace(holds=~corrected.holds))["gw_like_success"]["value"] == 0
    flat = corrected._replace(output=np.ones_like(wanted))
    assert module.success_metrics(flat)["gw_like_success"]["value"] == 0


def test_table_has_outputs_where_their_inputs_are(corrected):
    table = module.preimage_table(corrected)
    one = table[(table["constraint"] == "gw_like") & (table["example"] == 7)]
    assert len(one) == 6144
    judged = one.dropna(subset=["output"])
    assert judged["sample"].iloc[[0, -1]].tolist() == [2047, 2047 + 2048]
    assert np.allclose(judged["output"], corrected.output[0])
    assert one.loc[one["target"] == 1, "time_s"].mean() == pytest.approx(1.5, abs=0.001)
    assert np.array_equal(one["L1_original"], corrected.original[0, 1])


def test_bad_input_is_named(network, noise):
    with pytest.raises(GridMismatch, match="6144"):
        module.preimages(network, noise[..., :5000], [1, 2], steps=1)
    with pytest.raises(BadSetting, match="loud"):
        module.preimages(network, noise, [1, 2], ["loud"], steps=1)
    with pytest.raises(GridMismatch, match="receptive field"):
        module.preimages(networks.fcn(channels=2, n_blocks=3), noise[:1], [1], ["gw_like"], steps=1)
