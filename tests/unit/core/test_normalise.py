import torch
from torch import nn

from skyneedle.core import normalise


def stack() -> nn.Sequential:
    torch.manual_seed(3)
    inner = nn.Sequential(nn.Conv2d(5, 4, 3), nn.ReLU())
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU(), inner, nn.Flatten(), nn.Linear(4 * 6 * 6, 2))


def test_folded_network_gives_the_same_answers_with_the_parameters_of_its_definition():
    network = stack()
    names = {name: value.shape for name, value in network.state_dict().items()}
    normalise.attach(network)
    x = 3 + 2 * torch.randn(16, 2, 10, 10)
    for _ in range(30):  # running statistics move away from where they start
        network(x + torch.randn(()))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    network.eval()
    before = network(x)
    normalise.fold(network)
    assert {name: value.shape for name, value in network.state_dict().items()} == names
    torch.testing.assert_close(network(x), before, rtol=1e-5, atol=1e-5)


def test_normalised_maps_have_mean_0_and_variance_1_in_training():
    network = stack()
    normalise.attach(network)
    maps = network[0](5 + 7 * torch.randn(8, 2, 10, 10))
    torch.testing.assert_close(maps.mean((0, 2, 3)), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(maps.var((0, 2, 3), correction=0), torch.ones(5), atol=1e-3, rtol=0)


def test_a_convolution_that_has_its_own_normalisation_is_left_alone():
    network = nn.Sequential(nn.Conv2d(2, 5, 3, bias=False), nn.BatchNorm2d(5), nn.Conv1d(2, 3, 1))
    normalise.attach(network)
    assert isinstance(network[0], nn.Conv2d)
    assert isinstance(network[2], normalise.Normalised)
    normalise.attach(network)
    assert isinstance(network[2].conv, nn.Conv1d)  # once is enough
