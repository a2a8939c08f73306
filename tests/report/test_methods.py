"""The explanations of methods cover every loss and sampler."""

import re
from typing import get_args

from thirtytwo.report.methods import LOSSES, SAMPLERS
from thirtytwo.report.wording import sampler_name
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


def test_every_sampler_has_the_name_of_its_paper():
    unnamed = {name for name in SAMPLERS if sampler_name(name) == name}
    assert unnamed == {"consistency"}  # which is called so there


def test_an_index_of_a_symbol_is_lowered_and_code_is_not(full):
    page = (full[0] / "report/index.html").read_text(encoding="utf-8")
    assert "x<sub>t</sub>" in page
    assert not re.search(r"<code>[^<]*<sub>", page)
