"""LucidUNet against the package whose weights it loads."""

import hashlib

import pytest
import torch

from thirtytwo.nets.lucid_unet import LucidUNet


def listing(net):
    """List the names and shapes of the parameters, one per line."""
    return [f"{name} {list(weight.shape)}" for name, weight in net.state_dict().items()]


def test_published_size():
    # 36.25 M parameters are in the checkpoint; the hash is of the listing of version 0.27.12 of the package.
    net = LucidUNet(channels=3, width=64, width_multipliers=[1, 2, 4, 8])
    assert sum(parameter.numel() for parameter in net.parameters()) == 36_251_779
    lines = "\n".join(sorted(listing(net)))
    assert (
        hashlib.sha256(lines.encode()).hexdigest() == "66247732f4d0131cebb1254751c93ea1af60fa2fe248ce4d30d332451ca6748e"
    )


def test_parameters_have_the_published_names():
    names = {line.rsplit(" [", 1)[0] for line in listing(LucidUNet(channels=3, width=8, width_multipliers=[1, 2]))}
    published = {
        "init_conv.weight", "time_mlp.1.weight", "time_mlp.3.bias", "downs.0.0.mlp.1.weight",
        "downs.0.0.block1.proj.weight", "downs.0.1.block2.norm.bias", "downs.0.2.fn.fn.to_qkv.weight",
        "downs.0.2.fn.fn.to_out.0.bias", "downs.0.2.fn.fn.to_out.1.g", "downs.0.2.fn.norm.g", "downs.0.3.weight",
        "mid_block1.block1.proj.bias", "mid_attn.fn.fn.to_out.weight", "ups.0.0.res_conv.weight", "ups.0.3.1.weight",
        "ups.1.3.bias", "final_res_block.res_conv.bias", "final_conv.weight",
    }  # fmt: skip
    assert published <= names


@pytest.mark.parametrize("multipliers", [[1, 2, 4, 8], [1, 2]])
def test_outputs_equal_those_of_the_package(multipliers):
    package = pytest.importorskip(
        "denoising_diffusion_pytorch.denoising_diffusion_pytorch",
        reason="needs denoising-diffusion-pytorch==0.27.12",
        exc_type=ImportError,
    )
    torch.manual_seed(0)
    theirs = package.Unet(dim=16, dim_mults=tuple(multipliers)).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours = LucidUNet(channels=3, width=16, width_multipliers=multipliers).eval()
    assert sorted(listing(ours)) == sorted(listing(theirs))
    ours.load_state_dict(theirs.state_dict())
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([0, 777])
    with torch.no_grad():
        expected = theirs(x, t)
        torch.testing.assert_close(ours(x, t, None), expected, atol=1e-5 * expected.abs().max().item(), rtol=0)


def test_labels_are_rejected():
    net = LucidUNet(channels=3, width=8, width_multipliers=[1, 2])
    with pytest.raises(ValueError, match="no labels"):
        net(torch.zeros(1, 3, 32, 32), torch.tensor([1]), torch.tensor([1]))
