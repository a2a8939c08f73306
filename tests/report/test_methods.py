"""The explanations of methods cover every loss and sampler."""

from typing import get_args

from thirtytwo.report.methods import LOSSES, SAMPLERS
from thirtytwo.settings.diffusion import Sampler
from thirtytwo.settings.edm import EDMSampler
from thirtytwo.settings.flow import FlowSampler
from thirtytwo.settings.gan import GANLoss


def test_every_loss_and_sampler_is_explained():
    assert set(LOSSES) == set(get_args(GANLoss))
    assert set(SAMPLERS) == {*get_args(Sampler), *get_args(FlowSampler), *get_args(EDMSampler)}


def test_the_page_explains_what_its_runs_use(full):
    text = full[1].text
    assert "WGAN-GP: the best critic" in text
    assert "Cross-entropy: where" in text
    assert "Least squares: D has no sigmoid" not in text
    shown = {row["sampler"] for row in full[1].table("sampler", "for it")}
    assert shown == {"DDIM", "DDPM"}
