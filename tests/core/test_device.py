"""What `set_up` refuses on a machine without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

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


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HUGE_PAGES = """
import re, sys
import torch, torch._dynamo  # what a fork server has in memory
from thirtytwo.core.device import set_up
from thirtytwo.settings.configs import Compute
set_up(Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=True))
large = torch.ones(1 << 22)
print(sum(int(kib) for kib in re.findall(r"AnonHugePages: +([0-9]+)", open("/proc/self/smaps").read())))
"""


@pytest.mark.skipif(
    not HUGE.exists() or "[madvise]" not in HUGE.read_text(), reason="the kernel gives no pages on request"
)
def test_large_tensors_lie_in_huge_pages():
    environment = {key: value for key, value in os.environ.items() if key != "THP_MEM_ALLOC_ENABLE"}
    done = subprocess.run(
        [sys.executable, "-c", HUGE_PAGES], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 8 << 10  # KiB of the 16 MiB; under pressure the kernel has fewer
