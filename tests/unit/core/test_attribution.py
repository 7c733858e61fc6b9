"""Gradient steps on inputs: by hand, and what must not depend on what."""

import pytest
import torch
from torch import nn

from skyneedle.core import attribution
from skyneedle.core.errors import BadSetting


def _towards(goal):
    def objective(x):
        return (x - goal).square().flatten(1).mean(dim=1), x.sum(dim=tuple(range(1, x.ndim)))

    return objective


@pytest.mark.parametrize("shape", [(3, 2, 50), (2, 3, 8, 8)])
def test_series_and_images_reach_the_minimum(shape):
    start = torch.zeros(shape)
    ended = attribution.ascend(_towards(2.0), start, steps=80)
    assert ended.inputs.shape == shape
    assert torch.allclose(ended.inputs, torch.full(shape, 2.0), atol=0.05)
    assert ended.losses.shape == (80, shape[0])
    assert (ended.losses[-1] < 1e-2 * ended.losses[0]).all()
    assert (start == 0).all()


def test_first_step_is_the_learning_rate_whatever_the_gradient():
    """Adam's first step has the size of the learning rate: 0.3, towards the minimum."""
    ended = attribution.ascend(_towards(100.0), torch.zeros(1, 4), steps=1, settle=False)
    assert torch.allclose(ended.inputs, torch.full((1, 4), 0.3), atol=1e-6)
    assert (ended.judged == 0).all()
    assert ended.outputs.item() == 0  # of the inputs before the step, as published


def test_settled_inputs_obey_and_their_outputs_are_their_own():
    def positive(x, step):
        return x.clamp(min=0)

    start = torch.zeros(2, 5)
    loose = attribution.ascend(_towards(-1.0), start, positive, steps=3, settle=False)
    assert (loose.inputs < 0).any()
    settled = attribution.ascend(_towards(-1.0), start, positive, steps=3)
    assert (settled.inputs >= 0).all()
    assert torch.equal(settled.judged, settled.inputs)
    assert torch.equal(settled.outputs, settled.inputs.sum(dim=1))


def test_constraint_is_told_the_step():
    seen = []
    attribution.ascend(_towards(1.0), torch.zeros(1, 2), lambda x, step: seen.append(step) or x, steps=4)
    assert seen == [0, 1, 2, 3, 3]


def test_examples_do_not_influence_each_other():
    goal = torch.tensor([[1.0, -3.0], [200.0, 5.0], [0.0, 0.1]])
    start = torch.ones(3, 2)
    together = attribution.ascend(_towards(goal), start, steps=10).inputs
    for number in range(3):
        one = slice(number, number + 1)
        alone = attribution.ascend(_towards(goal[one]), start[one], steps=10).inputs
        assert torch.equal(alone, together[one])


def test_frozen_network_gets_its_state_back_even_after_an_error():
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 1))
    network[0].weight.requires_grad_(False)
    network[2].eval()
    with attribution.frozen(network):
        assert not network[1].training
        assert not any(parameter.requires_grad for parameter in network.parameters())

    def fail():
        with attribution.frozen(network):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [module.training for module in network] == [True, True, False]
    assert [p.requires_grad for p in network.parameters()] == [False, True, True, True]


def test_bad_losses_are_named():
    with pytest.raises(BadSetting, match="nan"):
        attribution.ascend(lambda x: (x.sum(1) * float("nan"), x), torch.ones(1, 2), steps=2)
    with pytest.raises(BadSetting, match="one number for each"):
        attribution.ascend(lambda x: (x.mean(), x), torch.ones(2, 2), steps=2)
    with pytest.raises(BadSetting, match="steps is 0"):
        attribution.ascend(_towards(1.0), torch.ones(2, 2), steps=0)
