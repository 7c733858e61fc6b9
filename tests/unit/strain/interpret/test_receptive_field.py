"""Receptive fields measured by gradients against what two taps and doubling dilations must give."""

import torch

from skyneedle.strain import networks
from skyneedle.strain.interpret import receptive_field as module


def _network(**options):
    torch.manual_seed(0)
    return networks.fcn(channels=4, **options)


def test_every_block_doubles_the_field():
    network = _network()
    table = module.layer_receptive_fields(network).receptive_field
    assert table["layer"].tolist() == list(range(13))
    assert table["receptive_field"].tolist() == [2**layer for layer in range(13)]


def test_whole_network_sees_4096_samples_and_a_small_one_8():
    assert module.receptive_field(_network(), 4200).n == 4096
    assert module.receptive_field(_network(n_blocks=3), 64).n == 8


def test_eight_inputs_four_and_two_values_reach_one_of_the_third_layer():
    table = module.layer_receptive_fields(_network(n_blocks=3)).connectivity
    assert list(table.columns) == ["layer", "unit", "connected"]
    assert table.groupby("layer")["connected"].sum().tolist() == [8, 4, 2, 1]
    used = table[table["connected"] == 1].groupby("layer")["unit"].agg(list)
    start = used[3][0]
    assert used[0] == list(range(start, start + 8))
    assert used[1] == [start, start + 2, start + 4, start + 6]
    assert used[2] == [start, start + 4]


def test_network_is_left_without_hooks_and_as_it_was():
    network = _network(n_blocks=3).train()
    module.layer_receptive_fields(network)
    module.receptive_field(network, 64)
    assert network.training
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
