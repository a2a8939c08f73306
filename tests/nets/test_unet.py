"""The UNet: parameter counts against diffusers, shapes, initialisation, conditioning."""

import pytest
import torch
from diffusers import UNet2DModel

from thirtytwo.nets.unet import UNet

TINY = {
    "channels": 3, "resolution": 32, "patch": 2, "width": 8, "width_multipliers": [1, 2], "blocks": 1,
    "attention_resolutions": [8], "heads": 2, "dropout": 0.0, "time_conditioning": "scale_shift", "classes": 0,
}  # fmt: skip


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


def randomised(**changes):
    """A small network in float64 without zero parameters."""
    torch.manual_seed(0)
    net = UNet(**TINY | changes).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


def test_configuration_of_ho_et_al_has_the_published_parameter_count():
    # google/ddpm-cifar10-32 in diffusers' terms: 35.7 M (Ho et al. 2020, appendix B).
    theirs = UNet2DModel(
        sample_size=32, in_channels=3, out_channels=3, layers_per_block=2, block_out_channels=(128, 256, 256, 256),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), attention_head_dim=256,
    )  # fmt: skip
    changes = {"patch": 1, "width": 128, "width_multipliers": [1, 2, 2, 2], "blocks": 2, "heads": 1}
    ours = UNet(**TINY | changes | {"attention_resolutions": [16], "dropout": 0.1, "time_conditioning": "additive"})
    assert parameters(ours) == parameters(theirs) == 35_746_307


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("patch", [1, 2, 4])
@pytest.mark.parametrize("time_conditioning", ["scale_shift", "additive"])
def test_output_has_the_shape_of_the_input(channels, patch, time_conditioning):
    net = UNet(**TINY | {"channels": channels, "patch": patch, "time_conditioning": time_conditioning})
    assert net(torch.randn(2, channels, 32, 32), torch.tensor([0, 999]), None).shape == (2, channels, 32, 32)


def test_untrained_network_predicts_zero():
    assert UNet(**TINY)(torch.randn(2, 3, 32, 32), torch.tensor([1, 2]), None).abs().max() == 0


def test_output_depends_on_time_and_label():
    net, x = randomised(classes=3), torch.randn(1, 3, 32, 32, dtype=torch.float64)
    outputs = [net(x, torch.tensor([t]), torch.tensor([label])) for t, label in [(1, 0), (2, 0), (1, 1), (1, 3)]]
    for i in range(4):
        for j in range(i):
            assert (outputs[i] - outputs[j]).abs().max() > 1e-4


def test_images_of_a_batch_are_independent():
    net, x, t = randomised(), torch.randn(3, 3, 32, 32, dtype=torch.float64), torch.tensor([5, 100, 900])
    alone = torch.cat([net(x[i : i + 1], t[i : i + 1], None) for i in range(3)])
    torch.testing.assert_close(net(x, t, None), alone)


def test_every_parameter_has_a_gradient():
    net = randomised(classes=2)
    loss = (
        net(torch.randn(2, 3, 32, 32, dtype=torch.float64), torch.tensor([5, 9]), torch.tensor([0, 2])).square().sum()
    )
    loss.backward()
    unused = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert unused == []


@pytest.mark.parametrize("changes", [{"patch": 3}, {"width_multipliers": [1, 1, 1, 1, 1, 1]}])
def test_indivisible_resolution_is_rejected(changes):
    with pytest.raises(ValueError, match="do not divide"):
        UNet(**TINY | changes)


@pytest.mark.parametrize(("classes", "labels"), [(0, torch.tensor([1])), (3, None)])
def test_labels_without_classes_and_the_reverse_are_rejected(classes, labels):
    with pytest.raises(ValueError, match="labels are given exactly when"):
        UNet(**TINY | {"classes": classes})(torch.randn(1, 3, 32, 32), torch.tensor([1]), labels)
