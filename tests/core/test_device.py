"""What `set_up` refuses on a machine without a GPU."""

import sys

import pytest
import torch

from thirtytwo.core.device import set_up, tf32
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.configs import Compute

COMPUTE = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=False)


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the process as it is."""
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(torch, "set_flush_denormal", lambda flush: True)


@pytest.mark.parametrize(
    "change", [{"precision": "bfloat16"}, {"precision": "tf32"}, {"compile": True}, {"device": "cuda"}]
)
def test_what_a_cpu_cannot_do_is_refused_by_its_key(change, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False})
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ParamsError, match=rf"^compute\.{next(iter(change))}: "):
        set_up(COMPUTE.model_copy(update=change))


def test_bfloat16_needs_a_processor_that_multiplies_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert set_up(COMPUTE.model_copy(update={"precision": "bfloat16"})) == torch.device("cpu")
    with pytest.raises(ParamsError, match=r"^compute\.precision: tf32 needs CUDA, this"):
        set_up(COMPUTE.model_copy(update={"precision": "tf32"}))


def test_an_existing_compiler_will_do(monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)
    assert set_up(COMPUTE.model_copy(update={"compile": True})) == torch.device("cpu")


def test_float32_is_float32_except_inside_tf32(monkeypatch):
    def allowed():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # torch's default
    set_up(COMPUTE)
    assert allowed() == (False, False)
    with tf32(True):
        assert allowed() == (True, True)
    assert allowed() == (False, False)
    with tf32(False):
        assert allowed() == (False, False)
