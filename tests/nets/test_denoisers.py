"""AttentionUNet and ConvDenoiser: sizes against the published report, attention against torch, conditioning."""

import pytest
import torch

from thirtytwo.nets.attention_unet import AttentionUNet, SelfAttention
from thirtytwo.nets.conv_denoiser import ConvDenoiser


def attention_unet(width=8, multipliers=(1, 2, 2), middle=2, classes=0):
    return AttentionUNet(
        channels=3, width=width, width_multipliers=list(multipliers), middle=middle, heads=4, classes=classes
    )


def conv_denoiser(classes=0):
    return ConvDenoiser(channels=3, width=8, width_multipliers=[1, 2, 2], classes=classes)


def parameters(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("width", "multipliers", "middle", "published"),
    [(64, [1, 2, 4, 4], 3, 23_332_729), (32, [1, 2, 4], 2, 3_062_531)],
)
def test_sizes_equal_those_of_the_report(width, multipliers, middle, published):
    assert parameters(attention_unet(width, multipliers, middle)) == pytest.approx(published, rel=0.01)


def test_attention_equals_torchs_multihead_attention():
    torch.manual_seed(0)
    ours, theirs = SelfAttention(16, 4), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.qkv.weight.data, ours.qkv.bias.data
    theirs.out_proj.load_state_dict(ours.project.state_dict())
    x = torch.randn(2, 16, 4, 4)
    rows = x.flatten(2).transpose(1, 2)
    h = rows + theirs(*[ours.norm(rows)] * 3)[0]
    expected = (h + ours.feed_forward(h)).transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(ours(x), expected)


@pytest.mark.parametrize("build", [attention_unet, conv_denoiser])
def test_output_depends_on_time_and_label(build):
    torch.manual_seed(0)
    net, x = build(classes=3).double(), torch.randn(1, 3, 32, 32, dtype=torch.float64)
    outputs = [net(x, torch.tensor([t]), torch.tensor([label])) for t, label in [(1, 0), (20, 0), (1, 1), (1, 3)]]
    assert all((outputs[i] - outputs[j]).abs().max() > 1e-4 for i in range(4) for j in range(i))


@pytest.mark.parametrize("build", [attention_unet, conv_denoiser])
def test_images_of_a_batch_are_independent_and_all_parameters_have_gradients(build):
    torch.manual_seed(0)
    net, t = build().double(), torch.tensor([5, 100, 900])
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    together = net(x, t, None)
    torch.testing.assert_close(together, torch.cat([net(x[i : i + 1], t[i : i + 1], None) for i in range(3)]))
    (together**2).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


@pytest.mark.parametrize("build", [attention_unet, conv_denoiser])
def test_labels_without_classes_are_rejected(build):
    with pytest.raises(ValueError, match="labels are given exactly when"):
        build()(torch.zeros(1, 3, 32, 32), torch.tensor([1]), torch.tensor([1]))
