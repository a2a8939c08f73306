import io
import os
from pathlib import Path

import pytest
from tqdm import tqdm

from thirtytwo.repro.output import Progress, as_shown, captured, progress


def bar(**options: object) -> str:
    stream = io.StringIO()
    with tqdm(total=40, file=stream, ncols=100, **options) as shown:
        shown.update(10)
        shown.set_postfix_str("loss=0.5, kl=2")
    return stream.getvalue().split("\r")[-1]


def test_reads_the_bar_that_tqdm_prints() -> None:
    seen = progress(bar(desc="train vae", unit="step"))
    assert (seen.text, seen.percent, seen.steps, seen.terms) == ("train vae", 25, "10/40", "loss=0.5, kl=2")
    assert seen.left == "00:00"
    assert progress(bar()).text == ""


def test_another_line_is_its_text() -> None:
    assert progress("  resumed at step 3 of 9 ") == Progress("resumed at step 3 of 9")


def test_a_carriage_return_starts_the_line_again() -> None:
    assert as_shown("one\n 1%\r 2%\r 3%\r\nend\n") == "one\n 3%\nend\n"


def test_captures_what_children_print(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "logs/stage.log"
    with capfd.disabled(), captured(log, lambda line: None):
        print("from Python")
        os.system("echo out; echo error >&2; printf '1%%\\r2%%\\n'")
    assert log.read_text(encoding="utf-8") == "from Python\nout\nerror\n2%\n"
