"""Attribution on the published networks themselves equals captum, not only on a small one."""

import captum.attr
import pytest
import torch

from skyneedle.lenses import networks
from skyneedle.lenses.interpret import gradients, guided
from tests.unit.lenses.interpret import small


@pytest.mark.parametrize("name", ["ou66", "ou200", "ou_jyh", "ou_vis"])
def test_gradients_are_captums(name):
    torch.manual_seed(3)
    network = networks.build(name)
    image = torch.randn(1, len(network.bands), network.size, network.size)
    theirs, layer = small.LogOdds(network).eval(), gradients.last_maps(network)

    def close(ours, expected):
        scale = expected.abs().max()
        torch.testing.assert_close(ours / scale, expected.detach() / scale, rtol=1e-4, atol=1e-6)

    empty = torch.full((len(network.bands),), 0.3)
    baseline = empty[None, :, None, None].expand_as(image)
    expected = captum.attr.IntegratedGradients(theirs).attribute(image, baseline, target=0, n_steps=3)
    close(gradients.integrated_gradients(network, image, empty.tolist(), steps=3), expected)
    expected = captum.attr.GuidedBackprop(theirs).attribute(image, target=0)
    close(guided.guided_gradient(network, image), expected)
    expected = captum.attr.LayerGradCam(theirs, layer).attribute(image, target=0, relu_attributions=True)
    close(gradients.grad_cam(network, image).values, expected[:, 0])
